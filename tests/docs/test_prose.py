"""Hand-written pages wrap at 120 characters, and what pages and comments point to is there."""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.report import MARK
from tests.docs.markdown import ROOT, every_page, shown, written_by_hand

WIDTH = 120
LINK = re.compile(r"\]\(([^)\s]+)\)")
PAGE = re.compile(r"(?<![\w./*{}+-])[\w./-]+\.md\b")
MODULES = sorted(path for folder in ("letterhead", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.py"))
OTHERS = [
    ROOT / "dev", ROOT / ".importlinter", ROOT / ".pre-commit-config.yaml", ROOT / "pyproject.toml",
    *sorted(path for path in (ROOT / "deploy").rglob("*") if path.is_file()),
    *sorted(path for kind in ("sql", "html", "css", "js", "toml") for path in (ROOT / "letterhead").rglob(f"*.{kind}")),
]  # fmt: skip


def overlong(text: str) -> Iterator[str]:
    """List the lines of prose that are too long; code, tables, pictures and the targets of links are none.

    Nor is what `./dev bench --docs` writes below its mark.
    """
    code = False
    for number, line in enumerate(text.partition(MARK)[0].splitlines(), 1):
        if line.lstrip().startswith("```"):
            code = not code
        prose = LINK.sub("]()", line)
        if not code and not line.lstrip().startswith(("|", "![", "<img ")) and len(prose) > WIDTH:
            yield f"{number}: {len(prose)} characters"


def comments(source: str) -> Iterator[tuple[int, str]]:
    """List the comments and docstrings of a module, each with its line."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            docstring := ast.get_docstring(node)
        ):
            yield node.body[0].lineno, docstring


def sentences(source: str) -> Iterator[tuple[int, str]]:
    """List the texts of a module, each with its line: what it may show to a user."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.lineno, node.value


def missing(texts: Iterator[tuple[int, str]]) -> list[str]:
    """List the pages that the texts name and that are not in the repository."""
    return [f"{line}: {name}" for line, text in texts for name in PAGE.findall(text) if not (ROOT / name).is_file()]


@pytest.mark.parametrize("page", written_by_hand(), ids=shown)
def test_prose_is_wrapped(page: Path) -> None:
    """Prose that people write wraps at 120 characters, so that a diff shows what changed."""
    assert list(overlong(page.read_text("utf-8"))) == []


def test_overlong_prose_is_seen() -> None:
    """A long line of prose is caught; a long link, table, picture or line of code is not."""
    word = "x" * WIDTH
    assert list(overlong(f"a\n{word} y")) == ["2: 122 characters"]
    assert not list(overlong(f"[a]({word})\n| {word} |\n![a picture]({word})\n```\n{word} y\n```\n{MARK}\n{word} y"))


@pytest.mark.parametrize("page", every_page(), ids=shown)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link to a file of the repository leads to one."""
    targets = [target.partition("#")[0] for target in LINK.findall(page.read_text("utf-8"))]
    local = [target for target in targets if target and not re.match(r"[a-z]+:|<", target)]
    assert [target for target in local if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_a_comment_names_pages_that_are_there(path: Path) -> None:
    """A page that a comment or docstring names is in the repository, by its path from the root."""
    source = path.read_text("utf-8")
    assert missing(comments(source)) == []
    if shown(path).startswith("letterhead/"):
        assert missing(sentences(source)) == []


def test_a_page_that_is_not_there_is_seen() -> None:
    """A comment, a docstring and a text that name a page without its path are caught."""
    source = '"""See design.md."""\nx = 1  # security.md says why\nraise Fault("see docs/none.md")\n'
    assert missing(comments(source)) == ["2: security.md", "1: design.md"]
    assert missing(sentences(source)) == ["1: design.md", "3: docs/none.md"]


@pytest.mark.parametrize("path", OTHERS, ids=shown)
def test_a_file_of_settings_names_pages_that_are_there(path: Path) -> None:
    """What is no Python names pages of docs/ that are there."""
    named = re.findall(r"(?<![\w/])docs/[\w./-]+\.md\b", path.read_text("utf-8"))
    assert [name for name in named if not (ROOT / name).is_file()] == []

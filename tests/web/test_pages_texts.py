"""Every English text of the pages stands in one catalogue: none in a template, none in the pages' code, none unused."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from letterhead.web.templating.texts import read_texts

WEB = Path(__file__).parents[2] / "letterhead" / "web"
TEMPLATES = sorted((WEB / "templating" / "templates").glob("*.html"))
MODULES = sorted([*(WEB / "pages").glob("*.py"), *(WEB / "templating").glob("*.py")])
SAID = ("alt", "aria-label", "placeholder", "title", "content", "value", "label")  # attributes that people read
NOT_TEXT = {"light dark", "width=device-width, initial-scale=1", "https://", "on", "yes", "operator"}


def bare(template: str) -> Iterator[str]:
    """List what a reader would see of a template that comes from nowhere else."""
    seen = re.sub(r"{% block (?:width|home|body_data) %}.*?{% endblock %}", "", template)  # a class, addresses
    filled = re.sub(r"{#.*?#}|{%.*?%}|{{.*?}}", "\0", seen, flags=re.DOTALL)
    for told in re.findall(rf"\b(?:{'|'.join(SAID)})=\"([^\"]*)\"", filled):
        yield from told.split("\0")
    yield from re.sub(r"<[^>]*>", "\0", filled).split("\0")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_holds_a_sentence_of_its_own(path: Path) -> None:
    """Between the tags and in what is read aloud there is no word: only marks such as an arrow."""
    words = [text.strip() for text in bare(path.read_text("utf-8"))]
    assert [text for text in words if re.search(r"[A-Za-z]{2}", text) and text not in NOT_TEXT] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_no_page_says_anything_of_its_own(path: Path) -> None:
    """No string of the code is a sentence, but for docstrings, media types and what a program's fault is told by."""
    tree = ast.parse(path.read_text("utf-8"))
    docs = {id(begin) for node in ast.walk(tree) for begin in docstring(node)}
    strings = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docs]
    told = [node.value for node in strings if isinstance(node.value, str) and not raised(tree, node)]
    assert [text for text in told if re.search(r"[A-Za-z][a-z]+ [a-z]+ [a-z]+", text)] == []


def docstring(node: ast.AST) -> Iterator[ast.expr]:
    """Return the docstring that a module, class or function begins with."""
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        yield from (each.value for each in node.body[:1] if isinstance(each, ast.Expr))


def raised(tree: ast.AST, text: ast.Constant) -> bool:
    """Say whether a string is that of a bug, which no reader sees."""
    bugs = (
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "RuntimeError"
    )
    return any(text in ast.walk(bug) for bug in bugs)


def test_every_text_is_in_the_catalogue_and_used() -> None:
    """Templates and pages name only texts that there are, and there are none that nobody names."""
    there = set(read_texts())
    source = "\n".join(path.read_text("utf-8") for path in (*TEMPLATES, *MODULES))
    refused = re.findall(
        r'page_fault\(\s*context, (?:Kind\.[A-Z_]+|fault\.kind|kind), "(\w+)"(?: if [^"]+ else "(\w+)")?', source
    )
    refusals = {
        f"refusal.{name}{end}" for names in refused for name in (*names, "lost") if name for end in ("", "_fix")
    }
    assert refusals <= there
    told = set(re.findall(r"""["']([a-z_]+\.[A-Za-z0-9_-]*)["']""", source)) | refusals
    beginnings = tuple(each for each in told if each.endswith((".", "_"))) + (
        "picture.step_",
        "picture.late_",
        "operations.",
    )
    named = set(re.findall(r"""\bt\(\s*["']([a-z_]+\.[A-Za-z0-9_-]+)["']""", source))
    assert {each for each in named if each not in there and not each.endswith("_")} == set()
    assert {each for each in there if each not in told and not each.startswith(beginnings)} == set()

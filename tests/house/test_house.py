"""Holds the house's own rules: who may import whom, what core may not touch, how small and well named things stay."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import letterhead

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "letterhead").rglob("*.py"))
CORE = sorted((ROOT / "letterhead" / "core").rglob("*.py"))
REFUSED_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "managers", "misc"}
IMPURE_MODULES = {
    "asyncio", "logging", "os", "random", "secrets", "socket", "ssl", "structlog", "subprocess", "threading", "time",
}  # fmt: skip
IMPURE_CALLS = {"now", "today", "utcnow", "uuid1", "uuid4", "open", "input", "print", "urandom"}
FILE_LINES, FUNCTION_LINES = 400, 50

Function = ast.FunctionDef | ast.AsyncFunctionDef


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def impurities(tree: ast.Module) -> Iterator[str]:
    """Lists what in a module of core is not a pure computation, each with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                yield f"{node.lineno}: waits"
            case ast.Import(names=names):
                yield from (f"{node.lineno}: imports {n.name}" for n in names if n.name.split(".")[0] in IMPURE_MODULES)
            case ast.ImportFrom(module=str(module)) if module.split(".")[0] in IMPURE_MODULES:
                yield f"{node.lineno}: imports {module}"
            case ast.ImportFrom(names=names):
                yield from (f"{node.lineno}: imports {n.name}" for n in names if n.name in IMPURE_CALLS)
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)) if called in IMPURE_CALLS:
                yield f"{node.lineno}: calls {called}()"


def excused(lines: list[str], start: int, end: int) -> bool:
    """Tells whether the first comment in these lines says why the piece is long: `# Long because …`."""
    first = next((line for line in lines[start:end] if line.strip().startswith("#")), "")
    return bool(re.match(r"\s*# Long because ", first))


def oversized(source: str) -> Iterator[str]:
    """Lists what in a module is larger than the house allows without saying why."""
    lines = source.splitlines()
    if len(lines) > FILE_LINES and not excused(lines, 0, len(lines)):
        yield f"{len(lines)} lines (at most {FILE_LINES})"
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, Function):
            continue
        start, end = node.lineno - 1, node.end_lineno or node.lineno
        if end - start > FUNCTION_LINES and not excused(lines, start, end):
            yield f"{node.name}() has {end - start} lines (at most {FUNCTION_LINES})"


def test_import_contracts_hold() -> None:
    """Imports run one way: import-linter keeps every contract of .importlinter."""
    linter = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([linter, "--no-cache", "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("path", CORE, ids=shown)
def test_core_does_nothing(path: Path) -> None:
    """Core neither waits nor reads a clock, randomness, the environment, a file or a socket, nor logs."""
    assert list(impurities(parse(path))) == []


@pytest.mark.parametrize(
    "source",
    [
        "async def f(): ...",
        "import os",
        "import os.path",
        "from time import monotonic",
        "import datetime\ndatetime.datetime.now()",
        "from uuid import uuid4",
        "import uuid\nuuid.uuid4()",
        "open('a')",
        "import structlog",
    ],
)
def test_impurity_is_seen(source: str) -> None:
    """Each impure piece is caught, so that the test above can fail."""
    assert list(impurities(ast.parse(source)))


@pytest.mark.parametrize("path", SOURCES, ids=shown)
def test_module_has_a_telling_name(path: Path) -> None:
    """No module or folder is called by a word that says nothing of what is in it."""
    assert not {part.removesuffix(".py") for part in path.relative_to(ROOT).parts} & REFUSED_NAMES


@pytest.mark.parametrize("path", SOURCES, ids=shown)
def test_module_is_small(path: Path) -> None:
    """A file stays within 400 lines and a function within 50, or its first comment says why: `# Long because …`."""
    assert list(oversized(path.read_text("utf-8"))) == []


def test_oversize_is_seen() -> None:
    """A long function is caught, and excused by its first comment."""
    body = "    x = 1\n" * FUNCTION_LINES
    assert list(oversized(f"def f():\n{body}"))
    assert not list(oversized(f"def f():\n    # Long because it is a table.\n{body}"))


@pytest.mark.parametrize("path", SOURCES, ids=shown)
def test_module_says_what_it_knows(path: Path) -> None:
    """Each module begins with a docstring that says what it knows."""
    tree = parse(path)
    assert not tree.body or ast.get_docstring(tree)


def test_versions_agree() -> None:
    """The version that the package tells is the one that it is published under."""
    assert f'\nversion = "{letterhead.__version__}"\n' in (ROOT / "pyproject.toml").read_text("utf-8")


def test_lock_works_behind_any_mirror() -> None:
    """The requirements name no index, no path and no machine, and every line of them is pinned by hash."""
    for name in ("requirements.txt", "requirements-ses.txt", "requirements-dev.txt"):
        text = (ROOT / name).read_text("utf-8")
        assert not re.search(r"://|--find-links|--index|--extra|file:", text), name
        pins = re.findall(r"^[a-z0-9].*?(?=^[a-z0-9]|\Z)", text, re.MULTILINE | re.DOTALL)
        assert pins, name
        assert all("==" in pin and "--hash=sha256:" in pin for pin in pins), name

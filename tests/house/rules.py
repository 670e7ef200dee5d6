"""The rules of the house that no linter knows, each as a function that lists what breaks it below a folder.

`docs/architecture.md` says why they are so. Who may import whom stands in `.importlinter`.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

REFUSED_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "managers", "misc"}
IMPURE_MODULES = {
    "aiobotocore", "aiosmtpd", "aiosmtplib", "aiosqlite", "asyncio", "asyncpg", "dns", "httpcore2", "httpx2", "imaplib",
    "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "select", "shutil", "smtplib", "socket",
    "sqlite3", "ssl", "starlette", "structlog", "subprocess", "tempfile", "threading", "time", "uvicorn", "uvloop",
}  # fmt: skip
IMPURE_CALLS = {
    "now", "today", "utcnow", "uuid1", "uuid4", "open", "input", "print", "urandom", "read_text", "read_bytes",
    "write_text", "write_bytes",
}  # fmt: skip
FACES = ("web", "relay", "cli", "worker.py")
IO_PORTS = ("store", "resolver", "outbound", "provider", "mailer")
FILE_LINES, FUNCTION_LINES, PARAMETERS = 400, 50, 6

Function = ast.FunctionDef | ast.AsyncFunctionDef
Breaks = Iterator[str]


def modules(root: Path, below: str = "") -> Iterator[tuple[str, ast.Module, str]]:
    """Parse every module below a folder; yield its path from `root`, its tree and its text."""
    for path in sorted((root / below).rglob("*.py")) if (root / below).is_dir() else [root / below]:
        text = path.read_text("utf-8")
        yield path.relative_to(root).as_posix(), parse(text), text


@cache
def parse(text: str) -> ast.Module:
    """Parse a module once: the planted faults go through a copy of the whole tree each."""
    return ast.parse(text)


def core_is_pure(root: Path) -> Breaks:
    """The core neither waits nor reads a clock, randomness, the environment, a file or a socket, nor logs."""
    for name, tree, _ in modules(root, "core"):
        for node in ast.walk(tree):
            yield from (f"{name}:{each}" for each in _impurities(node))


def _impurities(node: ast.AST) -> Breaks:
    match node:
        case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
            yield f"{node.lineno} waits"
        case ast.Import(names=names):
            yield from (f"{node.lineno} imports {n.name}" for n in names if n.name.split(".")[0] in IMPURE_MODULES)
        case ast.ImportFrom(module=str(module)) if module.split(".")[0] in IMPURE_MODULES:
            yield f"{node.lineno} imports {module}"
        case ast.ImportFrom(names=names):
            yield from (f"{node.lineno} imports {n.name}" for n in names if n.name in IMPURE_CALLS)
        case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called)) if called in IMPURE_CALLS:
            yield f"{node.lineno} calls {called}()"


def faces_leave_the_store_alone(root: Path) -> Breaks:
    """A face calls operations: it names neither `….store` nor another port of `deps` that does I/O."""
    for face in FACES:
        for name, tree, _ in modules(root, face):
            for node in ast.walk(tree):
                if not isinstance(node, ast.Attribute) or node.attr not in IO_PORTS:
                    continue
                if getattr(node.value, "id", None) == "deps" or getattr(node.value, "attr", None) == "deps":
                    yield f"{name}:{node.lineno} names deps.{node.attr}"


def class_names_are_unique(root: Path) -> Breaks:
    """A class name stands once, with or without an underscore before it."""
    places = defaultdict(list)
    for name, tree, _ in modules(root):
        for node in tree.body:
            match node:
                case ast.ClassDef(name=defined):
                    places[defined.lstrip("_")].append(name)
                case ast.Assign(targets=[ast.Name(id=defined)]) if re.fullmatch(r"_?[A-Z][a-z]\w*", defined):
                    places[defined.lstrip("_")].append(name)  # an alias of a type
                case _:
                    pass
    yield from (f"{name} stands in {', '.join(where)}" for name, where in sorted(places.items()) if len(where) > 1)


def functions_are_small(root: Path) -> Breaks:
    """A file stays within 400 lines and a function within 50, or its first comment says why: `# Long because …`."""
    for name, tree, text in modules(root):
        lines = text.splitlines()
        if len(lines) > FILE_LINES and not _excused(lines):
            yield f"{name} has {len(lines)} lines (at most {FILE_LINES})"
        for node in ast.walk(tree):
            if isinstance(node, Function):
                start, end = node.lineno - 1, node.end_lineno or node.lineno
                if end - start > FUNCTION_LINES and not _excused(lines[start:end]):
                    yield f"{name} {node.name}() has {end - start} lines (at most {FUNCTION_LINES})"


def _excused(lines: list[str]) -> bool:
    first = next((line for line in lines if line.strip().startswith("#")), "")
    return bool(re.match(r"\s*# Long because ", first))


def functions_take_few_parameters(root: Path) -> Breaks:
    """At most six parameters, then a type of its own; a command's are its options, which the command line names."""
    for name, tree, _ in modules(root):
        commands = {node.name for node in tree.body if isinstance(node, Function)} if name.startswith("cli/") else set()
        for node in ast.walk(tree):
            if not isinstance(node, Function) or (node.name in commands and not node.name.startswith("_")):
                continue
            given = node.args
            every = [each.arg for each in (*given.posonlyargs, *given.args, *given.kwonlyargs)]
            every += [each.arg for each in (given.vararg, given.kwarg) if each is not None]
            number = len([each for each in every if each not in ("self", "cls")])
            if number > PARAMETERS:
                yield f"{name} {node.name}() takes {number} parameters (at most {PARAMETERS})"


def modules_have_telling_names(root: Path) -> Breaks:
    """No module or folder is called by a word that says nothing of what is in it."""
    for name, _, _ in modules(root):
        if {part.removesuffix(".py") for part in Path(name).parts} & REFUSED_NAMES:
            yield f"{name} has a name that says nothing"


def modules_have_docstrings(root: Path) -> Breaks:
    """Each module begins with a docstring that says what is in it."""
    yield from (f"{name} has no docstring" for name, tree, _ in modules(root) if not ast.get_docstring(tree))


def docstrings_are_plain(root: Path) -> Breaks:
    """A docstring is an imperative or a noun phrase: what it "knows", "holds" or "says" is a voice of ours."""
    for name, tree, _ in modules(root):
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | Function):
                first = (ast.get_docstring(node) or "").split(" ")[0]
                if first in {"Gives", "Has", "Holds", "Is", "Knows", "Says", "Tells"}:
                    yield f"{name}:{getattr(node, 'lineno', 1)} begins with “{first}”"


def packages_name_their_modules(root: Path) -> Breaks:
    """The docstring of each package names every module and package in it: a stray one belongs nowhere."""
    for init in sorted(root.rglob("__init__.py")):
        folder = init.parent
        named = set(re.findall(r"`(\w+)`", ast.get_docstring(ast.parse(init.read_text("utf-8"))) or ""))
        for path in sorted(folder.iterdir()):
            is_package = (path / "__init__.py").is_file()
            if (path.suffix == ".py" or is_package) and path.stem not in {*named, "__init__", "__main__"}:
                yield f"{path.relative_to(root).as_posix()} is not named in {init.relative_to(root).as_posix()}"


def few_private_functions_are_called_once(root: Path) -> Breaks:
    """Fewer than 12 of 100 functions are private and named just once besides their definition."""
    number, once = 0, 0
    for _, tree, text in modules(root):
        names = re.findall(r"\w+", text)
        for node in ast.walk(tree):
            if isinstance(node, Function):
                number += 1
                once += re.match(r"_[^_]", node.name) is not None and names.count(node.name) == 2
    if number and once / number >= 0.12:
        yield f"{once} of {number} functions are private and called once: fold the small ones back"


RULES: tuple[Callable[[Path], Breaks], ...] = (
    core_is_pure,
    faces_leave_the_store_alone,
    class_names_are_unique,
    functions_are_small,
    functions_take_few_parameters,
    modules_have_telling_names,
    modules_have_docstrings,
    docstrings_are_plain,
    packages_name_their_modules,
    few_private_functions_are_called_once,
)

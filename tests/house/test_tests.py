"""Every test can fail: assertions that hold whatever happens are found in the syntax tree, each kind with a sample.

And what helps the tests is described as the package is.
"""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
SOURCES = sorted(TESTS.rglob("*.py"))
TREES = {path: ast.parse(path.read_text("utf-8"), str(path)) for path in SOURCES}
# What fails by itself where something is not as it should be: pytest's, Playwright's, and a wait with an end.
CHECKS = {"raises", "warns", "fail", "expect", "wait_for", "wait_for_url"}
TRUE_BY_FORM = (ast.Tuple, ast.List, ast.Dict, ast.Set, ast.JoinedStr, ast.Lambda, ast.GeneratorExp, ast.Constant)
# First words of a docstring that says what a function does, and not what to do.
THIRD_PERSON = {
    "Adds", "Asks", "Fills", "Finds", "Gives", "Holds", "Keeps", "Knows", "Lets", "Makes", "Opens", "Publishes", "Puts",
    "Reads", "Returns", "Runs", "Says", "Sends", "Serves", "Sets", "Starts", "Stops", "Takes", "Tells", "Waits",
    "Writes",
}  # fmt: skip
NEVER_EMPTY = {"range", "enumerate", "zip", "sorted", "product", "permutations", "combinations", "items", "values"}

Function = ast.FunctionDef | ast.AsyncFunctionDef
Loop = ast.For | ast.AsyncFor


def called(call: ast.Call) -> str:
    """Return the bare name of what is called."""
    match call.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def functions(trees: Iterable[ast.AST]) -> Iterator[Function]:
    """List all functions, those inside classes and functions too."""
    return (node for tree in trees for node in ast.walk(tree) if isinstance(node, Function))


def calls(node: ast.AST) -> set[str]:
    """Return the bare names of all that is called inside a node."""
    return {called(each) for each in ast.walk(node) if isinstance(each, ast.Call)}


def checking_names(trees: Iterable[ast.AST]) -> set[str]:
    """Return the names of functions that can fail a test: by an assertion, or by what they call."""
    known = list(functions(trees))
    found = CHECKS | {each.name for each in known if any(isinstance(node, ast.Assert) for node in ast.walk(each))}
    inside = {each.name: set[str]() for each in known}
    for each in known:
        inside[each.name] |= calls(each)
    while more := {name for name, names in inside.items() if names & found} - found:
        found |= more
    return found


def checks(node: ast.AST, checking: set[str]) -> bool:
    """Return whether anything inside a node can fail a test."""
    return any(isinstance(each, ast.Assert) for each in ast.walk(node)) or bool(calls(node) & checking)


def has_something(iterable: ast.expr) -> bool:
    """Return whether what a loop goes through is written out: a literal, a constant of the module, a range of them."""
    match iterable:
        case ast.Tuple(elts=elements) | ast.List(elts=elements) | ast.Set(elts=elements):
            return bool(elements)
        case ast.Dict(keys=keys):
            return bool(keys)
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.isupper()
        case ast.Call():
            return called(iterable) in NEVER_EMPTY
        case _:
            return False


def certain_checks(body: Iterable[ast.stmt], checking: set[str]) -> bool:
    """Return whether something is checked whenever these statements run, and not only in a loop that may be empty."""
    for node in body:
        match node:
            case ast.For(iter=iterable, body=inner) | ast.AsyncFor(iter=iterable, body=inner):
                certain = calls(iterable) & checking or (has_something(iterable) and certain_checks(inner, checking))
            case ast.With(items=items, body=inner) | ast.AsyncWith(items=items, body=inner):
                certain = any(checks(each, checking) for each in items) or certain_checks(inner, checking)
            case ast.If(body=inner, orelse=other):
                certain = certain_checks(inner, checking) and certain_checks(other, checking)
            case ast.Try(body=inner, finalbody=last):
                certain = certain_checks([*inner, *last], checking)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                certain = False  # it counts where it is called
            case _:
                certain = checks(node, checking)
        if certain:
            return True
    return False


def is_always_true(test: ast.expr) -> bool:
    """Return whether an asserted expression holds by its form: a tuple, `… or True`, a thing compared with itself."""
    if isinstance(test, TRUE_BY_FORM):
        return True
    for node in ast.walk(test):
        match node:
            case ast.BoolOp(op=ast.Or(), values=values) if any(
                isinstance(each, ast.Constant) and each.value for each in values
            ):
                return True
            case ast.Compare(left=left, comparators=[right]) if not calls(node) and ast.dump(left) == ast.dump(right):
                return True
            case ast.Compare(left=ast.Constant(value="" | b""), ops=[ast.In()]):
                return True
            case ast.Call(args=[wanted, *_]) if called(node) in ("startswith", "endswith") and any(
                isinstance(each, ast.Constant) and each.value in ("", b"") for each in ast.walk(wanted)
            ):
                return True
            case _:
                pass
    return False


def weaknesses(tree: ast.Module, checking: set[str]) -> Iterator[str]:
    """List what in a module of tests cannot fail, each with its line."""
    for node in ast.walk(tree):
        match node:
            case ast.Assert(test=test) if is_always_true(test):
                yield f"{node.lineno}: always true"
            case ast.Call() if called(node) in ("startswith", "endswith") and is_always_true(node):
                yield f"{node.lineno}: every text starts and ends with an empty one"
            case ast.Call(keywords=keywords) if called(node) == "raises" and any(
                each.arg == "match" and isinstance(each.value, ast.Constant) and not each.value.value
                for each in keywords
            ):
                yield f"{node.lineno}: an empty pattern matches every exception"
            case ast.With(items=items, body=[_, _, *_]) | ast.AsyncWith(items=items, body=[_, _, *_]) if any(
                isinstance(each.context_expr, ast.Call) and called(each.context_expr) == "raises" for each in items
            ):
                yield f"{node.lineno}: any of several statements may be what raises"
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) if name.startswith("test_"):
                if not checks(node, checking):
                    yield f"{node.lineno}: {name} checks nothing"
                elif not certain_checks(node.body, checking):
                    yield f"{node.lineno}: {name} checks only in a loop that may be empty"
            case _:
                pass


@pytest.fixture(scope="module")
def checking() -> set[str]:
    """Find what can fail a test, among all functions of the tests."""
    return checking_names(TREES.values())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(TESTS)))
def test_every_test_can_fail(path: Path, checking: set[str]) -> None:
    """No assertion is true by its form, and no test is without one that is reached."""
    assert list(weaknesses(TREES[path], checking)) == []


def described_in_the_third_person(tree: ast.Module) -> Iterator[str]:
    """List the functions, without those that are tests, whose docstring is no imperative."""
    for each in functions([tree]):
        first = (ast.get_docstring(each) or "").split(" ")[0]
        if first in THIRD_PERSON and not each.name.startswith("test"):
            yield f"line {each.lineno}: {each.name} begins with “{first}”"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(TESTS)))
def test_helpers_are_described_in_the_imperative(path: Path) -> None:
    """What helps a test reads as the package does: “Return …”, not “Gives …”."""
    assert list(described_in_the_third_person(TREES[path])) == []


def test_the_third_person_is_seen() -> None:
    """A helper's is, a test's own is none."""
    tree = ast.parse('def helper():\n    """Gives it."""\n\ndef test_it():\n    """Gives in."""\n')
    assert list(described_in_the_third_person(tree)) == ["line 1: helper begins with “Gives”"]


@pytest.mark.parametrize(
    "body",
    [
        "assert reply.startswith((b'421', b''))",
        "assert reply.endswith('')",
        "over = reply.startswith((b'421', b'')) and ended\n    assert over",
        "assert (a == b, 'they differ')",
        "assert 'a text'",
        "assert [each == b for each in c] or True",
        "assert a == a",
        "assert found.code is found.code",
        "assert '' in text",
        "assert (each for each in found)",
        "print('fast enough')",
        "for each in found:\n        assert each",
        "for each in []:\n        assert each",
        "if found:\n        assert found.code",
        "with raises(ValueError):\n        prepare()\n        act()",
        "with raises(ValueError, match=''):\n        act()",
        "def inner() -> None:\n        assert a",
        "helper()",
    ],
)
def test_weakness_is_seen(body: str) -> None:
    """Each kind of test that cannot fail is caught."""
    tree = ast.parse(f"def helper():\n    return 1\n\ndef test_it():\n    {body}\n")
    assert list(weaknesses(tree, checking_names([tree])))


@pytest.mark.parametrize(
    "body",
    [
        "assert reply == b'' or reply.startswith(b'421')",
        "assert '' not in names",
        "assert make() != make()",
        "for each in (1, 2):\n        assert each",
        "for each in CASES:\n        assert each",
        "if a:\n        assert b\n    else:\n        assert c",
        "with raises(ValueError):\n        act()",
        "expect(page).to_have_text('x')",
        "helper()",
        "with helper() as it:\n        it.act()",
    ],
)
def test_what_can_fail_is_left_alone(body: str) -> None:
    """What a test may well be made of is not complained of."""
    tree = ast.parse(f"def helper():\n    assert a\n\ndef test_it():\n    {body}\n")
    assert list(weaknesses(tree, checking_names([tree]))) == []

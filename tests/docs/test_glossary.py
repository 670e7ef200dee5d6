"""The glossary and the code use the same words: its names are in the code, and each type of the core is in it."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (?P<term>[^|]+) \| (?P<names>[^|]+) \| ", re.MULTILINE)


def glossary_names() -> set[str]:
    """Read the names in the second column of every table of the glossary."""
    rows = ROW.finditer((ROOT / "docs" / "glossary.md").read_text("utf-8"))
    return {name for row in rows for name in re.findall(r"`(\w+)`", row["names"])}


def names_in_the_code() -> set[str]:
    """Collect every identifier of letterhead/: modules, packages, types, functions, fields, parameters, variables."""
    names: set[str] = set()
    for path in (ROOT / "letterhead").rglob("*.py"):
        names |= {path.stem, path.parent.name}
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names |= {
                name
                for name in (getattr(node, field, None) for field in ("name", "id", "attr", "arg"))
                if isinstance(name, str)
            }
    return names


def types_of_the_core() -> set[str]:
    """List the public classes of letterhead/core."""
    return {
        node.name
        for path in (ROOT / "letterhead" / "core").rglob("*.py")
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    }


def test_each_word_of_the_glossary_is_a_name_in_the_code() -> None:
    """A reader who looks a word up finds it in the code under that name."""
    assert len(glossary_names()) > 100
    assert glossary_names() - names_in_the_code() == set()


def test_each_type_of_the_core_is_in_the_glossary() -> None:
    """A reader who meets a type of the core finds it in the glossary."""
    assert types_of_the_core() - glossary_names() == set()

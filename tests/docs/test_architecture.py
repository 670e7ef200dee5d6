"""The picture and the page of the architecture are those of the code."""

import configparser
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import grimp
import pytest

from tests.docs.architecture import ARROWS, drawing
from tests.docs.markdown import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
GUIDE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
SVG = "{http://www.w3.org/2000/svg}"
Arrow = tuple[str, str]


def boxes(picture: str) -> dict[str, int]:
    """Return where each drawn package stands, from top to bottom."""
    groups = ElementTree.fromstring(picture).iter(f"{SVG}g")
    return {group.attrib["data-package"]: int(group.attrib["data-row"]) for group in groups}


def arrows(picture: str) -> set[Arrow]:
    """Return every drawn arrow."""
    lines = [each for each in ElementTree.fromstring(picture).iter(f"{SVG}path") if "data-from" in each.attrib]
    return {(each.attrib["data-from"], each.attrib["data-to"]) for each in lines}


def packages() -> set[str]:
    """Return every package and module of letterhead/ and of letterhead/core/, as the picture names them."""
    found = set()
    for folder, prefix in ((ROOT / "letterhead", ""), (ROOT / "letterhead" / "core", "core.")):
        modules = [path.stem for path in folder.glob("*.py") if path.stem not in ("__init__", "__main__")]
        found |= {prefix + name for name in [*modules, *(path.parent.name for path in folder.glob("*/__init__.py"))]}
    return found


def box_of(module: str, core: bool) -> str:
    """Return the box that a module is drawn in; with `core` the one inside the core."""
    _, *parts = module.split(".")
    if parts == ["__main__"]:  # `python -m letterhead`, a line that calls the command
        return ""
    return ".".join(parts[:2]) if core and parts[:1] == ["core"] else parts[0] if parts else ""


@cache
def imports() -> frozenset[Arrow]:
    """Return which box imports which: between the outer ones, and between those inside the core."""
    graph = grimp.build_graph("letterhead", cache_dir=None)
    pairs = {(source, target) for source in graph.modules for target in graph.find_modules_directly_imported_by(source)}
    outer = {(box_of(source, False), box_of(target, False)) for source, target in pairs}
    inside = {(box_of(source, True), box_of(target, True)) for source, target in pairs}
    inside = {pair for pair in inside if all(each.startswith("core.") for each in pair)}
    return frozenset(pair for pair in outer | inside if pair[0] != pair[1] and all(pair))


def lies(picture: str, code: frozenset[Arrow]) -> Iterator[str]:
    """List where the picture says otherwise than the code."""
    rows, drawn = boxes(picture), arrows(picture)
    yield from (f"{name} is not drawn" for name in sorted(packages() - set(rows)))
    yield from (f"{name} is drawn and does not exist" for name in sorted(set(rows) - packages()))
    yield from (f"{source} does not import {target}" for source, target in sorted(drawn - code))
    for source, target in sorted(code):
        if (source, target) not in drawn and rows.get(source, 0) >= rows.get(target, 1):
            yield f"{source} imports {target}, which is drawn beside or above it"
    upward = [(source, target) for source, target in sorted(drawn) if rows.get(source, 0) >= rows.get(target, 1)]
    yield from (f"{source} → {target} runs upward" for source, target in upward)


def test_the_picture_is_the_code() -> None:
    """Each package is drawn, each drawn arrow is an import, and each import is drawn or runs downward."""
    assert list(lies((ROOT / "docs" / "architecture.svg").read_text("utf-8"), imports())) == []


def test_the_picture_is_the_one_that_is_made() -> None:
    """Nobody edits the picture by hand: `./dev docs` writes it."""
    assert (ROOT / "docs" / "architecture.svg").read_text("utf-8") == drawing(), "run ./dev docs"


@pytest.mark.parametrize(
    ("change", "lie"),
    [
        (('data-from="wiring" data-to="config"', 'data-from="config" data-to="wiring"'), "config does not import"),
        (('data-from="core.plan" data-to="core.dns"', 'data-from="core.plan" data-to="core.names"'), "does not import"),
        (('data-package="core.zone" data-row="', 'data-package="core.zone" data-row="9'), "core.zone imports"),
        (('data-package="core.spf"', 'data-package="core.sender_id"'), "core.spf is not drawn"),
    ],
)
def test_a_wrong_picture_is_seen(change: tuple[str, str], lie: str) -> None:
    """An arrow that is no import, a package in the wrong row and one that does not exist are caught."""
    wrong = drawing().replace(*change)
    assert wrong != drawing()
    assert any(lie in each for each in lies(wrong, imports()))


def test_an_import_upward_is_seen() -> None:
    """An import that the picture forbids is caught."""
    assert [*lies(drawing(), imports() | {("core", "adapters")})] == [
        "core imports adapters, which is drawn beside or above it"
    ]


def test_no_arrow_is_drawn_twice() -> None:
    """Each arrow stands once in the table."""
    pairs = [(source, target) for source, target, *_ in ARROWS]
    assert len(set(pairs)) == len(pairs)


def test_the_rows_are_those_of_the_contracts() -> None:
    """From top to bottom the boxes stand as import-linter's layers do."""
    contracts = configparser.ConfigParser()
    contracts.read(ROOT / ".importlinter")
    rows = boxes(drawing())
    for name, prefix in (("layers", ""), ("core", "core.")):
        layers = contracts[f"importlinter:contract:{name}"]["layers"].strip().splitlines()
        wanted = [sorted(prefix + each for each in re.findall(r"\w+", layer)) for layer in layers]
        mine = {box: row for box, row in rows.items() if box.startswith("core.") == bool(prefix)}
        assert [sorted(box for box in mine if mine[box] == row) for row in sorted(set(mine.values()))] == wanted


@pytest.mark.parametrize("page", [PAGE, GUIDE], ids=["architecture", "contributing"])
def test_every_path_exists(page: str) -> None:
    """Each file or folder that a page names exists."""
    roots = "letterhead|tests|docs|benchmarks|deploy|changelog.d"
    named = set(re.findall(rf"(?<![\w/.])((?:{roots})/[\w./+-]*\w/?|\.importlinter|\.pre-commit-config\.yaml)", page))
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", [PAGE, GUIDE], ids=["architecture", "contributing"])
def test_every_name_of_the_code_exists(page: str) -> None:
    """Each name that a page takes from the code is in the code: a renamed class or function is renamed there too."""
    named = set(re.findall(r"`([A-Z][a-z]+\w*|[A-Z_]{4,}|[a-z]+_[a-z_]+)(?:\(\))?`", page))
    code = "\n".join(_sources())
    assert named
    assert [name for name in sorted(named) if not re.search(rf"\b{name}\b", code)] == []


def _sources() -> Iterator[str]:
    for folder in ("letterhead", "tests"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path != Path(__file__):
                yield path.read_text("utf-8")


def test_every_package_has_its_row() -> None:
    """The page says of each outer package what is in it."""
    rows = set(re.findall(r"^\| `letterhead/(\w+)(?:/|\.py)` \|", PAGE, re.MULTILINE))
    assert rows == {name for name in packages() if "." not in name}

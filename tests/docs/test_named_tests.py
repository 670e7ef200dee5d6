"""Hold that the tests and pages which documents name are there: a defence whose test is gone is none."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
NAMED = re.compile(r"`((?:tests|benchmarks|deploy)/[\w./-]+\.\w+)`")
ROW = re.compile(r"^\|(?P<cells>.+)\|$", re.MULTILINE)


def rows(page: str) -> Iterator[list[str]]:
    """Return the cells of each row of the first table, without its head."""
    table = page.partition("\n## ")[0]
    for row in list(ROW.finditer(table))[2:]:
        yield [cell.strip() for cell in row["cells"].split(" | ")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_is_named_is_there(page: Path) -> None:
    """Every test, benchmark and file of deployment that a page names exists."""
    gone = [name for name in NAMED.findall(page.read_text("utf-8")) if not (ROOT / name).exists()]
    assert not gone


def test_every_threat_has_its_test() -> None:
    """Each row of the threat model says asset, threat, defence and a test by its name, or the promises that hold it."""
    told = list(rows((ROOT / "docs" / "threat-model.md").read_text("utf-8")))
    assert len(told) >= 30
    assert all(len(row) == 4 and all(row[1:]) for row in told), [row for row in told if len(row) != 4]
    untested = [row[1] for row in told if not NAMED.search(row[3]) and not re.search(r"\bP\d+", row[3])]
    assert not untested

"""The records of decisions have one form and no gaps, and what names one leads to it."""

import re
from pathlib import Path

import pytest

from tests.docs.markdown import ROOT, shown

FOLDER = ROOT / "docs" / "decisions"
RECORDS = sorted(FOLDER.iterdir())
NUMBERS = {path.name[:4] for path in RECORDS}
STATUS = re.compile(r"Status: (accepted|superseded by \[(?P<by>\d{4})\]\((?P=by)-[a-z0-9-]+\.md\)), \d{4}-\d\d-\d\d\.")
NAMED = re.compile(r"\bdecisions? (\d{4})\b|\bdecisions/(\d{4})\b")
TEXTS = [
    ROOT / "pyproject.toml", ROOT / "dev", ROOT / ".importlinter", *ROOT.glob("*.md"),
    *(path for folder in ("letterhead", "tests", "benchmarks", "deploy", "docs") for path in (ROOT / folder).rglob("*")
      if path.suffix in {".py", ".md", ".sql", ".toml", ".html", ".service"}),
]  # fmt: skip


def flaws(path: Path, text: str) -> list[str]:
    """List what a record lacks of the form that all have."""
    found = []
    if not re.match(rf"# {path.name[:4]}: \S.*\n\nStatus: ", text):
        found.append("begins otherwise than `# NNNN: Title`, an empty line, `Status: `")
    status = STATUS.search(text)
    if not status:
        found.append("has no status `accepted, YYYY-MM-DD.` or `superseded by [NNNN](NNNN-….md), YYYY-MM-DD.`")
    elif status["by"] and status["by"] <= path.name[:4]:
        found.append("is superseded by an older record")
    if "\n## What would change our mind\n" not in text:
        found.append("does not say what would change our mind")
    return found


def test_numbers_have_no_gap() -> None:
    """The records are 0001 to N, each number once, and nothing else lies beside them."""
    assert [path.name[:5] for path in RECORDS] == [f"{number:04}-" for number in range(1, len(RECORDS) + 1)]


@pytest.mark.parametrize("record", RECORDS, ids=shown)
def test_a_record_has_the_form(record: Path) -> None:
    """Each record has its number and title, its status, and says what would change our mind."""
    assert flaws(record, record.read_text("utf-8")) == []


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("# 3. Title\n\nStatus: accepted, 2026-11-23.\n\n## What would change our mind\n", 1),
        ("# 0003: Title\n\nStatus: accepted.\n\n## What would change our mind\n", 1),
        ("# 0003: Title\n\nStatus: superseded by [0002](0002-a.md), 2026-11-23.\n\n## What would change our mind\n", 1),
        ("# 0003: Title\n\nStatus: accepted, 2026-11-23.\n\nUndo when it breaks.\n", 1),
        ("# 0003: Title\n\nStatus: superseded by [0004](0004-a.md), 2026-11-23.\n\n## What would change our mind\n", 0),
    ],
)
def test_a_flaw_is_seen(text: str, number: int) -> None:
    """Each departure from the form is caught, and a superseded record has the form."""
    assert len(flaws(Path("0003-title.md"), text)) == number


def test_named_records_exist() -> None:
    """Every record that code, settings, tests or pages name by its number exists."""
    for path in TEXTS:
        named = {number for pair in NAMED.findall(path.read_text("utf-8")) for number in pair if number}
        assert named <= NUMBERS, shown(path)

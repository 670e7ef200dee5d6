"""Hold a row of docs/conformance.md against what was run."""

from collections.abc import Collection
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "conformance.md"


def hold_row(suite: str, cases: int, differing: Collection[str], named: Collection[str] = ()) -> None:
    """Hold the numbers of a suite's row, and that it names these cases."""
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith(f"| {suite} (")]
    assert len(rows) == 1, f"docs/conformance.md has {len(rows)} rows of {suite}"
    assert [int(each) for each in rows[0].split("|")[2:4]] == [cases, cases - len(differing)]
    assert [each for each in named if f"`{each}`" not in rows[0]] == []

"""Hold docs/subdomains.md against the tables that it shows."""

from pathlib import Path

import pytest

from letterhead.core.domain import cover_notes, subdomain_cover

PAGE = (Path(__file__).parent.parent.parent / "docs" / "subdomains.md").read_text("utf-8")


@pytest.mark.parametrize("table", [subdomain_cover.rules_table(), cover_notes.notes_table()])
def test_the_page_has_the_rules_of_the_code(table: str) -> None:
    """Each table stands in the page as the code makes it, row by row."""
    assert len(table.splitlines()) > 8
    assert f"\n\n{table}\n\n" in PAGE

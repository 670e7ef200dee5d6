"""A closed month of the audit is moved out to a file by the command, and never by halves."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from letterhead.cli.exit_codes import Exit
from tests.rigs.command import Running

MONTH, EMPTY, ROWS = "2026-09", "2026-08", 3


def has_rows(service: Running) -> int:
    """Count the rows of the month."""
    with closing(sqlite3.connect(service.data / "letterhead.db", timeout=30)) as database:
        low, high = (int(datetime(2026, month, 1, tzinfo=UTC).timestamp() * 1000) for month in (9, 10))
        return int(database.execute("SELECT count(*) FROM audit WHERE at >= ? AND at < ?", (low, high)).fetchone()[0])


def test_a_closed_month_is_moved_out(service: Running, tmp_path: Path) -> None:
    """The file holds each row and nobody else may read it; an empty one of another month is written anew."""
    at = int(datetime(2026, 9, 10, tzinfo=UTC).timestamp() * 1000)
    with closing(sqlite3.connect(service.data / "letterhead.db", timeout=30, isolation_level=None)) as database:
        for number in range(ROWS):
            database.execute(
                "INSERT INTO audit (at, actor, action, subject) VALUES (?, 'operator', 'a.test', ?)",
                (at + number, f"subject {number}"),
            )
    file = tmp_path / "audit.jsonl"
    nothing = service.call("accounts", "detach-audit", EMPTY, f"{file}", "--yes")
    assert (nothing.code, "0 rows" in nothing.out) == (Exit.OK, True)
    assert service.call("accounts", "detach-audit", "september", f"{file}", "--yes").code == Exit.REFUSED
    assert service.call("accounts", "detach-audit", MONTH, f"{file}").code != Exit.OK  # nobody was there to say yes
    assert has_rows(service) == ROWS
    moved = service.call("accounts", "detach-audit", MONTH, f"{file}", "--yes")
    assert (moved.code, f"Deleted {ROWS} rows" in moved.out) == (Exit.OK, True)
    assert has_rows(service) == 0
    assert [json.loads(line)["subject"] for line in file.read_text().splitlines()] == [
        "subject 0",
        "subject 1",
        "subject 2",
    ]
    assert file.stat().st_mode & 0o077 == 0
    assert "audit.detach" in service.call("accounts", "audit").out

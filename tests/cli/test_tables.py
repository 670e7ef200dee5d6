"""What stands on a terminal, as plain values."""

from datetime import UTC, datetime

import pytest

from letterhead.cli.report import report
from letterhead.cli.tables import ago, columns, visible

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_strangers_cannot_move_the_terminal() -> None:
    """No control character out of DNS reaches the terminal, nor one that turns text around."""
    evil = "\x1b[2J\x9b31m\u202e\r\n\x07"
    shown = report(
        {
            "sender": "acme.dev",
            "status": "PENDING",
            "records": [{"verdict": "wrong", "recordType": "TXT", "host": "x.acme.dev", "observed": [evil]}],
            "findings": [
                {
                    "severity": "blocking", "code": "dkim.wrong-key", "title": evil, "host": evil, "detail": evil,
                    "expected": evil, "observed": [evil], "perspectives": [evil], "fix": evil,
                }
            ],
        }
    ).plain  # fmt: skip
    assert all(line.isprintable() for line in shown.split("\n"))
    assert r"\x1b[2J" in shown


def test_since_when_a_finding_is_there() -> None:
    """Of a finding that several checks have found, the command says since when it is there."""
    said = {"severity": "blocking", "code": "zone.dnssec-bogus", "title": "Wrong", "host": "acme.dev", "detail": "So."}
    long_ago = report({"sender": "acme.dev", "findings": [said | {"fix": "Sign.", "since": "2020-01-01T00:00:00Z"}]})
    assert "|  since: " in long_ago.plain
    assert " d ago" in long_ago.plain
    assert "since" not in report({"sender": "acme.dev", "findings": [said | {"fix": "Sign."}]}).plain


def test_wide_characters_stay_in_column() -> None:
    """Characters two cells wide are counted as two."""
    lines = columns(("A", "B"), [("中文", "x"), ("a", "y")]).plain.split("\n")
    assert lines == ["A     B", "中文  x", "a     y"]


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("2026-11-23T11:59:59.6Z", "now"),
        ("2026-11-23T11:57:00Z", "3 min ago"),
        ("2026-11-23T14:30:00Z", "in 2 h"),
        ("2026-11-20T12:00:00Z", "3 d ago"),
        (None, "-"),
    ],
)
def test_times_are_said(at: str | None, said: str) -> None:
    """Times read as a person says them."""
    assert ago(at, NOW) == said


def test_visible_leaves_text_alone() -> None:
    """What can be printed is printed, in any script."""
    assert visible("ü 中 é") == "ü 中 é"

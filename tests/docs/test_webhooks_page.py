"""The page about webhooks says what the code does."""

import json
import re
from pathlib import Path

from letterhead.adapters.webhooks import SECONDS
from letterhead.core.domain.domain import EventKind
from letterhead.core.public.representation import WebhookMessage
from letterhead.core.schedule.check_schedule import RETRIES

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text("utf-8")


def test_every_event_has_its_line() -> None:
    """The table lists every event there is, in the code's order, and no other."""
    assert re.findall(r"^\| `([a-z]+\.[a-z_]+)` \|", PAGE, re.MULTILINE) == [kind.value for kind in EventKind]


def test_every_field_has_its_line() -> None:
    """The table of fields is the shape of the message, and so are the examples: each has all fields of its event."""
    rows = re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE)
    assert rows == list(WebhookMessage.__struct_fields__)
    examples = [json.loads(each) for each in re.findall(r'^\{"id".*?(?=^```)', PAGE, re.MULTILINE | re.DOTALL)]
    assert [each["type"] for each in examples] == ["record.changed", "finding.raised"]
    assert [list(each) for each in examples] == [
        [row for row in rows if row != absent] for absent in ("finding", "change")
    ]


def test_the_schedule_is_the_codes() -> None:
    """The page names every wait of the schedule, and how long an answer may take."""
    waits = {5: "5 s", 300: "5 min", 1800: "30 min", 7200: "2 h", 18000: "5 h", 36000: "10 h", 50400: "14 h",
             72000: "20 h", 86400: "24 h"}  # fmt: skip
    assert [waits[int(wait.total_seconds())] for wait in RETRIES[1:]] == list(waits.values())
    assert len(RETRIES) == 10
    told = PAGE[PAGE.index("at once, then after") : PAGE.index("each ±10")]
    assert re.findall(r"\d+\s(?:s|min|h)\b", told.replace("\n", " ")) == list(waits.values())
    assert f"within {SECONDS:g} seconds" in PAGE

"""Pictures say in shapes what the numbers say."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta

from letterhead.core.domain.statistics import StatePeriod
from letterhead.web.pages.pictures import WIDTH, draw_areas, draw_bars, draw_timeline

T0 = datetime(2026, 11, 1, tzinfo=UTC)


def span(state: str, begins: float, ends: float) -> StatePeriod:
    return StatePeriod(state=state, begins=T0 + timedelta(hours=begins), ends=T0 + timedelta(hours=ends))


def test_timeline_fills_its_width_and_shows_the_shortest() -> None:
    """The pieces lie side by side over the whole width, and a minute among months can still be seen."""
    svg = draw_timeline(
        [span("pending", 0, 0.02), span("verified", 0.02, 2000), span("at_risk", 2000, 2000.1)], "a & <b>"
    )
    pieces = [(float(x), float(w)) for x, w in re.findall(r'x="([\d.]+)" y="0" width="([\d.]+)"', svg)]
    assert len(pieces) == 3
    assert all(width > 5 for _, width in pieces)
    assert abs(sum(width for _, width in pieces) - WIDTH) < 1
    assert "a &amp; &lt;b&gt;" in svg
    assert draw_timeline([], "nothing") == ""


def test_areas_stand_upon_each_other() -> None:
    """The topmost line is the sum, and a state that never was has no area."""
    svg = draw_areas([Counter(verified=1, failed=1), Counter(verified=3, failed=1)], "title")
    assert re.findall(r'class="of-(\w+)"', svg) == ["failed", "verified"]
    assert f"{WIDTH}.0,0.0" in svg  # the scale ends at the four that there were
    assert "polygon" not in draw_areas([Counter()], "title")


def test_bars_have_their_numbers() -> None:
    """The largest fills the track, and each has its number beside it."""
    drawn = draw_bars(["one", "<two>"], [1, 4], "title")
    assert re.findall(r'class="bar" width="([\d.]+)"', drawn) == ["25.0", "100.0"]
    assert "&lt;two&gt;" in drawn


def test_areas_have_a_scale_of_whole_numbers() -> None:
    """From nothing to at least the most, in at most four steps that people count by."""
    for most, labels in (
        (0, "0 1"),
        (1, "0 1"),
        (3, "0 1 2 3"),
        (9, "0 5 10"),
        (23, "0 10 20 30"),
        (1200, "0 500 1000 1500"),
    ):
        drawn = draw_areas([Counter(verified=most)] * 2, "title")
        assert " ".join(re.findall(r"<text[^>]*>([^<]+)</text>", drawn)) == labels
        assert drawn.count('class="rule"') == len(labels.split())

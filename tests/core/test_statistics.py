"""The past of domains, summed up for pictures."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from letterhead.core.domain.domain import EventKind
from letterhead.core.domain.statistics import StateChange, count_by_state, state_periods, waiting_times

T0 = datetime(2026, 11, 1, tzinfo=UTC)


def move(domain: str, kind: EventKind, hours: float) -> StateChange:
    return StateChange(domain_id=domain, kind=kind, at=T0 + timedelta(hours=hours))


MOVES = [
    move("a", EventKind.DOMAIN_CREATED, 0),
    move("a", EventKind.DOMAIN_PENDING, 0),
    move("b", EventKind.DOMAIN_CREATED, 1),
    move("b", EventKind.DOMAIN_PENDING, 1),
    move("b", EventKind.DOMAIN_VERIFIED, 1.005),
    move("a", EventKind.DOMAIN_VERIFIED, 5),
    move("b", EventKind.DOMAIN_AT_RISK, 10),
    move("b", EventKind.DOMAIN_RESTORED, 12),
    move("b", EventKind.DOMAIN_VERIFIED, 13),
    move("a", EventKind.DOMAIN_DELETED, 20),
]


def test_spans_touch_each_other_and_end_now() -> None:
    """One domain's life has no gaps, and what took no time is no span."""
    now = T0 + timedelta(hours=24)
    told = state_periods([each for each in MOVES if each.domain_id == "b"], now)
    assert [each.state for each in told] == ["pending", "verified", "at_risk", "verified", "verified"]
    assert all(one.ends == other.begins for one, other in pairwise(told))
    assert told[-1].ends == now
    assert state_periods([], now) == []


def test_counts_follow_the_moves() -> None:
    """At each time every domain counts in the state it was in; deleted ones no more."""
    times = [T0 + timedelta(hours=hours) for hours in (-1, 0, 2, 6, 11, 21)]
    assert [dict(each) for each in count_by_state(MOVES, times)] == [
        {},
        {"pending": 1},
        {"pending": 1, "verified": 1},
        {"verified": 2},
        {"verified": 1, "at_risk": 1},
        {"verified": 1},
    ]


def test_waits_count_the_first_verification() -> None:
    """Only the first time that a domain was verified counts, from when it was asked for."""
    assert waiting_times(MOVES) == [1, 0, 0, 1, 0, 0]

"""Statistics of domains for charts: periods in one state, counts by state over time, how long verification took."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from letterhead.core.domain.domain import EventKind

STATES: Final = {
    EventKind.DOMAIN_CREATED: "draft",
    EventKind.DOMAIN_PENDING: "pending",
    EventKind.DOMAIN_VERIFIED: "verified",
    EventKind.DOMAIN_AT_RISK: "at_risk",
    EventKind.DOMAIN_RESTORED: "verified",
    EventKind.DOMAIN_LOST: "failed",
    EventKind.DOMAIN_FAILED: "failed",
    EventKind.DOMAIN_DELETED: "gone",
}
STEPS: Final = (
    timedelta(minutes=1),
    timedelta(minutes=10),
    timedelta(hours=1),
    timedelta(days=1),
    timedelta(days=3),
    timedelta.max,
)


class StateChange(msgspec.Struct, frozen=True, kw_only=True):
    """One change of one domain's state."""

    domain_id: str
    kind: EventKind
    at: datetime


class StatePeriod(msgspec.Struct, frozen=True, kw_only=True):
    """A period that a domain was in one state."""

    state: str
    begins: datetime
    ends: datetime


def state_periods(changes: Iterable[StateChange], now: datetime) -> list[StatePeriod]:
    """Turn one domain's changes, oldest first, into periods without gaps; the last one ends now."""
    begins = [(STATES[each.kind], each.at) for each in changes if each.kind in STATES]
    ends = [*(at for _, at in begins[1:]), now]
    periods = [StatePeriod(state=state, begins=at, ends=end) for (state, at), end in zip(begins, ends, strict=False)]
    return [each for each in periods if each.ends > each.begins]


def count_by_state(changes: Iterable[StateChange], times: Sequence[datetime]) -> list[Counter[str]]:
    """Count how many domains were in each state at each of the times; changes and times are oldest first."""
    states: dict[str, str] = {}
    pending = [each for each in changes if each.kind in STATES]
    counts, at = [], 0
    for time in times:
        while at < len(pending) and pending[at].at <= time:
            states[pending[at].domain_id] = STATES[pending[at].kind]
            at += 1
        counts.append(Counter(state for state in states.values() if state != "gone"))
    return counts


def waiting_times(changes: Iterable[StateChange]) -> list[int]:
    """Count first verifications by how long they took from asking for them, in the steps of `STEPS`."""
    asked: dict[str, datetime] = {}
    done: set[str] = set()
    counted = [0] * len(STEPS)
    for each in changes:
        if each.kind is EventKind.DOMAIN_PENDING:
            asked.setdefault(each.domain_id, each.at)
        elif each.kind is EventKind.DOMAIN_VERIFIED and each.domain_id in asked and each.domain_id not in done:
            done.add(each.domain_id)
            took = each.at - asked[each.domain_id]
            counted[next(step for step, most in enumerate(STEPS) if took < most)] += 1
    return counted

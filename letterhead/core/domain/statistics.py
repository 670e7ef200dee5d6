"""Knows how the past of domains is summed up for a picture: spans of one state, counts over time, how long it took."""

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
    """Says that a domain changed its state."""

    domain_id: str
    kind: EventKind
    at: datetime


class StatePeriod(msgspec.Struct, frozen=True, kw_only=True):
    """Says that a domain was in one state for some time."""

    state: str
    begins: datetime
    ends: datetime


def state_periods(moves: Iterable[StateChange], now: datetime) -> list[StatePeriod]:
    """Turns one domain's moves, oldest first, into spans that touch each other; the last one ends now."""
    turns = [(STATES[each.kind], each.at) for each in moves if each.kind in STATES]
    ends = [*(at for _, at in turns[1:]), now]
    whole = [StatePeriod(state=state, begins=at, ends=end) for (state, at), end in zip(turns, ends, strict=False)]
    return [each for each in whole if each.ends > each.begins]


def count_by_state(moves: Iterable[StateChange], times: Sequence[datetime]) -> list[Counter[str]]:
    """Counts how many domains were in each state at each of the times; moves and times are oldest first."""
    states: dict[str, str] = {}
    waiting = [each for each in moves if each.kind in STATES]
    told, at = [], 0
    for time in times:
        while at < len(waiting) and waiting[at].at <= time:
            states[waiting[at].domain_id] = STATES[waiting[at].kind]
            at += 1
        told.append(Counter(state for state in states.values() if state != "gone"))
    return told


def waiting_times(moves: Iterable[StateChange]) -> list[int]:
    """Counts first verifications by how long they took from asking for them, in the steps of `STEPS`."""
    asked: dict[str, datetime] = {}
    done: set[str] = set()
    counted = [0] * len(STEPS)
    for each in moves:
        if each.kind is EventKind.DOMAIN_PENDING:
            asked.setdefault(each.domain_id, each.at)
        elif each.kind is EventKind.DOMAIN_VERIFIED and each.domain_id in asked and each.domain_id not in done:
            done.add(each.domain_id)
            took = each.at - asked[each.domain_id]
            counted[next(step for step, most in enumerate(STEPS) if took < most)] += 1
    return counted

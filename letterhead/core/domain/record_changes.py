"""Knows how a change of what is published is told, by comparing verdicts; knows no states: see the lifecycle."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from letterhead.core.domain.domain import Domain, Event, EventKind, RecordChange, Transition
from letterhead.core.plan.plan import RecordResult, Verdict

WORDS: Final = {
    Verdict.PRESENT: "is published as it should be",
    Verdict.WRONG: "is published with another value than it should have",
    Verdict.ABSENT: "is not published",
}


def note_changes(domain: Domain, standings: Iterable[RecordResult], now: datetime) -> Transition:
    """Notes how each record stands, and tells of those that stand otherwise than when last heard of.

    Silence is no verdict, nor is what servers disagree on: both leave the last one standing. What was never known
    before did not change.
    """
    known, events = dict(domain.verdicts), []
    for standing in standings:
        record, verdict = standing.record, standing.verdict
        if verdict is Verdict.UNANSWERED or not standing.agreed:
            continue
        before = known.get(record.id, verdict)
        if before is not verdict:
            events.append(_changed(standing, before, now))
        known[record.id] = verdict
    return Transition(domain=replace(domain, verdicts=tuple(known.items())), events=tuple(events))


def _changed(standing: RecordResult, before: Verdict, now: datetime) -> Event:
    record, verdict = standing.record, standing.verdict
    return Event(
        kind=EventKind.RECORD_CHANGED,
        at=now,
        detail=f"the {record.rdtype} record at {record.host} {WORDS[verdict]}; before it was {before.value}",
        change=RecordChange(record=record.id.value, was=before.value, now=verdict.value),
    )

"""Events for records that changed between two checks, found by comparing verdicts."""

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


def note_changes(domain: Domain, results: Iterable[RecordResult], now: datetime) -> Transition:
    """Note each record's verdict, with an event for each that differs from the last conclusive one.

    No answer is no verdict, nor is what servers disagree on: both leave the last verdict as it is. What had no verdict
    before did not change. What was found right is remembered as published.
    """
    known, events = dict(domain.verdicts), []
    for result in results:
        record, verdict = result.record, result.verdict
        if verdict is Verdict.UNANSWERED or not result.agreed:
            continue
        before = known.get(record.id, verdict)
        if before is not verdict:
            detail = f"the {record.rdtype} record at {record.host} {WORDS[verdict]}; before it was {before.value}"
            change = RecordChange(record=record.id.value, was=before.value, now=verdict.value)
            events.append(Event(kind=EventKind.RECORD_CHANGED, at=now, detail=detail, change=change))
        known[record.id] = verdict
    # The verdicts of before too: an older version kept only these.
    right = (each for each, verdict in (*domain.verdicts, *known.items()) if verdict is Verdict.PRESENT)
    published = tuple(dict.fromkeys((*domain.published, *right)))
    after = replace(domain, verdicts=tuple(known.items()), published=published)
    return Transition(domain=after, events=tuple(events))

"""Which changes of records are told, and which are none."""

import pytest
from msgspec.structs import replace

from letterhead.core.domain import record_changes
from letterhead.core.domain.domain import Event, EventKind
from letterhead.core.plan.plan import PlannedRecord, RecordId, RecordResult, Verdict
from tests.contracts.samples import NOW, domain

PRESENT, WRONG, ABSENT, SILENT = Verdict.PRESENT, Verdict.WRONG, Verdict.ABSENT, Verdict.UNANSWERED


def stands(verdict: Verdict, *, agreed: bool = True, record: RecordId = RecordId.DKIM) -> RecordResult:
    """Make a standing."""
    planned = PlannedRecord(id=record, host=f"{record.value}.acme.dev", rdtype="TXT", value="it")
    return RecordResult(record=planned, verdict=verdict, agreed=agreed)


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        ([PRESENT], []),
        ([ABSENT, ABSENT], []),
        ([ABSENT, PRESENT], [("absent", "present")]),
        ([PRESENT, WRONG, ABSENT], [("present", "wrong"), ("wrong", "absent")]),
        ([PRESENT, SILENT, SILENT, PRESENT], []),
        ([PRESENT, SILENT, ABSENT], [("present", "absent")]),
        ([SILENT, ABSENT], []),
    ],
)
def test_a_change_is_told_once(seen: list[Verdict], told: list[tuple[str, str]]) -> None:
    """From verdict to verdict, over any silence between; what was never known before did not change."""
    made, events = domain("a", "acme.dev"), list[Event]()
    for verdict in seen:
        step = record_changes.note_changes(made, [stands(verdict)], NOW)
        made, events = step.domain, [*events, *step.events]
    assert [(each.change.was, each.change.now) for each in events if each.change] == told
    assert {each.kind for each in events} <= {EventKind.RECORD_CHANGED}
    assert all("dkim.acme.dev" in each.detail for each in events)


def test_disagreeing_servers_change_nothing() -> None:
    """While servers differ there is no verdict yet: nothing is told, and the last one stands."""
    made = record_changes.note_changes(domain("a", "acme.dev"), [stands(ABSENT)], NOW).domain
    step = record_changes.note_changes(made, [stands(WRONG, agreed=False)], NOW)
    assert (step.events, step.domain) == ((), made)


def test_each_record_is_told_by_itself() -> None:
    """Several records that change in one check are several events, each with its name."""
    both = [stands(ABSENT), stands(PRESENT, record=RecordId.DMARC)]
    made = record_changes.note_changes(domain("a", "acme.dev"), both, NOW).domain
    later = [stands(PRESENT), stands(ABSENT, record=RecordId.DMARC)]
    events = record_changes.note_changes(made, later, NOW).events
    assert [each.change and each.change.record for each in events] == ["dkim", "dmarc"]


def test_what_was_found_right_once_is_remembered() -> None:
    """Only of such a record may be said that it is gone."""
    made = record_changes.note_changes(domain("a", "acme.dev"), [stands(WRONG)], NOW).domain
    assert made.published == ()
    older = replace(made, verdicts=((RecordId.DKIM, PRESENT),))  # as a version wrote it that did not remember
    assert record_changes.note_changes(older, [stands(ABSENT)], NOW).domain.published == (RecordId.DKIM,)
    for verdict in (PRESENT, ABSENT, SILENT):
        made = record_changes.note_changes(made, [stands(verdict)], NOW).domain
        assert made.published == (RecordId.DKIM,)

"""When two looks show the same: which looks have a basis, and what makes another one of it."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from letterhead.core.check.check import all_present
from letterhead.core.check.fingerprint import fingerprint_check, is_cacheable
from letterhead.core.dns.answers import (
    Answer,
    Found,
    NoData,
    NxDomain,
    Perspective,
    Question,
    Reply,
    Unanswered,
    View,
    Why,
)
from letterhead.core.dns.records import RRset, Txt
from letterhead.core.findings.diagnosis import History
from letterhead.core.plan.plan import PlannedRecord, RecordResult, Verdict
from tests.core import samples

NOW = datetime(2026, 11, 23, tzinfo=UTC)
PLAN = samples.plan("acme.dev")
HISTORY = History(old_selectors=("old",))


def found(text: str = "v=spf1 -all", ttl: int = 300, *, authentic: bool = False) -> Found:
    rrset = RRset(owner="acme.dev", rdtype="TXT", ttl=ttl, rdatas=(Txt(strings=(text,)),))
    return Found(rrset=rrset, authentic=authentic)


def mark(
    answer: Answer, view: View = View.RECURSIVE, server: str = "127.0.0.1", history: History = HISTORY
) -> str | None:
    """Gives the basis of a look with one answer."""
    reply = Reply(perspective=Perspective(view=View.RECURSIVE, server=server), answer=answer)
    return fingerprint_check("rules", PLAN, {Question(name="acme.dev", rdtype="TXT", view=view): (reply,)}, history)


def test_ttls_and_times_make_no_other_basis() -> None:
    """The same answers have the same basis, whatever is left of their TTLs and whenever they came."""
    assert mark(found()) is not None
    assert mark(found()) == mark(found(ttl=7))
    assert mark(NoData(negative_ttl=5)) == mark(NoData(negative_ttl=6))
    later = replace(HISTORY, taken_at=NOW, present_until=NOW)
    assert mark(found(), history=later) == mark(found())


def test_whatever_a_rule_may_look_at_makes_another_basis() -> None:
    """Answers that differ in anything but their TTLs have each their own basis."""
    marks = [
        mark(found()),
        mark(found("v=spf1 ~all")),
        mark(found(authentic=True)),
        mark(found(), server="127.0.0.2"),
        mark(NoData(negative_ttl=5)),
        mark(NxDomain(negative_ttl=5)),
        mark(NxDomain(negative_ttl=5, zone="dev")),
        mark(found(), history=History()),
        mark(found(), history=replace(HISTORY, special_use=True)),
    ]
    assert None not in marks
    assert len(set(marks)) == len(marks)


@pytest.mark.parametrize("view", [view for view in View if view not in (View.RECURSIVE, View.ONE_RESOLVER)])
def test_a_look_at_the_servers_has_no_basis(view: View) -> None:
    """What is said of servers beside resolvers may depend on TTLs and on the time, so it is always judged."""
    assert mark(found(), view) is None


def test_silence_has_no_basis() -> None:
    """A look that left anything unanswered is never taken for the last one."""
    assert mark(Unanswered(why=Why.TIMEOUT)) is None


@pytest.mark.parametrize(("verdict", "agreed"), [(each, True) for each in Verdict] + [(Verdict.PRESENT, False)])
def test_only_a_sound_look_is_kept(verdict: Verdict, agreed: bool) -> None:
    """Everything required must be there, by agreement; what is only recommended may stand as it likes."""

    def standing(record: PlannedRecord) -> RecordResult:
        return RecordResult(record=record, verdict=verdict, agreed=agreed)

    first, *others = PLAN.records
    there = [RecordResult(record=each, verdict=Verdict.PRESENT) for each in others]
    assert is_cacheable([standing(first), *there]) is (verdict is Verdict.PRESENT and agreed)
    optional = [each for each in PLAN.records if not each.required]
    assert optional
    assert is_cacheable([*all_present(PLAN).results, *map(standing, optional)])

"""When two looks show the same: which looks have a basis, and what makes another one of it."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from letterhead.core.check.check import CheckJudgement, all_present
from letterhead.core.check.fingerprint import fingerprint_check, is_cacheable, is_complete
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
from letterhead.core.findings.diagnosis import Finding, History
from letterhead.core.plan.plan import AUTHORITATIVE, PlannedRecord, RecordResult, Verdict
from letterhead.core.zone import caching
from tests.core import samples

NOW = datetime(2026, 11, 23, tzinfo=UTC)
PLAN = samples.plan("acme.dev")
HISTORY = History(old_selectors=("old",))


def found(text: str = "v=spf1 -all", ttl: int = 300, *, authentic: bool = False) -> Found:
    rrset = RRset(owner="acme.dev", rdtype="TXT", ttl=ttl, rdatas=(Txt(strings=(text,)),))
    return Found(rrset=rrset, authentic=authentic)


def mark(
    answer: Answer,
    view: View = View.RECURSIVE,
    server: str = "127.0.0.1",
    history: History = HISTORY,
    by: View = View.RECURSIVE,
) -> str | None:
    """Return the basis of a look with one answer."""
    reply = Reply(perspective=Perspective(view=by, server=server), answer=answer)
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


@pytest.mark.parametrize("view", AUTHORITATIVE)
def test_resolvers_in_place_of_the_servers_have_no_basis(view: View) -> None:
    """What they say of a missing record depends on a TTL that runs down, so it is always judged."""
    assert mark(found(), view) is None


def test_the_negative_ttl_of_a_server_makes_another_basis() -> None:
    """It does not run down, and is a finding where it is long."""
    short, same, long = (
        mark(NxDomain(negative_ttl=ttl), View.EVERY_SERVER, by=View.EVERY_SERVER) for ttl in (5, 5, 9999)
    )
    assert short == same != long


def test_when_a_record_was_there_makes_another_basis_where_servers_were_asked() -> None:
    """A finding says until when a record was there that is missing now."""
    before, since = (
        mark(found(), View.EVERY_SERVER, by=View.EVERY_SERVER, history=replace(HISTORY, present_until=at))
        for at in (None, NOW)
    )
    assert None not in (before, since)
    assert before != since


def test_a_finding_of_the_time_is_never_kept() -> None:
    """What says when a cache forgets is said anew by each check."""
    servers = Question(name="acme.dev", rdtype="TXT", view=View.EVERY_SERVER)
    judged = CheckJudgement(results=(), findings=())
    assert is_cacheable(judged, {servers: ()})
    for diagnosis in (caching.NEGATIVE, caching.STALE, caching.CONTRADICTED):
        told = Finding(
            code=diagnosis.code, severity=diagnosis.severity, host="acme.dev", title="", detail="at 12:00", fix=""
        )
        assert not is_cacheable(replace(judged, findings=(told,)), {servers: ()})


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
    assert is_complete([standing(first), *there]) is (verdict is Verdict.PRESENT and agreed)
    optional = [each for each in PLAN.records if not each.required]
    assert optional
    assert is_complete([*all_present(PLAN).results, *map(standing, optional)])

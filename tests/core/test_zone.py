"""The zone behind the records: bad signatures are never "present", caches have their time, one cause is one finding."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from letterhead.core.check import check
from letterhead.core.check.check import NO_HISTORY
from letterhead.core.dns.answers import (
    Answer,
    Delegated,
    Found,
    Nameserver,
    NoData,
    NxDomain,
    Question,
    Reply,
    Seen,
    Unanswered,
    View,
    Why,
)
from letterhead.core.findings.diagnosis import Finding, History
from letterhead.core.plan.plan import RecordId, Verdict
from tests.core import samples

PLAN = samples.plan()
KEY = PLAN.records[0]
RIGHT = samples.found(KEY.host, "TXT", samples.txt(KEY.value))
OLD = samples.found(KEY.host, "TXT", samples.txt("v=DKIM1; p=AAAA"))
GONE = NxDomain(negative_ttl=5400)
BOGUS = Unanswered(why=Why.BOGUS, detail="signature expired")
SILENT = Unanswered(why=Why.TIMEOUT)
AT = datetime(2026, 11, 23, 14, 2, 30, tzinfo=UTC)


def key(servers: list[Answer], resolvers: list[Answer]) -> Seen:
    """Let servers and resolvers say something of the DKIM name."""
    with_authority = samples.asked(KEY.host, "TXT", View.EVERY_SERVER, *servers)
    return {**with_authority, **samples.asked(KEY.host, "TXT", View.RECURSIVE, *resolvers)}


def found(seen: Seen, history: History = NO_HISTORY) -> dict[str, Finding]:
    """Examine what was seen, and return the findings by code."""
    return {each.code: each for each in check.examine(PLAN, seen, history=history).findings}


@pytest.mark.parametrize(
    ("resolvers", "verdict"),
    [
        ([BOGUS], Verdict.UNANSWERED),
        ([BOGUS, BOGUS, SILENT], Verdict.UNANSWERED),
        ([BOGUS, RIGHT], Verdict.UNANSWERED),
        ([BOGUS, RIGHT, RIGHT], Verdict.PRESENT),
        ([SILENT, SILENT], Verdict.PRESENT),
        ([RIGHT], Verdict.PRESENT),
    ],
)
def test_what_resolvers_reject_is_not_present(resolvers: list[Answer], verdict: Verdict) -> None:
    """Receivers that validate don't see it, whatever the servers say; one odd resolver against two proves nothing."""
    seen = key([RIGHT, RIGHT], resolvers)
    assert check.judge_record(KEY, seen).verdict is verdict
    assert ("zone.dnssec-bogus" in found(seen)) is (verdict is Verdict.UNANSWERED)


def validated(answer: Answer) -> Answer:
    """Make an answer one that the resolver has validated."""
    assert isinstance(answer, Found | NoData | NxDomain)
    return replace(answer, authentic=True)


@pytest.mark.parametrize(
    ("servers", "resolvers", "verdict"),
    [
        (RIGHT, [validated(GONE)], Verdict.UNANSWERED),
        (RIGHT, [validated(NoData(negative_ttl=60))], Verdict.UNANSWERED),
        (RIGHT, [validated(OLD)], Verdict.UNANSWERED),
        (RIGHT, [validated(GONE), RIGHT, RIGHT], Verdict.UNANSWERED),
        (GONE, [validated(RIGHT)], Verdict.UNANSWERED),
        (OLD, [validated(RIGHT)], Verdict.UNANSWERED),
        (RIGHT, [validated(GONE), validated(RIGHT)], Verdict.PRESENT),  # one of them has asked anew
        (RIGHT, [validated(RIGHT)], Verdict.PRESENT),
        (GONE, [validated(GONE)], Verdict.ABSENT),
        (OLD, [validated(GONE)], Verdict.WRONG),
        (RIGHT, [GONE], Verdict.PRESENT),
        (GONE, [RIGHT], Verdict.ABSENT),
    ],
)
def test_what_is_validated_is_not_overruled(servers: Answer, resolvers: list[Answer], verdict: Verdict) -> None:
    """What servers say without a proof counts neither for nor against, where all that is validated says otherwise."""
    seen = key([servers, servers], resolvers)
    assert check.judge_record(KEY, seen).verdict is verdict
    told = found(seen, History(taken_at=AT))
    assert ("zone.dnssec-contradicted" in told) is (verdict is Verdict.UNANSWERED)
    if verdict is Verdict.UNANSWERED:
        assert "UTC" in told["zone.dnssec-contradicted"].fix
        assert not {"zone.negative-cached", "zone.stale-cached", "dkim.missing", "zone.timeout"} & set(told)


def test_a_majority_does_not_outvote_a_validated_denial() -> None:
    """Where only resolvers were asked, two that validate nothing make no record present that a third has disproved."""
    seen = samples.asked(KEY.host, "TXT", View.RECURSIVE, RIGHT, RIGHT, validated(GONE))
    assert check.judge_record(KEY, seen).verdict is Verdict.UNANSWERED
    seen = samples.asked(KEY.host, "TXT", View.RECURSIVE, RIGHT, RIGHT, GONE)
    assert check.judge_record(KEY, seen).verdict is Verdict.PRESENT


def test_a_missing_record_behind_bad_signatures_is_not_missing() -> None:
    """Bad signatures move no domain: neither for it nor against it."""
    assert check.judge_record(KEY, key([GONE, GONE], [BOGUS])).verdict is Verdict.UNANSWERED


@pytest.mark.parametrize(
    ("resolvers", "code", "when"),
    [
        ([NxDomain(negative_ttl=1740)], "zone.negative-cached", "at 14:32 UTC"),
        ([NoData(negative_ttl=20), NxDomain(negative_ttl=60)], "zone.negative-cached", "at 14:04 UTC"),
        ([RIGHT, OLD], "zone.stale-cached", "at 14:08 UTC"),
        ([NxDomain(negative_ttl=86400)], "zone.negative-cached", "at 2026-11-24 14:03 UTC"),
    ],
)
def test_a_cache_forgets_at_a_known_time(resolvers: list[Answer], code: str, when: str) -> None:
    """The servers are right already: when the resolvers will be is said to the minute, in UTC, never too early."""
    finding = found(key([RIGHT, RIGHT], resolvers), History(taken_at=AT))[code]
    assert when in finding.detail
    assert when in finding.fix
    assert finding.record == RecordId.DKIM
    assert finding.severity == "inconclusive"


def test_without_a_clock_a_cache_forgets_within_minutes() -> None:
    """Where nobody said when it was seen, the time left is said instead."""
    assert "within 29 minutes" in found(key([RIGHT], [NxDomain(negative_ttl=1740)]))["zone.negative-cached"].detail


@pytest.mark.parametrize("resolvers", [[RIGHT], [SILENT], [Unanswered(why=Why.SERVER_FAILURE), RIGHT]])
def test_nothing_is_remembered_where_resolvers_agree_or_are_silent(resolvers: list[Answer]) -> None:
    """Silence is no old value."""
    assert not {"zone.negative-cached", "zone.stale-cached"} & set(found(key([RIGHT], resolvers)))


def test_one_dead_zone_is_one_finding() -> None:
    """Four records that nobody answers for are one finding, about the zone, that names them all."""
    seen: Seen = {}
    for record in PLAN.records:
        view = View.EVERY_SERVER if record.id is RecordId.DKIM else View.TWO_SERVERS
        seen = {**seen, **samples.asked(record.host, record.rdtype, view, SILENT, SILENT)}
    findings = check.examine(PLAN, seen).findings
    assert [(each.code, each.host, each.record) for each in findings] == [("zone.timeout", "acme.dev", None)]
    assert len(findings[0].evidence) == len(PLAN.records)
    assert all(record.host in findings[0].detail for record in PLAN.records)


def test_one_silent_record_is_a_finding_about_the_record() -> None:
    """Where the zone answers for others, the name itself is said."""
    dmarc = PLAN.records[-1]
    seen = {**key([SILENT], [RIGHT]), **samples.asked(dmarc.host, "TXT", View.TWO_SERVERS, GONE)}
    timeout = found(seen)["zone.timeout"]
    assert (timeout.host, timeout.record) == (KEY.host, RecordId.DKIM)


def test_what_a_dead_server_did_is_told_before_what_it_was_not_asked() -> None:
    """A check that runs out of time on a dead server says of it that it gave no answer."""
    spent = Unanswered(why=Why.NOT_ASKED, detail="the check has run out of time")
    dead = [spent, Unanswered(why=Why.TIMEOUT, detail="no answer in 4 s"), spent, spent]
    seen: dict[Question, tuple[Reply, ...]] = {}
    for record, answer in zip(PLAN.records, dead, strict=True):
        view = View.EVERY_SERVER if record.id is RecordId.DKIM else View.TWO_SERVERS
        for question, replies in samples.asked(record.host, record.rdtype, view, RIGHT, answer).items():
            seen[question] = tuple(
                replace(each, perspective=replace(each.perspective, zone="acme.dev")) for each in replies
            )
    told = found(seen)["zone.nameserver-unreachable"]
    assert told.perspectives == ("ns2.acme.dev",)
    assert "no answer in 4 s" in told.detail


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ([Unanswered(why=Why.REFUSED), SILENT], "zone.refused"),
        ([SILENT, Unanswered(why=Why.SERVER_FAILURE)], "zone.server-failure"),
        ([Unanswered(why=Why.TOO_LARGE), SILENT], "zone.answer-too-large"),
        ([Unanswered(why=Why.TCP_BLOCKED)], "zone.tcp-blocked"),
        ([Unanswered(why=Why.NOT_ASKED), SILENT], "zone.timeout"),
        ([Unanswered(why=Why.NOT_ASKED)], "zone.not-asked"),
        ([Unanswered(why=Why.NOT_JUDGED)], "zone.not-judged"),
        ([Unanswered(why=Why.CNAME_LOOP)], "zone.cname-loop"),
    ],
)
def test_what_a_server_says_tells_more_than_silence(told: list[Answer], code: str) -> None:
    """Of several reasons the most telling one is the finding."""
    assert code in found(key(told, [RIGHT]))


@pytest.mark.parametrize("view", [View.ONE_RESOLVER, View.ONE_SERVER, View.RECURSIVE])
@pytest.mark.parametrize(("why", "code"), [(Why.TOO_LARGE, "zone.answer-too-large"), (Why.NOT_ASKED, "zone.not-asked")])
def test_advice_that_could_not_be_given_is_named(view: View, why: Why, code: str) -> None:
    """All planned records are right, and a limit kept an answer from us that advice follows from: it is said, once."""
    seen = samples.asked("acme.dev", "TXT", view, Unanswered(why=why, detail="more than that"))
    finding = found({**key([RIGHT], [RIGHT]), **seen})[code]
    assert (finding.host, finding.record) == ("acme.dev", None)
    assert "more than that" in finding.detail
    assert code not in found({**key([RIGHT], [RIGHT])})


def test_what_was_answered_in_another_way_is_not_called_unasked() -> None:
    """The servers told the record; that no packet was left to ask a resolver for it too takes nothing away."""
    spent = samples.asked(KEY.host, "TXT", View.RECURSIVE, Unanswered(why=Why.NOT_ASKED))
    assert "zone.not-asked" not in found({**key([RIGHT], [RIGHT]), **spent})


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        ([GONE, GONE], True),
        ([NoData(negative_ttl=60), NoData(negative_ttl=60)], True),
        ([SILENT, SILENT], False),
        ([GONE, SILENT], False),
    ],
)
def test_a_server_lacks_an_address_only_where_dns_says_so(addresses: list[Answer], expected: bool) -> None:
    """An address that could not be looked up may well exist."""
    servers = (Nameserver(name="ns1.acme.dev", addresses=("192.0.2.1",)), Nameserver(name="ns2.acme.dev", addresses=()))
    delegated = Delegated(zone="acme.dev", servers=servers, negative_ttl=300)
    seen = {**key([RIGHT], [RIGHT]), **samples.asked("acme.dev", "NS", View.DELEGATION, delegated)}
    for rdtype, answer in zip(("A", "AAAA"), addresses, strict=True):
        seen |= samples.asked("ns2.acme.dev", rdtype, View.ONE_RESOLVER, answer)
    assert ("zone.nameserver-unresolvable" in found(seen)) is expected


def test_more_than_one_server_without_address_still_has_one_finding_each() -> None:
    """Each server that has no address is named."""
    servers = tuple(Nameserver(name=f"ns{number}.acme.dev", addresses=()) for number in (1, 2))
    delegated = Delegated(zone="acme.dev", servers=servers, negative_ttl=0)
    seen = dict(samples.asked("acme.dev", "NS", View.DELEGATION, delegated))
    for server in servers:
        for rdtype in ("A", "AAAA"):
            seen |= samples.asked(server.name, rdtype, View.ONE_RESOLVER, GONE)
    codes = [each.code for each in check.examine(PLAN, seen).findings]
    assert codes.count("zone.nameserver-unresolvable") == 2

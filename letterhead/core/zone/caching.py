"""Knows that resolvers remember: what the zone's servers say already, and when others will see it."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Final

from letterhead.core.dns.answers import Aliased, Answer, Found, NoData, NxDomain, Question, Reply, View
from letterhead.core.dns.lookup import follow_aliases
from letterhead.core.dns.records import Rdata, display_texts
from letterhead.core.findings.diagnosis import Diagnosis, Finding, Match, RuleInput, Severity, finding
from letterhead.core.plan.dns_hosts import duration
from letterhead.core.plan.plan import AUTHORITATIVE, RecordResult, Verdict
from letterhead.core.zone.delegation import is_direct, zone_question

NEGATIVE = Diagnosis(
    code="zone.negative-cached",
    severity=Severity.INCONCLUSIVE,
    title="Resolvers still remember that the record was missing",
    meaning="Your DNS host already serves the right value. Some resolver asked before it was there, and remembers the "
    "answer “no such record” for a while. Nothing is wrong.",
    detail="The servers of {zone} have the right value for {host}; {servers} will see it {when}.",
    fix="Nothing to change: wait. The resolvers {servers} will see {name} {when}",
    reference="RFC 2308 5",
)
STALE = Diagnosis(
    code="zone.stale-cached",
    severity=Severity.INCONCLUSIVE,
    title="Resolvers still remember the old value of the record",
    meaning="Your DNS host already serves the right value. Some resolver asked before you changed it, and remembers "
    "the old one for as long as the record's TTL said. Nothing is wrong.",
    detail="The servers of {zone} have the right value for {host}; {servers} still says {observed}, and will see the "
    "new one {when}.",
    fix="Nothing to change: wait. The resolvers {servers} will see the new value of {name} {when}",
    reference="RFC 1035 3.2.1",
)
LONG = Diagnosis(
    code="zone.long-negative-ttl",
    severity=Severity.TIP,
    title="The zone lets resolvers remember missing records for long",
    meaning="Whoever asks for a record before you publish it remembers that there is none, for as long as the zone's "
    "SOA record says. That is long here, so after publishing it may take that long until all see it.",
    detail="Resolvers remember for {span} that a record in {host} is missing.",
    fix="Publish the records as soon as you can; where your DNS host lets you, set the last number of the SOA "
    "record of {host} to 300 {where}",
    reference="RFC 2308 5",
)
DIAGNOSES = (NEGATIVE, STALE, LONG)

LONG_AFTER: Final = 3600  # seconds


def survey(scene: RuleInput) -> Iterable[Finding]:
    """Finds what is right at the zone's servers and not seen everywhere yet."""
    for standing in scene.results:
        if standing.verdict is Verdict.PRESENT and standing.agreed and _with_authority(scene, standing):
            yield from _remembered(scene, standing)
    yield from _long(scene)


def _with_authority(scene: RuleInput, standing: RecordResult) -> bool:
    replies = is_direct(scene, standing.record)
    return any(reply.perspective.view is not View.RECURSIVE for reply in replies)


def _remembered(scene: RuleInput, standing: RecordResult) -> Iterator[Finding]:
    record = standing.record
    replies = follow_aliases(scene.seen, Question(name=record.host, rdtype=record.rdtype, view=View.RECURSIVE))
    right = _right(scene, standing)
    missing = [reply for reply in replies if isinstance(reply.answer, NxDomain | NoData)]
    old = [reply for reply in replies if _outdated(reply.answer, right)]
    for diagnosis, group in ((NEGATIVE, missing), (STALE, old)):
        if group:
            yield finding(diagnosis, scene, standing, _sighting(scene, group))


def _right(scene: RuleInput, standing: RecordResult) -> set[frozenset[Rdata]]:
    """Gathers what the servers with authority hold."""
    record = standing.record
    questions = (Question(name=record.host, rdtype=record.rdtype, view=view) for view in AUTHORITATIVE)
    answers = (reply.answer for question in questions for reply in follow_aliases(scene.seen, question))
    return {frozenset(answer.rrset.rdatas) for answer in answers if isinstance(answer, Found)}


def _outdated(answer: Answer, right: set[frozenset[Rdata]]) -> bool:
    match answer:
        case Found():
            return frozenset(answer.rrset.rdatas) not in right
        case Aliased():
            return True
        case _:
            return False


def _sighting(scene: RuleInput, replies: list[Reply]) -> Match:
    return Match(
        places={"when": _when(scene.history.taken_at, max(_left(reply.answer) for reply in replies))},
        observed=tuple(dict.fromkeys(text for reply in replies for text in _shown(reply.answer))),
        perspectives=tuple(dict.fromkeys(reply.perspective.server for reply in replies)),
        evidence=tuple(
            f"{reply.perspective.server}: {_when(scene.history.taken_at, _left(reply.answer))}" for reply in replies
        ),
    )


def _shown(answer: Answer) -> tuple[str, ...]:
    match answer:
        case Found():
            return display_texts(answer.rrset.rdatas)
        case Aliased():
            return (f"CNAME {answer.target}",)
        case _:
            return ()


def _left(answer: Answer) -> int:
    """Says for how many seconds more an answer is remembered: resolvers count down what they pass on."""
    match answer:
        case Found():
            return answer.rrset.ttl
        case Aliased():
            return answer.ttl
        case NoData() | NxDomain():
            return answer.negative_ttl
        case _:
            return 0


def _when(taken_at: datetime | None, seconds: int) -> str:
    if taken_at is None:
        minutes = max(1, ceil(seconds / 60))
        return f"within {minutes} minute{'s' if minutes > 1 else ''}"
    # The next full minute: at the one shown it must be true.
    then = taken_at.astimezone(UTC) + timedelta(seconds=seconds)
    then = then.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return f"at {then:%H:%M} UTC" if then.date() == taken_at.astimezone(UTC).date() else f"at {then:%Y-%m-%d %H:%M} UTC"


def _long(scene: RuleInput) -> Iterator[Finding]:
    absent = [each.record for each in scene.results if each.verdict is Verdict.ABSENT and each.agreed]
    answers = [reply.answer for record in absent for reply in is_direct(scene, record)]
    longest = max((each.negative_ttl for each in answers if isinstance(each, NxDomain | NoData)), default=0)
    if longest > LONG_AFTER:
        sighting = Match(places={"span": duration(longest)}, host=zone_question(scene), observed=())
        yield finding(LONG, scene, None, sighting)

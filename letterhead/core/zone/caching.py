"""Findings about caches: what resolvers still serve that the zone's servers no longer do (RFC 1035 3.2.1, RFC 2308)."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Final

from msgspec.structs import replace

from letterhead.core.dns.answers import Aliased, Answer, Found, NoData, NxDomain, Question, Reply, View
from letterhead.core.dns.lookup import follow_aliases
from letterhead.core.dns.records import display_texts
from letterhead.core.findings.diagnosis import Diagnosis, Finding, Match, RuleInput, Severity, finding
from letterhead.core.plan.dns_hosts import duration
from letterhead.core.plan.plan import AUTHORITATIVE, RecordResult, Verdict, authenticated_replies
from letterhead.core.zone.delegation import authoritative_replies, zone_name

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
CONTRADICTED = Diagnosis(
    code="zone.dnssec-contradicted",
    severity=Severity.INCONCLUSIVE,
    title="A validated answer says otherwise than the domain's servers",
    meaning="The zone is signed. A resolver that checks signatures has a signed answer, and what the domain's servers "
    "told us without a proof says the opposite. Either the record was changed not long ago, or somebody forged an "
    "answer to us, so we go by neither.",
    detail="For {asked} the servers of {zone} say otherwise than the validated answer at {servers}, which holds until "
    "it is forgotten {when}.",
    fix="If you have just changed {name}, wait: the resolvers {servers} will ask for it again {when}. If it stays so, "
    "ask your DNS host whether each of its servers serves the signed zone {zone}",
    reference="RFC 4035 4.9.3",
)
DIAGNOSES = (NEGATIVE, STALE, CONTRADICTED, LONG)

LONG_AFTER: Final = 3600  # seconds


def survey(rule_input: RuleInput) -> Iterable[Finding]:
    """Find what is right at the zone's servers and not seen at every resolver yet."""
    for result in rule_input.results:
        if result.verdict is Verdict.PRESENT and result.agreed:
            replies = authoritative_replies(rule_input, result.record)
            if any(reply.perspective.view is not View.RECURSIVE for reply in replies):
                yield from find_cached(rule_input, result)
        elif result.disproved:
            match = _match_cached(rule_input, authenticated_replies(result.record, rule_input.seen))
            places = {**match.places, "asked": result.record.host}
            yield finding(CONTRADICTED, rule_input, result, replace(match, places=places))
    yield from find_long_negative_ttl(rule_input)


def find_cached(rule_input: RuleInput, result: RecordResult) -> Iterator[Finding]:
    """Find the resolvers that have "no such record" or an old value of a present record in their caches."""
    record, seen = result.record, rule_input.seen
    questions = (Question(name=record.host, rdtype=record.rdtype, view=view) for view in AUTHORITATIVE)
    answers = (reply.answer for question in questions for reply in follow_aliases(seen, question))
    current = {frozenset(answer.rrset.rdatas) for answer in answers if isinstance(answer, Found)}
    old: list[Reply] = []
    missing: list[Reply] = []
    for reply in follow_aliases(seen, Question(name=record.host, rdtype=record.rdtype, view=View.RECURSIVE)):
        if isinstance(reply.answer, NxDomain | NoData):
            missing.append(reply)
        elif isinstance(reply.answer, Aliased) or (
            isinstance(reply.answer, Found) and frozenset(reply.answer.rrset.rdatas) not in current
        ):
            old.append(reply)
    for diagnosis, replies in ((NEGATIVE, missing), (STALE, old)):
        if replies:
            yield finding(diagnosis, rule_input, result, _match_cached(rule_input, replies))


def _match_cached(rule_input: RuleInput, replies: Sequence[Reply]) -> Match:
    """Return what resolvers have in their caches, and when the last of them forgets it."""
    taken_at = rule_input.history.taken_at
    cached = [(reply.perspective.server, *_ttl_and_texts(reply.answer)) for reply in replies]
    return Match(
        places={"when": _expiry_text(taken_at, max(seconds for _, seconds, _ in cached))},
        observed=tuple(dict.fromkeys(text for _, _, texts in cached for text in texts)),
        perspectives=tuple(dict.fromkeys(server for server, _, _ in cached)),
        evidence=tuple(f"{server}: {_expiry_text(taken_at, seconds)}" for server, seconds, _ in cached),
    )


def _ttl_and_texts(answer: Answer) -> tuple[int, tuple[str, ...]]:
    """Return for how many seconds more an answer is cached, as resolvers count the TTL down, and its values."""
    match answer:
        case Found():
            return answer.rrset.ttl, display_texts(answer.rrset.rdatas)
        case Aliased():
            return answer.ttl, (f"CNAME {answer.target}",)
        case NoData() | NxDomain():
            return answer.negative_ttl, ()
        case _:
            return 0, ()


def _expiry_text(taken_at: datetime | None, seconds: int) -> str:
    if taken_at is None:
        minutes = max(1, ceil(seconds / 60))
        return f"within {minutes} minute{'s' if minutes > 1 else ''}"
    # The next full minute: at the one shown it must be true.
    then = taken_at.astimezone(UTC) + timedelta(seconds=seconds)
    then = then.replace(second=0, microsecond=0) + timedelta(minutes=1)
    return f"at {then:%H:%M} UTC" if then.date() == taken_at.astimezone(UTC).date() else f"at {then:%Y-%m-%d %H:%M} UTC"


def find_long_negative_ttl(rule_input: RuleInput) -> Iterator[Finding]:
    """Find that resolvers cache for more than an hour that an absent record is missing (RFC 2308 5)."""
    absent = [each.record for each in rule_input.results if each.verdict is Verdict.ABSENT and each.agreed]
    answers = [reply.answer for record in absent for reply in authoritative_replies(rule_input, record)]
    longest = max((each.negative_ttl for each in answers if isinstance(each, NxDomain | NoData)), default=0)
    if longest > LONG_AFTER:
        match = Match(places={"span": duration(longest)}, host=zone_name(rule_input), observed=())
        yield finding(LONG, rule_input, None, match)

"""Findings about records of which no answer came: which servers did not answer, and why. Never "missing"."""

from collections.abc import Collection, Iterable, Iterator
from typing import Final, assert_never

import msgspec

from letterhead.core.dns.answers import Question, Reply, Unanswered, View, Why, answering
from letterhead.core.dns.lookup import follow_aliases, has_vacant_target, leaves_zone_text
from letterhead.core.findings.diagnosis import Diagnosis, Finding, Match, RuleInput, Severity, finding
from letterhead.core.plan.plan import (
    AUTHORITATIVE,
    DKIM_KEYS,
    PlannedRecord,
    RecordResult,
    Verdict,
    end_of_aliases,
    rejecting_replies,
)
from letterhead.core.zone.delegation import first_reason, is_resolver_failure, zone_name

TIMEOUT = Diagnosis(
    code="zone.timeout",
    severity=Severity.INCONCLUSIVE,
    title="The DNS servers did not answer",
    meaning="We asked and nothing came back, so we know neither that the record is there nor that it is missing.",
    detail="No answer for {asked}: {reason}.",
    fix="Nothing to change yet: we ask again soon. If it stays, tell your DNS host that its servers for {host} do not "
    "answer",
    reference="RFC 1035 4.2.1",
)
SERVER_FAILURE = Diagnosis(
    code="zone.server-failure",
    severity=Severity.INCONCLUSIVE,
    title="The DNS servers report a failure of their own",
    meaning="The answer was SERVFAIL: the server has a problem with the zone and can't say what the record is.",
    detail="SERVFAIL for {asked}: {reason}.",
    fix="Nothing to change yet: we ask again soon. If it stays, tell your DNS host that {servers} fail for {host}",
    reference="RFC 1035 4.1.1",
)
REFUSED = Diagnosis(
    code="zone.refused",
    severity=Severity.INCONCLUSIVE,
    title="The DNS servers refuse to answer for this domain",
    meaning="The servers that the domain is delegated to say that they are not in charge of it, or not for us.",
    detail="Refused for {asked}: {reason}.",
    fix="Check at your registrar that the nameservers of {host} are those of your DNS host; if they are, ask the host "
    "why {servers} refuse",
    reference="RFC 1035 4.1.1",
)
TCP_BLOCKED = Diagnosis(
    code="zone.tcp-blocked",
    severity=Severity.INCONCLUSIVE,
    title="A long answer can't be fetched from the DNS servers",
    meaning="Answers that don't fit into one packet are fetched over TCP, which these servers don't answer.",
    detail="The answer for {asked} was cut off over UDP, and none came over TCP.",
    fix="Ask your DNS host to open TCP port 53 on {servers}",
    reference="RFC 7766 5",
)
TOO_LARGE = Diagnosis(
    code="zone.answer-too-large",
    severity=Severity.INCONCLUSIVE,
    title="The answer is too large to be read",
    meaning="The name holds far more data than any mail record needs; we don't read it at all, and receivers may not "
    "either. What stands there is not judged.",
    detail="The answer for {asked} holds more than we read: {reason}.",
    fix="Remove the records that don't belong at {asked} {where}; if the name is another's, ask whoever runs it",
    reference="RFC 7208 3.4",
)
BOGUS = Diagnosis(
    code="zone.dnssec-bogus",
    severity=Severity.BLOCKING,
    title="The domain's DNSSEC signatures are wrong",
    meaning="Resolvers that check signatures throw the answer away, so for most receivers these records do not exist.",
    detail="Without the check of signatures there is an answer for {asked}; with it, {servers} says: {reason}.",
    fix="Ask your DNS host to sign {host} again; or remove the DS record at your registrar until it is fixed",
    reference="RFC 4035 5.5",
)
CNAME_LOOP = Diagnosis(
    code="zone.cname-loop",
    severity=Severity.BLOCKING,
    title="The name's aliases lead in a circle",
    meaning="A CNAME sends those who ask on to another name, and that one leads back. Nobody ever gets an answer.",
    detail="The CNAMEs that begin at {asked} form a loop, or a chain of more than 8.",
    fix="Delete the CNAME at {asked}, then add the record that belongs there {where}",
    reference="RFC 1034 3.6.2",
)
OUR_RESOLVERS = Diagnosis(
    code="resolver.failed",
    severity=Severity.INCONCLUSIVE,
    title="Our own resolvers could not tell the way to the domain's servers",
    meaning="Before a domain's own DNS servers can be asked, resolvers must say which these are. The resolvers that "
    "this check uses did not, so it says nothing about your domain.",
    detail="The resolvers {servers} did not tell which servers {host} has: {reason}.",
    fix="Nothing to change in your DNS. Whoever runs this check looks at the resolvers {servers} (letterhead doctor), "
    "or asks others (letterhead check --resolver)",
    reference="RFC 1034 5.3.1",
)
NOT_IN_TEXT = Diagnosis(
    code="zone.not-in-text",
    severity=Severity.INCONCLUSIVE,
    title="A record lies in a zone that the zone text does not hold",
    meaning="A CNAME sends those who ask on to a name of another zone, as many mail services want it. What stands "
    "there is not in the text, so it can only be seen over the network.",
    detail="Not in the text: {aliases}.",
    fix="Keep each CNAME as the service that asked for it wants it, and check {sender} over the network to see the "
    "records. What stands at {ends} is for whoever runs that zone to change",
    reference="RFC 1034 3.6.2",
)
TARGET_EMPTY = Diagnosis(
    code="zone.target-empty",
    severity=Severity.INCONCLUSIVE,
    title="A CNAME leads to a name of another zone that holds nothing",
    meaning="Mail services that keep your keys for you also have spare names, which are empty until the next change of "
    "keys. Only the service can publish there.",
    detail="Nothing stands there: {aliases}.",
    fix="Keep each CNAME, and change nothing in your DNS. If mail that should be signed by way of it fails, ask "
    "whoever runs the zone of {ends} to publish the record there",
    reference="RFC 1034 3.6.2",
)
LINE_UNREAD = Diagnosis(
    code="zone.line-unread",
    severity=Severity.INCONCLUSIVE,
    title="The line of the zone text that may hold the record can't be read",
    meaning="You gave the text of a zone. The line that this record stands on, or may stand on, is not what a name "
    "server reads, so we know neither that the record is right nor that it is missing.",
    detail="Nothing is known of {asked}: {reason}.",
    fix="Write that line as a record (name, TTL, type, value; a text in quotes), or the records of the file that it "
    "takes in; then check again, or check without a zone text",
    reference="RFC 1035 5.1",
)
PRIVATE_SERVERS = Diagnosis(
    code="zone.nameservers-private",
    severity=Severity.INCONCLUSIVE,
    title="The domain's nameservers have private addresses",
    meaning="An address such as 10.0.0.1 belongs to another machine on every network, so receivers on the internet "
    "can't ask servers there, and we don't. It is so where a company's own network has its own view of the domain, and "
    "the resolvers that this check uses are in that network.",
    detail="The nameservers of {host} that our resolvers name have no public address: {servers}.",
    fix="If {host} is to send mail to the internet, make sure that its nameservers at the registrar have public "
    "addresses. Whoever runs this service lets private ones be asked by LETTERHEAD_DNS_NETWORKS, or names resolvers "
    "outside that network in LETTERHEAD_DNS_RESOLVERS",
    reference="RFC 1918 5",
)
NOT_ASKED = Diagnosis(
    code="zone.not-asked",
    severity=Severity.INCONCLUSIVE,
    title="This check could not ask everything",
    meaning="One check sends a limited number of packets within a limited time, so that it is no burden to anybody's "
    "servers. What it did not ask may be right or wrong.",
    detail="Not asked about {asked}: {reason}.",
    fix="Nothing to change in your DNS: check {sender} again. If it stays, check fewer DKIM selectors at once, or ask "
    "your DNS host why its servers answer slowly",
    reference="RFC 1034 5.3.3",
)
NOT_JUDGED = Diagnosis(
    code="zone.not-judged",
    severity=Severity.INCONCLUSIVE,
    title="Judging the records takes too long",
    meaning="Anybody can publish texts that are laborious to judge. One check may use a limited time of the processor, "
    "so that all other domains are checked in time. Nothing that this check saw counts.",
    detail="Not judged: {asked}, because {reason}.",
    fix="Look for very long or very many texts at {asked}, and in what the SPF records of {sender} include; remove "
    "those that nobody needs. If there are none, report this to whoever runs this check",
    reference="RFC 7208 11.1",
)
DIAGNOSES = (
    *(PRIVATE_SERVERS, OUR_RESOLVERS, TIMEOUT, SERVER_FAILURE, REFUSED, TCP_BLOCKED, TOO_LARGE, BOGUS, CNAME_LOOP),
    *(LINE_UNREAD, NOT_IN_TEXT, TARGET_EMPTY, NOT_ASKED, NOT_JUDGED),
)

# Where the servers' failures differ: a failure that a server reports says more than no reply from another.
MOST_SPECIFIC_FIRST: Final = (
    *(Why.NOT_JUDGED, Why.UNREADABLE, Why.BOGUS, Why.CNAME_LOOP, Why.TOO_LARGE, Why.TCP_BLOCKED, Why.SERVER_FAILURE),
    *(Why.REFUSED, Why.LAME, Why.PRIVATE_SERVERS, Why.NO_SERVERS, Why.NOT_HELD, Why.MALFORMED),
    *(Why.TIMEOUT, Why.UNREACHABLE, Why.NOT_ASKED),
)


class _UnansweredRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One record without an answer: why, and by which servers; `host` is the zone, where all of it is unanswered."""

    result: RecordResult
    diagnosis: Diagnosis
    reason: str
    servers: tuple[str, ...]
    host: str


def survey(rule_input: RuleInput) -> Iterable[Finding]:
    """Find the records without an answer: one finding a zone, however many of its records are concerned."""
    groups: dict[tuple[str, str], list[_UnansweredRecord]] = {}
    unasked: dict[str, str] = {}
    for result in rule_input.results:
        replies = _failed_replies(rule_input, result.record)
        if replies:
            unanswered = _unanswered_record(rule_input, result, replies)
            if unanswered.diagnosis is NOT_ASKED:
                unasked[result.record.host] = unanswered.reason
                continue
            groups.setdefault((unanswered.diagnosis.code, unanswered.host), []).append(unanswered)
    for (_, host), group in groups.items():
        first = group[0]
        match = Match(
            places={
                "asked": ", ".join(dict.fromkeys(each.result.record.host for each in group)),
                "reason": first.reason,
            },
            host=host,
            perspectives=tuple(dict.fromkeys(server for each in group for server in each.servers)),
            evidence=tuple(f"{each.result.record.rdtype} {each.result.record.host}: {each.reason}" for each in group),
        )
        yield finding(first.diagnosis, rule_input, first.result if host == first.result.record.host else None, match)
    yield from find_aliases_elsewhere(rule_input)
    told = {each.result.record.host for group in groups.values() for each in group}
    yield from find_too_large(rule_input, told)
    yield from find_not_asked(rule_input, told, unasked)


def find_not_asked(rule_input: RuleInput, told: Collection[str], unasked: dict[str, str]) -> Iterator[Finding]:
    """Find what a limit of ours kept from being asked: records (`unasked`: name and reason), or what advice needs.

    Where servers left every record unanswered, they used up the limit, and that alone is told. The keys in the
    operator's own zone are asked for only behind their CNAMEs.
    """
    is_silent = all(result.verdict is Verdict.UNANSWERED for result in rule_input.results)
    if is_silent and told:
        return
    left = dict(unasked)
    passed_over = {*told, *(each.host for each in rule_input.plan.served)}
    not_asked = {} if is_silent else {each: reply for each, reply in rule_input.seen.items() if _was_not_asked(reply)}
    seen = rule_input.seen.items() if not_asked else ()
    answered = {(each.name, each.rdtype) for each, replies in seen if answering(replies)}
    for question, replies in not_asked.items():
        if question.name not in passed_over and (question.name, question.rdtype) not in answered:
            left.setdefault(question.name, first_reason(replies))
    if left:
        places = {"asked": ", ".join(left), "reason": next(iter(left.values()))}
        yield finding(NOT_ASKED, rule_input, None, Match(places=places, host=zone_name(rule_input)))


def _was_not_asked(replies: tuple[Reply, ...]) -> bool:
    """Tell whether a question was asked nowhere for a limit of ours."""
    answers = [each.answer for each in replies]
    return bool(answers) and all(isinstance(each, Unanswered) and each.why is Why.NOT_ASKED for each in answers)


def find_too_large(rule_input: RuleInput, told: Collection[str]) -> Iterator[Finding]:
    """Find further answers that a limit of ours kept unread, so that no advice about them could be given."""
    names: dict[str, list[Reply]] = {}
    for question, replies in rule_input.seen.items():
        large = [each for each in replies if isinstance(each.answer, Unanswered) and each.answer.why is Why.TOO_LARGE]
        if large and question.name not in told:
            names.setdefault(question.name, []).extend(large)
    for name, large in names.items():
        match = Match(
            places={"asked": name, "reason": first_reason(large)},
            host=name,
            perspectives=tuple(dict.fromkeys(each.perspective.server for each in large)),
        )
        yield finding(TOO_LARGE, rule_input, None, match)


def find_aliases_elsewhere(rule_input: RuleInput) -> Iterable[Finding]:
    """Find the CNAMEs whose end is not in the zone text, or is empty at somebody else: one finding for each kind.

    Where some key can sign mail, those that can't be seen are worth no more than a note.
    """
    groups: dict[tuple[Diagnosis, Severity], list[tuple[RecordResult, str]]] = {}
    for result in rule_input.results:
        record = result.record
        end = end_of_aliases(rule_input.seen, record) if result.verdict is Verdict.UNANSWERED else None
        asked = [each for view in AUTHORITATIVE if (each := _question(record, view)) in rule_input.seen]
        if end is None or not asked:
            continue
        leaves = leaves_zone_text(rule_input.seen, asked[0])
        if leaves or (not record.exact and has_vacant_target(rule_input.seen, asked[0])):
            spare = record.id in DKIM_KEYS and rule_input.signing is Verdict.PRESENT
            severity = Severity.TIP if spare else Severity.INCONCLUSIVE
            groups.setdefault((NOT_IN_TEXT if leaves else TARGET_EMPTY, severity), []).append((result, end))
    for (diagnosis, severity), group in groups.items():
        aliases = "; ".join(dict.fromkeys(f"{result.record.host} is a CNAME to {end}" for result, end in group))
        ends = list(dict.fromkeys(end for _, end in group))
        only = group[0][0] if len(group) == 1 else None
        match = Match(
            places={"aliases": aliases, "ends": ", ".join(ends)},
            host=None if only else zone_name(rule_input),
            severity=severity,
            observed=tuple(f"CNAME {end}" for end in ends),
        )
        yield finding(diagnosis, rule_input, only, match)


def _failed_replies(rule_input: RuleInput, record: PlannedRecord) -> tuple[Reply, ...]:
    """Return the replies that say why nothing is known of a record; none where something is known."""
    rejecting = rejecting_replies(record, rule_input.seen)
    if rejecting:
        return rejecting
    for view in AUTHORITATIVE:
        question = _question(record, view)
        replies = follow_aliases(rule_input.seen, question)
        if replies and not answering(replies) and not leaves_zone_text(rule_input.seen, question):
            return replies
    replies = rule_input.seen.get(_question(record, View.RECURSIVE), ())
    reasons = {reply.answer.why if isinstance(reply.answer, Unanswered) else None for reply in replies}
    return replies if reasons <= {Why.SERVER_FAILURE, Why.CNAME_LOOP} else ()


def _question(record: PlannedRecord, view: View) -> Question:
    return Question(name=record.host, rdtype=record.rdtype, view=view)


def _unanswered_record(rule_input: RuleInput, result: RecordResult, replies: tuple[Reply, ...]) -> _UnansweredRecord:
    record = result.record
    failures = [reply.answer for reply in replies if isinstance(reply.answer, Unanswered)]
    worst = min(failures, key=lambda each: MOST_SPECIFIC_FIRST.index(each.why))
    by_resolvers = is_resolver_failure(replies)
    diagnosis = OUR_RESOLVERS if by_resolvers else _diagnosis_of(worst.why)
    asked = rule_input.seen.get(_question(record, View.RECURSIVE), ()) if by_resolvers else replies
    zone = replies[0].perspective.zone or zone_name(rule_input)
    in_zone = (each.record for each in rule_input.results if each.record.host.endswith(f".{zone}"))
    of_name = diagnosis in (TOO_LARGE, CNAME_LOOP, TCP_BLOCKED, LINE_UNREAD)  # caused by what this one name holds
    servers = tuple(dict.fromkeys(reply.perspective.server for reply in asked))
    return _UnansweredRecord(
        result=result,
        diagnosis=diagnosis,
        reason=worst.detail or worst.why.value,
        servers=rule_input.nameservers or servers if diagnosis is PRIVATE_SERVERS else servers,
        host=zone if not of_name and all(_failed_replies(rule_input, each) for each in in_zone) else record.host,
    )


def _diagnosis_of(why: Why) -> Diagnosis:
    match why:
        case Why.TIMEOUT | Why.UNREACHABLE | Why.MALFORMED | Why.NO_SERVERS | Why.NOT_HELD:
            return TIMEOUT
        case Why.NOT_ASKED:
            return NOT_ASKED
        case Why.NOT_JUDGED:
            return NOT_JUDGED
        case Why.SERVER_FAILURE:
            return SERVER_FAILURE
        case Why.CNAME_LOOP:
            return CNAME_LOOP
        case Why.REFUSED | Why.LAME:
            return REFUSED
        case Why.PRIVATE_SERVERS:
            return PRIVATE_SERVERS
        case Why.UNREADABLE:
            return LINE_UNREAD
        case Why.TCP_BLOCKED:
            return TCP_BLOCKED
        case Why.TOO_LARGE:
            return TOO_LARGE
        case Why.BOGUS:
            return BOGUS
        case _:
            assert_never(why)

"""Findings about the nameservers of a zone: none, lame, unreachable, without address, not those of the parent."""

from collections.abc import Iterable, Iterator
from typing import Final

from letterhead.core.dns.answers import (
    DELEGATION_LOOKUP,
    Answer,
    Delegated,
    NoData,
    NxDomain,
    Question,
    Reply,
    Unanswered,
    View,
    Why,
)
from letterhead.core.findings.diagnosis import Diagnosis, Finding, Hides, Match, RuleInput, Severity, finding
from letterhead.core.plan.dns_hosts import delegation
from letterhead.core.plan.plan import AUTHORITATIVE, PlannedRecord, Verdict

NO_NAMESERVERS = Diagnosis(
    code="zone.no-nameservers",
    severity=Severity.BLOCKING,
    title="No DNS server answers for the domain",
    meaning="The registrar says which servers hold a domain's records. For this domain it names none that does, so "
    "nobody can see any record, whatever you publish.",
    detail="No server answers for {host}: {reason}.",
    fix="Enter the nameservers of your DNS host for {host} at your registrar, and check that the domain exists there",
    reference="RFC 1034 4.2.1",
    hides=Hides.ALL,
)
LAME = Diagnosis(
    code="zone.lame-delegation",
    severity=Severity.WARNING,
    title="A nameserver of the domain does not know the domain",
    meaning="One of the servers that the domain is delegated to is not in charge of it. Those who ask it first lose "
    "time, or get no answer.",
    detail="{servers} does not answer for {host}: {reason}.",
    fix="Remove {servers} from the nameservers of {host} at your registrar, or ask the DNS host why it lacks the zone",
    reference="RFC 1912 2.8",
)
UNRESOLVABLE = Diagnosis(
    code="zone.nameserver-unresolvable",
    severity=Severity.WARNING,
    title="A nameserver of the domain has no address",
    meaning="One of the servers that the domain is delegated to does not exist in DNS, so nobody can ask it.",
    detail="{servers} is a nameserver of {host} and has no address.",
    fix="Correct or remove {servers} in the nameservers of {host}, at your registrar and at your DNS host",
    reference="RFC 1912 2.8",
)
UNREACHABLE = Diagnosis(
    code="zone.nameserver-unreachable",
    severity=Severity.WARNING,
    title="A nameserver of the domain does not answer",
    meaning="The other servers answer, so mail works. Those who ask this one first have to wait.",
    detail="{servers} did not answer for {host}: {reason}.",
    fix="If it stays so, ask your DNS host why {servers} does not answer, or remove it from the nameservers of {host}",
    reference="RFC 2182 3.1",
)
MISMATCH = Diagnosis(
    code="zone.delegation-mismatch",
    severity=Severity.WARNING,
    title="The registrar names other nameservers than the domain itself",
    meaning="Who asks may come to one set of servers or the other. Where the old ones still hold old records, what you "
    "publish is seen by some only.",
    detail="The parent zone names {parent}; {host} itself names {own}.",
    fix="Enter at your registrar exactly the nameservers that your DNS host names for {host}",
    reference="RFC 1912 2.3",
)
SUBZONE = Diagnosis(
    code="zone.subzone-delegated",
    severity=Severity.TIP,
    title="This name belongs to a zone of its own",
    meaning="A part of the domain was handed over to other DNS servers. What you publish below it at the domain's own "
    "DNS host is seen by nobody.",
    detail="{asked} lies in the zone {host}, which {servers} serve.",
    fix="Publish the record in the zone {host}, at {servers}; or remove the NS records at {host} from the zone above",
    reference="RFC 1034 4.2.1",
)
DIAGNOSES = (NO_NAMESERVERS, LAME, UNRESOLVABLE, UNREACHABLE, MISMATCH, SUBZONE)

NOT_SERVED: Final = frozenset({Why.NO_SERVERS, Why.NOT_HELD, Why.LAME, Why.REFUSED})
FAILURES: Final = NOT_SERVED | {Why.SERVER_FAILURE}
NO_REPLY: Final = frozenset({Why.TIMEOUT, Why.UNREACHABLE})
ADDRESSES: Final = ("A", "AAAA")


def zone_name(rule_input: RuleInput) -> str:
    """Return the name of the zone that holds the sender: as DNS delegates it, else as planned."""
    seen = delegation(rule_input.plan.sender, rule_input.seen)
    return seen.zone if seen is not None and "." in seen.zone else rule_input.plan.zone


def survey(rule_input: RuleInput) -> Iterable[Finding]:
    """Find the faults of the zone's nameservers and of their delegation."""
    yield from find_no_nameservers(rule_input)
    yield from find_faulty_servers(rule_input)
    for name in _servers_without_address(rule_input):
        replies = [rule_input.seen.get(_address_question(name, rdtype), ()) for rdtype in ADDRESSES]
        if all(each and isinstance(each[0].answer, NxDomain | NoData) for each in replies):
            yield _server_finding(UNRESOLVABLE, rule_input, name)
    yield from find_delegation_mismatch(rule_input)
    yield from find_subzones(rule_input)


def questions(rule_input: RuleInput) -> Iterable[Question]:
    """Ask for addresses of the servers that have none, and for the delegation of names that got no answer."""
    for name in _servers_without_address(rule_input):
        yield from (_address_question(name, rdtype) for rdtype in ADDRESSES)
    if all(result.verdict is Verdict.UNANSWERED for result in rule_input.results):
        return
    for result in rule_input.results:
        if result.verdict is Verdict.UNANSWERED:
            yield _delegation_question(result.record.host)


def authoritative_replies(rule_input: RuleInput, record: PlannedRecord) -> tuple[Reply, ...]:
    """Return the replies of the servers with authority for a planned name, aliases not followed."""
    for view in AUTHORITATIVE:
        question = Question(name=record.host, rdtype=record.rdtype, view=view)
        if question in rule_input.seen:
            return rule_input.seen[question]
    return ()


def _server_replies(rule_input: RuleInput) -> Iterator[Reply]:
    for record in rule_input.plan.records:
        replies = authoritative_replies(rule_input, record)
        yield from (each for each in replies if each.perspective.view is not View.RECURSIVE)


def is_resolver_failure(replies: Iterable[Reply]) -> bool:
    """Return whether our own resolvers failed: they did not find the zone whose servers were to be asked."""
    lookups = [reply for reply in replies if reply.perspective.server == DELEGATION_LOOKUP]
    failed = [reply.answer for reply in lookups if reply.perspective.zone is None]
    reasons = {answer.why for answer in failed if isinstance(answer, Unanswered)}
    return bool(reasons) and not reasons & {Why.NOT_ASKED, Why.MALFORMED}


def _failure_reasons(answers: Iterable[Answer]) -> set[Why | None]:
    """Return why there were no answers; None stands for an answer."""
    return {answer.why if isinstance(answer, Unanswered) else None for answer in answers}


def first_reason(replies: Iterable[Reply]) -> str:
    """Return why the first of these servers that was asked and did not answer did not."""
    failures = [reply.answer for reply in replies if isinstance(reply.answer, Unanswered)]
    # What a server did says more of it than that the check had no time left to ask it something else.
    asked = [each for each in failures if each.why is not Why.NOT_ASKED] or failures
    return asked[0].detail or asked[0].why.value if asked else ""


# --- no server has the zone ------------------------------------------------------------------------------------


def find_no_nameservers(rule_input: RuleInput) -> Iterator[Finding]:
    """Find that no server answers for the domain, which the resolvers confirm: else it may be an outage of ours."""
    plan, seen = rule_input.plan, rule_input.seen
    replies = list(_server_replies(rule_input))
    reasons = _failure_reasons(reply.answer for reply in replies)
    zone = delegation(plan.sender, seen)
    registry = zone.zone if zone is not None and "." not in zone.zone and "." in plan.sender else None
    undelegated = registry is not None and all(each.perspective.zone == registry for each in replies)
    views = (Question(name=each.host, rdtype=each.rdtype, view=View.RECURSIVE) for each in plan.records)
    at_resolvers = _failure_reasons(reply.answer for question in views for reply in seen.get(question, ())) or {None}
    unserved = bool(replies) and reasons <= NOT_SERVED and not is_resolver_failure(replies)
    if undelegated or (unserved and at_resolvers <= FAILURES):
        reason = "it is not delegated" if undelegated else first_reason(replies)
        servers = tuple(dict.fromkeys(each.perspective.server for each in replies if each.perspective.zone))
        match = Match(places={"reason": reason}, host=zone_name(rule_input), perspectives=servers)
        yield finding(NO_NAMESERVERS, rule_input, None, match)


# --- one server of several -------------------------------------------------------------------------------------


def find_faulty_servers(rule_input: RuleInput) -> Iterator[Finding]:
    """Find the servers that never answered while others did."""
    by_server: dict[str, list[Reply]] = {}
    for reply in _server_replies(rule_input):
        if reply.perspective.zone == zone_name(rule_input):
            by_server.setdefault(reply.perspective.server, []).append(reply)
    reasons = {
        server: _failure_reasons(each.answer for each in replies) - {Why.NOT_ASKED}
        for server, replies in by_server.items()
    }
    if not any(None in each for each in reasons.values()):
        return
    for diagnosis, causes in ((LAME, FAILURES | {Why.MALFORMED}), (UNREACHABLE, NO_REPLY)):
        for server, of_server in reasons.items():
            if None not in of_server and of_server & causes and (diagnosis is LAME or of_server <= NO_REPLY):
                yield _server_finding(diagnosis, rule_input, server, first_reason(by_server[server]))


def _server_finding(diagnosis: Diagnosis, rule_input: RuleInput, server: str, reason: str = "") -> Finding:
    match = Match(places={"reason": reason}, host=zone_name(rule_input), perspectives=(server,))
    return finding(diagnosis, rule_input, None, match)


def _servers_without_address(rule_input: RuleInput) -> list[str]:
    seen = delegation(rule_input.plan.sender, rule_input.seen)
    return [server.name for server in seen.servers if not server.addresses] if seen else []


def _address_question(name: str, rdtype: str) -> Question:
    return Question(name=name, rdtype=rdtype, view=View.ONE_RESOLVER)


# --- the parent's list and the zone's own, and zones below -----------------------------------------------------


def find_delegation_mismatch(rule_input: RuleInput) -> Iterator[Finding]:
    """Find that the parent zone lists other nameservers than the zone itself."""
    seen = delegation(rule_input.plan.sender, rule_input.seen)
    own = {server.name for server in seen.servers} if seen else set()
    parent = set(seen.parent_servers) if seen else set()
    if own and parent and own != parent:
        match = Match(
            places={"parent": ", ".join(sorted(parent)), "own": ", ".join(sorted(own))},
            host=zone_name(rule_input),
            observed=tuple(sorted(own)),
            perspectives=tuple(sorted(own ^ parent)),
        )
        yield finding(MISMATCH, rule_input, None, match)


def _delegation_question(host: str) -> Question:
    return Question(name=host, rdtype="NS", view=View.DELEGATION)


def find_subzones(rule_input: RuleInput) -> Iterator[Finding]:
    """Find the zones below the sender that hold names whose planned record is not present."""
    zones: dict[str, tuple[PlannedRecord, tuple[str, ...]]] = {}
    for record in (each.record for each in rule_input.results if each.verdict is not Verdict.PRESENT):
        for zone, servers in _zones_of(rule_input, record):
            if zone.endswith(f".{rule_input.plan.sender}"):
                zones.setdefault(zone, (record, servers))
    for zone, (record, servers) in zones.items():
        match = Match(places={"asked": record.host}, host=zone, perspectives=servers)
        yield finding(SUBZONE, rule_input, None, match)


def _zones_of(rule_input: RuleInput, record: PlannedRecord) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the zones that hold a planned name, each with its servers: by who answered, then by the delegation."""
    replies = [each for each in authoritative_replies(rule_input, record) if each.perspective.zone]
    if replies:
        yield replies[0].perspective.zone or "", tuple(dict.fromkeys(each.perspective.server for each in replies))
    for reply in rule_input.seen.get(_delegation_question(record.host), ()):
        if isinstance(reply.answer, Delegated):
            yield reply.answer.zone, tuple(server.name for server in reply.answer.servers)

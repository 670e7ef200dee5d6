"""Knows whether a zone's servers are there, rightly listed and in charge; knows nothing of what they say."""

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

HELPLESS: Final = frozenset({Why.NO_SERVERS, Why.NOT_HELD, Why.LAME, Why.REFUSED})
FAILING: Final = HELPLESS | {Why.SERVER_FAILURE}
QUIET: Final = frozenset({Why.TIMEOUT, Why.UNREACHABLE})
ADDRESSES: Final = ("A", "AAAA")


def zone_question(scene: RuleInput) -> str:
    """Names the zone that holds the sender, as seen, else as planned."""
    seen = delegation(scene.plan.sender, scene.seen)
    return seen.zone if seen is not None and "." in seen.zone else scene.plan.zone


def survey(scene: RuleInput) -> Iterable[Finding]:
    """Finds what is wrong with the servers and with the way to them."""
    yield from _nobody(scene)
    yield from _faulty(scene)
    yield from _unresolvable(scene)
    yield from _mismatched(scene)
    yield from _subzones(scene)


def asks(scene: RuleInput) -> Iterable[Question]:
    """Asks whether a server without address has none, and where a name went that the zone's servers do not tell."""
    for name in _addressless(scene):
        yield from (_address(name, rdtype) for rdtype in ADDRESSES)
    told = [standing for standing in scene.standings if standing.verdict is not Verdict.UNANSWERED]
    for standing in scene.standings if told else ():
        if standing.verdict is Verdict.UNANSWERED:
            yield _way_to(standing.record.host)


def is_direct(scene: RuleInput, record: PlannedRecord) -> tuple[Reply, ...]:
    """Gives what the servers with authority said themselves of a planned name, no alias followed."""
    for view in AUTHORITATIVE:
        question = Question(name=record.host, rdtype=record.rdtype, view=view)
        if question in scene.seen:
            return scene.seen[question]
    return ()


def _said(scene: RuleInput) -> Iterator[Reply]:
    for record in scene.plan.records:
        yield from (each for each in is_direct(scene, record) if each.perspective.view is not View.RECURSIVE)


def is_resolver_failure(replies: Iterable[Reply]) -> bool:
    """Says whether it was our own resolvers that failed: no zone was found whose servers could have been asked."""
    lookups = [reply for reply in replies if reply.perspective.server == DELEGATION_LOOKUP]
    failed = [reply.answer for reply in lookups if reply.perspective.zone is None]
    reasons = {answer.why for answer in failed if isinstance(answer, Unanswered)}
    return bool(reasons) and not reasons & {Why.NOT_ASKED, Why.MALFORMED}


def _whys(answers: Iterable[Answer]) -> set[Why | None]:
    """Collects why there were no answers; None stands for an answer."""
    return {answer.why if isinstance(answer, Unanswered) else None for answer in answers}


# --- nobody is in charge ---------------------------------------------------------------------------------------


def _nobody(scene: RuleInput) -> Iterator[Finding]:
    said = list(_said(scene))
    whys = _whys(reply.answer for reply in said)
    undelegated = _undelegated(scene, said)
    # The resolvers can't find out either, and say so: it is no outage of ours.
    if undelegated or (said and whys <= HELPLESS and not is_resolver_failure(said) and _resolvers(scene) <= FAILING):
        reason = "it is not delegated" if undelegated else _reason(said)
        servers = tuple(dict.fromkeys(each.perspective.server for each in said if each.perspective.zone))
        sighting = Match(places={"reason": reason}, host=zone_question(scene), perspectives=servers)
        yield finding(NO_NAMESERVERS, scene, None, sighting)


def _undelegated(scene: RuleInput, said: list[Reply]) -> bool:
    """Says whether the registry itself answers for the name."""
    seen = delegation(scene.plan.sender, scene.seen)
    if seen is None or "." in seen.zone or "." not in scene.plan.sender:
        return False
    return all(each.perspective.zone == seen.zone for each in said)


def _resolvers(scene: RuleInput) -> set[Why | None]:
    questions = (Question(name=each.host, rdtype=each.rdtype, view=View.RECURSIVE) for each in scene.plan.records)
    return _whys(reply.answer for question in questions for reply in scene.seen.get(question, ())) or {None}


def _reason(replies: Iterable[Reply]) -> str:
    answers = (reply.answer for reply in replies)
    return next((each.detail or each.why.value for each in answers if isinstance(each, Unanswered)), "")


# --- one server of several -------------------------------------------------------------------------------------


def _faulty(scene: RuleInput) -> Iterator[Finding]:
    """Finds servers that never answered while others did."""
    by_server: dict[str, list[Reply]] = {}
    for reply in _said(scene):
        if reply.perspective.zone == zone_question(scene):
            by_server.setdefault(reply.perspective.server, []).append(reply)
    whys = {server: _whys(each.answer for each in replies) for server, replies in by_server.items()}
    if not any(None in each for each in whys.values()):
        return
    for diagnosis, reasons in ((LAME, FAILING | {Why.MALFORMED}), (UNREACHABLE, QUIET)):
        for server, told in whys.items():
            if None not in told and told & reasons and (diagnosis is LAME or told <= QUIET):
                yield _of_server(diagnosis, scene, server, _reason(by_server[server]))


def _of_server(diagnosis: Diagnosis, scene: RuleInput, server: str, reason: str = "") -> Finding:
    sighting = Match(places={"reason": reason}, host=zone_question(scene), perspectives=(server,))
    return finding(diagnosis, scene, None, sighting)


def _addressless(scene: RuleInput) -> list[str]:
    seen = delegation(scene.plan.sender, scene.seen)
    return [server.name for server in seen.servers if not server.addresses] if seen else []


def _address(name: str, rdtype: str) -> Question:
    return Question(name=name, rdtype=rdtype, view=View.ONE_RESOLVER)


def _unresolvable(scene: RuleInput) -> Iterator[Finding]:
    for name in _addressless(scene):
        replies = [scene.seen.get(_address(name, rdtype), ()) for rdtype in ADDRESSES]
        if all(each and isinstance(each[0].answer, NxDomain | NoData) for each in replies):
            yield _of_server(UNRESOLVABLE, scene, name)


# --- who is listed where ---------------------------------------------------------------------------------------


def _mismatched(scene: RuleInput) -> Iterator[Finding]:
    seen = delegation(scene.plan.sender, scene.seen)
    own = {server.name for server in seen.servers} if seen else set()
    parent = set(seen.parent_servers) if seen else set()
    if own and parent and own != parent:
        sighting = Match(
            places={"parent": ", ".join(sorted(parent)), "own": ", ".join(sorted(own))},
            host=zone_question(scene),
            observed=tuple(sorted(own)),
            perspectives=tuple(sorted(own ^ parent)),
        )
        yield finding(MISMATCH, scene, None, sighting)


def _way_to(host: str) -> Question:
    return Question(name=host, rdtype="NS", view=View.DELEGATION)


def _subzones(scene: RuleInput) -> Iterator[Finding]:
    """Finds names that were handed over, where what should be there is not."""
    lost = [each.record for each in scene.standings if each.verdict is not Verdict.PRESENT]
    zones: dict[str, tuple[PlannedRecord, tuple[str, ...]]] = {}
    for record in lost:
        for zone, servers in (*_serving(scene, record), *_delegated(scene, record)):
            if zone.endswith(f".{scene.plan.sender}"):
                zones.setdefault(zone, (record, servers))
    for zone, (record, servers) in zones.items():
        sighting = Match(places={"asked": record.host}, host=zone, perspectives=servers)
        yield finding(SUBZONE, scene, None, sighting)


def _serving(scene: RuleInput, record: PlannedRecord) -> Iterator[tuple[str, tuple[str, ...]]]:
    replies = [each for each in is_direct(scene, record) if each.perspective.zone]
    if replies:
        yield replies[0].perspective.zone or "", tuple(dict.fromkeys(each.perspective.server for each in replies))


def _delegated(scene: RuleInput, record: PlannedRecord) -> Iterator[tuple[str, tuple[str, ...]]]:
    for reply in scene.seen.get(_way_to(record.host), ()):
        if isinstance(reply.answer, Delegated):
            yield reply.answer.zone, tuple(server.name for server in reply.answer.servers)

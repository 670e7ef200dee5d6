"""Knows the health of the zone behind the planned records: delegation, servers that differ, answers that never came."""

from collections.abc import Iterable, Iterator
from typing import assert_never

from letterhead.core.answers import (
    NxDomain,
    Question,
    Reply,
    Unanswered,
    View,
    Why,
    answered,
)
from letterhead.core.diagnosis import Diagnosis, Finding, Hides, Scene, Severity, Sighting, Topic, finding
from letterhead.core.plan import AUTHORITATIVE, Standing, follow

NOT_REGISTERED = Diagnosis(
    code="zone.domain-not-registered",
    severity=Severity.BLOCKING,
    title="The domain does not exist",
    meaning="The registry says that nobody has registered this domain, so no record in it can be seen by anyone.",
    detail="{zone} does not exist in DNS.",
    fix="Check the spelling; if it is right, register the domain, or renew it if it has lapsed",
    reference="RFC 2308 2.1",
    hides=Hides.ALL,
)
DISAGREE = Diagnosis(
    code="zone.nameservers-disagree",
    severity=Severity.BLOCKING,
    title="The domain's DNS servers give different answers",
    meaning="A domain has several DNS servers that should hold the same records. Receivers ask any of them, so mail "
    "passes or fails by chance until all agree.",
    detail="For {host}, not every server has the record yet; these differ: {servers}.",
    fix="Wait some minutes if you have just added the record; otherwise ask your DNS host why {servers} is not updated",
    reference="RFC 1034 4.3.5",
    hides=Hides.RECORD,
)
TIMEOUT = Diagnosis(
    code="zone.timeout",
    severity=Severity.INCONCLUSIVE,
    title="The DNS servers did not answer",
    meaning="We asked and nothing came back, so we know neither that the record is there nor that it is missing.",
    detail="No answer for {host}: {reason}.",
    fix="Nothing to change yet: we ask again soon. If it stays, tell your DNS host that these servers do not answer",
    reference="RFC 1035 4.2.1",
)
SERVER_FAILURE = Diagnosis(
    code="zone.server-failure",
    severity=Severity.INCONCLUSIVE,
    title="The DNS servers report a failure of their own",
    meaning="The answer was SERVFAIL: the server has a problem with the zone and can't say what the record is.",
    detail="SERVFAIL for {host}: {reason}.",
    fix="Nothing to change yet: we ask again soon. If it stays, tell your DNS host: the zone or its DNSSEC is broken",
    reference="RFC 1035 4.1.1",
)
REFUSED = Diagnosis(
    code="zone.refused",
    severity=Severity.INCONCLUSIVE,
    title="The DNS servers refuse to answer for this domain",
    meaning="The servers that the domain is delegated to say that they are not in charge of it.",
    detail="Refused for {host}: {reason}.",
    fix="Check at your registrar that the domain's nameservers are those of your DNS host",
    reference="RFC 1035 4.1.1",
)
TCP_BLOCKED = Diagnosis(
    code="zone.tcp-blocked",
    severity=Severity.INCONCLUSIVE,
    title="A long answer can't be fetched from the DNS servers",
    meaning="Answers that don't fit into one packet are fetched over TCP, which these servers don't answer.",
    detail="Truncated over UDP and no answer over TCP for {host}.",
    fix="Ask your DNS host to open TCP port 53 on its servers",
    reference="RFC 7766 5",
)
TOO_LARGE = Diagnosis(
    code="zone.answer-too-large",
    severity=Severity.INCONCLUSIVE,
    title="The answer is too large to be read",
    meaning="The name holds far more data than any mail record needs; we don't read it all.",
    detail="The answer for {host} is over 16 KB or 64 records.",
    fix="Remove the records that don't belong at {host}",
    reference="RFC 7208 3.4",
)
BOGUS = Diagnosis(
    code="zone.dnssec-bogus",
    severity=Severity.BLOCKING,
    title="The domain's DNSSEC signatures are wrong",
    meaning="Validating resolvers throw the answer away, so for most receivers the whole domain does not exist.",
    detail="Validation fails for {host}: {reason}.",
    fix="Ask your DNS host to sign the zone again, or remove the DS record at your registrar until it is mended",
    reference="RFC 4035 5.5",
)


def survey(scene: Scene) -> Iterable[Finding]:
    """Finds what is wrong with the zone itself."""
    plan, seen = scene.plan, scene.seen
    delegation = seen.get(Question(name=plan.sender, rdtype="NS", view=View.DELEGATION), ())
    if any(isinstance(reply.answer, NxDomain) for reply in delegation):
        yield finding(NOT_REGISTERED, scene)
    for standing in scene.standings:
        if not standing.agreed:
            yield finding(DISAGREE, scene, standing)
        yield from _silence(scene, standing)


def _silence(scene: Scene, standing: Standing) -> Iterator[Finding]:
    """Says why nothing was learnt of a record, by the first server's reason."""
    record = standing.record
    for view in AUTHORITATIVE:
        replies = follow(scene.seen, Question(name=record.host, rdtype=record.rdtype, view=view))
        if replies and not answered(replies):
            yield _unanswered(scene, standing, replies)


def _unanswered(scene: Scene, standing: Standing, replies: tuple[Reply, ...]) -> Finding:
    reasons = [reply.answer for reply in replies if isinstance(reply.answer, Unanswered)]
    servers = tuple(dict.fromkeys(reply.perspective.server for reply in replies))
    sighting = Sighting(places={"reason": reasons[0].detail or reasons[0].why.value}, perspectives=servers)
    return finding(_by_reason(reasons[0].why), scene, standing, sighting)


def _by_reason(why: Why) -> Diagnosis:
    match why:
        case Why.TIMEOUT | Why.UNREACHABLE | Why.NOT_ASKED | Why.MALFORMED | Why.NO_SERVERS:
            return TIMEOUT
        case Why.SERVER_FAILURE | Why.CNAME_LOOP:
            return SERVER_FAILURE
        case Why.REFUSED | Why.LAME:
            return REFUSED
        case Why.TCP_BLOCKED:
            return TCP_BLOCKED
        case Why.TOO_LARGE:
            return TOO_LARGE
        case Why.BOGUS:
            return BOGUS
        case _:
            assert_never(why)


TOPIC = Topic(
    name="zone",
    survey=survey,
    diagnoses=(NOT_REGISTERED, DISAGREE, TIMEOUT, SERVER_FAILURE, REFUSED, TCP_BLOCKED, TOO_LARGE, BOGUS),
)

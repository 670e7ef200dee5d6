"""Knows the health of the zone behind the planned records: whether it exists, and what makes its answers untrue."""

from collections.abc import Iterable, Iterator

from letterhead.core.dns.answers import Aliased, Answer, Found, NxDomain, Question, View, fingerprint
from letterhead.core.dns.records import display_texts
from letterhead.core.findings.diagnosis import Diagnosis, Finding, Hides, Match, RuleInput, Severity, Topic, finding
from letterhead.core.names.domain_names import RESERVED
from letterhead.core.names.host_names import UNUSED_LABEL
from letterhead.core.plan.plan import PlannedRecord, RecordResult, Verdict
from letterhead.core.zone import caching, delegation, unanswered
from letterhead.core.zone.delegation import is_direct, zone_question

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
SPECIAL_USE = Diagnosis(
    code="zone.special-use",
    severity=Severity.BLOCKING,
    title="The public DNS never has this name",
    meaning="Names that end like this are set aside for tests and for private networks. No receiver can look them up, "
    "so mail from them never passes.",
    detail="{sender} lies in {reserved}, which is reserved and not in the public DNS.",
    fix="Send from a domain that you registered",
    reference="RFC 6761 5",
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
WILDCARD = Diagnosis(
    code="zone.wildcard-answers",
    severity=Severity.WARNING,
    title="A wildcard answers where a record should be",
    meaning="A record whose name begins with * answers for every name that does not exist. What is seen at this name "
    "comes from it: nobody has published the record itself.",
    detail="{asked} gives {observed}, and so does a name beside it that nobody has published.",
    fix="Add the record for {asked} as it is planned {where}; the wildcard then no longer answers there, and may stay",
    reference="RFC 4592 2.2",
)
CNAME_AT_APEX = Diagnosis(
    code="zone.cname-at-apex",
    severity=Severity.BLOCKING,
    title="The domain itself is an alias",
    meaning="A CNAME sends everyone who asks for this name on to another one, with all questions. At the top of a zone "
    "that hides the zone's own records, and receivers may find nothing in it.",
    detail="{host} is a CNAME to {target}.",
    fix="Delete the CNAME at {host} and let it be an address (A, AAAA), or what your DNS host calls ALIAS, ANAME or "
    "flattening {where}",
    reference="RFC 1912 2.4",
)


def survey(scene: RuleInput) -> Iterable[Finding]:
    """Finds what is wrong with the zone itself."""
    yield from _never_public(scene)
    yield from _unregistered(scene)
    yield from delegation.survey(scene)
    yield from unanswered.survey(scene)
    yield from _alias_at_apex(scene)
    for standing in scene.standings:
        if not standing.agreed:
            yield finding(DISAGREE, scene, standing)
    yield from _wildcards(scene)
    yield from caching.survey(scene)


def asks(scene: RuleInput) -> Iterable[Question]:
    """Asks for what hides or makes up records, and for what is doubtful about the zone's servers."""
    yield from delegation.asks(scene)
    if any(standing.verdict is not Verdict.UNANSWERED for standing in scene.standings):
        yield _apex(scene)
    for standing in scene.standings:
        if _doubtful(scene, standing):
            yield _beside(standing.record)


# --- names that do not exist -----------------------------------------------------------------------------------


def _delegation(scene: RuleInput) -> list[Answer]:
    asked = Question(name=scene.plan.sender, rdtype="NS", view=View.DELEGATION)
    return [reply.answer for reply in scene.seen.get(asked, ())]


def _unregistered(scene: RuleInput) -> Iterator[Finding]:
    if any(isinstance(answer, NxDomain) for answer in _delegation(scene)):
        yield finding(NOT_REGISTERED, scene)


def _never_public(scene: RuleInput) -> Iterator[Finding]:
    """Holds for a reserved name, unless such names are at home here."""
    labels = scene.plan.sender.split(".")
    above = (".".join(labels[at:]) for at in range(len(labels)))
    reserved = next((name for name in above if name in RESERVED), None)
    if reserved is not None and not scene.history.special_use and _delegation(scene):
        yield finding(SPECIAL_USE, scene, None, Match(places={"reserved": reserved}))


# --- what hides or makes up records ----------------------------------------------------------------------------


def _apex(scene: RuleInput) -> Question:
    return Question(name=scene.plan.zone, rdtype="CNAME", view=View.ONE_SERVER)


def _alias_at_apex(scene: RuleInput) -> Iterator[Finding]:
    for reply in scene.seen.get(_apex(scene), ()):
        if isinstance(reply.answer, Found):
            targets = display_texts(reply.answer.rrset.rdatas)
            sighting = Match(places={"target": ", ".join(targets)}, host=scene.plan.zone, observed=targets)
            yield finding(CNAME_AT_APEX, scene, None, sighting)


def _beside(record: PlannedRecord) -> Question:
    parent = record.host.partition(".")[2]
    return Question(name=f"{UNUSED_LABEL}.{parent}", rdtype=record.rdtype, view=View.ONE_SERVER)


def _doubtful(scene: RuleInput, standing: RecordResult) -> bool:
    """Says whether there is an answer that is not the right one."""
    lacking = standing.agreed and standing.verdict in (Verdict.ABSENT, Verdict.WRONG)
    return lacking and any(isinstance(each.answer, Found | Aliased) for each in is_direct(scene, standing.record))


def _wildcards(scene: RuleInput) -> Iterator[Finding]:
    """Finds planned names at which only a wildcard speaks: one finding, however many there are."""
    made_up = [standing for standing in scene.standings if _made_up(scene, standing)]
    if made_up:
        names = dict.fromkeys(standing.record.host for standing in made_up)
        observed = dict.fromkeys(text for standing in made_up for text in _observed(scene, standing))
        asked = ", ".join(names)
        yield finding(
            WILDCARD, scene, None, Match(places={"asked": asked}, host=zone_question(scene), observed=tuple(observed))
        )


def _made_up(scene: RuleInput, standing: RecordResult) -> bool:
    if not _doubtful(scene, standing):
        return False
    beside = [each.answer for each in scene.seen.get(_beside(standing.record), ())]
    synthesised = {fingerprint(answer) for answer in beside if isinstance(answer, Found | Aliased)}
    return any(fingerprint(each.answer) in synthesised for each in is_direct(scene, standing.record))


def _observed(scene: RuleInput, standing: RecordResult) -> tuple[str, ...]:
    answers = [each.answer for each in is_direct(scene, standing.record)]
    aliases = tuple(
        f"CNAME {each.aliases[0]}" for each in answers if isinstance(each, Found | Aliased) and each.aliases
    )
    return tuple(dict.fromkeys((*aliases, *standing.observed)))


TOPIC = Topic(
    name="zone",
    survey=survey,
    asks=asks,
    diagnoses=(
        SPECIAL_USE,
        NOT_REGISTERED,
        *delegation.DIAGNOSES,
        *unanswered.DIAGNOSES,
        DISAGREE,
        WILDCARD,
        CNAME_AT_APEX,
        *caching.DIAGNOSES,
    ),
)

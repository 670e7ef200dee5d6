"""Knows what people get wrong in DMARC records (RFC 9989). All that it finds is advice: DMARC blocks no status."""

import re
from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from letterhead.core.dmarc.advice import (
    ADVISES,
    are_near,
    authorisation_name,
    destinations,
    hosts,
    match_ignored_part,
    match_of_part,
    no_policy,
    one_record,
    records_in,
    texts_of,
)
from letterhead.core.dmarc.diagnoses import (
    AT_PARENT,
    AT_WRONG_NAME,
    BAD_VERSION,
    DUPLICATE_TAG,
    INHERITED,
    MISSING,
    POLICY_INVALID,
    POLICY_MISSING,
    SEVERAL_RECORDS,
    SYNTAX,
    TAG_ORDER,
)
from letterhead.core.dmarc.record import DmarcRecord, parse
from letterhead.core.dmarc.tree_walk import DiscoveredPolicy, exists, policy_in_force, question, texts_at, walk
from letterhead.core.dns.answers import Found, Question, View
from letterhead.core.dns.lookup import follow_aliases
from letterhead.core.dns.records import Rdata
from letterhead.core.findings import misplaced
from letterhead.core.findings.diagnosis import DiagnosisRule, Match, RuleInput, Severity, Topic
from letterhead.core.plan.plan import PlannedRecord, RecordId, RecordResult, Verdict

# What was meant as a DMARC record, though receivers don't take it for one.
_MEANT = re.compile(r"dmarc|(?:\A|;)\s*(?:p\s*=\s*(?:none|quarantine|reject)|rua\s*=)", re.IGNORECASE)


def planned(sender: str) -> PlannedRecord:
    """Says the DMARC record that we advise where there is none."""
    return PlannedRecord(
        id=RecordId.DMARC, host=f"_dmarc.{sender}", rdtype="TXT", value="v=DMARC1; p=none;", required=False
    )


def unknown(sender: str) -> PlannedRecord:
    """Says the DMARC record to begin with where nobody planned one; any that receivers use will do."""
    return replace(planned(sender), value=f"v=DMARC1; p=none; rua=mailto:postmaster@{sender}")


def accepts(_: PlannedRecord, rdatas: Sequence[Rdata]) -> bool:
    """Says whether one record is there that receivers use as its owner wrote it: the policy is the owner's business."""
    records = [record for record in map(parse, texts_of(rdatas)) if record.current]
    return len(records) == 1 and records[0].enforceable and not records[0].bad_policies


# --- what is there ---------------------------------------------------------------------------------------------


def _meant(standing: RecordResult) -> list[DmarcRecord]:
    """Reads what was meant as one and is none."""
    texts = [text for text in standing.observed if _MEANT.search(text) and not text.lower().startswith("v=spf1")]
    return [record for record in map(parse, texts) if not record.current]


def _version_last(record: DmarcRecord) -> bool:
    return any(tag.name == "v" and tag.value == "DMARC1" for tag in record.tags[1:])


# --- why a record is not one that receivers use ----------------------------------------------------------------


def _several(_: RuleInput, standing: RecordResult) -> Match | None:
    records = records_in(standing)
    return Match(observed=tuple(each.text for each in records)) if len(records) > 1 else None


def _elsewhere(names: Callable[[RuleInput], Iterable[str]]) -> Callable[[RuleInput, RecordResult], Match | None]:
    def holds(scene: RuleInput, standing: RecordResult) -> Match | None:
        if standing.verdict is Verdict.ABSENT:
            for name in names(scene):
                texts = [text for text in _texts_at(scene, name) if parse(text).current]
                if texts:
                    return Match(places={"found": name}, observed=tuple(texts), evidence=(f"found at {name}",))
        return None

    return holds


def _texts_at(scene: RuleInput, name: str) -> list[str]:
    replies = follow_aliases(scene.seen, Question(name=name, rdtype="TXT", view=View.ONE_SERVER))
    return [text for each in replies if isinstance(each.answer, Found) for text in texts_of(each.answer.rrset.rdatas)]


def _wrong_names(scene: RuleInput) -> list[str]:
    """Names the domain itself, and what the record of a MAIL FROM domain that exists would be called."""
    hosts = [each.host for each in scene.plan.records if each.id is RecordId.MAIL_FROM_SPF]
    bounces = [host for host in hosts if exists(host, scene.seen)]
    return [scene.plan.sender, *(f"_dmarc.{host}" for host in bounces)]


def _parent(scene: RuleInput) -> list[str]:
    return [scene.plan.zone] if scene.plan.zone != scene.plan.sender else []


def _inherits(scene: RuleInput, standing: RecordResult) -> Match | None:
    policy = policy_in_force(scene.plan.sender, scene.seen)
    if policy is None or not policy.is_inherited or _meant(standing) or records_in(standing):
        return None
    places = {"found": policy.name, "policy": policy.applied}
    return Match(places=places, observed=(policy.text,), evidence=(f"found at {policy.name}",))


def _missing(scene: RuleInput, standing: RecordResult) -> Match | None:
    """Holds where there is nothing, and where whatever is there has nothing to do with DMARC."""
    known = all(texts_at(name, scene.seen) is not None for name in walk(scene.plan.sender))
    above = ", and none above it that applies" if known else ""
    return None if _meant(standing) or records_in(standing) else Match(places={"above": above})


def _misordered(_: RuleInput, standing: RecordResult) -> Match | None:
    for record in _meant(standing):
        if _version_last(record):
            return match_of_part(record, record.tags[0], trouble="the first tag must be v=DMARC1")
    return None


def _bad_version(_: RuleInput, standing: RecordResult) -> Match | None:
    for record in _meant(standing):
        version = record.tags[0] if record.tags and record.tags[0].name == "v" else None
        if version is None and record.tags and not _begins_broken(record):
            return match_of_part(record, record.tags[0])
        if version is not None and not version.value.startswith("DMARC1") and "=" not in version.value:
            return match_of_part(record, version)
        if version is not None and re.match(r"DMARC1[\w.]", version.value):
            return match_of_part(record, version)
    return None


def _begins_broken(record: DmarcRecord) -> bool:
    return bool(record.broken) and record.broken[0].start < record.tags[0].start


def _unreadable(_: RuleInput, standing: RecordResult) -> Match | None:
    """Holds for what was meant as a record and is none, and for one whose other tags can't be read."""
    for record in _meant(standing):
        first = record.broken[:1] or record.tags[:1]
        if first:
            return match_of_part(record, first[0], trouble="it must begin with v=DMARC1 and a semicolon")
    return match_ignored_part(_, standing)


def _duplicated(_: RuleInput, standing: RecordResult) -> Match | None:
    record = one_record(standing)
    if record is None or not record.duplicates:
        return None
    name = record.duplicates[0]
    second = [tag for tag in record.tags if tag.name == name][1]
    return match_of_part(record, second, tag=name)


def _bad_policy(_: RuleInput, standing: RecordResult) -> Match | None:
    record = one_record(standing)
    bad = record.bad_policies[:1] if record else ()
    return match_of_part(record, bad[0]) if record and bad else None


# --- what to ask -----------------------------------------------------------------------------------------------


def probes(scene: RuleInput, standing: RecordResult) -> Iterable[Question]:
    """Asks where a DMARC record may have ended up instead."""
    yield from misplaced.probes(scene, standing)
    if standing.verdict is Verdict.ABSENT:
        for name in (*_wrong_names(scene), *_parent(scene)):
            yield Question(name=name, rdtype="TXT", view=View.ONE_SERVER)


def asks(scene: RuleInput) -> Iterable[Question]:
    """Walks up the tree where the domain has no record of its own, and asks whether others take its reports."""
    standing = scene.result_of(RecordId.DMARC)
    if standing is None or standing.verdict is Verdict.UNANSWERED:
        return
    if standing.verdict is not Verdict.PRESENT:
        yield from map(question, walk(scene.plan.sender)[1:])
    policy = policy_in_force(scene.plan.sender, scene.seen)
    for host in hosts(policy) if policy else ():
        yield from _authorisation(scene, policy, host) if policy else ()


def _authorisation(scene: RuleInput, policy: DiscoveredPolicy, host: str) -> Iterable[Question]:
    """Asks whose host it is where it may be the domain's own, then whether somebody else's takes the reports."""
    names = dict.fromkeys((*walk(host), *walk(policy.domain))) if are_near(host, policy.domain) else ()
    walked = [question(name) for name in names if name != scene.plan.sender]
    yield from walked
    if all(each in scene.seen for each in walked) and host in destinations(scene, policy):
        yield authorisation_name(policy, host)


def _explains() -> Iterable[DiagnosisRule]:
    """Lists why a record is not one that receivers use, the deepest cause first."""
    yield DiagnosisRule(diagnosis=SEVERAL_RECORDS, holds=_several)
    yield DiagnosisRule(diagnosis=TAG_ORDER, holds=_misordered)
    yield from (
        rule
        for rule in misplaced.rules("dmarc", accepts, Severity.WARNING)
        if rule.diagnosis.code != AT_PARENT.code  # a parent's record is inherited, at its rightful place
    )
    yield DiagnosisRule(diagnosis=AT_WRONG_NAME, holds=_elsewhere(_wrong_names))
    yield DiagnosisRule(diagnosis=AT_PARENT, holds=_elsewhere(_parent))
    yield DiagnosisRule(diagnosis=INHERITED, holds=_inherits)
    yield DiagnosisRule(diagnosis=MISSING, holds=_missing)
    yield DiagnosisRule(diagnosis=BAD_VERSION, holds=_bad_version)
    yield DiagnosisRule(diagnosis=SYNTAX, holds=_unreadable)
    yield DiagnosisRule(diagnosis=DUPLICATE_TAG, holds=_duplicated)
    yield DiagnosisRule(diagnosis=POLICY_MISSING, holds=no_policy)
    yield DiagnosisRule(diagnosis=POLICY_INVALID, holds=_bad_policy)


TOPIC = Topic(
    name="dmarc",
    records=(RecordId.DMARC,),
    accepts=accepts,
    explains=tuple(_explains()),
    advises=ADVISES,
    probes=probes,
    asks=asks,
)

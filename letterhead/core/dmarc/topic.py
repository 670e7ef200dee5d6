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


def _meant(result: RecordResult) -> list[DmarcRecord]:
    """Reads what was meant as one and is none."""
    texts = [text for text in result.observed if _MEANT.search(text) and not text.lower().startswith("v=spf1")]
    return [record for record in map(parse, texts) if not record.current]


def _version_last(record: DmarcRecord) -> bool:
    return any(tag.name == "v" and tag.value == "DMARC1" for tag in record.tags[1:])


# --- why a record is not one that receivers use ----------------------------------------------------------------


def _several(_: RuleInput, result: RecordResult) -> Match | None:
    records = records_in(result)
    return Match(observed=tuple(each.text for each in records)) if len(records) > 1 else None


def _elsewhere(names: Callable[[RuleInput], Iterable[str]]) -> Callable[[RuleInput, RecordResult], Match | None]:
    def holds(rule_input: RuleInput, result: RecordResult) -> Match | None:
        if result.verdict is Verdict.ABSENT:
            for name in names(rule_input):
                texts = [text for text in _texts_at(rule_input, name) if parse(text).current]
                if texts:
                    return Match(places={"found": name}, observed=tuple(texts), evidence=(f"found at {name}",))
        return None

    return holds


def _texts_at(rule_input: RuleInput, name: str) -> list[str]:
    replies = follow_aliases(rule_input.seen, Question(name=name, rdtype="TXT", view=View.ONE_SERVER))
    return [text for each in replies if isinstance(each.answer, Found) for text in texts_of(each.answer.rrset.rdatas)]


def _wrong_names(rule_input: RuleInput) -> list[str]:
    """Names the domain itself, and what the record of a MAIL FROM domain that exists would be called."""
    hosts = [each.host for each in rule_input.plan.records if each.id is RecordId.MAIL_FROM_SPF]
    bounces = [host for host in hosts if exists(host, rule_input.seen)]
    return [rule_input.plan.sender, *(f"_dmarc.{host}" for host in bounces)]


def _parent(rule_input: RuleInput) -> list[str]:
    return [rule_input.plan.zone] if rule_input.plan.zone != rule_input.plan.sender else []


def _inherits(rule_input: RuleInput, result: RecordResult) -> Match | None:
    policy = policy_in_force(rule_input.plan.sender, rule_input.seen)
    if policy is None or not policy.is_inherited or _meant(result) or records_in(result):
        return None
    places = {"found": policy.name, "policy": policy.applied}
    return Match(places=places, observed=(policy.text,), evidence=(f"found at {policy.name}",))


def _missing(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Holds where there is nothing, and where whatever is there has nothing to do with DMARC."""
    known = all(texts_at(name, rule_input.seen) is not None for name in walk(rule_input.plan.sender))
    above = ", and none above it that applies" if known else ""
    return None if _meant(result) or records_in(result) else Match(places={"above": above})


def _misordered(_: RuleInput, result: RecordResult) -> Match | None:
    for record in _meant(result):
        if _version_last(record):
            return match_of_part(record, record.tags[0], trouble="the first tag must be v=DMARC1")
    return None


def _bad_version(_: RuleInput, result: RecordResult) -> Match | None:
    for record in _meant(result):
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


def _unreadable(_: RuleInput, result: RecordResult) -> Match | None:
    """Holds for what was meant as a record and is none, and for one whose other tags can't be read."""
    for record in _meant(result):
        first = record.broken[:1] or record.tags[:1]
        if first:
            return match_of_part(record, first[0], trouble="it must begin with v=DMARC1 and a semicolon")
    return match_ignored_part(_, result)


def _duplicated(_: RuleInput, result: RecordResult) -> Match | None:
    record = one_record(result)
    if record is None or not record.duplicates:
        return None
    name = record.duplicates[0]
    second = [tag for tag in record.tags if tag.name == name][1]
    return match_of_part(record, second, tag=name)


def _bad_policy(_: RuleInput, result: RecordResult) -> Match | None:
    record = one_record(result)
    bad = record.bad_policies[:1] if record else ()
    return match_of_part(record, bad[0]) if record and bad else None


# --- what to ask -----------------------------------------------------------------------------------------------


def probes(rule_input: RuleInput, result: RecordResult) -> Iterable[Question]:
    """Asks where a DMARC record may have ended up instead."""
    yield from misplaced.probes(rule_input, result)
    if result.verdict is Verdict.ABSENT:
        for name in (*_wrong_names(rule_input), *_parent(rule_input)):
            yield Question(name=name, rdtype="TXT", view=View.ONE_SERVER)


def asks(rule_input: RuleInput) -> Iterable[Question]:
    """Walks up the tree where the domain has no record of its own, and asks whether others take its reports."""
    result = rule_input.result_of(RecordId.DMARC)
    if result is None or result.verdict is Verdict.UNANSWERED:
        return
    if result.verdict is not Verdict.PRESENT:
        yield from map(question, walk(rule_input.plan.sender)[1:])
    policy = policy_in_force(rule_input.plan.sender, rule_input.seen)
    for host in hosts(policy) if policy else ():
        yield from _authorisation(rule_input, policy, host) if policy else ()


def _authorisation(rule_input: RuleInput, policy: DiscoveredPolicy, host: str) -> Iterable[Question]:
    """Asks whose host it is where it may be the domain's own, then whether somebody else's takes the reports."""
    names = dict.fromkeys((*walk(host), *walk(policy.domain))) if are_near(host, policy.domain) else ()
    walked = [question(name) for name in names if name != rule_input.plan.sender]
    yield from walked
    if all(each in rule_input.seen for each in walked) and host in destinations(rule_input, policy):
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

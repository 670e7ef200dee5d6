"""The topic "dmarc": the advised record, and why a record is none that receivers use. DMARC blocks no status."""

import re
from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from letterhead.core.dmarc.advice import (
    ADVISES,
    authorisation_question,
    external_report_hosts,
    ignored_part,
    match_part,
    may_be_related,
    policy_missing,
    records_of,
    report_hosts,
    single_record,
    texts_of,
    with_correction,
)
from letterhead.core.dmarc.diagnoses import (
    AT_PARENT,
    AT_WRONG_NAME,
    BAD_VERSION,
    DUPLICATE_TAG,
    INHERITED,
    MISSING,
    NOT_READ,
    POLICY_INVALID,
    POLICY_MISSING,
    SEVERAL_RECORDS,
    SYNTAX,
    TAG_ORDER,
)
from letterhead.core.dmarc.record import MAX_TEXT, DmarcRecord, parse_dmarc_record
from letterhead.core.dmarc.tree_walk import exists, is_unread, policy_in_force, question, texts_at, walk
from letterhead.core.dns.answers import Found, Question, Seen, View
from letterhead.core.dns.lookup import follow_aliases
from letterhead.core.dns.records import Rdata
from letterhead.core.findings import misplaced
from letterhead.core.findings.diagnosis import (
    Diagnosis,
    DiagnosisRule,
    Finding,
    Match,
    RuleInput,
    Severity,
    Topic,
    finding,
)
from letterhead.core.plan.plan import PlannedRecord, RecordId, RecordResult, Verdict

# A text that was meant as a DMARC record, though receivers don't take it for one.
_MEANT = re.compile(r"dmarc|(?:\A|;)\s*(?:p\s*=\s*(?:none|quarantine|reject)|rua\s*=)", re.IGNORECASE)


def planned_record(sender: str) -> PlannedRecord:
    """Return the DMARC record that is advised where there is none."""
    return PlannedRecord(
        id=RecordId.DMARC, host=f"_dmarc.{sender}", rdtype="TXT", value="v=DMARC1; p=none;", required=False
    )


def unplanned_record(sender: str) -> PlannedRecord:
    """Return the DMARC record to begin with where nobody planned one; any that receivers use will do."""
    return replace(planned_record(sender), value=f"v=DMARC1; p=none; rua=mailto:postmaster@{sender}")


def accepts(_: PlannedRecord, rdatas: Sequence[Rdata]) -> bool:
    """Return whether there is one record that receivers use as written: the policy is the owner's business."""
    records = [record for record in map(parse_dmarc_record, texts_of(rdatas)) if record.is_dmarc]
    return len(records) == 1 and records[0].is_enforceable and not records[0].bad_policies


def accepts_seen(record: PlannedRecord, rdatas: Sequence[Rdata], _: Seen) -> bool | None:
    """Return the same; None where a record is too long to be read, since receivers may read it."""
    return None if any(map(is_unread, texts_of(rdatas))) else accepts(record, rdatas)


# --- why a record is none that receivers use -------------------------------------------------------------------


def _invalid_records(result: RecordResult) -> list[DmarcRecord]:
    """Return the texts that were meant as DMARC records and are none."""
    read = [text for text in result.observed if len(text) <= MAX_TEXT]
    texts = [text for text in read if _MEANT.search(text) and not text.lower().startswith("v=spf1")]
    return [record for record in map(parse_dmarc_record, texts) if not record.is_dmarc]


def several_records(_: RuleInput, result: RecordResult) -> Match | None:
    """Match several DMARC records at the name."""
    records = records_of(result)
    if len(records) < 2:
        return None
    return with_correction(Match(observed=tuple(each.text for each in records)), records)


def _found_at_rule(diagnosis: Diagnosis, names: Callable[[RuleInput], Iterable[str]]) -> DiagnosisRule:
    """Return a rule that matches an absent record which is at one of other names."""

    def rule(rule_input: RuleInput, result: RecordResult) -> Match | None:
        for name in names(rule_input) if result.verdict is Verdict.ABSENT else ():
            replies = follow_aliases(rule_input.seen, Question(name=name, rdtype="TXT", view=View.ONE_SERVER))
            rrsets = [reply.answer.rrset for reply in replies if isinstance(reply.answer, Found)]
            texts = [text for rrset in rrsets for text in texts_of(rrset.rdatas) if parse_dmarc_record(text).is_dmarc]
            if texts:
                return Match(places={"found": name}, observed=tuple(texts), evidence=(f"found at {name}",))
        return None

    return DiagnosisRule(diagnosis=diagnosis, holds=rule)


def _wrong_names(rule_input: RuleInput) -> list[str]:
    """Return the domain itself, and what the record of a MAIL FROM domain that exists would be called."""
    hosts = [each.host for each in rule_input.plan.records if each.id is RecordId.MAIL_FROM_SPF]
    existing = [host for host in hosts if exists(host, rule_input.seen)]
    return [rule_input.plan.sender, *(f"_dmarc.{host}" for host in existing)]


def _parent(rule_input: RuleInput) -> list[str]:
    return [rule_input.plan.zone] if rule_input.plan.zone != rule_input.plan.sender else []


def inherited(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match a policy inherited from a name above, where the domain has no record, nor a text meant as one."""
    policy = policy_in_force(rule_input.plan.sender, rule_input.seen)
    if policy is None or not policy.is_inherited or _invalid_records(result) or records_of(result):
        return None
    places = {"found": policy.name, "policy": policy.applied}
    return Match(places=places, observed=(policy.text,), evidence=(f"found at {policy.name}",))


def missing(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match a name without a DMARC record, or a text meant as one."""
    known = all(texts_at(name, rule_input.seen) is not None for name in walk(rule_input.plan.sender))
    above = ", and none above it that applies" if known else ""
    return None if _invalid_records(result) or records_of(result) else Match(places={"above": above})


def version_not_first(_: RuleInput, result: RecordResult) -> Match | None:
    """Match a record with the right version behind other tags."""
    for record in _invalid_records(result):
        if any(tag.name == "v" and tag.value == "DMARC1" for tag in record.tags[1:]):
            return match_part(record, record.tags[0], trouble="the first tag must be v=DMARC1")
    return None


def bad_version(_: RuleInput, result: RecordResult) -> Match | None:
    """Match a record that begins with another version, or with none."""
    for record in _invalid_records(result):
        if not record.tags:
            continue
        first = record.tags[0]
        if first.name != "v":
            if not record.unparsed or record.unparsed[0].start >= first.start:
                return match_part(record, first)
        elif re.match(r"DMARC1[\w.]", first.value) or not (first.value.startswith("DMARC1") or "=" in first.value):
            return match_part(record, first)
    return None


def unparsable(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match a text that was meant as a record and is none, and a record with parts that can't be parsed."""
    for record in _invalid_records(result):
        first = record.unparsed[:1] or record.tags[:1]
        if first:
            return match_part(record, first[0], trouble="it must begin with v=DMARC1 and a semicolon")
    return ignored_part(rule_input, result)


def duplicate_tag(_: RuleInput, result: RecordResult) -> Match | None:
    """Match a tag that is there twice."""
    record = single_record(result)
    if record is None or not record.duplicates:
        return None
    name = record.duplicates[0]
    second = [tag for tag in record.tags if tag.name == name][1]
    return match_part(record, second, tag=name)


def invalid_policy(_: RuleInput, result: RecordResult) -> Match | None:
    """Match a policy other than "none", "quarantine" and "reject"."""
    record = single_record(result)
    bad = record.bad_policies[:1] if record else ()
    return match_part(record, bad[0]) if record and bad else None


# --- what to ask -----------------------------------------------------------------------------------------------


def probes(rule_input: RuleInput, result: RecordResult) -> Iterable[Question]:
    """Ask where an absent DMARC record may be instead."""
    yield from misplaced.probes(rule_input, result)
    if result.verdict is Verdict.ABSENT:
        for name in (*_wrong_names(rule_input), *_parent(rule_input)):
            yield Question(name=name, rdtype="TXT", view=View.ONE_SERVER)


def questions(rule_input: RuleInput) -> Iterable[Question]:
    """Ask for the tree walk where the domain has no record of its own, and whether other hosts accept its reports."""
    sender, seen = rule_input.plan.sender, rule_input.seen
    result = rule_input.result_of(RecordId.DMARC)
    if result is None or result.verdict is Verdict.UNANSWERED:
        return
    if result.verdict is not Verdict.PRESENT:
        yield from map(question, walk(sender)[1:])
    policy = policy_in_force(sender, seen)
    if policy is None:
        return
    for host in report_hosts(policy):
        # First whose host it is, where it may be the domain's own, then whether another organisation's accepts them.
        names = dict.fromkeys((*walk(host), *walk(policy.domain))) if may_be_related(host, policy.domain) else ()
        walked = [question(name) for name in names if name != sender]
        yield from walked
        if all(each in seen for each in walked) and host in external_report_hosts(rule_input, policy):
            yield authorisation_question(policy, host)


def survey(rule_input: RuleInput) -> Iterable[Finding]:
    """Find a record that is too long to be read."""
    result = rule_input.result_of(RecordId.DMARC)
    unread = tuple(filter(is_unread, result.observed)) if result else ()
    if unread:
        match = Match(observed=unread, span=(MAX_TEXT, len(unread[0])), expected="")
        yield finding(NOT_READ, rule_input, result, match)


TOPIC = Topic(
    name="dmarc",
    records=(RecordId.DMARC,),
    accepts=accepts,
    accepts_seen=accepts_seen,
    # The deepest cause first.
    explains=(
        DiagnosisRule(diagnosis=SEVERAL_RECORDS, holds=several_records),
        DiagnosisRule(diagnosis=TAG_ORDER, holds=version_not_first),
        *(
            rule
            for rule in misplaced.rules("dmarc", accepts, Severity.WARNING)
            if rule.diagnosis.code != AT_PARENT.code  # a parent's record is inherited, at its rightful place
        ),
        _found_at_rule(AT_WRONG_NAME, _wrong_names),
        _found_at_rule(AT_PARENT, _parent),
        DiagnosisRule(diagnosis=INHERITED, holds=inherited),
        DiagnosisRule(diagnosis=MISSING, holds=missing),
        DiagnosisRule(diagnosis=BAD_VERSION, holds=bad_version),
        DiagnosisRule(diagnosis=SYNTAX, holds=unparsable),
        DiagnosisRule(diagnosis=DUPLICATE_TAG, holds=duplicate_tag),
        DiagnosisRule(diagnosis=POLICY_MISSING, holds=policy_missing),
        DiagnosisRule(diagnosis=POLICY_INVALID, holds=invalid_policy),
    ),
    advises=ADVISES,
    probes=probes,
    survey=survey,
    asks=questions,
    diagnoses=(NOT_READ,),
)

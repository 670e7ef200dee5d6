"""The topic "spf": the planned record of the MAIL FROM domain, and advice about the sender's own (RFC 7208).

The verdict on the planned record follows from its own text alone: what the includes of others answer at the moment is
reported as a finding and never changes the state of a domain.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from letterhead.core.dns.answers import Found, Question, View, answering
from letterhead.core.dns.lookup import NoRecords, follow_aliases, seen_records, txt_question
from letterhead.core.dns.records import Rdata, Txt, split_text
from letterhead.core.findings import misplaced
from letterhead.core.findings.candidate_names import is_synthesised
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
from letterhead.core.plan.dns_hosts import value_for
from letterhead.core.plan.plan import AUTHORITATIVE, PlannedRecord, RecordId, RecordResult, Verdict
from letterhead.core.spf import advice as spf_advice
from letterhead.core.spf import diagnoses as spf_diagnoses
from letterhead.core.spf.advice import SpfText
from letterhead.core.spf.record import Term, is_spf, parse_spf_record, spf_texts, texts


def planned_record(mail_from: str, terms: str) -> PlannedRecord:
    """Return the SPF record to publish at the MAIL FROM domain; `terms` authorise the provider (`include:…`)."""
    return PlannedRecord(id=RecordId.MAIL_FROM_SPF, host=mail_from, rdtype="TXT", value=f"v=spf1 {terms} ~all")


def unplanned_record(mail_from: str) -> PlannedRecord:
    """Return the SPF record to look for where the provider's terms are not known: any without an error will do."""
    return PlannedRecord(id=RecordId.MAIL_FROM_SPF, host=mail_from, rdtype="TXT", value="v=spf1 ", exact=False)


def accepts(record: PlannedRecord, rdatas: Sequence[Rdata]) -> bool:
    """Return whether there is exactly one SPF record (RFC 7208 4.5), without an error, that passes the planned terms.

    They must be evaluated before a term that matches every server.
    """
    found = spf_texts(rdatas)
    spf = parse_spf_record(found[0]) if len(found) == 1 else None
    if spf is None or spf.permanent_error is not None:
        return False
    passing: set[str] = set()
    for term in spf.evaluated_terms:
        if term.matches_all:
            break
        if term.qualifier == "+":
            # RFC 7208 6.1: a redirect passes whom the target passes, as an include at the end does
            passing.add(f"include:{term.domain}" if term.modifier else term.canonical)
    return passing.issuperset(term.canonical for term in planned_terms(record))


def planned_terms(record: PlannedRecord) -> list[Term]:
    """Return the terms that authorise the provider."""
    return [term for term in parse_spf_record(record.value).evaluated_terms if term.name != "all"]


# --- the records that are examined -----------------------------------------------------------------------------


def _at_mail_from(rule_input: RuleInput, result: RecordResult) -> SpfText:
    """Return the records at the MAIL FROM domain, as one server has them: two servers' records are not two records."""
    record, present = result.record, result.verdict is Verdict.PRESENT
    rdatas: Sequence[Rdata] = ()
    for view in (*AUTHORITATIVE, View.RECURSIVE):
        replies = follow_aliases(rule_input.seen, Question(name=record.host, rdtype=record.rdtype, view=view))
        found = [reply.answer.rrset.rdatas for reply in answering(replies) if isinstance(reply.answer, Found)]
        of_verdict = [each for each in found if accepts(record, each) is present]
        if of_verdict:
            rdatas = of_verdict[0]
            break
    return SpfText(
        host=record.host,
        texts=tuple(texts(rdatas)),
        seen=rule_input.seen,
        own=tuple(term.canonical for term in planned_terms(record)),
        value=value_for(record, rule_input.dns_host) if record.exact else None,
    )


def _at_sender(rule_input: RuleInput) -> SpfText:
    """Return the records at the domain itself, without a planned record that was put there by mistake."""
    sender = rule_input.plan.sender
    rdatas = seen_records(rule_input.seen, txt_question(sender))
    found = texts(rdatas) if not isinstance(rdatas, NoRecords) else []
    result = rule_input.result_of(RecordId.MAIL_FROM_SPF)
    if result is None:
        return SpfText(host=sender, texts=tuple(found), seen=rule_input.seen)
    ours = {term.canonical for term in planned_terms(result.record)}
    records = {text: parse_spf_record(text) for text in found if is_spf(text)}
    needless = tuple(
        text
        for text in found
        if text in records and {term.canonical for term in records[text].evaluated_terms if term.name != "all"} == ours
    )
    if on_apex(rule_input, result) and len([text for text in found if text in records]) > len(needless) > 0:
        found = [text for text in found if text not in needless]
    return SpfText(host=sender, texts=tuple(found), seen=rule_input.seen, needless=needless)


# --- the planned record ----------------------------------------------------------------------------------------


def _fault_rule(diagnosis: Diagnosis) -> DiagnosisRule:
    """Return the rule that matches one of the faults of `advice.FAULTS`."""

    def rule(rule_input: RuleInput, result: RecordResult) -> Match | None:
        if result.verdict is not Verdict.WRONG or is_synthesised(rule_input, result.record):
            return None
        faults = spf_advice.find_faults(_at_mail_from(rule_input, result))
        match = next((match for fault, match in faults if fault is diagnosis), None)
        return replace(match, severity=Severity.BLOCKING) if match else None

    return DiagnosisRule(diagnosis=diagnosis, holds=rule)


def planned_terms_after_all(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match a record with the planned terms after `all`."""
    subject = _at_mail_from(rule_input, result)
    record = subject.record
    if record is None or not {term.canonical for term in record.terms_after_all}.issuperset(subject.own):
        return None
    match = spf_advice.text_after_all(subject, record)
    return replace(match, severity=Severity.BLOCKING) if match else None


def leading_space(_: RuleInput, result: RecordResult) -> Match | None:
    """Match a right record that begins with a space; a space elsewhere is a fault of the syntax."""
    for text in result.observed:
        if text != text.lstrip() and accepts(result.record, (Txt(strings=split_text(text.lstrip())),)):
            return Match(observed=(text,), span=(0, len(text) - len(text.lstrip())))
    return None


def _is_missing(rule_input: RuleInput, result: RecordResult) -> bool:
    """Return whether nobody published an SPF record at the name; what a wildcard answers was not published there."""
    synthesised = result.verdict is Verdict.WRONG and is_synthesised(rule_input, result.record)
    return synthesised or not any(map(is_spf, result.observed))


def on_apex(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match where the provider's terms are at the domain, or at its zone, in place of the MAIL FROM domain."""
    if result.verdict not in (Verdict.ABSENT, Verdict.WRONG) or not _is_missing(rule_input, result):
        return None
    plan = rule_input.plan
    for name in dict.fromkeys((plan.sender, plan.zone)):
        found = seen_records(rule_input.seen, txt_question(name))
        records = spf_texts(found) if not isinstance(found, NoRecords) else []
        with_terms = tuple(text for text in records if _has_planned_terms(text, result))
        if with_terms:
            return Match(places={"found": name, "part": _planned_text(result)}, observed=with_terms)
    return None


def _has_planned_terms(text: str, result: RecordResult) -> bool:
    terms = {term.canonical for term in parse_spf_record(text).terms}
    ours = {term.canonical for term in planned_terms(result.record)}
    return bool(ours) and terms >= ours


def _planned_text(result: RecordResult) -> str:
    return " ".join(term.text for term in planned_terms(result.record))


def provider_terms_missing(_: RuleInput, result: RecordResult) -> Match | None:
    """Match a record that does not pass the planned terms."""
    observed = tuple(text for text in result.observed if is_spf(text))
    return Match(places={"part": _planned_text(result)}, observed=observed) if observed else None


MISPLACED: Final = {rule.diagnosis.code: rule for rule in misplaced.rules("mail-from", accepts)}
WHITESPACE: Final = MISPLACED.pop("mail-from.whitespace").diagnosis
ON_APEX: Final = MISPLACED["mail-from.on-apex"].diagnosis
EXPLAINS: Final = (
    DiagnosisRule(diagnosis=WHITESPACE, holds=leading_space),
    *MISPLACED.values(),
    DiagnosisRule(diagnosis=spf_diagnoses.TEXT_AFTER_ALL, holds=planned_terms_after_all),
    *(_fault_rule(each) for each in spf_advice.FAULTS),
    DiagnosisRule(diagnosis=ON_APEX, holds=on_apex),  # also where it is one of several records there
    DiagnosisRule(
        diagnosis=spf_diagnoses.MISSING,
        holds=lambda rule_input, result: Match() if _is_missing(rule_input, result) else None,
    ),
    DiagnosisRule(diagnosis=spf_diagnoses.INCLUDE_MISSING, holds=provider_terms_missing),
)


# --- questions and survey --------------------------------------------------------------------------------------


def questions(rule_input: RuleInput) -> Iterable[Question]:
    """Ask for the sender's own SPF record, and for what the includes of both records lead to."""
    plan = rule_input.plan
    yield txt_question(plan.sender)
    yield spf_advice.old_type_question(plan.sender)
    yield from _at_sender(rule_input).wanted
    result = rule_input.result_of(RecordId.MAIL_FROM_SPF)
    if result is None:
        return
    if result.verdict is Verdict.ABSENT:
        yield txt_question(plan.zone)
    if result.verdict is Verdict.PRESENT:
        yield spf_advice.old_type_question(result.record.host)
    if result.verdict in (Verdict.PRESENT, Verdict.WRONG):
        yield from _at_mail_from(rule_input, result).wanted


def survey(rule_input: RuleInput) -> Iterator[Finding]:
    """Find what is wrong or unwise about a planned record that is present, and about the sender's own record."""
    result = rule_input.result_of(RecordId.MAIL_FROM_SPF)
    present = result is not None and result.verdict is Verdict.PRESENT and result.agreed
    if result is not None and present:
        for diagnosis, match in spf_advice.find_advice(_at_mail_from(rule_input, result)):
            yield finding(diagnosis, rule_input, result, match)
    sender = _at_sender(rule_input)
    for diagnosis, match in spf_advice.find_advice(sender):
        severity = Severity.WARNING if diagnosis.severity is Severity.BLOCKING else diagnosis.severity
        yield finding(diagnosis, rule_input, None, replace(match, host=sender.host, severity=severity))
    if result is not None and present and sender.record is not None and _has_planned_terms(sender.record.text, result):
        needless = Match(places={"part": _planned_text(result)}, observed=(sender.record.text,), host=sender.host)
        yield finding(spf_diagnoses.NOT_NEEDED_AT_APEX, rule_input, None, needless)


TOPIC = Topic(
    name="spf",
    records=(RecordId.MAIL_FROM_SPF,),
    accepts=accepts,
    explains=EXPLAINS,
    probes=misplaced.probes,
    survey=survey,
    asks=questions,
    diagnoses=(*spf_advice.DIAGNOSES, spf_diagnoses.NOT_NEEDED_AT_APEX),
)

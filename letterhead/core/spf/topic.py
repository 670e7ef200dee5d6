"""The topic "spf": the planned record of the MAIL FROM domain, and advice about the sender's own (RFC 7208).

The verdict on the planned record follows from its own text where that names the provider. Where it does not, what its
includes and redirects lead to decides (RFC 7208 5.2 and 6.1), and as long as one of them does not answer, nothing is
known. Any other fault of what is included is reported as a finding and never changes the state of a domain.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from letterhead.core.dns.answers import Found, Question, Seen, View, answering
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
from letterhead.core.plan.plan import AUTHORITATIVE, RESOLVERS, PlannedRecord, RecordId, RecordResult, Verdict
from letterhead.core.spf import advice as spf_advice
from letterhead.core.spf import diagnoses as spf_diagnoses
from letterhead.core.spf.corrections import correct_spelling
from letterhead.core.spf.passing_terms import PassingTerms, find_passing_terms
from letterhead.core.spf.record import SpfRecord, SyntaxProblem, Term, is_spf, parse_spf_record, spf_texts, texts
from letterhead.core.spf.spf_text import SpfText


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
    return _passes(record, rdatas, {}, follow=False) is True


def accepts_seen(record: PlannedRecord, rdatas: Sequence[Rdata], seen: Seen) -> bool | None:
    """Return the same with includes followed; None where what they lead to was not answered, or not read."""
    return _passes(record, rdatas, seen, follow=True)


def _passes(record: PlannedRecord, rdatas: Sequence[Rdata], seen: Seen, *, follow: bool) -> bool | None:
    found = spf_texts(rdatas)
    spf = parse_spf_record(found[0]) if len(found) == 1 else None
    if spf is None:
        return False
    if spf.permanent_error is not None:  # a limit of ours is no fault of the record: receivers may read it
        return None if spf.permanent_error.problem is SyntaxProblem.NOT_READ else False
    passing = _passing(record, spf, seen) if follow else find_passing_terms(record.host, spf, seen, follow=False)
    return passing.meets(planned_terms(record))


def _passing(record: PlannedRecord, spf: SpfRecord, seen: Seen) -> PassingTerms:
    """Return what a record passes; its includes are followed only where its own terms do not name the provider."""
    own = find_passing_terms(record.host, spf, seen, follow=False)
    return own if own.meets(planned_terms(record)) else find_passing_terms(record.host, spf, seen)


def needed_questions(record: PlannedRecord, seen: Seen) -> Iterator[Question]:
    """Ask for the includes on which the verdict on the planned record depends."""
    for view in (*AUTHORITATIVE, *RESOLVERS):
        for reply in follow_aliases(seen, Question(name=record.host, rdtype=record.rdtype, view=view)):
            found = spf_texts(reply.answer.rrset.rdatas) if isinstance(reply.answer, Found) else []
            if len(found) == 1:
                passing = _passing(record, parse_spf_record(found[0]), seen)
                yield from passing.wanted if passing.meets(planned_terms(record)) is None else ()


def planned_terms(record: PlannedRecord) -> tuple[Term, ...]:
    """Return the terms that authorise the provider."""
    return tuple([term for term in parse_spf_record(record.value).evaluated_terms if term.name != "all"])


PASSES: Final = {Verdict.PRESENT: True, Verdict.WRONG: False}


# --- the records that are examined -----------------------------------------------------------------------------


def _at_mail_from(rule_input: RuleInput, result: RecordResult) -> SpfText:
    """Return the records at the MAIL FROM domain, as one server has them: two servers' records are not two records."""
    record, passes = result.record, PASSES.get(result.verdict)
    rdatas: Sequence[Rdata] = ()
    for view in (*AUTHORITATIVE, View.RECURSIVE):
        replies = follow_aliases(rule_input.seen, Question(name=record.host, rdtype=record.rdtype, view=view))
        found = [reply.answer.rrset.rdatas for reply in answering(replies) if isinstance(reply.answer, Found)]
        of_verdict = [each for each in found if accepts_seen(record, each, rule_input.seen) is passes]
        if of_verdict:
            rdatas = of_verdict[0]
            break
    return SpfText(
        host=record.host,
        texts=tuple(texts(rdatas)),
        seen=rule_input.seen,
        planned=planned_terms(record),
        value=record.value if record.exact else None,
        dns_host=rule_input.dns_host,
    )


def _at_sender(rule_input: RuleInput) -> SpfText:
    """Return the records at the domain itself, without a planned record that was put there by mistake."""
    sender = rule_input.plan.sender
    rdatas = seen_records(rule_input.seen, txt_question(sender))
    found = texts(rdatas) if not isinstance(rdatas, NoRecords) else []
    result = rule_input.result_of(RecordId.MAIL_FROM_SPF)
    if result is None:
        return SpfText(host=sender, texts=tuple(found), seen=rule_input.seen, dns_host=rule_input.dns_host)
    ours = {term.canonical for term in planned_terms(result.record)}
    records = {text: parse_spf_record(text) for text in found if is_spf(text)}
    needless = tuple(
        text
        for text in found
        if text in records and {term.canonical for term in records[text].evaluated_terms if term.name != "all"} == ours
    )
    if on_apex(rule_input, result) and len([text for text in found if text in records]) > len(needless) > 0:
        found = [text for text in found if text not in needless]
    return SpfText(
        host=sender,
        texts=tuple(found),
        seen=rule_input.seen,
        needless=needless,
        dns_host=rule_input.dns_host,
    )


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
            blanks = len(text) - len(text.lstrip())
            return Match(observed=(text,), span=(0, blanks), expected=text.lstrip())
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


def provider_terms_missing(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match a record that does not pass the planned terms."""
    subject = _at_mail_from(rule_input, result)
    if subject.record is None:
        return None
    return subject.match(mended=subject.complete(subject.record.text), part=_planned_text(result))


def includes_unanswered(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match a record that may pass the planned terms by way of an include that was not answered."""
    subject = _at_mail_from(rule_input, result)
    passing = subject.passing
    if result.verdict is not Verdict.UNANSWERED or passing is None:
        return None
    names = dict.fromkeys((*passing.unanswered, *(each.name for each in passing.wanted)))
    names.pop(subject.host, None)  # its own record is longer than is read: `spf.not-read`
    return subject.match(part=", ".join(names)) if names else None


# Where the record at hand is moved or cleaned, its fix keeps what the record says; elsewhere the planned one is added.
_KEPT: Final = ("name-doubled", "at-parent", "html-entities", "quoted", "escaped", "pasted-line")


def _misplaced_rule(rule: DiagnosisRule) -> DiagnosisRule:
    """Return a rule whose fix keeps the senders that a misplaced or spoilt record names."""
    if not rule.diagnosis.code.endswith(_KEPT):
        return rule

    def holds(rule_input: RuleInput, result: RecordResult) -> Match | None:
        match = rule.holds(rule_input, result)
        records = [text for text in match.observed or () if is_spf(text)] if match else []
        if match is None or match.expected is not None or len(records) != 1:
            return match
        subject = replace(_at_mail_from(rule_input, result), texts=(records[0],))
        return replace(match, expected=subject.complete(correct_spelling(records[0])))

    return replace(rule, holds=holds)


MISPLACED: Final = {rule.diagnosis.code: rule for rule in misplaced.rules("mail-from", accepts)}
WHITESPACE: Final = MISPLACED.pop("mail-from.whitespace").diagnosis
ON_APEX: Final = MISPLACED["mail-from.on-apex"].diagnosis
EXPLAINS: Final = (
    DiagnosisRule(diagnosis=WHITESPACE, holds=leading_space),
    *map(_misplaced_rule, MISPLACED.values()),
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
    if result.verdict is not Verdict.ABSENT:
        yield from _at_mail_from(rule_input, result).wanted


def survey(rule_input: RuleInput) -> Iterator[Finding]:
    """Find what is wrong or unwise about a planned record that is present, and about the sender's own record."""
    result = rule_input.result_of(RecordId.MAIL_FROM_SPF)
    present = result is not None and result.verdict is Verdict.PRESENT and result.agreed
    if result is not None and present:
        for diagnosis, match in spf_advice.find_advice(_at_mail_from(rule_input, result)):
            yield finding(diagnosis, rule_input, result, match)
    elif result is not None and result.verdict is Verdict.UNANSWERED:
        yield from _survey_unanswered(rule_input, result)
    sender = _at_sender(rule_input)
    for diagnosis, match in spf_advice.find_advice(sender):
        severity = Severity.WARNING if diagnosis.severity is Severity.BLOCKING else diagnosis.severity
        yield finding(diagnosis, rule_input, None, replace(match, host=sender.host, severity=severity))
    if result is not None and present and sender.record is not None and _has_planned_terms(sender.record.text, result):
        needless = Match(places={"part": _planned_text(result)}, observed=(sender.record.text,), host=sender.host)
        yield finding(spf_diagnoses.NOT_NEEDED_AT_APEX, rule_input, None, needless)


def _survey_unanswered(rule_input: RuleInput, result: RecordResult) -> Iterator[Finding]:
    """Find why nothing is known of a planned record that was answered."""
    unanswered = includes_unanswered(rule_input, result)
    if unanswered is not None:
        yield finding(spf_diagnoses.INCLUDE_UNANSWERED, rule_input, result, unanswered)
    subject = _at_mail_from(rule_input, result)
    if subject.record is not None:
        for diagnosis, match in spf_advice.find_syntax_problems(subject, subject.record):
            if diagnosis is spf_diagnoses.NOT_READ:
                yield finding(diagnosis, rule_input, result, match)


TOPIC = Topic(
    name="spf",
    records=(RecordId.MAIL_FROM_SPF,),
    accepts=accepts,
    accepts_seen=accepts_seen,
    needs=needed_questions,
    explains=EXPLAINS,
    probes=misplaced.probes,
    survey=survey,
    asks=questions,
    diagnoses=(*spf_advice.DIAGNOSES, spf_diagnoses.INCLUDE_UNANSWERED, spf_diagnoses.NOT_NEEDED_AT_APEX),
)

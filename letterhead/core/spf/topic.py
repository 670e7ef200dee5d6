"""Knows SPF (RFC 7208): the record to publish at the MAIL FROM domain, what is wrong there, and advice for the sender.

The verdict on the planned record follows from its own text alone: what strangers' includes answer at this moment is
told as a finding and never moves a domain.
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
from letterhead.core.spf.record import SpfRecord, Term, is_spf, parse, spf_texts, texts


def planned(mail_from: str, terms: str) -> PlannedRecord:
    """Says the SPF record to publish at the MAIL FROM domain; `terms` authorise the provider (`include:…`)."""
    return PlannedRecord(id=RecordId.MAIL_FROM_SPF, host=mail_from, rdtype="TXT", value=f"v=spf1 {terms} ~all")


def accepts(record: PlannedRecord, rdatas: Sequence[Rdata]) -> bool:
    """Says whether exactly one SPF record is there, readable to its end, and lets the provider's servers pass."""
    found = spf_texts(rdatas)  # RFC 7208 4.5: two records are a permanent error
    return len(found) == 1 and _covers(parse(found[0]), record)


def _covers(read: SpfRecord, record: PlannedRecord) -> bool:
    """Says whether the planned terms pass, and are read before a term that every server matches."""
    if read.permanent_error is not None:
        return False
    passing: set[str] = set()
    for term in read.evaluated_terms:
        if term.matches_all:
            break
        if term.qualifier == "+":
            # RFC 7208 6.1: a redirect passes whom the target passes, as an include at the end does
            passing.add(f"include:{term.domain}" if term.modifier else term.canonical)
    return passing.issuperset(term.canonical for term in planned_terms(record))


def planned_terms(record: PlannedRecord) -> list[Term]:
    """Gives the terms that authorise the provider."""
    return [term for term in parse(record.value).evaluated_terms if term.name != "all"]


def unknown(mail_from: str) -> PlannedRecord:
    """Says where the SPF record stands of which we don't know the provider's terms: any readable one will do."""
    return PlannedRecord(id=RecordId.MAIL_FROM_SPF, host=mail_from, rdtype="TXT", value="v=spf1 ", exact=False)


# --- whom the topic speaks of ----------------------------------------------------------------------------------


def _at_mail_from(scene: RuleInput, standing: RecordResult) -> SpfText:
    record = standing.record
    return SpfText(
        host=record.host,
        texts=tuple(texts(_rdatas(scene, standing))),
        seen=scene.seen,
        own=tuple(term.canonical for term in planned_terms(record)),
        value=value_for(record, scene.dns_host) if record.exact else None,
    )


def _rdatas(scene: RuleInput, standing: RecordResult) -> Sequence[Rdata]:
    """Gives what one server holds, of those that the verdict follows: two servers' records are not two records."""
    record, present = standing.record, standing.verdict is Verdict.PRESENT
    for view in (*AUTHORITATIVE, View.RECURSIVE):
        replies = follow_aliases(scene.seen, Question(name=record.host, rdtype=record.rdtype, view=view))
        for reply in answering(replies):
            if isinstance(reply.answer, Found) and accepts(record, reply.answer.rrset.rdatas) is present:
                return reply.answer.rrset.rdatas
    return ()


def _at_sender(scene: RuleInput) -> SpfText:
    """Looks at the domain itself; a planned record that was put there by mistake is told as such, not as a second."""
    there = seen_records(scene.seen, txt_question(scene.plan.sender))
    found = texts(there) if not isinstance(there, NoRecords) else []
    standing = scene.result_of(RecordId.MAIL_FROM_SPF)
    if standing is None:
        return SpfText(host=scene.plan.sender, texts=tuple(found), seen=scene.seen)
    ours = {term.canonical for term in planned_terms(standing.record)}
    needless = tuple(text for text in found if _only(text, ours))
    if _elsewhere(scene, standing) and len([text for text in found if is_spf(text)]) > len(needless) > 0:
        found = [text for text in found if text not in needless]
    return SpfText(host=scene.plan.sender, texts=tuple(found), seen=scene.seen, needless=needless)


def _only(text: str, terms: set[str]) -> bool:
    return is_spf(text) and {term.canonical for term in parse(text).evaluated_terms if term.name != "all"} == terms


# --- the planned record ----------------------------------------------------------------------------------------


def _tells(diagnosis: Diagnosis) -> DiagnosisRule:
    """Makes a rule of one of the faults that a record can have in itself or below it."""

    def holds(scene: RuleInput, standing: RecordResult) -> Match | None:
        if standing.verdict is not Verdict.WRONG or is_synthesised(scene, standing.record):
            return None
        told = spf_advice.faults(_at_mail_from(scene, standing))
        sighting = next((sighting for each, sighting in told if each is diagnosis), None)
        return replace(sighting, severity=Severity.BLOCKING) if sighting else None

    return DiagnosisRule(diagnosis=diagnosis, holds=holds)


def _after_all(scene: RuleInput, standing: RecordResult) -> Match | None:
    """Holds where the planned terms are there, and after `all`."""
    subject = _at_mail_from(scene, standing)
    record = subject.record
    if record is None or not {term.canonical for term in record.unread}.issuperset(subject.own):
        return None
    sighting = spf_advice.text_after_all(subject, record)
    return replace(sighting, severity=Severity.BLOCKING) if sighting else None


def _spaced(_: RuleInput, standing: RecordResult) -> Match | None:
    """Holds where a right record begins with a space; one inside is a fault of the grammar, told with its place."""
    for text in standing.observed:
        if text != text.lstrip() and accepts(standing.record, (Txt(strings=split_text(text.lstrip())),)):
            return Match(observed=(text,), span=(0, len(text) - len(text.lstrip())))
    return None


def _nothing_there(scene: RuleInput, standing: RecordResult) -> bool:
    """Says whether nobody published an SPF record at the name; what a wildcard answers is nobody's doing there."""
    made = standing.verdict is Verdict.WRONG and is_synthesised(scene, standing.record)
    return made or not any(map(is_spf, standing.observed))


def _elsewhere(scene: RuleInput, standing: RecordResult) -> Match | None:
    """Holds where the MAIL FROM domain has no SPF record, and the domain, or its zone, has the provider's terms."""
    if standing.verdict not in (Verdict.ABSENT, Verdict.WRONG) or not _nothing_there(scene, standing):
        return None
    plan = scene.plan
    for name in dict.fromkeys((plan.sender, plan.zone)):
        found = seen_records(scene.seen, txt_question(name))
        held = [text for text in spf_texts(found if not isinstance(found, NoRecords) else ()) if _holds(text, standing)]
        if held:
            return Match(places={"found": name, "part": _named(standing)}, observed=tuple(held))
    return None


def _holds(text: str, standing: RecordResult) -> bool:
    terms = {term.canonical for term in parse(text).terms}
    ours = {term.canonical for term in planned_terms(standing.record)}
    return bool(ours) and terms >= ours


def _named(standing: RecordResult) -> str:
    return " ".join(term.text for term in planned_terms(standing.record))


def _missing(scene: RuleInput, standing: RecordResult) -> Match | None:
    return Match() if _nothing_there(scene, standing) else None


def _provider_missing(_: RuleInput, standing: RecordResult) -> Match | None:
    observed = tuple(text for text in standing.observed if is_spf(text))
    return Match(places={"part": _named(standing)}, observed=observed) if observed else None


PLACEMENT: Final = {rule.diagnosis.code: rule for rule in misplaced.rules("mail-from", accepts)}
WHITESPACE: Final = PLACEMENT.pop("mail-from.whitespace").diagnosis
ON_APEX: Final = PLACEMENT["mail-from.on-apex"].diagnosis
EXPLAINS: Final = (
    DiagnosisRule(diagnosis=WHITESPACE, holds=_spaced),
    *PLACEMENT.values(),
    DiagnosisRule(diagnosis=spf_diagnoses.TEXT_AFTER_ALL, holds=_after_all),
    *(_tells(each) for each in spf_advice.FAULTS),
    DiagnosisRule(diagnosis=ON_APEX, holds=_elsewhere),  # also where it is one of several records there
    DiagnosisRule(diagnosis=spf_diagnoses.MISSING, holds=_missing),
    DiagnosisRule(diagnosis=spf_diagnoses.INCLUDE_MISSING, holds=_provider_missing),
)


# --- what is asked and told beside it --------------------------------------------------------------------------


def asks(scene: RuleInput) -> Iterable[Question]:
    """Asks for the sender's own SPF record and for what the includes of both records lead to."""
    yield txt_question(scene.plan.sender)
    yield spf_advice.old_type_question(scene.plan.sender)
    yield from _at_sender(scene).wanted
    standing = scene.result_of(RecordId.MAIL_FROM_SPF)
    if standing is None:
        return
    if standing.verdict is Verdict.ABSENT:
        yield txt_question(scene.plan.zone)
    if standing.verdict is Verdict.PRESENT:
        yield spf_advice.old_type_question(standing.record.host)
    if standing.verdict in (Verdict.PRESENT, Verdict.WRONG):
        yield from _at_mail_from(scene, standing).wanted


def survey(scene: RuleInput) -> Iterator[Finding]:
    """Tells what is wrong below a planned record that is right in itself, and gives advice on the sender's own."""
    standing = scene.result_of(RecordId.MAIL_FROM_SPF)
    present = standing is not None and standing.verdict is Verdict.PRESENT and standing.agreed
    if standing is not None and present:
        for diagnosis, sighting in spf_advice.advice(_at_mail_from(scene, standing)):
            yield finding(diagnosis, scene, standing, sighting)
    sender = _at_sender(scene)
    for diagnosis, sighting in spf_advice.advice(sender):
        softer = Severity.WARNING if diagnosis.severity is Severity.BLOCKING else diagnosis.severity
        yield finding(diagnosis, scene, None, replace(sighting, host=sender.host, severity=softer))
    if standing is not None and present and sender.record is not None and _holds(sender.record.text, standing):
        told = Match(places={"part": _named(standing)}, observed=(sender.record.text,), host=sender.host)
        yield finding(spf_diagnoses.NOT_NEEDED_AT_APEX, scene, None, told)


TOPIC = Topic(
    name="spf",
    records=(RecordId.MAIL_FROM_SPF,),
    accepts=accepts,
    explains=EXPLAINS,
    probes=misplaced.probes,
    survey=survey,
    asks=asks,
    diagnoses=(*spf_advice.DIAGNOSES, spf_diagnoses.NOT_NEEDED_AT_APEX),
)

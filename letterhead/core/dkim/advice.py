"""Rules for a DKIM key record that is present (flags, strength), and old keys that are still published."""

from collections.abc import Callable, Iterator, Sequence

from msgspec.structs import replace

from letterhead.core.dkim import diagnoses
from letterhead.core.dkim.key_record import (
    WEAK_BITS,
    KeyRecord,
    is_retired,
    is_usable_by_any,
    key_octets,
    parse_key_record,
    rsa_bits,
)
from letterhead.core.dns.answers import Question, View
from letterhead.core.dns.lookup import sends_no_mail
from letterhead.core.dns.records import Txt
from letterhead.core.findings import misplaced
from letterhead.core.findings.candidate_names import answers_at, rdatas_of
from letterhead.core.findings.diagnosis import Diagnosis, DiagnosisRule, Finding, Match, RuleInput, finding
from letterhead.core.plan.plan import RecordId, RecordResult, Verdict


def texts_of(rule_input: RuleInput, result: RecordResult) -> list[str]:
    """Return the texts of the TXT records at the planned name."""
    return [rdata.text for rdata in rdatas_of(rule_input, result.record) if isinstance(rdata, Txt)]


def match_tag(record: KeyRecord, name: str, **places: str) -> Match | None:
    """Return a match that marks a tag, with its value as {said}; None where the record does not have the tag."""
    tag = record.tag(name)
    return Match(places={"said": tag.value[:80], **places}, span=tag.span) if tag else None


def _key_rule(diagnosis: Diagnosis, match_key: Callable[[KeyRecord], Match | None]) -> DiagnosisRule:
    """Return a rule about the tags of the planned key record, where it is present."""

    def rule(rule_input: RuleInput, result: RecordResult) -> Match | None:
        texts = texts_of(rule_input, result) if result.verdict is Verdict.PRESENT else []
        key = parse_key_record(texts[0]) if len(texts) == 1 else None
        return match_key(key) if key else None

    return DiagnosisRule(diagnosis=diagnosis, holds=rule)


def _unplanned_rule(diagnosis: Diagnosis, match_key: Callable[[KeyRecord], Match | None]) -> DiagnosisRule:
    """Return a rule about a key record that is right, where nobody has planned one."""
    rule = _key_rule(diagnosis, match_key)
    return replace(rule, holds=lambda given, result: None if result.record.exact else rule.holds(given, result))


def weak_key(key: KeyRecord) -> Match | None:
    """Match an RSA key of fewer bits than signers should use (RFC 8301 3.2)."""
    bits = rsa_bits(key_octets(key) or b"")
    return match_tag(key, "p", bits=str(bits)) if bits is not None and bits < WEAK_BITS else None


def old_key_questions(rule_input: RuleInput) -> Iterator[Question]:
    """Ask for the key records of the selectors that were rotated out."""
    for selector in rule_input.history.old_selectors:
        name = f"{selector}._domainkey.{rule_input.plan.sender}"
        yield Question(name=name, rdtype="TXT", view=View.ONE_SERVER)


def find_old_keys(rule_input: RuleInput) -> Iterator[Finding]:
    """Find the keys of selectors that were rotated out and are still published."""
    for question in old_key_questions(rule_input):
        texts = [rdata.text for rdata in answers_at(rule_input, question.name, "TXT") if isinstance(rdata, Txt)]
        keys = tuple(text for text in texts if (record := parse_key_record(text)) and record.get("p"))
        if keys:
            match = Match(host=question.name, places={"old": question.name}, observed=keys)
            yield finding(diagnoses.OLD_SELECTOR_LIVE, rule_input, None, match)


def selector_underscore(_: RuleInput, result: RecordResult) -> Match | None:
    """Match an underscore within the selector of a key that is there."""
    selector = result.record.host.partition("._domainkey")[0]
    there = result.verdict is Verdict.PRESENT and not selector.startswith("_")  # _adsp and the like are no selectors
    return Match(places={"selector": selector}) if there and "_" in selector else None


# --- whether mail can be signed -------------------------------------------------------------------------------------


def missing(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match an absent key, unless nobody planned it and the domain sends no mail: then it wants none."""
    locked = not result.record.exact and sends_no_mail(rule_input.seen, rule_input.plan.sender)
    return None if locked else misplaced.absent(rule_input, result)


def signing_verdict(results: Sequence[RecordResult]) -> Verdict:
    """Return "present" where some key can sign mail, "absent" where all are known and none can, else "unanswered"."""
    keys = [each for each in results if each.record.id is RecordId.DKIM]
    if any(each.verdict is Verdict.PRESENT and (each.record.exact or _has_usable_key(each)) for each in keys):
        return Verdict.PRESENT
    known = keys and all(each.verdict is not Verdict.UNANSWERED for each in keys)
    return Verdict.ABSENT if known else Verdict.UNANSWERED


def _has_usable_key(result: RecordResult) -> bool:
    return any((key := parse_key_record(text)) and is_usable_by_any(key) for text in result.observed)


def find_no_usable_key(rule_input: RuleInput) -> Iterator[Finding]:
    """Find that nobody planned a key, and that none of those that were named is for mail, though each is legal."""
    results = [each for each in rule_input.results if each.record.id is RecordId.DKIM]
    idle = [each.record.host for each in results if each.verdict is Verdict.PRESENT and not each.record.exact]
    wanted = any(each.record.required for each in results) and not sends_no_mail(
        rule_input.seen, rule_input.plan.sender
    )
    if wanted and rule_input.signing is Verdict.ABSENT and len(idle) == len(results):
        match = Match(places={"asked": ", ".join(idle)}, host=f"_domainkey.{rule_input.plan.sender}")
        yield finding(diagnoses.NO_USABLE_KEY, rule_input, None, match)


ADVISES = (
    _key_rule(diagnoses.TESTING, lambda key: match_tag(key, "t") if "y" in key.items("t", "") else None),
    _key_rule(diagnoses.STRICT_IDENTITY, lambda key: match_tag(key, "t") if "s" in key.items("t", "") else None),
    _key_rule(diagnoses.WEAK_KEY, weak_key),
    DiagnosisRule(diagnosis=diagnoses.SELECTOR_UNDERSCORE, holds=selector_underscore),
    _unplanned_rule(diagnoses.RETIRED, lambda key: match_tag(key, "p") if is_retired(key) else None),
    _unplanned_rule(
        diagnoses.OTHER_SERVICE, lambda key: None if key.is_for_mail or is_retired(key) else match_tag(key, "s")
    ),
)

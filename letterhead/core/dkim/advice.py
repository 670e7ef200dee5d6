"""Knows what to advise on a DKIM key that is there: flags that limit it, its strength, old keys that still stand."""

from collections.abc import Callable, Iterator

from letterhead.core.dkim import diagnoses as faults
from letterhead.core.dkim.key_record import WEAK_BITS, KeyRecord, key_octets, parse_key_record, rsa_bits
from letterhead.core.dns.answers import Question, View
from letterhead.core.dns.records import Txt
from letterhead.core.findings.candidate_names import answers_at, rdatas_of
from letterhead.core.findings.diagnosis import Diagnosis, DiagnosisRule, Finding, Match, RuleInput, finding
from letterhead.core.plan.plan import RecordResult, Verdict


def texts(scene: RuleInput, standing: RecordResult) -> list[str]:
    """Gives the TXT at the planned name."""
    return [rdata.text for rdata in rdatas_of(scene, standing.record) if isinstance(rdata, Txt)]


def at_tag(record: KeyRecord, name: str, **places: str) -> Match | None:
    """Points at a tag, where the record has it."""
    tag = record.tag(name)
    return Match(places={"said": tag.value[:80], **places}, span=tag.span) if tag else None


def _advice(diagnosis: Diagnosis, holds: Callable[[KeyRecord], Match | None]) -> DiagnosisRule:
    """Makes a rule of what the tags of the planned key, where it is present, tell."""

    def rule(scene: RuleInput, standing: RecordResult) -> Match | None:
        found = texts(scene, standing) if standing.verdict is Verdict.PRESENT else []
        theirs = parse_key_record(found[0]) if len(found) == 1 else None
        return holds(theirs) if theirs else None

    return DiagnosisRule(diagnosis=diagnosis, holds=rule)


def _flag(flag: str) -> Callable[[KeyRecord], Match | None]:
    return lambda theirs: at_tag(theirs, "t") if flag in theirs.items("t", "") else None


def _weak(theirs: KeyRecord) -> Match | None:
    bits = rsa_bits(key_octets(theirs) or b"")
    return at_tag(theirs, "p", bits=str(bits)) if bits is not None and bits < WEAK_BITS else None


def old(scene: RuleInput) -> Iterator[Question]:
    """Asks for the keys that were rotated out."""
    for selector in scene.history.old_selectors:
        name = f"{selector}._domainkey.{scene.plan.sender}"
        yield Question(name=name, rdtype="TXT", view=View.ONE_SERVER)


def old_live(scene: RuleInput) -> Iterator[Finding]:
    for question in old(scene):
        found = [rdata.text for rdata in answers_at(scene, question.name, "TXT") if isinstance(rdata, Txt)]
        keys = [text for text in found if (record := parse_key_record(text)) and record.get("p")]
        if keys:
            sighting = Match(host=question.name, places={"old": question.name}, observed=tuple(keys))
            yield finding(faults.OLD_SELECTOR_LIVE, scene, match=sighting)


ADVISES = (
    _advice(faults.TESTING, _flag("y")),
    _advice(faults.STRICT_IDENTITY, _flag("s")),
    _advice(faults.WEAK_KEY, _weak),
)

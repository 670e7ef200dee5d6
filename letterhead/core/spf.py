"""Knows SPF records (RFC 7208): the one to publish at the MAIL FROM domain, and whether what is there covers it."""

from collections.abc import Sequence

from letterhead.core import placement
from letterhead.core.diagnosis import Diagnosis, Rule, Scene, Severity, Sighting, Topic
from letterhead.core.plan import PlannedRecord, RecordId, Standing, Verdict
from letterhead.core.records import Rdata, Txt


def planned(mail_from: str, terms: str) -> PlannedRecord:
    """Says the SPF record to publish at the MAIL FROM domain; `terms` authorise the provider (`include:…`)."""
    return PlannedRecord(id=RecordId.MAIL_FROM_SPF, host=mail_from, rdtype="TXT", value=f"v=spf1 {terms} ~all")


def spf_texts(rdatas: Sequence[Rdata]) -> list[str]:
    """Keeps the texts that are SPF records: `v=spf1`, then a space or the end (RFC 7208 4.5)."""
    texts = [rdata.text for rdata in rdatas if isinstance(rdata, Txt)]
    return [text for text in texts if text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")]


def accepts(record: PlannedRecord, rdatas: Sequence[Rdata]) -> bool:
    """Says whether exactly one SPF record is there and authorises the provider before any `all`."""
    found = spf_texts(rdatas)
    if len(found) != 1:  # RFC 7208 4.5: two records are a permanent error
        return False
    wanted = _terms(record.value)[:-1]
    return set(wanted) <= set(_before_all(_terms(found[0])))


def _terms(text: str) -> list[str]:
    """Splits a record into its terms without the version, `+` qualifiers taken off."""
    return [term.lower().removeprefix("+") for term in text.split(" ")[1:] if term]


def _before_all(terms: list[str]) -> list[str]:
    """Keeps the terms that are evaluated: `all` always matches and ends the evaluation (RFC 7208 5.1)."""
    ends = [at for at, term in enumerate(terms) if term in ("all", "-all", "~all", "?all")]
    return terms[: ends[0]] if ends else terms


MISSING = Diagnosis(
    code="mail-from.spf-missing",
    severity=Severity.BLOCKING,
    title="The MAIL FROM domain has no SPF record",
    meaning="Receivers check that the sending server may use the MAIL FROM domain. Without an SPF record they can't.",
    detail="There is no SPF record at {host}.",
    fix="Add a TXT record with the name {name} and the value {expected} {where}",
    reference="RFC 7208 4.5",
)
INCLUDE_MISSING = Diagnosis(
    code="mail-from.spf-include-missing",
    severity=Severity.BLOCKING,
    title="The MAIL FROM domain's SPF record does not name the provider",
    meaning="An SPF record is there, but it does not authorise the servers that send your mail.",
    detail="The TXT at {host} is {observed}, which does not authorise the provider.",
    fix="Replace the SPF record of {name} with {expected} {where}",
    reference="RFC 7208 5.2",
)


def _absent(_: Scene, standing: Standing) -> Sighting | None:
    return Sighting() if standing.verdict is Verdict.ABSENT else None


def _wrong(_: Scene, standing: Standing) -> Sighting | None:
    return Sighting() if standing.verdict is Verdict.WRONG else None


TOPIC = Topic(
    name="spf",
    records=(RecordId.MAIL_FROM_SPF,),
    accepts=accepts,
    explains=(
        *placement.rules("mail-from", accepts),
        Rule(diagnosis=MISSING, holds=_absent),
        Rule(diagnosis=INCLUDE_MISSING, holds=_wrong),
    ),
    probes=placement.probes,
)

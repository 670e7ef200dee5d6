"""Knows DMARC records (RFC 9989). All that it finds is advice: DMARC blocks no status."""

from collections.abc import Sequence

from letterhead.core import placement
from letterhead.core.diagnosis import Diagnosis, Rule, Scene, Severity, Sighting, Topic
from letterhead.core.plan import PlannedRecord, RecordId, Standing, Verdict
from letterhead.core.records import Rdata, Txt

POLICIES = ("none", "quarantine", "reject")


def planned(sender: str) -> PlannedRecord:
    """Says the DMARC record that we advise where there is none."""
    return PlannedRecord(
        id=RecordId.DMARC, host=f"_dmarc.{sender}", rdtype="TXT", value="v=DMARC1; p=none;", required=False
    )


def dmarc_texts(rdatas: Sequence[Rdata]) -> list[str]:
    """Keeps the texts that are DMARC records: they begin with `v=DMARC1`, then `;` or the end (RFC 9989 4.7)."""
    texts = ["".join(rdata.text.split()) for rdata in rdatas if isinstance(rdata, Txt)]
    return [text for text in texts if text == "v=DMARC1" or text.startswith("v=DMARC1;")]


def accepts(_: PlannedRecord, rdatas: Sequence[Rdata]) -> bool:
    """Says whether one valid DMARC record is there: the policy is the owner's own business."""
    found = dmarc_texts(rdatas)
    if len(found) != 1:
        return False
    tags = dict(part.partition("=")[::2] for part in found[0].split(";") if part)
    return tags.get("p", "none").lower() in POLICIES


MISSING = Diagnosis(
    code="dmarc.missing",
    severity=Severity.TIP,
    title="There is no DMARC record",
    meaning="DMARC tells receivers what to do with mail that fails the checks. Large mailbox providers want one.",
    detail="There is no DMARC record at {host}.",
    fix="Add a TXT record with the name {name} and the value {expected} {where}",
    reference="RFC 9989 4.7",
)
POLICY_INVALID = Diagnosis(
    code="dmarc.policy-invalid",
    severity=Severity.WARNING,
    title="The DMARC record can't be used",
    meaning="A text is there, but receivers don't take it for a valid DMARC record, so no policy applies.",
    detail="The TXT at {host} is {observed}.",
    fix="Leave one TXT record at {name}, such as {expected}",
    reference="RFC 9989 4.7",
)


def _absent(_: Scene, standing: Standing) -> Sighting | None:
    return Sighting() if standing.verdict is Verdict.ABSENT else None


def _wrong(_: Scene, standing: Standing) -> Sighting | None:
    return Sighting() if standing.verdict is Verdict.WRONG else None


TOPIC = Topic(
    name="dmarc",
    records=(RecordId.DMARC,),
    accepts=accepts,
    explains=(
        *placement.rules("dmarc", accepts, Severity.WARNING),
        Rule(diagnosis=MISSING, holds=_absent),
        Rule(diagnosis=POLICY_INVALID, holds=_wrong),
    ),
    probes=placement.probes,
)

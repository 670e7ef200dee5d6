"""Knows the MAIL FROM domain's MX (RFC 5321 5.1): bounces must come back to the provider."""

from collections.abc import Sequence

from letterhead.core import placement
from letterhead.core.diagnosis import Diagnosis, Rule, Scene, Severity, Sighting, Topic
from letterhead.core.plan import PlannedRecord, RecordId, Standing, Verdict
from letterhead.core.records import Mx, Rdata


def planned(mail_from: str, mx_host: str, mx_priority: int) -> PlannedRecord:
    """Says the MX to publish at the MAIL FROM domain."""
    return PlannedRecord(id=RecordId.MAIL_FROM_MX, host=mail_from, rdtype="MX", value=mx_host, priority=mx_priority)


def accepts(record: PlannedRecord, rdatas: Sequence[Rdata]) -> bool:
    """Says whether the planned host is the one MX there; its priority does not matter when it is alone."""
    return len(rdatas) == 1 and isinstance(rdatas[0], Mx) and rdatas[0].exchange == record.value


MX_MISSING = Diagnosis(
    code="mail-from.mx-missing",
    severity=Severity.BLOCKING,
    title="The MAIL FROM domain has no MX",
    meaning="Bounces go to the MAIL FROM domain. Without its MX record they are lost, and the provider does not use "
    "the domain as return-path.",
    detail="There is no MX record at {host}.",
    fix="Add an MX record with the name {name} and the mail server {expected} {where}",
    reference="RFC 5321 5.1",
)
MX_WRONG_HOST = Diagnosis(
    code="mail-from.mx-wrong-host",
    severity=Severity.BLOCKING,
    title="The MAIL FROM domain's MX names another host",
    meaning="Bounces go to a server that does not belong to the mail provider.",
    detail="The MX at {host} is {observed}, not {value}.",
    fix="Replace the MX of {name} with the one host {expected} {where}",
    reference="RFC 5321 5.1",
)


def _absent(_: Scene, standing: Standing) -> Sighting | None:
    return Sighting() if standing.verdict is Verdict.ABSENT else None


def _wrong(_: Scene, standing: Standing) -> Sighting | None:
    return Sighting() if standing.verdict is Verdict.WRONG else None


TOPIC = Topic(
    name="mail-from",
    records=(RecordId.MAIL_FROM_MX,),
    accepts=accepts,
    explains=(
        *placement.rules("mail-from", accepts),
        Rule(diagnosis=MX_MISSING, holds=_absent),
        Rule(diagnosis=MX_WRONG_HOST, holds=_wrong),
    ),
    probes=placement.probes,
)

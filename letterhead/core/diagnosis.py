"""Knows what a finding is; the topics know which there are."""

from collections.abc import Callable, Iterable
from enum import StrEnum

import msgspec

from letterhead.core.answers import Seen
from letterhead.core.plan import Accepts, Plan, PlannedRecord, RecordId, Standing, relative_name


class Severity(StrEnum):
    """Says what a finding means for mail: "blocking" stops a status, "inconclusive" says that we could not look."""

    BLOCKING = "blocking"
    WARNING = "warning"
    TIP = "tip"
    INCONCLUSIVE = "inconclusive"


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """Describes one fault that people make, once, for the API, the pages, the command and the docs.

    `code` is `topic.fault`, for ever. `title`, `detail` and `fix` are templates with {named} places; `meaning` explains
    it to a newcomer; `reference` cites the rule.
    """

    code: str
    severity: Severity
    title: str
    meaning: str
    detail: str
    fix: str
    reference: str


class Finding(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Says that a diagnosis holds: where, what was expected, what was observed, what to do."""

    code: str
    severity: Severity
    record: str | None = None
    host: str
    record_type: str | None = None
    title: str
    detail: str
    expected: str | None = None
    observed: tuple[str, ...] = ()
    perspectives: tuple[str, ...] = ()
    fix: str
    evidence: tuple[str, ...] = ()


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what the topics look at: what should be, what was seen, and how each planned record stands."""

    plan: Plan
    seen: Seen
    standings: tuple[Standing, ...]

    def standing(self, record_id: RecordId) -> Standing | None:
        """Finds how one planned record stands."""
        return next((standing for standing in self.standings if standing.record.id == record_id), None)


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """Gathers what one topic gives to the checkup.

    `accepts` says for its planned records whether an RRset is the right one; `examine` finds its faults in what was
    seen.
    """

    name: str
    records: tuple[RecordId, ...]
    accepts: Accepts
    diagnoses: tuple[Diagnosis, ...]
    examine: Callable[[Scene], Iterable[Finding]]


def finding(diagnosis: Diagnosis, plan: Plan, standing: Standing, **places: str) -> Finding:
    """Fills a diagnosis's templates for one planned record; `places` are further {named} places."""
    record = standing.record
    filled = _places(plan, record) | {"observed": " | ".join(standing.observed)} | places
    return Finding(
        code=diagnosis.code,
        severity=diagnosis.severity if record.required else min(diagnosis.severity, Severity.TIP, key=_ADVICE.index),
        record=record.id,
        host=record.host,
        record_type=record.rdtype,
        title=diagnosis.title,
        detail=diagnosis.detail.format_map(filled),
        expected=record.value,
        observed=standing.observed,
        perspectives=standing.dissenting,
        fix=diagnosis.fix.format_map(filled),
    )


_ADVICE = (Severity.TIP, Severity.INCONCLUSIVE, Severity.WARNING, Severity.BLOCKING)


def _places(plan: Plan, record: PlannedRecord) -> dict[str, str]:
    """Names what every template may speak of."""
    return {
        "host": record.host,
        "name": relative_name(record.host, plan.zone),
        "zone": plan.zone,
        "sender": plan.sender,
        "rdtype": record.rdtype,
        "expected": record.value if record.priority is None else f"{record.priority} {record.value}",
        "value": record.value,
        "priority": "" if record.priority is None else str(record.priority),
    }

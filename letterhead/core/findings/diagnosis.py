"""Knows what a diagnosis, a rule and a finding are; the topics know which there are."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from letterhead.core.dns.answers import Question, Seen
from letterhead.core.plan.dns_hosts import DnsHost, name_for, place, value_for
from letterhead.core.plan.plan import Accepts, Plan, PlannedRecord, RecordId, RecordResult


class Severity(StrEnum):
    """Says what a finding means for mail: "blocking" stops a status, "inconclusive" says that we could not look."""

    BLOCKING = "blocking"
    WARNING = "warning"
    TIP = "tip"
    INCONCLUSIVE = "inconclusive"


class Hides(StrEnum):
    """Says which other findings are only consequences of this one: one cause, one finding."""

    NOTHING = "nothing"
    RECORD = "record"  # all others about the same record
    ALL = "all"  # all others about the domain


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """Describes one fault that people make, once, for the API, the pages, the command and the docs.

    `code` is `topic.fault`, for ever. `detail` and `fix` are templates with {named} places (see `finding`); `meaning`
    explains the fault to a newcomer; `reference` cites the rule.
    """

    code: str
    severity: Severity
    title: str
    meaning: str
    detail: str
    fix: str
    reference: str
    hides: Hides = Hides.NOTHING


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """Says that a rule holds, with what its templates want to know and where it was seen, if not at the record.

    `span` marks the offending part of `observed[0]`, as offsets from and to, for who can point at it. `severity` is
    set where the same fault weighs otherwise than it mostly does: at the sender domain, SPF is only advice.
    """

    places: Mapping[str, str] = {}
    host: str | None = None
    observed: tuple[str, ...] | None = None
    perspectives: tuple[str, ...] | None = None
    evidence: tuple[str, ...] = ()
    span: tuple[int, int] | None = None
    severity: Severity | None = None


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
    span: tuple[int, int] | None = None
    since: str | None = None


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what is known beside the answers: selectors that were rotated out, when the DKIM record was last there.

    `taken_at` is when the answers came, for saying when a cache forgets; times are UTC. `special_use` says that names
    which public DNS never has are at home in this installation.
    """

    old_selectors: tuple[str, ...] = ()
    present_until: datetime | None = None
    taken_at: datetime | None = None
    special_use: bool = False


class RuleInput(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what the topics look at: what should be, what was seen, and how each planned record stands.

    `served` is how what our own zone must serve stands.
    """

    plan: Plan
    seen: Seen
    results: tuple[RecordResult, ...]
    served: tuple[RecordResult, ...] = ()
    dns_host: DnsHost | None = None
    nameservers: tuple[str, ...] = ()
    history: History = History()

    def result_of(self, record_id: RecordId) -> RecordResult | None:
        """Finds how one planned record stands."""
        return next((standing for standing in self.results if standing.record.id == record_id), None)


class DiagnosisRule(msgspec.Struct, frozen=True, kw_only=True):
    """Joins a diagnosis to what it takes: `holds` gives a sighting where the fault is there."""

    diagnosis: Diagnosis
    holds: Callable[[RuleInput, RecordResult], Match | None]


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """Gathers what one topic gives to the checkup.

    `accepts` says for its planned records whether an RRset is the right one. For a record that is not present the
    first of `explains` that holds is the finding; of `advises` all that hold, for every record that was answered.
    `probes` are further questions worth asking for a record that is not present. `survey` finds what belongs to no
    planned record, and `asks` what it needs to see; `diagnoses` are those of the survey.
    """

    name: str
    records: tuple[RecordId, ...] = ()
    accepts: Accepts | None = None
    explains: tuple[DiagnosisRule, ...] = ()
    advises: tuple[DiagnosisRule, ...] = ()
    probes: Callable[[RuleInput, RecordResult], Iterable[Question]] | None = None
    survey: Callable[[RuleInput], Iterable[Finding]] | None = None
    asks: Callable[[RuleInput], Iterable[Question]] | None = None
    diagnoses: tuple[Diagnosis, ...] = ()

    def all_diagnoses(self) -> tuple[Diagnosis, ...]:
        """Lists each diagnosis of the topic once."""
        ruled = (rule.diagnosis for rule in (*self.explains, *self.advises))
        return tuple(dict.fromkeys((*ruled, *self.diagnoses)))


def finding(
    diagnosis: Diagnosis, scene: RuleInput, standing: RecordResult | None = None, sighting: Match | None = None
) -> Finding:
    """Fills a diagnosis's templates.

    Named places that every template may use: {sender} {zone} {host} {name} (as the panel wants it) {rdtype} {value}
    {priority} {expected} {observed} {servers} {where} (the DNS host and its form), and those that the sighting brings.
    """
    sight = sighting or Match()
    record = standing.record if standing else None
    observed = sight.observed if sight.observed is not None else (standing.observed if standing else ())
    servers = sight.perspectives if sight.perspectives is not None else (standing.dissenting if standing else ())
    host = sight.host or (record.host if record else scene.plan.sender)
    filled = {
        "sender": scene.plan.sender,
        "zone": scene.plan.zone,
        "host": host,
        "name": name_for(record.host if record else host, scene.plan.zone, scene.dns_host),
        "observed": " | ".join(observed),
        "servers": ", ".join(servers),
        "where": place(scene.dns_host, scene.nameservers),
        **(_of_record(record, scene.dns_host) if record else {}),
        **sight.places,
    }
    return Finding(
        code=diagnosis.code,
        severity=sight.severity or diagnosis.severity,
        record=record.id if record else None,
        host=host,
        record_type=record.rdtype if record else None,
        title=diagnosis.title,
        detail=diagnosis.detail.format_map(filled),
        expected=record.value if record and record.exact else None,
        observed=observed,
        perspectives=servers,
        fix=diagnosis.fix.format_map(filled),
        evidence=sight.evidence,
        span=sight.span,
    )


UNTOLD = "that your mail provider shows you"


def _of_record(record: PlannedRecord, panel: DnsHost | None) -> dict[str, str]:
    if not record.exact:
        form = f"{UNTOLD} ({record.value}…)" if record.value else UNTOLD
        return {"rdtype": record.rdtype, "value": form, "priority": "", "expected": form}
    priority = "" if record.priority is None else str(record.priority)
    value = value_for(record, panel)
    apart = f"{value} with the priority {priority}" if priority and not value.startswith(f"{priority} ") else value
    return {"rdtype": record.rdtype, "value": record.value, "priority": priority, "expected": apart}

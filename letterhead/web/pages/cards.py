"""Planned records as a person sees them: as the DNS host wants them typed, how they stand, what to repair."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from letterhead.core.dns.answers import Seen
from letterhead.core.findings.diagnosis import Finding, Severity
from letterhead.core.plan import dns_hosts
from letterhead.core.plan.dns_hosts import DnsHost
from letterhead.core.plan.plan import AUTHORITATIVE, PlannedRecord, RecordId, RecordResult, Verdict, relative_name
from letterhead.core.zone import caching
from letterhead.operations.domains import DomainView
from letterhead.ports.deps import Deps

CACHED = frozenset({caching.NEGATIVE.code, caching.STALE.code})
LAGS = "identity.provider-lags"
GONE = frozenset({"dkim.removed"})  # says when it went, and not that something else is there


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One record. `name`, `value` and `priority` are what is typed into the panel's fields, octet for octet."""

    record: PlannedRecord
    name: str
    value: str
    priority: int | None
    state: str  # found, missing, gone, wrong, differs, silent, unseen
    standing: RecordResult | None
    findings: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    cached: Finding | None = None  # says when everybody sees what is right already


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """All of a domain's records with what was found; `panel` is its DNS host's, where we know it."""

    panel: DnsHost | None
    nameservers: tuple[str, ...]
    cards: tuple[Card, ...]
    others: tuple[Finding, ...]

    def without_advice(self) -> "Board":
        """Leaves tips away: who publishes was asked for these records alone; and what the banner says already."""
        others = tuple(each for each in self.others if each.severity is not Severity.TIP and each.code != LAGS)
        return replace(self, cards=tuple(replace(card, notes=()) for card in self.cards), others=others)

    @property
    def required(self) -> tuple[Card, ...]:
        """The records that must be there."""
        return tuple(card for card in self.cards if card.record.required)

    @property
    def found(self) -> int:
        """Counts the required records that are there."""
        return sum(card.state == "found" for card in self.required)

    @property
    def complete(self) -> bool:
        """Whether all that is required is there."""
        return self.found == len(self.required)


def board(deps: Deps, view: DomainView) -> Board:
    """Lays out a domain's records."""
    seen = view.last_check.snapshot.seen() if view.last_check else {}
    delegated = dns_hosts.delegation(view.plan.sender, seen)
    servers = tuple(each.name for each in delegated.servers) if delegated else ()
    panel = dns_hosts.host_of(servers, deps.hosts)
    findings = view.last_check.findings if view.last_check else ()
    cards = tuple(_card(record, view, panel, seen) for record in view.plan.records)
    shown = {id(finding) for card in cards for finding in (card.cached, *card.findings, *card.notes)}
    others = tuple(each for each in findings if id(each) not in shown and not _says_missing(each))
    return Board(panel=panel, nameservers=servers, cards=cards, others=others)


def _card(record: PlannedRecord, view: DomainView, panel: DnsHost | None, seen: Seen) -> Card:
    checkup, zone = view.last_check, view.plan.zone
    standing = next((each for each in checkup.results if each.record.id == record.id), None) if checkup else None
    # A routine look asks no server about what is only recommended.
    asked = any(question.name == record.host and question.view in AUTHORITATIVE for question in seen)
    mine = [
        each for each in (checkup.findings if checkup else ()) if each.record == record.id and not _says_missing(each)
    ]
    told = _state(standing, mine, asked=asked, once=view.domain.verified_at is not None)
    state = _remembered(record, view) or told
    cached = next((each for each in mine if each.code in CACHED and state == "found"), None)
    mine = [each for each in mine if each is not cached]
    return Card(
        record=record,
        name=dns_hosts.name_for(record.host, zone, panel) if panel else relative_name(record.host, zone),
        value=dns_hosts.value_for(record, panel),
        priority=record.priority if panel is None or panel.priority_field else None,
        state=state,
        cached=cached,
        standing=standing,
        findings=tuple(each for each in mine if each.severity is not Severity.TIP),
        notes=tuple(each for each in mine if each.severity is Severity.TIP),
    )


def _remembered(record: PlannedRecord, view: DomainView) -> str | None:
    """Take an alias for found that a routine check does not ask for: one with no key behind it, seen before."""
    idle = record.rdtype == "CNAME" and view.domain.rotation is None and record.id is RecordId.DKIM_NEXT
    seen = dict(view.domain.verdicts).get(record.id) is Verdict.PRESENT
    return "found" if idle and seen else None


def _says_missing(finding: Finding) -> bool:
    """Whether a finding repeats what the card itself shows: the record, and that it is missing."""
    return finding.record is not None and finding.code.endswith((".missing", "-missing"))


def _state(standing: RecordResult | None, findings: Sequence[Finding], *, asked: bool, once: bool) -> str:
    if standing is None:
        return "unseen"
    if not standing.agreed:
        return "differs"
    match standing.verdict:
        case Verdict.PRESENT:
            return "found"
        case Verdict.WRONG:
            return "wrong"
        case Verdict.ABSENT:
            misplaced = any(each.severity is Severity.BLOCKING and each.code not in GONE for each in findings)
            return "wrong" if misplaced else "gone" if once and standing.record.required else "missing"
        case Verdict.UNANSWERED:
            return "silent" if asked else "unseen"


def marked(finding: Finding) -> tuple[str, str, str]:
    """Splits the first observed value around the part that is wrong, where the finding can point at it."""
    text = finding.observed[0] if finding.observed else ""
    begin, end = finding.span or (len(text), len(text))
    return text[:begin], text[begin:end], text[end:]

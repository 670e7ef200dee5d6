"""How a planned record is shown to a person: as the DNS host's form wants it, its state, and what to repair."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from letterhead.core.dns.answers import Seen
from letterhead.core.findings.acceptance import findings_not_accepted
from letterhead.core.findings.diagnosis import Finding, Severity
from letterhead.core.languages.language import ENGLISH, Language
from letterhead.core.plan import dns_hosts
from letterhead.core.plan.dns_hosts import DnsHost, quoted_value
from letterhead.core.plan.plan import AUTHORITATIVE, PlannedRecord, RecordResult, Verdict, relative_name
from letterhead.core.zone import caching
from letterhead.operations.domains import DomainView
from letterhead.ports.deps import Deps

CACHED = frozenset({caching.NEGATIVE.code, caching.STALE.code})
LAGS = "identity.provider-lags"
GONE = frozenset({"dkim.removed"})  # these say when the record was removed, not that another one is in its place
FAULTY = frozenset({"wrong", "gone"})  # the states in which a record is to be corrected
ACCEPTABLE = FAULTY | {"missing"}
LONG_VALUE = 40  # characters: a longer value in a sentence is cut to its beginning, and stands in full beside it
# The part of a record that a fault is about, by the end of the code; of any other it is the value.
_NAME_FAULTS = ("name-doubled", "underscore-missing", "at-parent", "on-apex", "at-wrong-name")
_TYPE_FAULTS = ("wrong-type", "not-alias", "cname-conflict", "cname-dangling", "proxied")
_PRIORITY_FAULTS = ("mx-priority",)
PARTS = {
    **dict.fromkeys(_NAME_FAULTS, "name"),
    **dict.fromkeys(_TYPE_FAULTS, "type"),
    **dict.fromkeys(_PRIORITY_FAULTS, "priority"),
}
_OF_FAULTS = (Severity.BLOCKING, Severity.WARNING)
_FOUND_AT = "found at "  # how the evidence of a record that was published elsewhere begins


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One record. `name`, `value` and `priority` are what is typed into the DNS host's form, octet for octet."""

    record: PlannedRecord
    name: str
    value: str
    priority: int | None
    state: str  # found, missing, gone, wrong, differs, silent, unseen, accepted
    result: RecordResult | None
    findings: tuple[Finding, ...]
    tips: tuple[Finding, ...]
    stop: str = "."  # what ends a sentence in the page's language
    accepted: tuple[Finding, ...] = ()
    cached: Finding | None = None  # when every resolver will see what the authoritative servers serve already

    @property
    def wrong_parts(self) -> frozenset[str]:
        """The parts of the record that were published wrongly: type, name, value, priority."""
        if self.state != "wrong":
            return frozenset()
        return frozenset(wrong_part(each) for each in self.findings if each.severity in _OF_FAULTS)

    @property
    def cached_line(self) -> str:
        """The sentence on the caches that still have the old answer; empty where there is none."""
        return end_sentence(self.cached.fix, stop=self.stop) if self.cached else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordList:
    """All records of a domain with their findings; `dns_host` is None where we do not know it.

    `accepted` are the accepted ones among the other findings.
    """

    dns_host: DnsHost | None
    nameservers: tuple[str, ...]
    cards: tuple[Card, ...]
    other_findings: tuple[Finding, ...]
    accepted: tuple[Finding, ...] = ()

    def without_advice(self) -> "RecordList":
        """Leave out the tips, since whoever publishes was asked for these records alone, and the banner's finding.

        What the account accepts is left out too: it is no trouble of theirs, and the reason is not theirs to read.
        """
        others = tuple(each for each in self.other_findings if each.severity is not Severity.TIP and each.code != LAGS)
        cards = tuple(replace(card, tips=(), accepted=()) for card in self.cards)
        return replace(self, cards=cards, other_findings=others, accepted=())

    @property
    def complete(self) -> bool:
        """Whether all records were found."""
        return all(card.state in ("found", "accepted") for card in self.cards)

    @property
    def spreading(self) -> bool:
        """Whether all that is not found everywhere is found at some of the DNS servers: there is nothing to add."""
        states = {card.state for card in self.cards}
        return "differs" in states and states <= {"found", "differs", "accepted"}

    @property
    def faulty(self) -> tuple[Card, ...]:
        """The records that are to be corrected."""
        return tuple(card for card in self.cards if card.state in FAULTY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """A finding's fix and detail in pieces, each with whether it is a long value; the values to copy; where it was.

    `values` are those that no card has a copy button for.
    """

    pieces: tuple[tuple[str, bool], ...]
    detail: tuple[tuple[str, bool], ...]
    values: tuple[str, ...]
    found_at: str


def new_record_list(deps: Deps, view: DomainView, language: Language = ENGLISH) -> RecordList:
    """Combine a domain's planned records with its last check and its DNS host."""
    seen = view.last_check.snapshot.seen() if view.last_check else {}
    delegated = dns_hosts.delegation(view.plan.sender, seen)
    servers = tuple(each.name for each in delegated.servers) if delegated else ()
    host = dns_hosts.host_of(servers, deps.hosts)
    findings = view.last_check.findings if view.last_check else ()
    cards = tuple(
        replace(card, name=language.phrase(card.name), stop=language.text("."))
        for card in (_new_card(record, view, host, seen) for record in view.plan.records)
    )
    shown = {id(each) for card in cards for each in (card.cached, *card.findings, *card.tips, *card.accepted)}
    others = tuple(each for each in findings if id(each) not in shown and not _is_missing(each))
    return RecordList(
        dns_host=host,
        nameservers=servers,
        cards=cards,
        other_findings=findings_not_accepted(others),
        accepted=tuple(each for each in others if each.accepted),
    )


def _new_card(record: PlannedRecord, view: DomainView, host: DnsHost | None, seen: Seen) -> Card:
    check, zone, domain = view.last_check, view.plan.zone, view.domain
    result = next((each for each in check.results if each.record.id == record.id), None) if check else None
    # A routine check asks no server about what is only recommended.
    asked = any(question.name == record.host and question.view in AUTHORITATIVE for question in seen)
    about = [each for each in (check.findings if check else ()) if each.record == record.id]
    own = [each for each in findings_not_accepted(about) if not _is_missing(each)]
    state = _record_state(result, own, asked=asked, once=record.id in domain.published)
    # Nor does it ask for the alias of a coming key while there is no such key. What was found before holds.
    if state == "unseen" and dict(domain.verdicts).get(record.id) is Verdict.PRESENT:
        state = "found"
    if state in ACCEPTABLE and _is_accepted(about):
        state = "accepted"
    cached = next((each for each in own if each.code in CACHED and state == "found"), None)
    own = [each for each in own if each is not cached]
    return Card(
        record=record,
        name=dns_hosts.name_for(record.host, zone, host) if host else relative_name(record.host, zone),
        value=dns_hosts.value_for(record, host),
        priority=record.priority if host is None or host.priority_field else None,
        state=state,
        cached=cached,
        result=result,
        findings=tuple(each for each in own if each.severity is not Severity.TIP),
        tips=tuple(each for each in own if each.severity is Severity.TIP),
        accepted=tuple(each for each in about if each.accepted),
    )


def _is_accepted(about: Sequence[Finding]) -> bool:
    """Whether all that is wrong with a record is accepted; where nothing is, all advice on it."""
    wrong = [each for each in about if each.severity is not Severity.TIP or _is_missing(each)] or about
    return bool(wrong) and all(each.accepted for each in wrong)


def _is_missing(finding: Finding) -> bool:
    """Whether the finding only says that its record is not published yet, as the card does itself."""
    return finding.record is not None and finding.code.endswith((".missing", "-missing"))


def _record_state(result: RecordResult | None, findings: Sequence[Finding], *, asked: bool, once: bool) -> str:
    """Name the state of a record; `asked`: its authoritative servers were asked; `once`: it was found before."""
    if result is None:
        return "unseen"
    if not result.agreed:
        return "differs"
    match result.verdict:
        case Verdict.PRESENT:
            return "found"
        case Verdict.WRONG:
            return "wrong"
        case Verdict.ABSENT:
            misplaced = any(each.severity is Severity.BLOCKING and each.code not in GONE for each in findings)
            return "wrong" if misplaced else "gone" if once else "missing"
        case Verdict.UNANSWERED:
            return "silent" if asked else "unseen"


def split_at_span(finding: Finding) -> tuple[str, str, str]:
    """Split the first observed value into the text before the wrong part, that part, and the text after it."""
    text = finding.observed[0] if finding.observed else ""
    begin, end = finding.span or (len(text), len(text))
    return text[:begin], text[begin:end], text[end:]


def wrong_part(finding: Finding) -> str:
    """Return the part of the record that a finding is about: type, name, value or priority."""
    return PARTS.get(finding.code.partition(".")[2], "value")


def advice(finding: Finding, card: Card | None = None, stop: str = ".") -> Advice:
    """Split a finding's fix at the long values in it; `stop` ends a sentence in the page's language."""
    own = card.value if card else ""
    others = [finding.expected or ""]
    if finding.expected and finding.record_type == "TXT":
        others.append(quoted_value(finding.expected))
    if card and card.record.rdtype == "TXT":
        others += [card.record.value, quoted_value(card.record.value)]
    values = sorted({each for each in (own, *others) if len(each) > LONG_VALUE}, key=len, reverse=True)
    pieces = _split_at_values(finding.fix, values)
    last, is_value = pieces[-1]
    if not is_value:
        pieces[-1] = (end_sentence(last, finding.expected or own, stop), False)
    seen = {each for each in (*finding.observed, *values) if len(each) > LONG_VALUE}
    found = next((each for each in finding.evidence if each.startswith(_FOUND_AT)), "")
    return Advice(
        pieces=tuple(pieces),
        detail=tuple(_split_at_values(finding.detail, sorted(seen, key=len, reverse=True))),
        values=tuple(dict.fromkeys(text for text, is_value in pieces if is_value and text != own)),
        found_at=found.removeprefix(_FOUND_AT) if wrong_part(finding) == "name" else "",
    )


def _split_at_values(text: str, values: Sequence[str]) -> list[tuple[str, bool]]:
    """Split a text at the values in it; the longest come first, since one may be within another."""
    for value in values:
        before, found, after = text.partition(value)
        if found:
            shorter = values[values.index(value) + 1 :]
            return [*_split_at_values(before, shorter), (found, True), *_split_at_values(after, values)]
    return [(text, False)]


def end_sentence(text: str, value: str = "", stop: str = ".") -> str:
    """Add the full stop that a sentence lacks; not to a value at its end, which somebody may copy with it."""
    is_value = bool(value) and text.endswith(value.split(" ")[-1])
    return text if is_value or not text or text.endswith((".", "?", "!", ":", stop)) else f"{text}{stop}"


def plain_text(records: RecordList, language: Language = ENGLISH) -> str:
    """Return all records as text to paste into a message, as the DNS host's form wants them."""
    return "\n".join(_record_text(card, language) for card in records.cards)


def _record_text(card: Card, language: Language) -> str:
    priority = [] if card.priority is None else [("Priority", str(card.priority))]
    fields = [("Type", card.record.rdtype), *priority, ("Name", card.name), ("Value", card.value)]
    return "".join(f"{language.text(label)}: {value}\n" for label, value in fields)

"""Diagnoses, the rules that find them, and findings. Which diagnoses there are, each topic lists."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Annotated

import msgspec

from letterhead.core.dns.answers import Question, Seen
from letterhead.core.dns.lookup import is_in_zone
from letterhead.core.dns.zone_text import ZoneTextNotes
from letterhead.core.languages.language import ENGLISH, NOTHING, Language
from letterhead.core.plan.dns_hosts import DnsHost, name_for, text_for, value_for, where_to_edit
from letterhead.core.plan.plan import (
    Accepts,
    AcceptsSeen,
    Plan,
    PlannedRecord,
    RecordId,
    RecordResult,
    Verdict,
    end_of_aliases,
)


class Severity(StrEnum):
    """What a finding means for mail: "blocking" stops a status, "inconclusive" is about what could not be asked."""

    BLOCKING = "blocking"
    WARNING = "warning"
    TIP = "tip"
    INCONCLUSIVE = "inconclusive"


class Hides(StrEnum):
    """The other findings that are only consequences of this one: one cause, one finding."""

    NOTHING = "nothing"
    RECORD = "record"  # all others about the same record
    ALL = "all"  # all others about the domain


# From and to. In JSON Schema one kind of item, which generators of clients read; not prefixItems, which some do not.
Span = Annotated[tuple[int, ...], msgspec.Meta(min_length=2, max_length=2)]


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """One mistake that people make, described once for the API, the pages, the command and the docs.

    `code` is `topic.fault`, for ever. `detail` and `fix` are templates with {named} places (see `finding`); `meaning`
    explains the mistake to a newcomer; `reference` cites the rule.
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
    """A match of a rule, with the `places` of its templates and where it was seen, if not at the record.

    `span` marks the offending part of `observed[0]`, as offsets from and to. `severity` is set where the same mistake
    weighs otherwise than it mostly does: at the sender domain, SPF is only advice. `at_alias` is true where the fix is
    about the planned name itself, also where that is a CNAME: other fixes are about the name that the CNAME leads to.
    `expected` is the value to publish where that is not the planned one: the observed record with one thing mended, or
    empty where nobody can know it.
    """

    places: Mapping[str, str] = {}
    host: str | None = None
    observed: tuple[str, ...] | None = None
    perspectives: tuple[str, ...] | None = None
    evidence: tuple[str, ...] = ()
    span: tuple[int, int] | None = None
    severity: Severity | None = None
    expected: str | None = None
    at_alias: bool = False


class Acceptance(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Who accepted a finding and why, when, and until when; `by` is the id of the key that was used."""

    by: str
    reason: str
    at: datetime
    until: datetime


class Finding(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A diagnosis that holds: where, what was expected, what was observed, what to do.

    `since` is set of what several checks have found at a verified domain. `accepted` is set while the account accepts
    the finding, and never in a stored check.
    """

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
    span: Span | None = None
    since: datetime | None = None
    accepted: Acceptance | None = None


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What rules need besides the answers: selectors that were rotated out, when the DKIM record was last there.

    `taken_at` is when the answers came, for saying when a cache forgets; times are UTC. `special_use` is true where
    the installation takes names that public DNS never has, `public_suffix` where the sender is one of the Public
    Suffix List. `zone_text` are the notes on a text that is looked at in place of the network.
    """

    old_selectors: tuple[str, ...] = ()
    present_until: datetime | None = None
    taken_at: datetime | None = None
    special_use: bool = False
    public_suffix: bool = False
    zone_text: ZoneTextNotes = ZoneTextNotes()


class RuleInput(msgspec.Struct, frozen=True, kw_only=True):
    """The input of every rule: the plan, the answers, and the result for each planned record.

    `served` are the results for what the operator's own zone must serve; `dns_host` is the DNS host, where it is known.
    `signing` is "present" where some key that was looked at can sign mail, "absent" where all are known and none can.
    `language` is that of the findings.
    """

    plan: Plan
    seen: Seen
    results: tuple[RecordResult, ...]
    served: tuple[RecordResult, ...] = ()
    signing: Verdict = Verdict.UNANSWERED
    dns_host: DnsHost | None = None
    nameservers: tuple[str, ...] = ()
    history: History = History()
    language: Language = ENGLISH

    def result_of(self, record_id: RecordId) -> RecordResult | None:
        """Return the result for one planned record, or None."""
        return next((result for result in self.results if result.record.id == record_id), None)


class DiagnosisRule(msgspec.Struct, frozen=True, kw_only=True):
    """A diagnosis and its condition: `holds` returns a match where the mistake is there."""

    diagnosis: Diagnosis
    holds: Callable[[RuleInput, RecordResult], Match | None]


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a check that concerns one standard.

    `accepts` tells for its planned records whether an RRset is the right one; where that depends on other answers too,
    `accepts_seen` tells it given these (None: they did not come), and `needs` asks for them. For a record that is not
    present the first of `explains` that holds is the finding; of `advises` all that hold, for every record that was
    answered. `probes` are further questions worth asking for a record that is not present. `survey` finds what belongs
    to no planned record, `asks` are the questions for that; `diagnoses` are those of the survey.
    """

    name: str
    records: tuple[RecordId, ...] = ()
    accepts: Accepts | None = None
    accepts_seen: AcceptsSeen | None = None
    needs: Callable[[PlannedRecord, Seen], Iterable[Question]] | None = None
    explains: tuple[DiagnosisRule, ...] = ()
    advises: tuple[DiagnosisRule, ...] = ()
    probes: Callable[[RuleInput, RecordResult], Iterable[Question]] | None = None
    survey: Callable[[RuleInput], Iterable[Finding]] | None = None
    asks: Callable[[RuleInput], Iterable[Question]] | None = None
    diagnoses: tuple[Diagnosis, ...] = ()

    def all_diagnoses(self) -> tuple[Diagnosis, ...]:
        """Return each diagnosis of the topic once."""
        ruled = (rule.diagnosis for rule in (*self.explains, *self.advises))
        return tuple(dict.fromkeys((*ruled, *self.diagnoses)))


def finding(
    diagnosis: Diagnosis, rule_input: RuleInput, result: RecordResult | None = None, match: Match | None = None
) -> Finding:
    """Return a finding, with the templates of its diagnosis filled in.

    Named places that every template may use: {sender} {zone} {host} {name} (as the form wants it) {rdtype} {value}
    {priority} {expected} {observed} {servers} {where} (the DNS host and its form), and those that the match brings.
    """
    match = match or Match()
    record = result.record if result else None
    observed = match.observed if match.observed is not None else (result.observed if result else ())
    servers = match.perspectives if match.perspectives is not None else (result.dissenting if result else ())
    host = match.host or (record.host if record else rule_input.plan.sender)
    name, where = _name_and_place(rule_input, host, None if match.at_alias else record)
    filled = {
        "sender": rule_input.plan.sender,
        "zone": rule_input.plan.zone,
        "host": host,
        "name": name,
        "observed": readable(" | ".join(observed)),
        "servers": ", ".join(servers),
        "where": where,
        **(_record_places(record, rule_input.dns_host) if record else {}),
        **_mended_places(match, rule_input.dns_host),
        **{place: readable(value) for place, value in match.places.items()},
    }
    language = rule_input.language
    if language is not ENGLISH:
        filled = {place: language.place(place, value) for place, value in filled.items()}
    known = record is None or record.exact or match.expected
    detail, fix = diagnosis.detail, diagnosis.fix if known else _without_value_words(diagnosis.fix)
    return Finding(
        code=diagnosis.code,
        severity=match.severity or diagnosis.severity,
        record=record.id if record else None,
        host=host,
        record_type=record.rdtype if record else None,
        title=language.template(diagnosis.title),
        detail=fill(detail, filled, language=language),
        expected=_expected(record, match),
        observed=tuple(map(readable, observed)),
        perspectives=servers,
        fix=fill(fix, filled, language=language),
        evidence=match.evidence,
        span=_readable_span(match.span, observed),
    )


def _expected(record: PlannedRecord | None, match: Match) -> str | None:
    if match.expected is not None:
        return match.expected or None
    return record.value if record and record.exact else None


_NEEDED = re.compile(r"(?:^|(?<=[\s“(]))\{(\w+)\}")


def fill(template: str, places: Mapping[str, str], empty: str = NOTHING, language: Language = ENGLISH) -> str:
    """Fill a template's translation; a place that joins the word before it is a further clause, and may be empty."""
    words = empty if language is ENGLISH else language.phrase(empty)
    needed = {name: words for name in _NEEDED.findall(template) if not places.get(name, "").strip()}
    return language.template(template).format_map(defaultdict(str, {**places, **needed}))


def _name_and_place(rule_input: RuleInput, host: str, record: PlannedRecord | None) -> tuple[str, str]:
    """Return the name that a fix is about, and where it is edited: the end of the CNAMEs that stand before a record."""
    zone, panel = rule_input.plan.zone, rule_input.dns_host
    here = where_to_edit(panel, rule_input.nameservers)
    end = end_of_aliases(rule_input.seen, record) if record is not None else None
    if record is None or end is None:
        return name_for(record.host if record else host, zone, panel), here
    if is_in_zone(end, zone):
        return name_for(end, zone, panel), f"{here} (the CNAME {record.host} leads there)"
    return end, f"in its own zone ({record.host} is a CNAME to it, so tell whoever runs that zone)"


_OCTETS = re.compile(r"[\x80-\xff]+")


@lru_cache(maxsize=32)  # each text of a check is shown in several places
def readable(text: str) -> str:
    r"""Return the octets of a record as a person reads them: UTF-8 where they are, else as `\xNN`."""

    def decode(run: re.Match[str]) -> str:
        decoded = run[0].encode("latin-1").decode("utf-8", "backslashreplace")
        if decoded.isprintable():
            return decoded
        return "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in decoded)

    return _OCTETS.sub(decode, text)


def _readable_span(span: tuple[int, int] | None, observed: tuple[str, ...]) -> tuple[int, int] | None:
    """Return a span of the first text as a span of its readable form."""
    if span is None or not observed:
        return span
    start, end = (len(readable(observed[0][:at])) for at in span)
    return start, end


UNKNOWN_VALUE = "the value that your mail provider shows you"


def _without_value_words(template: str) -> str:
    """Return a template for a value that is not known, which is called by more than its place."""
    return template.replace("the value {expected}", "{expected}").replace("the whole {expected}", "{expected}")


def _mended_places(match: Match, panel: DnsHost | None) -> dict[str, str]:
    """Return the value to publish where the match has its own; only texts are ever mended."""
    return {"expected": text_for(match.expected, panel)} if match.expected is not None else {}


def _record_places(record: PlannedRecord, panel: DnsHost | None) -> dict[str, str]:
    if not record.exact:
        form = f"{UNKNOWN_VALUE} ({record.value}…)" if record.value else UNKNOWN_VALUE
        return {"rdtype": record.rdtype, "value": form, "priority": "", "expected": form}
    priority = "" if record.priority is None else str(record.priority)
    value = value_for(record, panel)
    expected = f"{value} with the priority {priority}" if priority and not value.startswith(f"{priority} ") else value
    return {"rdtype": record.rdtype, "value": record.value, "priority": priority, "expected": expected}

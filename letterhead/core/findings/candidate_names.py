"""The other names at which a record may have been published by mistake, and what was seen there.

What a wildcard synthesises is published nowhere: where something was found, a control question asks for a name with the
same parent that does not exist, and what is the same at both does not count (RFC 4592 2.2).
"""

from collections.abc import Iterable, Iterator

from letterhead.core.dns.answers import Aliased, Answer, Found, NoData, NxDomain, Question, View, fingerprint
from letterhead.core.dns.lookup import follow_aliases
from letterhead.core.dns.records import Rdata
from letterhead.core.findings.diagnosis import RuleInput
from letterhead.core.findings.repairs import REPAIRS, head, is_repaired_by, value_text
from letterhead.core.names.host_names import NAME_LIMIT, UNUSED_LABEL
from letterhead.core.plan.plan import (
    ANY_KEYS,
    AUTHORITATIVE,
    Accepts,
    Plan,
    PlannedRecord,
    RecordId,
    RecordResult,
    Verdict,
)

PROBE = View.ONE_SERVER

MAIL_FROM = (RecordId.MAIL_FROM_MX, RecordId.MAIL_FROM_SPF)


# --- names ----------------------------------------------------------------------------------------------------------


def doubled_names(record: PlannedRecord, plan: Plan) -> list[str]:
    """Return the names that result when a form appends the zone, or the sender, to a full name; the likeliest first."""
    host, zone, sender = record.host, plan.zone, plan.sender
    names = [f"{host}.{zone}"]
    end = zone
    while "." in end:  # a part of the zone was typed along: lh1._domainkey.acme
        end = end.partition(".")[2]
        names.append(f"{host.removesuffix(f'.{end}')}.{zone}")
    if sender != zone:
        names += [f"{host}.{sender}", f"{host.removesuffix(f'.{zone}')}.{sender}"]
    return _valid(names, plan)


def names_without_underscore(record: PlannedRecord) -> list[str]:
    """Return the host without its underscores, where it has any."""
    bare = ".".join(label.removeprefix("_") for label in record.host.split("."))
    return [bare] if bare != record.host else []


def levels(record: PlannedRecord, plan: Plan) -> list[str]:
    """Return the names that result when a part of the record's name is left out; for MAIL FROM see `apexes`."""
    first = record.host.removesuffix(f".{plan.sender}")
    own = record.id is RecordId.DMARC or (
        record.id in MAIL_FROM and not record.exact
    )  # of a name that may well have it
    names = [] if own else [f"{first}.{above}" for above in _above(plan)]
    if record.id in ANY_KEYS:
        selector, _, rest = first.partition("._domainkey")
        names += [f"_domainkey.{plan.sender}", f"{selector}{rest}.{plan.sender}", plan.sender, *_above(plan)]
    return _valid(names, plan)


def apexes(record: PlannedRecord, plan: Plan) -> list[str]:
    """Return the domain itself and those above it: a MAIL FROM record is there when its label was left out."""
    return _valid([plan.sender, *_above(plan)], plan) if record.id in MAIL_FROM and record.exact else []


def _above(plan: Plan) -> list[str]:
    """Return the names between the sender and its zone, the zone included."""
    names: list[str] = []
    above = plan.sender
    while above.endswith(f".{plan.zone}"):
        above = above.partition(".")[2]
        names.append(above)
    return names


def _valid(names: Iterable[str], plan: Plan) -> list[str]:
    """Return the names once each, without those that are planned or too long for DNS."""
    planned = {each.host for each in plan.records}
    return [name for name in dict.fromkeys(names) if name not in planned and len(name) <= NAME_LIMIT]


# --- what to ask ----------------------------------------------------------------------------------------------------


def probes(rule_input: RuleInput, result: RecordResult) -> Iterator[Question]:
    """Return the next questions for where the record may be instead: at likely names, then at others, then controls."""
    record, plan = result.record, rule_input.plan
    answers = list(_answers(rule_input, record))
    if any(isinstance(answer, Found | Aliased) for answer in answers):
        yield _control(record.host, record.rdtype)
    if not is_displaced(rule_input, result):
        return
    doubled, parts, apex = doubled_names(record, plan), levels(record, plan), apexes(record, plan)
    likely = [*doubled[:1], *names_without_underscore(record), *parts[:1], *apex[:1]]
    others = [name for name in (*doubled[1:], *parts[1:], *apex[1:]) if name not in likely]
    asked = list(_questions_at(rule_input, likely, record.rdtype))
    yield from asked
    if any(isinstance(answer, NoData) for answer in answers):
        planned = {(each.host, each.rdtype) for each in plan.records}  # the servers with authority are asked anyway
        for rdtype in other_types(record):
            if (record.host, rdtype) not in planned:
                yield Question(name=record.host, rdtype=rdtype, view=PROBE)
    if all(each in rule_input.seen for each in asked):
        found = [name for name in likely if answers_at(rule_input, name, record.rdtype)]
        if not [name for name in found if name not in (plan.sender, *_above(plan))]:
            yield from _questions_at(rule_input, others, record.rdtype)
    for name in (*likely, *others):
        if name != plan.zone and answers_at(rule_input, name, record.rdtype):
            yield _control(name, record.rdtype)


def _questions_at(rule_input: RuleInput, names: Iterable[str], rdtype: str) -> Iterator[Question]:
    """Return questions for names; where a form would double several below one name, first whether that exists."""
    for name in names:
        parent = _parent_of_doubled(name, rule_input.plan)
        if parent is not None:
            asked = Question(name=parent, rdtype="TXT", view=PROBE)
            yield asked
            answers = [reply.answer for reply in rule_input.seen.get(asked, ())]
            if not answers or any(isinstance(answer, NxDomain) for answer in answers):  # RFC 8020 2
                continue
        yield Question(name=name, rdtype=rdtype, view=PROBE)


def _parent_of_doubled(name: str, plan: Plan) -> str | None:
    """Return the name directly below the sender, or its zone, under which a doubled name lies."""
    for end in dict.fromkeys((plan.sender, plan.zone)):
        labels = name.removesuffix(f".{end}").split(".")
        if name.endswith(f".{end}") and labels[-1] in {*plan.sender.split("."), *plan.zone.split(".")} and labels[1:]:
            return f"{labels[-1]}.{end}"
    return None


def other_types(record: PlannedRecord) -> tuple[str, ...]:
    """Return the types under which people publish such a value; a CNAME needs no question of its own."""
    return {"TXT": ("SPF",), "MX": ("TXT",), "CNAME": ("A", "AAAA", "TXT")}.get(record.rdtype, ())


def _control(name: str, rdtype: str) -> Question:
    """Return the question for a name with the same parent that does not exist."""
    return Question(name=f"{UNUSED_LABEL}.{name.partition('.')[2]}", rdtype=rdtype, view=PROBE)


# --- what was seen --------------------------------------------------------------------------------------------------


def is_displaced(rule_input: RuleInput, result: RecordResult) -> bool:
    """Tell whether nothing at the name looks like the planned record, not even a spoilt one."""
    if result.verdict is Verdict.WRONG and not is_synthesised(rule_input, result.record):
        beginning = head(result.record)
        return not any(beginning in text.lower() for text in result.observed)
    return result.verdict in (Verdict.ABSENT, Verdict.WRONG)


def rdatas_of(rule_input: RuleInput, record: PlannedRecord) -> tuple[Rdata, ...]:
    """Return the RRset at the planned name from the first server that has one, CNAMEs followed."""
    for view in (*AUTHORITATIVE, View.RECURSIVE):
        for reply in follow_aliases(rule_input.seen, Question(name=record.host, rdtype=record.rdtype, view=view)):
            if isinstance(reply.answer, Found):
                return reply.answer.rrset.rdatas
    return ()


def aliases_of(rule_input: RuleInput, record: PlannedRecord) -> Iterator[tuple[str, ...]]:
    """Return the CNAME targets in front of the planned record, as each server has them."""
    for answer in _answers(rule_input, record):
        if isinstance(answer, Found | Aliased) and answer.aliases:
            yield answer.aliases


def answers_at(rule_input: RuleInput, name: str, rdtype: str) -> list[Rdata]:
    """Return the records that servers with authority have at a name, CNAMEs followed."""
    found: list[Rdata] = []
    for view in (PROBE, *AUTHORITATIVE):
        for reply in follow_aliases(rule_input.seen, Question(name=name, rdtype=rdtype, view=view)):
            if isinstance(reply.answer, Found):
                found.extend(rdata for rdata in reply.answer.rrset.rdatas if rdata not in found)
    return found


def is_synthesised(rule_input: RuleInput, record: PlannedRecord) -> bool:
    """Tell whether a wildcard gives the answer at the planned name: nobody published anything there."""
    control = [reply.answer for reply in rule_input.seen.get(_control(record.host, record.rdtype), ())]
    synthesised = {fingerprint(answer) for answer in control if isinstance(answer, Found | Aliased)}
    return any(fingerprint(answer) in synthesised for answer in _answers(rule_input, record))


def find_misplaced(
    rule_input: RuleInput, result: RecordResult, accepts: Accepts, names: Iterable[str], *, any_value: bool
) -> tuple[str, list[Rdata]] | None:
    """Return the first of the names that has the planned record, right or spoilt, and what was found there.

    With `any_value` a record of the same kind with another value counts too.
    """
    if not is_displaced(rule_input, result):
        return None
    record = result.record
    for name in names:
        there = answers_at(rule_input, name, record.rdtype)
        fitting = [
            rdata
            for rdata in there
            if (any_value and (value_text(rdata) or "").lower().strip(" \"'").startswith(head(record)))
            or accepts(record, (rdata,))
            or any(is_repaired_by(record, rdata, accepts, repair) for repair in REPAIRS.values())
        ]
        control = _control(name, record.rdtype)
        if fitting and (name == rule_input.plan.zone or answers_at(rule_input, control.name, record.rdtype) != there):
            return name, fitting
    return None


def _answers(rule_input: RuleInput, record: PlannedRecord) -> Iterator[Answer]:
    """Return the answers of the servers with authority at the planned name, no CNAME followed."""
    for view in AUTHORITATIVE:
        for reply in rule_input.seen.get(Question(name=record.host, rdtype=record.rdtype, view=view), ()):
            yield reply.answer

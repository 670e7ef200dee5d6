"""Knows where a record may have ended up instead of its place, and what was seen there; knows no topic.

What a wildcard makes up stands nowhere: where something was found we ask for a name beside it that nobody has, and do
not believe what is the same at both (RFC 4592 2.2).
"""

from collections.abc import Iterable, Iterator

from letterhead.core.dns.answers import Aliased, Answer, Found, NoData, NxDomain, Question, View, fingerprint
from letterhead.core.dns.lookup import follow_aliases
from letterhead.core.dns.records import Rdata
from letterhead.core.findings.diagnosis import RuleInput
from letterhead.core.findings.repairs import MENDS, head, is_repaired_by, value_text
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
    """Names where a panel puts a full name when it appends the zone, or the sender, to it; the likeliest first."""
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
    """Names the host without its underscores, where it has any."""
    bare = ".".join(label.removeprefix("_") for label in record.host.split("."))
    return [bare] if bare != record.host else []


def levels(record: PlannedRecord, plan: Plan) -> list[str]:
    """Names where the record stands when a part of its name was left out; the apex of the MAIL FROM is not meant."""
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
    """Names the domain itself, where a MAIL FROM record stands when its label was left out."""
    return _valid([plan.sender, *_above(plan)], plan) if record.id in MAIL_FROM and record.exact else []


def _above(plan: Plan) -> list[str]:
    """Names what lies between the sender and its zone, the zone included."""
    names: list[str] = []
    above = plan.sender
    while above.endswith(f".{plan.zone}"):
        above = above.partition(".")[2]
        names.append(above)
    return names


def _valid(names: Iterable[str], plan: Plan) -> list[str]:
    planned = {each.host for each in plan.records}
    return [name for name in dict.fromkeys(names) if name not in planned and len(name) <= NAME_LIMIT]


# --- what to ask ----------------------------------------------------------------------------------------------------


def probes(scene: RuleInput, standing: RecordResult) -> Iterator[Question]:
    """Asks where the record may be instead: the likely places, then the others, then whether a wildcard spoke."""
    record = standing.record
    if any(isinstance(answer, Found | Aliased) for answer in _answers(scene, record)):
        yield _beside(record.host, record.rdtype)
    if not is_displaced(scene, standing):
        return
    likely, others = _places(record, scene.plan)
    asked = list(_ways_to(scene, likely, record.rdtype))
    yield from asked
    yield from _types(scene, record)
    if all(each in scene.seen for each in asked):
        found = [name for name in likely if answers_at(scene, name, record.rdtype)]
        if not [name for name in found if name not in (scene.plan.sender, *_above(scene.plan))]:
            yield from _ways_to(scene, others, record.rdtype)
    yield from _controls(scene, record, (*likely, *others))


def _ways_to(scene: RuleInput, names: Iterable[str], rdtype: str) -> Iterator[Question]:
    """Asks for names; where several records would be doubled below one name, first whether that exists at all."""
    for name in names:
        gate = _gate(name, scene.plan)
        if gate is not None:
            asked = Question(name=gate, rdtype="TXT", view=PROBE)
            yield asked
            told = [reply.answer for reply in scene.seen.get(asked, ())]
            if not told or any(isinstance(answer, NxDomain) for answer in told):  # RFC 8020 2
                continue
        yield Question(name=name, rdtype=rdtype, view=PROBE)


def _gate(name: str, plan: Plan) -> str | None:
    """Names what lies directly below the sender, or its zone, on the way to a doubled name."""
    for end in dict.fromkeys((plan.sender, plan.zone)):
        labels = name.removesuffix(f".{end}").split(".")
        if name.endswith(f".{end}") and labels[-1] in {*plan.sender.split("."), *plan.zone.split(".")} and labels[1:]:
            return f"{labels[-1]}.{end}"
    return None


def _places(record: PlannedRecord, plan: Plan) -> tuple[list[str], list[str]]:
    """Splits the names worth asking into the likely ones and the others."""
    twice, parts, apex = doubled_names(record, plan), levels(record, plan), apexes(record, plan)
    likely = [*twice[:1], *names_without_underscore(record), *parts[:1], *apex[:1]]
    others = [*twice[1:], *parts[1:], *apex[1:]]
    return likely, [name for name in others if name not in likely]


def _types(scene: RuleInput, record: PlannedRecord) -> Iterator[Question]:
    """Asks for other types at the name itself, unless it does not exist or all at it is known."""
    if any(isinstance(answer, NoData) for answer in _answers(scene, record)):
        for rdtype in other_types(record):
            if not _asked(scene, record.host, rdtype):
                yield Question(name=record.host, rdtype=rdtype, view=PROBE)


def other_types(record: PlannedRecord) -> tuple[str, ...]:
    """Lists the types under which people publish such a value; a CNAME shows itself."""
    return {"TXT": ("SPF",), "MX": ("TXT",), "CNAME": ("A", "AAAA", "TXT")}.get(record.rdtype, ())


def _asked(scene: RuleInput, name: str, rdtype: str) -> bool:
    """Says whether the servers with authority are asked anyway."""
    return any(each.host == name and each.rdtype == rdtype for each in scene.plan.records)


def _controls(scene: RuleInput, record: PlannedRecord, names: Iterable[str]) -> Iterator[Question]:
    for name in names:
        if name != scene.plan.zone and answers_at(scene, name, record.rdtype):
            yield _beside(name, record.rdtype)


def _beside(name: str, rdtype: str) -> Question:
    return Question(name=f"{UNUSED_LABEL}.{name.partition('.')[2]}", rdtype=rdtype, view=PROBE)


# --- what was seen --------------------------------------------------------------------------------------------------


def is_displaced(scene: RuleInput, standing: RecordResult) -> bool:
    """Says whether nothing at the name looks like the planned record, not even a spoilt one."""
    if standing.verdict is Verdict.WRONG and not is_synthesised(scene, standing.record):
        beginning = head(standing.record)
        return not any(beginning in text.lower() for text in standing.observed)
    return standing.verdict in (Verdict.ABSENT, Verdict.WRONG)


def rdatas_of(scene: RuleInput, record: PlannedRecord) -> tuple[Rdata, ...]:
    """Gives the RRset at the planned name as the first server that has one says it, aliases followed."""
    for view in (*AUTHORITATIVE, View.RECURSIVE):
        for reply in follow_aliases(scene.seen, Question(name=record.host, rdtype=record.rdtype, view=view)):
            if isinstance(reply.answer, Found):
                return reply.answer.rrset.rdatas
    return ()


def aliases_of(scene: RuleInput, record: PlannedRecord) -> Iterator[tuple[str, ...]]:
    """Gives the CNAME targets in front of the planned record, as each server says it."""
    for answer in _answers(scene, record):
        if isinstance(answer, Found | Aliased) and answer.aliases:
            yield answer.aliases


def answers_at(scene: RuleInput, name: str, rdtype: str) -> list[Rdata]:
    """Gives what was found at a name by a probe or a planned question with authority."""
    found: list[Rdata] = []
    for view in (PROBE, *AUTHORITATIVE):
        for reply in follow_aliases(scene.seen, Question(name=name, rdtype=rdtype, view=view)):
            if isinstance(reply.answer, Found):
                found.extend(rdata for rdata in reply.answer.rrset.rdatas if rdata not in found)
    return found


def is_synthesised(scene: RuleInput, record: PlannedRecord) -> bool:
    """Says whether a wildcard gives the answer at the planned name: nobody published anything there."""
    control = [reply.answer for reply in scene.seen.get(_beside(record.host, record.rdtype), ())]
    synthesised = {fingerprint(answer) for answer in control if isinstance(answer, Found | Aliased)}
    return any(fingerprint(answer) in synthesised for answer in _answers(scene, record))


def find_misplaced(
    scene: RuleInput, standing: RecordResult, accepts: Accepts, names: Iterable[str], *, kin: bool
) -> tuple[str, list[Rdata]] | None:
    """Finds the first of the names that holds the planned record, right or spoilt; `kin` takes any of its kind."""
    if not is_displaced(scene, standing):
        return None
    record = standing.record
    for name in names:
        there = answers_at(scene, name, record.rdtype)
        fitting = [rdata for rdata in there if _fits(record, rdata, accepts, kin=kin)]
        if fitting and (name == scene.plan.zone or not _by_wildcard(scene, name, record.rdtype, there)):
            return name, fitting
    return None


def _fits(record: PlannedRecord, rdata: Rdata, accepts: Accepts, *, kin: bool) -> bool:
    if kin and (value_text(rdata) or "").lower().strip(" \"'").startswith(head(record)):
        return True
    return accepts(record, (rdata,)) or any(is_repaired_by(record, rdata, accepts, mend) for mend in MENDS.values())


def _by_wildcard(scene: RuleInput, name: str, rdtype: str, there: list[Rdata]) -> bool:
    beside = _beside(name, rdtype)
    return bool(there) and answers_at(scene, beside.name, rdtype) == there


def _answers(scene: RuleInput, record: PlannedRecord) -> Iterator[Answer]:
    for view in AUTHORITATIVE:
        for reply in scene.seen.get(Question(name=record.host, rdtype=record.rdtype, view=view), ()):
            yield reply.answer

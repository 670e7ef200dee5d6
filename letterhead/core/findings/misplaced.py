"""Knows how a right value ends up in the wrong place or shape: mistakes of panels and of hands.

No topic: the topics call `rules` for their own records, so that `dkim.quoted` and `dmarc.quoted` are one rule.
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from letterhead.core.dns.answers import Aliased, Question
from letterhead.core.dns.lookup import leaves_zone_text
from letterhead.core.dns.records import Rdata, Target, display_texts
from letterhead.core.findings import candidate_names
from letterhead.core.findings.candidate_names import aliases_of, answers_at, is_synthesised, probes, rdatas_of
from letterhead.core.findings.diagnosis import Diagnosis, DiagnosisRule, Match, RuleInput, Severity
from letterhead.core.findings.repairs import MENDS, is_repaired_by, remove_name_escapes
from letterhead.core.plan.plan import AUTHORITATIVE, Accepts, PlannedRecord, RecordResult, Verdict

__all__ = ["absent", "alias_rule", "probes", "rules"]

NAMES: Final = {
    "dkim": "DKIM record",
    "mail-from": "MAIL FROM record",
    "dmarc": "DMARC record",
}
# What can't happen to a topic's records: no underscore in the MAIL FROM's name, a CNAME planned for DKIM alone; a DMARC
# record one level up is the parent's own or `dmarc.at-wrong-name`.
_NEVER: Final = {
    "dkim": {"on-apex"},
    "mail-from": {"underscore-missing", "proxied"},
    "dmarc": {"on-apex", "at-parent", "proxied"},
}

_Holds = Callable[[RuleInput, RecordResult, Accepts], Match | None]


class _MisplacedDiagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one mistake for every topic; `{what}` in the title is the topic's own word for its record."""

    fault: str
    title: str
    meaning: str
    detail: str
    fix: str
    reference: str
    holds: _Holds


def rules(prefix: str, accepts: Accepts, severity: Severity = Severity.BLOCKING) -> tuple[DiagnosisRule, ...]:
    """Gives the placement rules for one topic's records, the deepest cause first; `.missing` is the topic's own."""
    return tuple(_rule(prefix, accepts, severity, fault) for fault in _FAULTS if fault.fault not in _NEVER[prefix])


def _rule(prefix: str, accepts: Accepts, severity: Severity, fault: _MisplacedDiagnosis) -> DiagnosisRule:
    diagnosis = Diagnosis(
        code=f"{prefix}.{fault.fault}",
        severity=severity,
        title=fault.title.replace("{what}", NAMES[prefix]),
        meaning=fault.meaning,
        detail=fault.detail,
        fix=fault.fix,
        reference=fault.reference,
    )
    return DiagnosisRule(diagnosis=diagnosis, holds=lambda scene, standing: fault.holds(scene, standing, accepts))


def absent(scene: RuleInput, standing: RecordResult) -> Match | None:
    """Holds where nobody published anything at the name, also where a wildcard answers for it."""
    if standing.verdict is Verdict.WRONG and is_synthesised(scene, standing.record):
        return Match(evidence=("a wildcard gives the answer",))
    return Match() if standing.verdict is Verdict.ABSENT and not _unseen(scene, standing) else None


def alias_rule(record: PlannedRecord, rdatas: Iterable[Rdata]) -> bool:
    """Says whether a CNAME is the planned one."""
    return [rdata.name for rdata in rdatas if isinstance(rdata, Target)] == [record.value.rstrip(".").lower()]


# --- what each fault looks like -------------------------------------------------------------------------------------


def _at(names: Callable[[RuleInput, PlannedRecord], list[str]], *, kin: bool) -> _Holds:
    """Holds where the record stands at one of other names."""

    def holds(scene: RuleInput, standing: RecordResult, accepts: Accepts) -> Match | None:
        there = candidate_names.find_misplaced(scene, standing, accepts, names(scene, standing.record), kin=kin)
        if there is None:
            return None
        return Match(places={"found": there[0]}, observed=display_texts(there[1]), evidence=(f"found at {there[0]}",))

    return holds


def _mended(fault: str) -> _Holds:
    """Holds where one value becomes the right one when mended in this one way."""

    def holds(scene: RuleInput, standing: RecordResult, accepts: Accepts) -> Match | None:
        if standing.verdict is not Verdict.WRONG:
            return None
        there = rdatas_of(scene, standing.record)
        if any(accepts(standing.record, (rdata,)) for rdata in there):  # what is wrong is another record beside it
            return None
        spoilt = [rdata for rdata in there if is_repaired_by(standing.record, rdata, accepts, MENDS[fault])]
        return Match(observed=display_texts(spoilt[:1])) if spoilt else None

    return holds


def _other_type(scene: RuleInput, standing: RecordResult, _: Accepts) -> Match | None:
    record = standing.record
    if standing.verdict is not Verdict.ABSENT:
        return None
    for aliases in aliases_of(scene, record):
        if _holds_value(remove_name_escapes(aliases[0]), record):
            return Match(places={"found": "CNAME"}, observed=(f"CNAME {aliases[0]}",))
    for rdtype in candidate_names.other_types(record):
        held = [text for text in display_texts(answers_at(scene, record.host, rdtype)) if _holds_value(text, record)]
        if held:
            return Match(places={"found": rdtype}, observed=tuple(held))
    return None


def _holds_value(text: str, record: PlannedRecord) -> bool:
    """Says whether a text holds the record's whole value, spaces, quotes and the case of letters apart."""
    value = _bare(record.value).rstrip(";.")
    return bool(value) and value in _bare(text)


def _bare(text: str) -> str:
    return "".join(text.split()).replace('"', "").lower()


def _dangling(scene: RuleInput, standing: RecordResult, _: Accepts) -> Match | None:
    if standing.verdict is not Verdict.ABSENT or is_synthesised(scene, standing.record) or _unseen(scene, standing):
        return None
    return next((_alias(each, standing) for each in aliases_of(scene, standing.record)), None)


def _conflict(scene: RuleInput, standing: RecordResult, _: Accepts) -> Match | None:
    if is_synthesised(scene, standing.record) or not (standing.verdict is Verdict.WRONG or _unseen(scene, standing)):
        return None
    return next((_alias(each, standing) for each in aliases_of(scene, standing.record)), None)


def _unseen(scene: RuleInput, standing: RecordResult) -> bool:
    """Says whether an alias hides what is there, or leads to where the zone text that is read tells nothing."""
    record = standing.record
    asked = [Question(name=record.host, rdtype=record.rdtype, view=view) for view in AUTHORITATIVE]
    answers = (reply.answer for each in asked for reply in scene.seen.get(each, ()))
    hides = any(isinstance(answer, Aliased) and answer.hides for answer in answers)
    return standing.verdict is Verdict.ABSENT and (hides or any(leaves_zone_text(scene.seen, each) for each in asked))


def _alias(aliases: tuple[str, ...], standing: RecordResult) -> Match:
    end = aliases[-1]
    via = f" (by way of {', '.join(aliases[:-1])})" if len(aliases) > 1 else ""
    return Match(places={"found": f"{end}{via}"}, observed=(f"CNAME {aliases[0]}", *standing.observed))


def _proxied(scene: RuleInput, standing: RecordResult, _: Accepts) -> Match | None:
    """Holds where addresses stand in the place of the planned CNAME."""
    record = standing.record
    if record.rdtype != "CNAME" or standing.verdict is not Verdict.ABSENT:
        return None
    found = display_texts([*answers_at(scene, record.host, "A"), *answers_at(scene, record.host, "AAAA")])
    return Match(places={"found": ", ".join(found)}, observed=found) if found else None


# --- the table ------------------------------------------------------------------------------------------------------

# The deepest cause first: the first that holds is the finding.
_FAULTS: Final = (
    _MisplacedDiagnosis(
        fault="name-doubled",
        title="The {what} was published under a doubled name",
        meaning="Most panels append the domain to the name by themselves. Given the full name, they append it again.",
        detail="The {rdtype} record stands at {found}, not at {host}.",
        fix="Change the name of the record to {name} (the form adds the rest by itself); its value is {expected}",
        reference="RFC 1034 3.1",
        holds=_at(lambda scene, record: candidate_names.doubled_names(record, scene.plan), kin=True),
    ),
    _MisplacedDiagnosis(
        fault="underscore-missing",
        title="The {what}'s name lacks its underscore",
        meaning="The underscore in the name is part of it: receivers look at exactly that name.",
        detail="The {rdtype} record stands at {found}, not at {host}.",
        fix="Change the name of the record to {name}, with the underscore; its value is {expected}",
        reference="RFC 8552 1.1",
        holds=_at(lambda _, record: candidate_names.names_without_underscore(record), kin=True),
    ),
    _MisplacedDiagnosis(
        fault="at-parent",
        title="The {what} was published at another level",
        meaning="A part of the name was left out, so the record stands where nobody looks for it.",
        detail="The {rdtype} record stands at {found}, not at {host}.",
        fix="Change the name of the record to {name} in the zone {zone}; its value is {expected}",
        reference="RFC 1034 3.1",
        holds=_at(lambda scene, record: candidate_names.levels(record, scene.plan), kin=False),
    ),
    _MisplacedDiagnosis(
        fault="on-apex",
        title="The {what} was published at the domain itself",
        meaning="The MAIL FROM domain is a name of its own below the domain, kept apart so that bounces never mix with "
        "your own mail. Its records belong at that name; at the domain itself they do not count for it.",
        detail="The {rdtype} record with the provider's value stands at {found}; there is none of its own at {host}.",
        fix="Add a {rdtype} record with the name {name} and the value {expected} {where}. Then take the provider's "
        "value out of {found}, unless you use it there for something else",
        reference="RFC 5321 4.4",
        holds=_at(lambda scene, record: candidate_names.apexes(record, scene.plan), kin=False),
    ),
    _MisplacedDiagnosis(
        fault="wrong-type",
        title="The {what} has the wrong type",
        meaning="The value is there, but in a record of another type, which receivers don't ask for.",
        detail="At {host} the value stands in a record of type {found}, not {rdtype}.",
        fix="Delete the {found} record {name}, then add a {rdtype} record {name} with the value {expected} {where}",
        reference="RFC 1035 3.2.2",
        holds=_other_type,
    ),
    _MisplacedDiagnosis(
        fault="cname-dangling",
        title="The {what}'s name is an alias that leads nowhere",
        meaning="A CNAME sends everyone who asks for this name on to another, and there is no such record there.",
        detail="{host} is a CNAME to {found}, where there is no {rdtype} record.",
        fix="Delete the CNAME at {name}, then add the {rdtype} record {name} with the value {expected} {where}",
        reference="RFC 1034 3.6.2",
        holds=_dangling,
    ),
    _MisplacedDiagnosis(
        fault="proxied",
        title="The {what} is behind a proxy",
        meaning="The DNS host answers with an address in place of the CNAME (it proxies or flattens it), so nobody can "
        "follow it to the key.",
        detail="{host} answers with the address {found}, where a CNAME to {value} should be.",
        fix="Turn the proxy off for {name} (“DNS only”), so that the CNAME itself is served; where an address record "
        "was typed, delete it and add the CNAME with the target {expected}",
        reference="RFC 1034 3.6.2",
        holds=_proxied,
    ),
    _MisplacedDiagnosis(
        fault="html-entities",
        title="The {what} holds characters from a web page or a word processor",
        meaning="Curly quotes, invisible characters or codes such as &quot; came along when the value was copied.",
        detail="The value at {host} is {observed}.",
        fix="Replace the value of {name} with {expected}, copied as plain text {where}",
        reference="RFC 1035 3.3.14",
        holds=_mended("html-entities"),
    ),
    _MisplacedDiagnosis(
        fault="quoted",
        title="The {what}'s value holds quotes",
        meaning="The quotes were typed as part of the value. In a panel none are needed, unless it asks for them.",
        detail="The value at {host} holds quotes that belong to it: {observed}.",
        fix="Remove the quotes from the value of {name}, so that it is {expected} {where}",
        reference="RFC 1035 5.1",
        holds=_mended("quoted"),
    ),
    _MisplacedDiagnosis(
        fault="escaped",
        title="The {what}'s value holds backslashes",
        meaning="The backslashes were typed as part of the value; only zone files need them, never a panel.",
        detail="The value at {host} is {observed}.",
        fix="Remove the backslashes from the value of {name}, so that it is {expected} {where}",
        reference="RFC 1035 5.1",
        holds=_mended("escaped"),
    ),
    _MisplacedDiagnosis(
        fault="pasted-line",
        title="The {what}'s value holds more than the value",
        meaning="The name, type, TTL or a whole line was pasted into the field that takes the value alone.",
        detail="The value at {host} is {observed}.",
        fix="Replace the value of {name} with {expected} alone {where}",
        reference="RFC 1035 5.1",
        holds=_mended("pasted-line"),
    ),
    _MisplacedDiagnosis(
        fault="whitespace",
        title="The {what}'s value holds spaces where none may be",
        meaning="Spaces or line breaks came along when the value was copied, and stand where they change its meaning.",
        detail="The value at {host} is {observed}.",
        fix="Replace the value of {name} with {expected}, without any other space before, after or inside {where}",
        reference="RFC 6376 3.2",
        holds=_mended("whitespace"),
    ),
    _MisplacedDiagnosis(
        fault="cname-conflict",
        title="A CNAME hides the {what}",
        meaning="A CNAME sends everyone who asks for this name on to another name; nothing else at the name is seen.",
        detail="{host} is a CNAME to {found}, so the {rdtype} record that belongs at {host} is not seen.",
        fix="Delete the CNAME at {name}, then add the {rdtype} record {name} with the value {expected} {where}",
        reference="RFC 1034 3.6.2",
        holds=_conflict,
    ),
)

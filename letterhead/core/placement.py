"""Knows how a right value ends up in the wrong place or shape: mistakes of panels and of hands.

No topic: the topics call `rules` for their own records, so that `dkim.quoted` and `dmarc.quoted` are one rule.
"""

import html
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

import msgspec

from letterhead.core.answers import Aliased, Found, Question, View
from letterhead.core.diagnosis import Diagnosis, Rule, Scene, Severity, Sighting
from letterhead.core.plan import AUTHORITATIVE, Accepts, PlannedRecord, RecordId, Standing, Verdict, elsewhere
from letterhead.core.records import Address, Mx, Rdata, Target, Txt, shown, split_text

PROBE = View.ONE_SERVER
NAMES: Final = {
    "dkim": "DKIM record",
    "mail-from": "MAIL FROM record",
    "dmarc": "DMARC record",
}


class _Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one mistake for every topic; `{what}` in the title is the topic's own word for its record."""

    fault: str
    title: str
    meaning: str
    detail: str
    fix: str
    reference: str
    holds: Callable[[Scene, Standing, Accepts], Sighting | None]


def rules(prefix: str, accepts: Accepts, severity: Severity = Severity.BLOCKING) -> tuple[Rule, ...]:
    """Gives the placement rules for one topic's records, the likeliest cause first; `.missing` is the topic's own."""
    return tuple(_rule(prefix, accepts, severity, fault) for fault in _FAULTS)


def _rule(prefix: str, accepts: Accepts, severity: Severity, fault: _Fault) -> Rule:
    diagnosis = Diagnosis(
        code=f"{prefix}.{fault.fault}",
        severity=severity,
        title=fault.title.replace("{what}", NAMES[prefix]),
        meaning=fault.meaning,
        detail=fault.detail,
        fix=fault.fix,
        reference=fault.reference,
    )
    return Rule(diagnosis=diagnosis, holds=lambda scene, standing: fault.holds(scene, standing, accepts))


# --- what else is worth asking ---------------------------------------------------------------------------------


def probes(scene: Scene, standing: Standing) -> Iterable[Question]:
    """Asks where the record may have ended up instead."""
    record = standing.record
    if standing.verdict is Verdict.ABSENT:
        names = [_doubled(scene, standing), *_without_underscore(record), *_parents(scene, record)]
        for name in names:
            yield Question(name=name, rdtype=record.rdtype, view=PROBE)
        for rdtype in _other_types(record):
            yield Question(name=record.host, rdtype=rdtype, view=PROBE)


def _other_types(record: PlannedRecord) -> tuple[str, ...]:
    return {"TXT": ("SPF", "MX"), "MX": ("TXT", "A"), "CNAME": ("A", "TXT")}.get(record.rdtype, ())


def _doubled(scene: Scene, standing: Standing) -> str:
    return f"{standing.record.host}.{scene.plan.zone}"


def _without_underscore(record: PlannedRecord) -> list[str]:
    bare = ".".join(label.removeprefix("_") for label in record.host.split("."))
    return [bare] if bare != record.host else []


def _parents(scene: Scene, record: PlannedRecord) -> list[str]:
    """Names one level up, and the name without the subdomain's own labels; what stands rightly there is not meant."""
    plan = scene.plan
    one_up = record.host.partition(".")[2]
    names = [one_up] if record.id is RecordId.DKIM else []
    if plan.sender != plan.zone and record.id is not RecordId.DMARC:
        names.append(record.host.removesuffix(plan.sender) + plan.zone)
    planned = {each.host for each in plan.records}
    return [name for name in dict.fromkeys(names) if name not in planned and name.endswith(plan.zone)]


# --- what the sightings are ------------------------------------------------------------------------------------


def answers_at(scene: Scene, name: str, rdtype: str) -> list[Rdata]:
    """Gives what was found at a name by a probe or a planned question with authority."""
    found: list[Rdata] = []
    for view in (PROBE, *AUTHORITATIVE):
        for reply in scene.seen.get(Question(name=name, rdtype=rdtype, view=view), ()):
            if isinstance(reply.answer, Found):
                found.extend(rdata for rdata in reply.answer.rrset.rdatas if rdata not in found)
    return found


def _found_at(scene: Scene, standing: Standing, accepts: Accepts, names: Iterable[str]) -> Sighting | None:
    for name in names:
        rdatas = answers_at(scene, name, standing.record.rdtype)
        fitting = [rdata for rdata in rdatas if accepts(standing.record, (rdata,))]
        if fitting:
            return Sighting(places={"found": name}, observed=shown(fitting), evidence=(f"found at {name}",))
    return None


def _other_type(scene: Scene, standing: Standing) -> Sighting | None:
    record = standing.record
    if standing.verdict is not Verdict.ABSENT:
        return None
    for rdtype in _other_types(record):
        held = [text for text in shown(answers_at(scene, record.host, rdtype)) if _holds_value(text, record)]
        if held:
            return Sighting(places={"found": rdtype}, observed=tuple(held))
    return None


def _holds_value(text: str, record: PlannedRecord) -> bool:
    """Says whether a text holds what tells this record from others: its whole value, spaces apart."""
    bare = _without_spaces(text).lower()
    return _without_spaces(record.value).lower().rstrip(";") in bare


def _replies(scene: Scene, record: PlannedRecord) -> Iterable[Found | Aliased]:
    for view in AUTHORITATIVE:
        for reply in scene.seen.get(Question(name=record.host, rdtype=record.rdtype, view=view), ()):
            if isinstance(reply.answer, Found | Aliased):
                yield reply.answer


def _dangling(scene: Scene, standing: Standing) -> Sighting | None:
    if standing.verdict is not Verdict.ABSENT:
        return None
    for answer in _replies(scene, standing.record):
        if isinstance(answer, Aliased):
            return Sighting(places={"found": answer.target}, observed=(f"CNAME {answer.target}",))
    return None


def _aliased(scene: Scene, standing: Standing) -> Sighting | None:
    if standing.verdict is not Verdict.WRONG:
        return None
    for answer in _replies(scene, standing.record):
        target = answer.aliases[-1] if answer.aliases else elsewhere(answer)
        if target:
            return Sighting(places={"found": target}, observed=(f"CNAME {target}", *standing.observed))
    return None


def _proxied(scene: Scene, standing: Standing) -> Sighting | None:
    if standing.record.rdtype != "CNAME":
        return None
    addresses = [rdata.ip for rdata in answers_at(scene, standing.record.host, "A") if isinstance(rdata, Address)]
    return Sighting(places={"found": addresses[0]}, observed=tuple(addresses)) if addresses else None


def _mended(standing: Standing, accepts: Accepts, mend: Callable[[str], str]) -> Sighting | None:
    """Holds where one observed value becomes the right one when mended in this one way."""
    for text in standing.observed:
        mended = mend(text)
        if mended != text and accepts(standing.record, as_rdata(standing.record, mended)):
            return Sighting(observed=(text,))
    return None


def as_rdata(record: PlannedRecord, text: str) -> Sequence[Rdata]:
    """Reads a text as RDATA of the planned record's type."""
    match record.rdtype:
        case "TXT":
            return (Txt(strings=split_text(text)),)
        case "MX":
            return (Mx(preference=record.priority or 0, exchange=text.rpartition(" ")[2]),)
        case _:
            return (Target(name=text),)


# --- one mistake each, undone ----------------------------------------------------------------------------------

CURLY = str.maketrans({"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "\u00a0": " "})


def _plain(text: str) -> str:
    """Undoes HTML and typography; a TXT holds octets, so curly quotes arrive as UTF-8 read as Latin-1."""
    try:
        decoded = text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        decoded = text
    return html.unescape(decoded).translate(CURLY).replace('"', "").strip()


def _unquoted(text: str) -> str:
    bare = text.strip()
    for quote in ('"', "'", "`"):
        bare = bare.strip(quote)
    return re.sub(r'"\s*"', "", bare)


def _unescaped(text: str) -> str:
    return _unquoted(text.replace("\\", ""))


def _after_line(text: str, record: PlannedRecord) -> str:
    """Cuts away what stands before the value's own beginning."""
    start = record.value.split(";")[0].split(" ")[0]
    at = text.find(start)
    return _unquoted(text[at:]) if at > 0 else text


def _without_spaces(text: str) -> str:
    return re.sub(r"\s+", "", text)


# --- the table -------------------------------------------------------------------------------------------------

# The likeliest cause first: the first that holds is the finding.
_FAULTS: Final = (
    _Fault(
        fault="name-doubled",
        title="The {what} was published under a doubled name",
        meaning="Most panels append the domain to the name by themselves. Given the full name, they append it again.",
        detail="The {rdtype} record stands at {found}, not at {host}.",
        fix="Change the name of the record to {name} (without {zone}), and leave its value as it is",
        reference="RFC 1034 3.1",
        holds=lambda scene, standing, accepts: _found_at(scene, standing, accepts, [_doubled(scene, standing)]),
    ),
    _Fault(
        fault="underscore-missing",
        title="The {what}'s name lacks its underscore",
        meaning="The underscore in the name is part of it: receivers look at exactly that name.",
        detail="The {rdtype} record stands at {found}, not at {host}.",
        fix="Change the name of the record to {name}, with the underscore",
        reference="RFC 8552 1.1",
        holds=lambda scene, standing, accepts: _found_at(
            scene, standing, accepts, _without_underscore(standing.record)
        ),
    ),
    _Fault(
        fault="at-parent",
        title="The {what} was published at another level",
        meaning="A part of the name was left out, so the record stands where nobody looks for it.",
        detail="The {rdtype} record stands at {found}, not at {host}.",
        fix="Change the name of the record to {name} in the zone {zone}",
        reference="RFC 1034 3.1",
        holds=lambda scene, standing, accepts: _found_at(scene, standing, accepts, _parents(scene, standing.record)),
    ),
    _Fault(
        fault="wrong-type",
        title="The {what} has the wrong type",
        meaning="The value is there, but in a record of another type, which receivers don't ask for.",
        detail="At {host} the value stands in a {found} record, not in {rdtype}.",
        fix="Delete the {found} record {name} and add a {rdtype} record with the value {expected}",
        reference="RFC 1035 3.2.2",
        holds=lambda scene, standing, _: _other_type(scene, standing),
    ),
    _Fault(
        fault="cname-dangling",
        title="The {what}'s name is an alias that leads nowhere",
        meaning="A CNAME sends everyone who asks for this name on to another, and there is no such record there.",
        detail="{host} is a CNAME to {found}, where there is no {rdtype} record.",
        fix="Delete the CNAME at {name}, then add the {rdtype} record {name} with the value {expected}",
        reference="RFC 1034 3.6.2",
        holds=lambda scene, standing, _: _dangling(scene, standing),
    ),
    _Fault(
        fault="cname-conflict",
        title="A CNAME hides the {what}",
        meaning="A CNAME sends everyone who asks for this name on to another name; nothing else at the name is seen.",
        detail="{host} is a CNAME to {found}; the {rdtype} record there is another one.",
        fix="Delete the CNAME at {name}, then add the {rdtype} record {name} with the value {expected}",
        reference="RFC 1034 3.6.2",
        holds=lambda scene, standing, _: _aliased(scene, standing),
    ),
    _Fault(
        fault="proxied",
        title="The {what} is behind a proxy",
        meaning="The DNS host answers with an address of its own in place of the CNAME: nobody can follow it.",
        detail="{host} answers with the address {found}, where a CNAME to {value} should be.",
        fix="Turn the proxy off for {name} (“DNS only”), so that the CNAME itself is served",
        reference="RFC 1034 3.6.2",
        holds=lambda scene, standing, _: _proxied(scene, standing),
    ),
    _Fault(
        fault="html-entities",
        title="The {what} holds characters from a web page or a word processor",
        meaning="Curly quotes or codes such as &quot; came along when the value was copied.",
        detail="The value at {host} is {observed}.",
        fix="Replace the value of {name} with {expected}, copied as plain text",
        reference="RFC 1035 3.3.14",
        holds=lambda _, standing, accepts: _mended(standing, accepts, _plain),
    ),
    _Fault(
        fault="quoted",
        title="The {what}'s value is in quotes",
        meaning="The quotes were typed as part of the value. In a panel none are needed, unless it asks for them.",
        detail="The value at {host} begins or ends with a quote: {observed}.",
        fix="Remove the quotes from the value of {name}, so that it is {expected}",
        reference="RFC 1035 5.1",
        holds=lambda _, standing, accepts: _mended(standing, accepts, _unquoted),
    ),
    _Fault(
        fault="escaped",
        title="The {what}'s value holds backslashes",
        meaning="The backslashes were typed as part of the value; only zone files need them, never a panel.",
        detail="The value at {host} is {observed}.",
        fix="Remove the backslashes from the value of {name}, so that it is {expected}",
        reference="RFC 1035 5.1",
        holds=lambda _, standing, accepts: _mended(standing, accepts, _unescaped),
    ),
    _Fault(
        fault="pasted-line",
        title="The {what}'s value holds a whole zone line",
        meaning="The name, type or TTL was pasted into the field that takes the value alone.",
        detail="The value at {host} is {observed}.",
        fix="Replace the value of {name} with {expected} alone",
        reference="RFC 1035 5.1",
        holds=lambda _, standing, accepts: _mended(standing, accepts, lambda text: _after_line(text, standing.record)),
    ),
    _Fault(
        fault="whitespace",
        title="The {what}'s value holds spaces where none may be",
        meaning="Spaces or line breaks came along when the value was copied.",
        detail="The value at {host} is {observed}.",
        fix="Replace the value of {name} with {expected}, without spaces before, after or inside",
        reference="RFC 6376 3.2",
        holds=lambda _, standing, accepts: _mended(standing, accepts, _without_spaces),
    ),
)

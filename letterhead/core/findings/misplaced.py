"""The diagnoses of a right value in the wrong place or of the wrong shape, shared by all topics.

Each topic calls `rules` for its own records, so that `dkim.quoted` and `dmarc.quoted` are one rule.
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from letterhead.core.dns.answers import Aliased, Question
from letterhead.core.dns.lookup import leaves_zone_text
from letterhead.core.dns.records import Rdata, Target, Txt, display_texts, split_text
from letterhead.core.findings import candidate_names
from letterhead.core.findings.candidate_names import aliases_of, answers_at, is_synthesised, probes, rdatas_of
from letterhead.core.findings.diagnosis import UNKNOWN_VALUE, Diagnosis, DiagnosisRule, Match, RuleInput, Severity
from letterhead.core.findings.repairs import REPAIRS, Repair, remove_name_escapes, repaired_value
from letterhead.core.plan.dns_hosts import quoted_value
from letterhead.core.plan.plan import AUTHORITATIVE, Accepts, PlannedRecord, RecordId, RecordResult, Verdict

__all__ = ["absent", "alias_rule", "probes", "rules"]

NAMES: Final = {
    "dkim": "DKIM record",
    "mail-from": "MAIL FROM record",
    "dmarc": "DMARC record",
}
# What to do where a service that is in use asked for the CNAME that is in the way of a record.
_INSTEAD: Final = {
    "dkim": "publish this key under another selector",
    "mail-from": "choose another MAIL FROM domain",
    "dmarc": "ask that service to publish the record there",
}
# What can't happen to a topic's records: no underscore in the MAIL FROM's name, a CNAME planned for DKIM alone; a DMARC
# record one level up is the parent's own or `dmarc.at-wrong-name`.
_NEVER: Final = {
    "dkim": {"on-apex"},
    "mail-from": {"underscore-missing", "proxied"},
    "dmarc": {"on-apex", "at-parent", "proxied"},
}

# Of these records any value will do that holds what is planned; what else the owner says in it must not be lost.
OPEN_VALUES: Final = (RecordId.MAIL_FROM_SPF, RecordId.DMARC)

_Holds = Callable[[RuleInput, RecordResult, Accepts], Match | None]


class _MisplacedDiagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """One mistake for every topic; `{what}` in the title is the topic's own word for its record.

    `{instead}` in the fix is what to do where the CNAME at the name is in use.
    """

    fault: str
    title: str
    meaning: str
    detail: str
    fix: str
    reference: str
    holds: _Holds


def rules(prefix: str, accepts: Accepts, severity: Severity = Severity.BLOCKING) -> tuple[DiagnosisRule, ...]:
    """Return the rules for one topic's records, the deepest cause first; `.missing` is the topic's own."""

    def rule(each: _MisplacedDiagnosis) -> DiagnosisRule:
        diagnosis = Diagnosis(
            code=f"{prefix}.{each.fault}",
            severity=severity,
            title=each.title.replace("{what}", NAMES[prefix]),
            meaning=each.meaning,
            detail=each.detail,
            fix=each.fix.replace("{instead}", _INSTEAD[prefix]),
            reference=each.reference,
        )
        return DiagnosisRule(diagnosis=diagnosis, holds=lambda given, result: each.holds(given, result, accepts))

    return tuple(rule(each) for each in _DIAGNOSES if each.fault not in _NEVER[prefix])


def absent(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match where nobody published anything at the name, also where a wildcard answers for it."""
    if result.verdict is Verdict.WRONG and is_synthesised(rule_input, result.record):
        return Match(evidence=("a wildcard gives the answer",), at_alias=True)
    return Match() if result.verdict is Verdict.ABSENT and not _is_hidden(rule_input, result) else None


def alias_rule(record: PlannedRecord, rdatas: Iterable[Rdata]) -> bool:
    """Tell whether a CNAME is the planned one."""
    return [rdata.name for rdata in rdatas if isinstance(rdata, Target)] == [record.value.rstrip(".").lower()]


# --- the condition of each diagnosis --------------------------------------------------------------------------------


def found_at(names: Callable[[RuleInput, PlannedRecord], list[str]], *, any_value: bool, moves: bool = True) -> _Holds:
    """Return a condition that matches where the record was published at one of these names.

    `moves` says whether it is to be moved from there, with what it says.
    """

    def holds(rule_input: RuleInput, result: RecordResult, accepts: Accepts) -> Match | None:
        candidates = names(rule_input, result.record)
        found = candidate_names.find_misplaced(rule_input, result, accepts, candidates, any_value=any_value)
        if found is None:
            return None
        name, rdatas = found
        there = display_texts(rdatas)
        right = [value for rdata, value in zip(rdatas, there, strict=True) if accepts(result.record, (rdata,))]
        return Match(
            places={"found": name},
            observed=there,
            evidence=(f"found at {name}",),
            at_alias=True,
            expected=_own_value(result.record, right[0]) if moves and len(right) == len(there) == 1 else None,
        )

    return holds


def repaired_by(repair: Repair) -> _Holds:
    """Return a condition that matches where one value becomes the right one by this repair."""

    def holds(rule_input: RuleInput, result: RecordResult, accepts: Accepts) -> Match | None:
        if result.verdict is not Verdict.WRONG:
            return None
        there = rdatas_of(rule_input, result.record)
        if any(accepts(result.record, (rdata,)) for rdata in there):  # what is wrong is another record at the name
            return None
        for rdata in there:
            value = repaired_value(result.record, rdata, accepts, repair)
            if value is not None:
                return Match(observed=display_texts((rdata,)), expected=_own_value(result.record, value))
        return None

    return holds


def _own_value(record: PlannedRecord, value: str) -> str | None:
    """Return a right value to publish in place of the planned one, where it says more: other senders, a policy."""
    return value if record.id in OPEN_VALUES else None


def quotes_lost(rule_input: RuleInput, result: RecordResult, accepts: Accepts) -> Match | None:
    """Match a text that was typed without its quotes: cut before a `;`, or each of its words a string of its own."""
    record = result.record
    there = rdatas_of(rule_input, record) if result.verdict is Verdict.WRONG and record.rdtype == "TXT" else ()
    if any(accepts(record, (rdata,)) for rdata in there):
        return None
    for rdata in there:
        if isinstance(rdata, Txt) and (_is_cut_at_semicolon(rdata.text, record) or _are_words(rdata, record, accepts)):
            joined = " ".join(rdata.strings) if len(rdata.strings) > 1 else record.value
            typed = quoted_value(_own_value(record, joined) or record.value + ("" if record.exact else "…"))
            quoted = typed if record.exact else f"{UNKNOWN_VALUE}, between quotes ({typed})"
            return Match(places={"quoted": quoted}, observed=tuple(display_texts([rdata])))
    return None


def _is_cut_at_semicolon(text: str, record: PlannedRecord) -> bool:
    """Tell whether a text ends where the planned one has a `;`: without quotes a zone file has a comment behind it."""
    begin = text.strip()
    return bool(begin) and record.value.startswith(begin) and record.value[len(begin) :].lstrip().startswith(";")


def _are_words(rdata: Txt, record: PlannedRecord, accepts: Accepts) -> bool:
    """Tell whether each word of the planned text is a string of its own."""
    words = len(rdata.strings) > 1 and not any(" " in each for each in rdata.strings)
    return words and accepts(record, (Txt(strings=split_text(" ".join(rdata.strings))),))


def other_type(rule_input: RuleInput, result: RecordResult, _: Accepts) -> Match | None:
    """Match where a record of another type at the same name has the value."""
    record = result.record
    if result.verdict is not Verdict.ABSENT:
        return None
    for aliases in aliases_of(rule_input, record):
        if _has_value(remove_name_escapes(aliases[0]), record):
            places = {"found": "CNAME", "held": aliases[0]}
            return Match(places=places, observed=(f"CNAME {aliases[0]}",), at_alias=True)
    for rdtype in candidate_names.other_types(record):
        texts = [
            text for text in display_texts(answers_at(rule_input, record.host, rdtype)) if _has_value(text, record)
        ]
        if texts:
            return Match(places={"found": rdtype, "held": texts[0]}, observed=tuple(texts))
    return None


def _has_value(text: str, record: PlannedRecord) -> bool:
    """Tell whether a text contains the record's whole value, spaces, quotes and the case of letters apart."""
    value, within = ("".join(each.split()).replace('"', "").lower() for each in (record.value, text))
    value = value.rstrip(";.")
    return bool(value) and value in within


def cname_dangling(rule_input: RuleInput, result: RecordResult, _: Accepts) -> Match | None:
    """Match where a CNAME leads to a name that has no such record."""
    if (
        result.verdict is not Verdict.ABSENT
        or is_synthesised(rule_input, result.record)
        or _is_hidden(rule_input, result)
    ):
        return None
    return _match_cname(rule_input, result)


def cname_conflict(rule_input: RuleInput, result: RecordResult, _: Accepts) -> Match | None:
    """Match where a CNAME hides the record, or leads to another one."""
    # Where nobody planned the record, what the CNAME leads to is the record.
    elsewhere = result.verdict is Verdict.WRONG and result.record.exact
    if is_synthesised(rule_input, result.record) or not (elsewhere or _is_hidden(rule_input, result)):
        return None
    return _match_cname(rule_input, result)


def _is_hidden(rule_input: RuleInput, result: RecordResult) -> bool:
    """Tell whether a CNAME hides what is there, or leads out of the zone text that is read."""
    record = result.record
    asked = [Question(name=record.host, rdtype=record.rdtype, view=view) for view in AUTHORITATIVE]
    answers = (reply.answer for each in asked for reply in rule_input.seen.get(each, ()))
    hides = any(isinstance(answer, Aliased) and answer.hides for answer in answers)
    return result.verdict is Verdict.ABSENT and (
        hides or any(leaves_zone_text(rule_input.seen, each) for each in asked)
    )


def _match_cname(rule_input: RuleInput, result: RecordResult) -> Match | None:
    """Match the first CNAME at the record's name."""
    aliases = next(aliases_of(rule_input, result.record), None)
    if aliases is None:
        return None
    via = f" (by way of {', '.join(aliases[:-1])})" if len(aliases) > 1 else ""
    observed = (f"CNAME {aliases[0]}", *result.observed)
    return Match(places={"found": f"{aliases[-1]}{via}"}, observed=observed, at_alias=True)


def proxied(rule_input: RuleInput, result: RecordResult, _: Accepts) -> Match | None:
    """Match where addresses are in the place of the planned CNAME."""
    record = result.record
    if record.rdtype != "CNAME" or result.verdict is not Verdict.ABSENT:
        return None
    found = display_texts([*answers_at(rule_input, record.host, "A"), *answers_at(rule_input, record.host, "AAAA")])
    return Match(places={"found": ", ".join(found)}, observed=found) if found else None


# --- the table ------------------------------------------------------------------------------------------------------

# The deepest cause first: the first that holds is the finding.
_DIAGNOSES: Final = (
    _MisplacedDiagnosis(
        fault="name-doubled",
        title="The {what} was published under a doubled name",
        meaning="Most panels append the domain to the name by themselves. Given the full name, they append it again.",
        detail="The {rdtype} record stands at {found}, not at {host}.",
        fix="Change the name of the record from {found} to {name} (the form adds the rest by itself); its value is "
        "{expected}",
        reference="RFC 1034 3.1",
        holds=found_at(lambda given, record: candidate_names.doubled_names(record, given.plan), any_value=True),
    ),
    _MisplacedDiagnosis(
        fault="underscore-missing",
        title="The {what}'s name lacks its underscore",
        meaning="The underscore in the name is part of it: receivers look at exactly that name.",
        detail="The {rdtype} record stands at {found}, not at {host}.",
        fix="Change the name of the record from {found} to {name}, with the underscore; its value is {expected}",
        reference="RFC 8552 1.1",
        holds=found_at(lambda _, record: candidate_names.names_without_underscore(record), any_value=True),
    ),
    _MisplacedDiagnosis(
        fault="at-parent",
        title="The {what} was published at another level",
        meaning="A part of the name was left out, so the record stands where nobody looks for it.",
        detail="The {rdtype} record stands at {found}, not at {host}.",
        fix="Change the name of the record from {found} to {name} in the zone {zone}; its value is {expected}",
        reference="RFC 1034 3.1",
        holds=found_at(lambda given, record: candidate_names.levels(record, given.plan), any_value=False),
    ),
    _MisplacedDiagnosis(
        fault="on-apex",
        title="The {what} was published at the domain itself",
        meaning="The MAIL FROM domain is a name of its own below the domain, kept apart so that bounces never mix with "
        "your own mail. Its records belong at that name; at the domain itself they do not count for it.",
        detail="The {rdtype} record with the provider's value stands at {found}; there is none of its own at {host}.",
        fix="Add a {rdtype} record {where} with the name {name} and the value {expected}. Then take the "
        "provider's value out of {found}, unless you use it there for something else",
        reference="RFC 5321 4.4",
        holds=found_at(lambda given, record: candidate_names.apexes(record, given.plan), any_value=False, moves=False),
    ),
    _MisplacedDiagnosis(
        fault="wrong-type",
        title="The {what} has the wrong type",
        meaning="The value is there, but in a record of another type, which receivers don't ask for.",
        detail="At {host} the value stands in a record of type {found}, not {rdtype}.",
        fix="Delete the {found} record {name} that holds {held}, then add the {rdtype} record {name} with the value "
        "{expected} {where}",
        reference="RFC 1035 3.2.2",
        holds=other_type,
    ),
    _MisplacedDiagnosis(
        fault="cname-dangling",
        title="The {what}'s name is an alias that leads nowhere",
        meaning="A CNAME sends everyone who asks for this name on to another, and there is no such record there.",
        detail="{host} is a CNAME to {found}, where there is no {rdtype} record.",
        fix="If a service that you use asked for the CNAME {name}, keep it, since deleting it stops that service, and "
        "{instead}. If none did, delete the CNAME at {name}, then add the {rdtype} record {name} with the value "
        "{expected} {where}",
        reference="RFC 1034 3.6.2",
        holds=cname_dangling,
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
        holds=proxied,
    ),
    _MisplacedDiagnosis(
        fault="quotes-lost",
        title="The {what}'s value was typed without its quotes",
        meaning="Where a DNS host or a zone file wants a text in quotes, one without them is cut at its first ; or "
        "each of its words becomes a string of its own, and the strings are joined without the spaces.",
        detail="The value at {host} is only {observed}: the quotes around it were lost.",
        fix="Replace the value of {name} {where} with {quoted}, the quotes included",
        reference="RFC 1035 5.1",
        holds=quotes_lost,
    ),
    _MisplacedDiagnosis(
        fault="html-entities",
        title="The {what} holds characters from a web page or a word processor",
        meaning="Curly quotes, invisible characters or codes such as &quot; came along when the value was copied.",
        detail="The value at {host} is {observed}.",
        fix="Replace the value of {name} {where} with {expected}, copied as plain text",
        reference="RFC 1035 3.3.14",
        holds=repaired_by(REPAIRS["html-entities"]),
    ),
    _MisplacedDiagnosis(
        fault="quoted",
        title="The {what}'s value holds quotes",
        meaning="The quotes were typed as part of the value. In a panel none are needed, unless it asks for them.",
        detail="The value at {host} holds quotes that belong to it: {observed}.",
        fix="Remove the quotes from the value of {name} {where}, so that it is {expected}",
        reference="RFC 1035 5.1",
        holds=repaired_by(REPAIRS["quoted"]),
    ),
    _MisplacedDiagnosis(
        fault="escaped",
        title="The {what}'s value holds backslashes",
        meaning="The backslashes were typed as part of the value; only zone files need them, never a panel.",
        detail="The value at {host} is {observed}.",
        fix="Remove the backslashes from the value of {name} {where}, so that it is {expected}",
        reference="RFC 1035 5.1",
        holds=repaired_by(REPAIRS["escaped"]),
    ),
    _MisplacedDiagnosis(
        fault="pasted-line",
        title="The {what}'s value holds more than the value",
        meaning="The name, type, TTL or a whole line was pasted into the field that takes the value alone.",
        detail="The value at {host} is {observed}.",
        fix="Replace the value of {name} {where} with {expected} alone",
        reference="RFC 1035 5.1",
        holds=repaired_by(REPAIRS["pasted-line"]),
    ),
    _MisplacedDiagnosis(
        fault="whitespace",
        title="The {what}'s value holds spaces where none may be",
        meaning="Spaces or line breaks came along when the value was copied, and stand where they change its meaning.",
        detail="The value at {host} is {observed}.",
        fix="Replace the value of {name} {where} with {expected}, without any other space before, after or inside",
        reference="RFC 6376 3.2",
        holds=repaired_by(REPAIRS["whitespace"]),
    ),
    _MisplacedDiagnosis(
        fault="cname-conflict",
        title="A CNAME hides the {what}",
        meaning="A CNAME sends everyone who asks for this name on to another name; nothing else at the name is seen.",
        detail="{host} is a CNAME to {found}, so the {rdtype} record that belongs at {host} is not seen.",
        fix="If a service that you use asked for the CNAME {name}, keep it, since deleting it stops that service, and "
        "{instead}. If none did, delete the CNAME at {name}, then add the {rdtype} record {name} with the value "
        "{expected} {where}",
        reference="RFC 1034 3.6.2",
        holds=cname_conflict,
    ),
)

"""Follow the fix of a finding in zone text, as a person would who does exactly what it says and no more.

`follow` knows the sentences in which fixes are written. It returns False where the fix asks for nothing in the zone
(wait, ask the DNS host, tell the provider), and raises `UnknownInstruction` for a sentence that it can't carry out:
such a sentence is too vague for a person as well.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from letterhead.core.dns.records import quote, split_text
from letterhead.core.findings.diagnosis import UNKNOWN_VALUE, Finding
from letterhead.core.plan.plan import DKIM_KEYS, Plan
from tests.cases.zone_text import STRING, Line, UnknownInstruction, ZoneText

_PRIORITY = re.compile(r"(?P<host>\S+) with the priority (?P<priority>\d+)")


@dataclass(frozen=True, slots=True)
class Task:
    """What a rule works on: the zone, the plan and the finding whose fix is followed."""

    zone: ZoneText
    plan: Plan
    finding: Finding

    def owner(self, name: str) -> str:
        """Return the absolute name for one that a fix spells as the form of the DNS host wants it."""
        name = name.strip("“”").rstrip(".").lower()
        if any(line.owner == name for line in self.zone.lines):
            return name
        if name in ("@", "(leave the name empty)"):
            return self.plan.zone
        return name if name == self.plan.zone or name.endswith(f".{self.plan.zone}") else f"{name}.{self.plan.zone}"

    def data(self, rdtype: str, value: str) -> str:
        """Return zone data for a value as a fix spells it."""
        value = value.strip()
        if rdtype == "TXT":
            texts = STRING.findall(value) if value.startswith('"') and value.endswith('"') else []
            return " ".join(f'"{text}"' for text in texts) or " ".join(
                quote(piece) for piece in split_text(value.encode().decode("latin-1"))
            )
        spelt = _PRIORITY.fullmatch(value)
        target = (spelt["host"] if spelt else value).rstrip(".")
        return f"{spelt['priority']} {target}." if spelt else f"{target}."

    @property
    def rdtype(self) -> str:
        """The type of the finding's record."""
        return self.finding.record_type or "TXT"

    def spf_at(self, owner: str) -> list[Line]:
        """Return the SPF record at a name: the text that is one, or the one that nearly is."""
        texts = self.zone.at(owner, "TXT")
        exact = [line for line in texts if re.match(r"v=spf1(?: |$)", line.value, re.IGNORECASE)]
        return exact or [line for line in texts if "spf" in line.value.lower()] or texts


# --- the sentences --------------------------------------------------------------------------------------------------

Rule = Callable[[Task, re.Match[str]], None]
_RULES: list[tuple[re.Pattern[str], Rule]] = []

_NOTHING_IN_THE_ZONE = re.compile(
    r"Nothing to change|Wait |Ask |Tell your |Check (?:the spelling|at your registrar)|Enter .* at your "
    r"registrar|"
    r"Send from |Take what you no longer send |Shorten |Name each server .* then narrow |Have whoever signs "
    r"|Look up the selector |Enter at your registrar |Remove .* at your registrar|Correct or remove .* in "
    r"the nameservers|Choose another |Make a new key|If it stays so|Publish the records? (?:as soon|before)|"
    r"Whoever runs "
)


# Where deleting a record may stop another service the fix says so first; who has no such service goes on from here.
_SERVER = re.compile(r"Correct the record at \S+, since waiting does not heal it\. ")
_CONDITION = re.compile(
    r"(?:If a service that you use asked for|Keep the CNAME) .*?\. If (?:none did|that service [^,]*), d"
)


def _rule(pattern: str) -> Callable[[Rule], Rule]:
    """Register what a sentence asks for."""

    def registered(rule: Rule) -> Rule:
        _RULES.append((re.compile(pattern, re.DOTALL), rule))
        return rule

    return registered


def follow(fix: str, task: Task) -> bool:
    """Carry out a fix; return False where it asks for nothing in the zone."""
    instruction = _CONDITION.sub("D", _SERVER.sub("", _without_place(fix)))
    if UNKNOWN_VALUE in instruction:  # only the provider's own page has it
        return False
    if _NOTHING_IN_THE_ZONE.match(instruction):
        return False
    for pattern, rule in _RULES:
        found = pattern.match(instruction)
        if found:
            rule(task, found)
            return True
    raise UnknownInstruction(instruction)


def _without_place(fix: str) -> str:
    """Take away where the form is to be found, which may stand in the middle of a sentence."""
    fix = re.sub(r" \(the CNAME \S+ leads there\)| in its own zone \([^)]*\)", "", fix)
    return re.sub(r" at (?:your DNS host \([^)]*\)|your DNS host\b|[A-Z][\w .,]* \([^)]*→[^)]*\))", "", fix).strip()


@_rule(
    r"Add (?:an? |the )?(?P<rdtype>[A-Z0-9]+) (?:record )?(?:with the name )?(?P<name>\S+)"
    r"(?: and the (?:value|mail server)| with the (?:value|target)) (?P<value>.+?)(?: again)?(?:\. .*)?$"
)
def _add(task: Task, found: re.Match[str]) -> None:
    task.zone.add(task.owner(found["name"]), found["rdtype"], task.data(found["rdtype"], found["value"]))


@_rule(
    r"Delete the (?P<old>[A-Z0-9]+) (?:record )?(?:at )?(?P<name>\S+?)(?: that holds (?P<held>.+?))?,? "
    r"(?:then|and) add (?:an? |the )?"
    r"(?P<rdtype>[A-Z0-9]+) (?:record )?(?P<again>\S+) with the (?:value|target) (?P<value>.+?)"
    r"(?: in this order)?(?:\. .*)?$"
)
def _delete_and_add(task: Task, found: re.Match[str]) -> None:
    owner = task.owner(found["name"])
    lines, held = task.zone.at(owner, found["old"]), found["held"]
    named = [line for line in lines if held in (None, line.value, line.data.rstrip("."))]
    task.zone.remove(*(named or lines[: len(lines) == 1]))
    first, *more = re.split(r"; add the ", found["value"])
    task.zone.add(task.owner(found["again"]), found["rdtype"], task.data(found["rdtype"], first))
    for each in more:
        rdtype, name, value = re.fullmatch(r"(\S+) record (\S+) with the value (.+)", each).groups()  # type: ignore[union-attr]
        task.zone.add(task.owner(name), rdtype, task.data(rdtype, value))


@_rule(
    r"Delete the TXT record (?P<name>\S+) and add it again with the value (?P<value>.+?)(?: in this "
    r"order)?$"
)
def _add_again(task: Task, found: re.Match[str]) -> None:
    owner = task.owner(found["name"])
    task.zone.remove(*task.zone.at(owner, "TXT"))
    task.zone.add(owner, "TXT", task.data("TXT", found["value"]))


_ENDS = (
    r"(?:, (?:letter by letter|copied as plain text|without any other space|each of v=|with a ; between|"
    r"unless).*"
    r"| alone|\. (?:If|Where|Until|Both) .*)?$"
)


@_rule(
    r"(?:Replace the value of (?:the TXT record )?(?P<name>\S+?)(?: so that the whole record reads| with)"
    rf"(?: the whole)? |Remove .+? from the value of (?P<bare>\S+?), so that it is )(?P<value>.+?){_ENDS}"
)
def _replace(task: Task, found: re.Match[str]) -> None:
    owner = task.owner(found["name"] or found["bare"])
    old = _spoilt(task, owner)
    task.zone.remove(*old)
    task.zone.add(owner, task.rdtype, task.data(task.rdtype, found["value"]))


def _spoilt(task: Task, owner: str) -> list[Line]:
    """Return the record that a person takes for the one that is meant: the one that the finding shows, or the only."""
    lines = task.zone.at(owner, task.rdtype)
    if task.rdtype == "TXT" and task.finding.record == "mail-from-spf":
        return task.spf_at(owner)
    return lines


@_rule(
    r"(?:Replace the mail server of the MX record (?P<name>\S+) with|Replace the MX of (?P<all>\S+) with "
    r"the one host) "
    r"(?P<value>\S+ with the priority \d+|\d+ \S+|\S+)(?:\. .*)?$"
)
def _replace_mx(task: Task, found: re.Match[str]) -> None:
    owner = task.owner(found["name"] or found["all"])
    task.zone.remove(*task.zone.at(owner, "MX"))
    task.zone.add(owner, "MX", task.data("MX", found["value"]))


@_rule(
    r"Delete the MX whose mail server is a dot, and add one with the name (?P<name>\S+) and the mail server "
    r"(?P<value>.+)$"
)
def _replace_null_mx(task: Task, found: re.Match[str]) -> None:
    owner = task.owner(found["name"])
    task.zone.remove(*(line for line in task.zone.at(owner, "MX") if line.data.split()[1] == "."))
    task.zone.add(owner, "MX", task.data("MX", found["value"]))


@_rule(r"Delete the MX records? of (?P<name>\S+) for (?P<gone>.+?); leave the one for (?P<value>.+?) as the only one$")
def _delete_mx(task: Task, found: re.Match[str]) -> None:
    gone = {each.rstrip(".") for each in found["gone"].split(", ")}
    task.zone.remove(*(line for line in task.zone.at(task.owner(found["name"]), "MX") if _mx_names(line) & gone))


def _mx_names(line: Line) -> set[str]:
    """Return the ways in which a fix may name an MX record."""
    priority, host = line.data.split()
    host = host.rstrip(".")
    return {host, f"{priority} {host}", f"{host} with the priority {priority}"}


@_rule(
    r"Change the name of the record from (?P<old>\S+) to (?P<name>\S+?)(?: \(the form adds the rest by "
    r"itself\)|"
    r" in the zone \S+?|, with the underscore)?(?:; its value is (?P<value>.+)|, and leave its value as "
    r"it is)?$"
)
def _move(task: Task, found: re.Match[str]) -> None:
    owner, old = task.owner(found["name"]), task.owner(found["old"])
    lines = task.zone.at(old, task.rdtype)
    kept = found["value"] is None
    if task.rdtype == "TXT":  # others' texts may stand at the same name
        marks = {"dkim": "p=", "dmarc": "dmarc", "mail-from-spf": "spf"}
        mark = next((each for start, each in marks.items() if (task.finding.record or "").startswith(start)), "")
        lines = [line for line in lines if mark in line.value.lower()] or lines
    task.zone.remove(*lines)
    for line in lines if kept else lines[:1]:
        task.zone.add(owner, task.rdtype, line.data if kept else task.data(task.rdtype, found["value"]))


@_rule(
    r"Leave exactly one (?P<kind>TXT|SPF) record at (?P<name>\S+), with the value (?P<value>.+?), "
    r"and delete the others(?:\. .*)?$"
)
def _leave_one(task: Task, found: re.Match[str]) -> None:
    owner = task.owner(found["name"])
    lines = task.zone.at(owner, "TXT") if found["kind"] == "TXT" else task.spf_at(owner)
    task.zone.remove(*lines)
    task.zone.add(owner, "TXT", task.data("TXT", found["value"]))


@_rule(r"Replace it: the only TXT record at (?P<name>\S+) must be (?P<value>.+)$")
def _only(task: Task, found: re.Match[str]) -> None:
    owner = task.owner(found["name"])
    task.zone.remove(*task.zone.at(owner, "TXT"))
    task.zone.add(owner, "TXT", task.data("TXT", found["value"]))


@_rule(r"Change the target of the CNAME (?P<name>\S+) to (?P<value>\S+?)(?:\. .*)?$")
def _retarget(task: Task, found: re.Match[str]) -> None:
    owner = task.owner(found["name"])
    task.zone.remove(*task.zone.at(owner, "CNAME"))
    task.zone.add(owner, "CNAME", task.data("CNAME", found["value"]))


@_rule(r"Turn the proxy off for (?P<name>\S+) .* add the CNAME with the target (?P<value>\S+)$")
def _proxy_off(task: Task, found: re.Match[str]) -> None:
    owner = task.owner(found["name"])
    task.zone.remove(*task.zone.at(owner, "A"), *task.zone.at(owner, "AAAA"))
    task.zone.add(owner, "CNAME", task.data("CNAME", found["value"]))


@_rule(
    r".*SPF record of (?P<name>\S+?)(?:,.*| names it once too often)?: its value should be (?P<value>.+)$|"
    r"(?:Let the SPF record of|Replace the SPF record of) (?P<other>\S+) .*?(?:its value should be|with) "
    r"(?P<text>v=spf1.*)$"
)
def _spf_value(task: Task, found: re.Match[str]) -> None:
    owner = task.owner(found["name"] or found["other"])
    task.zone.remove(*task.spf_at(owner))
    task.zone.add(owner, "TXT", task.data("TXT", found["value"] or found["text"]))


@_rule(
    r".*TXT record (?P<name>\S+?)(?:,| begin with v=DMARC1;)? so that it reads (?P<value>v=DMARC1.*?)(?:\. "
    r"(?:This|Reports) .*)?$|"
    r"Of the TXT records at (?P<several>\S+) that .*, with the value (?P<one>v=DMARC1.*?), and delete the "
    r"others"
)
def _dmarc_value(task: Task, found: re.Match[str]) -> None:
    owner = task.owner(found["name"] or found["several"])
    lines = task.zone.at(owner, "TXT")
    task.zone.remove(*([line for line in lines if line.value.startswith("v=DMARC1")] or lines))
    task.zone.add(owner, "TXT", task.data("TXT", found["value"] or found["one"]))


@_rule(
    r"(?:Add the record for (?P<name>\S+) as it is planned|Delete the CNAME at (?P<alias>\S+), then add "
    r"the record)"
)
def _planned(task: Task, found: re.Match[str]) -> None:
    owner = task.owner(found["name"] or found["alias"])
    if found["alias"]:
        task.zone.remove(*task.zone.at(owner, "CNAME"))
    for record in task.plan.records:
        if record.host == owner:
            value = record.value if record.priority is None else f"{record.value} with the priority {record.priority}"
            task.zone.add(owner, record.rdtype, task.data(record.rdtype, value))


@_rule(r"Publish the DKIM record before you send")
def _publish_key(task: Task, _: re.Match[str]) -> None:
    for record in task.plan.records:
        if record.id in DKIM_KEYS:
            for line in task.zone.at(record.host, record.rdtype):
                task.zone.remove(line)
            task.zone.add(record.host, record.rdtype, task.data(record.rdtype, record.value))


@_rule(
    r"Put the value (?P<value>.+) back at (?P<name>[^\s,]+)(?:, and add a TXT record (?P<next>\S+) with the "
    r"value that .*)?$"
)
def _put_back(task: Task, found: re.Match[str]) -> None:
    owner = task.owner(found["name"])
    now = task.zone.at(owner, "TXT")
    task.zone.remove(*now)
    task.zone.add(owner, "TXT", task.data("TXT", found["value"]))
    if found["next"]:
        task.zone.add(task.owner(found["next"]), "TXT", now[0].data)


@_rule(r'Write the text on line (?P<line>\d+) as several strings, with nothing else changed: (?P<value>".+")$')
def _split(task: Task, found: re.Match[str]) -> None:
    place = int(found["line"]) - 1
    old = task.zone.lines[place]
    task.zone.remove(old)
    task.zone.add(old.owner, "TXT", found["value"])


@_rule(r"Remove (?P<tag>\w+=\w+) from the TXT record at (?P<name>\S+): the relaxed mode is the default")
def _relaxed(task: Task, found: re.Match[str]) -> None:
    owner = task.owner(found["name"])
    (line,) = task.zone.at(owner, "TXT")
    task.zone.remove(line)
    task.zone.add(owner, "TXT", task.data("TXT", re.sub(rf"{found['tag']}\s*;?\s*", "", line.value)))


def _edit_spf(task: Task, name: str, edit: Callable[[list[str]], list[str]]) -> None:
    """Change the terms of the SPF record at a name, all others as they stand."""
    owner = task.owner(name)
    (line,) = task.spf_at(owner)
    task.zone.remove(line)
    task.zone.add(owner, "TXT", task.data("TXT", " ".join(edit(line.value.split()))))


@_rule(
    r"(?:Correct|Take|Tell whoever runs \S+; until it is fixed, take) “?(?P<part>[^”\s]+)”?"
    r"(?: in| out of) the SPF record of (?P<name>[^\s,]+)"
)
def _take_out(task: Task, found: re.Match[str]) -> None:
    # What the owner meant by a part that can't be read nobody else knows: without it is the least that is asked.
    part = found["part"]
    _edit_spf(
        task, found["name"], lambda terms: [each for each in terms if each != part and part not in (each, each[-1])]
    )


@_rule(
    r"Take the parts that find nothing out of the SPF record of (?P<name>\S+?): (?P<parts>[^:]*(?::(?! "
    r"its)[^:]*)*)"
)
def _take_all_out(task: Task, found: re.Match[str]) -> None:
    parts = set(re.split(r",\s*", found["parts"].strip()))
    _edit_spf(task, found["name"], lambda terms: [each for each in terms if each not in parts])


@_rule(
    r"Delete the TXT record that begins with “spf2.0” at (?P<name>[^\s,]+)(?:, then add .* with the value "
    r"(?P<value>.+))?$"
)
def _delete_sender_id(task: Task, found: re.Match[str]) -> None:
    owner = task.owner(found["name"])
    task.zone.remove(*(line for line in task.zone.at(owner, "TXT") if line.value.startswith("spf2.0")))
    if found["value"]:
        task.zone.add(owner, "TXT", task.data("TXT", found["value"]))


@_rule(r"Add “(?P<all>\S+)” at the end of the SPF record of (?P<name>\S+)")
def _append_all(task: Task, found: re.Match[str]) -> None:
    _edit_spf(task, found["name"], lambda terms: [*terms, found["all"]])


@_rule(
    r"Name each server that sends in the SPF record of (?P<name>\S+), then "
    r"(?:take “(?P<part>\S+)” out|put “(?P<new>\S+)” at its end in place of “(?P<old>\S+)”)"
)
def _close(task: Task, found: re.Match[str]) -> None:
    gone, new = found["part"] or found["old"], found["new"]
    _edit_spf(task, found["name"], lambda terms: [each for each in terms if each != gone] + ([new] if new else []))


@_rule(r"Replace “(?P<part>\S+)” in the SPF record of (?P<name>\S+) with the public address")
def _public_address(task: Task, found: re.Match[str]) -> None:
    _edit_spf(
        task, found["name"], lambda terms: ["ip4:93.184.216.34" if each == found["part"] else each for each in terms]
    )


@_rule(r"Take either “(?P<one>\S+)” or “(?P<other>\S+)” out of the SPF record of (?P<name>[^\s;]+)")
def _take_either(task: Task, found: re.Match[str]) -> None:
    _edit_spf(task, found["name"], lambda terms: [each for each in terms if each != found["one"]])


@_rule(r"Put “(?P<part>\S+)” before “(?P<all>\S+)” in the SPF record of (?P<name>[^\s,]+)")
def _put_before(task: Task, found: re.Match[str]) -> None:
    part, end = found["part"], found["all"]
    _edit_spf(task, found["name"], lambda terms: [each for each in terms if each not in (part, end)] + [part, end])


@_rule(r"Delete the CNAME at (?P<name>\S+) and publish addresses")
def _address_for_cname(task: Task, found: re.Match[str]) -> None:
    owner = task.owner(found["name"])
    task.zone.remove(*task.zone.at(owner, "CNAME"))
    task.zone.add(owner, "A", "192.0.2.80")

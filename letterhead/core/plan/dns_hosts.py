"""DNS hosts, and how the form of each wants the name and the value of a record typed.

The table of hosts is data (`letterhead/data/dns_hosts.toml`), read by wiring and passed in.
"""

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Literal

import msgspec

from letterhead.core.dns.answers import Delegated, Question, Seen, View, answering
from letterhead.core.dns.records import STRING_LIMIT, quote, split_text
from letterhead.core.plan.plan import PlannedRecord, relative_name

Fact = Literal["names", "apex", "long_txt", "priority_field", "where", "record_page"]


class DnsHost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One DNS host and its form for records.

    `nameservers` are the ends of its servers' names; a `*` stands for any part of one label (`awsdns-*.com`). `names`
    says what goes into the name field, relative to the zone or full; `apex` what stands for the zone itself. `long_txt`
    is "whole" where one long value is taken, "split" where it must be given as strings in quotes; `quotes` says that
    every TXT value is typed in quotes, `other_form` where and how a TXT value is typed otherwise, by those who share
    the nameservers or use the API, `final_dot` that a host name in a value must end in a dot, or the form appends the
    zone to it. `flattens` says that a CNAME at the top of a zone is answered by the addresses of its target, the zone's
    other records beside it. `priority_field` says whether an MX's priority has a field of its own, `proxy` names the
    switch that must be off. `where` is the path to the form, `help` the host's own page about it, `record_page` the
    address of the zone's records in the host's own pages (with `{zone}`), `imports` the path to where it imports a zone
    file, `short_name` the name for where `name` is too long. `source` and `also`
    are where this was read, `checked` is when, and `unsourced` lists the facts that nobody has confirmed: for these the
    row has what suits most forms.
    """

    id: str
    name: str
    short_name: str | None = None
    nameservers: tuple[str, ...]
    names: Literal["relative", "full"] = "relative"
    apex: str = "@"
    long_txt: Literal["whole", "split"] = "whole"
    quotes: bool = False
    other_form: str | None = None
    final_dot: bool = False
    flattens: bool = False
    priority_field: bool = True
    where: str = "its DNS settings for the domain"
    source: str
    checked: str
    also: tuple[str, ...] = ()
    help: str | None = None
    record_page: str | None = None
    imports: str | None = None
    unsourced: tuple[Fact, ...] = ()
    proxy: str | None = None
    note: str | None = None


def host_of(nameservers: Iterable[str], hosts: Sequence[DnsHost]) -> DnsHost | None:
    """Return the DNS host that most of the nameservers belong to, or None."""
    servers = [name.lower().rstrip(".") for name in nameservers]
    most, likeliest = 0, None
    for host in hosts:
        search = name_pattern(host.nameservers).search
        count = sum(search(server) is not None for server in servers)
        if count > most:
            most, likeliest = count, host
    return likeliest if most * 2 > len(servers) else None


@lru_cache(maxsize=512)  # one for each DNS host of the table
def name_pattern(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """Return an expression for the names that end in one of the patterns, in which a `*` never matches a dot."""
    ends = "|".join(re.escape(pattern).replace(r"\*", "[^.]*") for pattern in patterns)
    return re.compile(rf"(?:\A|\.)(?:{ends})\Z")


def delegation(sender: str, seen: Seen) -> Delegated | None:
    """Return the delegation of the sender's zone, where it was seen."""
    replies = seen.get(Question(name=sender, rdtype="NS", view=View.DELEGATION), ())
    return next((reply.answer for reply in replies if isinstance(reply.answer, Delegated)), None)


def other_zone(host: str, zone: str, seen: Seen) -> str | None:
    """Return the zone that holds a name by its servers with authority, where it is another one than the given."""
    authoritative = (View.EVERY_SERVER, View.TWO_SERVERS, View.ONE_SERVER)
    replies = (
        each
        for asked, found in seen.items()
        if (asked.name, asked.view in authoritative) == (host, True)
        for each in answering(found)
    )
    holders = (each.perspective.zone for each in replies)
    return next((holder for holder in holders if holder is not None and holder != zone), None)


def name_for(host: str, zone: str, panel: DnsHost | None) -> str:
    """Return an owner name as the form's name field wants it; relative to the zone where the DNS host is unknown."""
    relative = relative_name(host, zone)
    if panel is None:
        return relative
    if relative == "@":
        return panel.apex or "(leave the name empty)"
    return host if panel.names == "full" else relative


def value_for(record: PlannedRecord, panel: DnsHost | None) -> str:
    """Return a value as the form's value field wants it; as it is where the DNS host is unknown."""
    if record.rdtype == "TXT":
        return text_for(record.value, panel)
    if panel is None:
        return record.value
    target = f"{record.value}." if panel.final_dot else record.value
    if record.priority is not None and not panel.priority_field:
        return f"{record.priority} {target}"
    return target


def quoted_value(value: str) -> str:
    """Return a TXT value as strings in quotes, as a zone file has it (RFC 1035 5.1)."""
    return " ".join(quote(piece) for piece in split_text(value))


def text_for(text: str, panel: DnsHost | None) -> str:
    """Return a TXT value as the form's value field wants it; as it is where the DNS host is unknown."""
    if panel is None:
        return text
    is_split = panel.long_txt == "split" and len(text) > STRING_LIMIT
    typed = quoted_value(text) if is_split or panel.quotes else text
    return f"{typed} ({panel.other_form})" if panel.other_form else typed


def where_to_edit(panel: DnsHost | None, servers: Sequence[str]) -> str:
    """Return where the records are edited, for the end of a sentence: "at Hetzner (DNS Console)"."""
    if panel is not None:
        return f"at {panel.name} ({panel.where})"
    return f"at your DNS host ({servers[0]})" if servers else "at your DNS host"


def steps_to_form(panel: DnsHost, zone: str) -> tuple[tuple[str, ...], ...]:
    """Return the ways to the form as steps, with the zone's name in place of "the domain" and "the zone"."""
    ways = panel.where.split("; ")
    return tuple(
        tuple(zone if step in ("the domain", "the zone") else step for step in way.split(" → ")) for way in ways
    )


def record_page(panel: DnsHost, zone: str) -> str | None:
    """Return the address of the zone's records in the host's own pages, where one is known."""
    return panel.record_page.replace("{zone}", zone) if panel.record_page else None


def duration(seconds: int) -> str:
    """Return a span of time for a person to read."""
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = round(seconds / size)
            return f"{count} {name}{'s' if count != 1 else ''}"
    return "a minute"

"""Knows how DNS hosts' panels want a record typed, given a table of them; knows no host by name.

The table is data (`letterhead/data/dns_hosts.toml`), read by wiring and passed in.
"""

from collections.abc import Iterable, Sequence

import msgspec

from letterhead.core.answers import Delegated, Question, Seen, View
from letterhead.core.plan import PlannedRecord, relative_name
from letterhead.core.records import STRING_LIMIT, quoted, split_text


class DnsHost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Describes one DNS host's form.

    `nameservers` are the ends of its servers' names. `names` says what goes into the name field, "relative" to the
    zone or "full"; `apex` what stands for the zone itself. `long_txt` is "whole" where one long value is taken,
    "split" where it must be given as strings in quotes. `priority_field` says whether an MX's priority has a field of
    its own, `proxy` names the switch that must be off. `where` is the way to the form; `source` and `checked` say
    where and when this was read.
    """

    id: str
    name: str
    nameservers: tuple[str, ...]
    names: str
    apex: str
    long_txt: str
    priority_field: bool
    where: str
    source: str
    checked: str
    proxy: str | None = None
    note: str | None = None


def host_of(nameservers: Iterable[str], hosts: Sequence[DnsHost]) -> DnsHost | None:
    """Finds the DNS host that most of the nameservers belong to."""
    servers = list(nameservers)
    counted = [(sum(_serves(host, server) for server in servers), host) for host in hosts]
    most, host = max(counted, key=lambda each: each[0], default=(0, None))
    return host if most * 2 > len(servers) else None


def _serves(host: DnsHost, server: str) -> bool:
    return any(server == end or server.endswith(f".{end}") for end in host.nameservers)


def delegation(sender: str, seen: Seen) -> Delegated | None:
    """Gives the delegation of the sender's zone, where it was seen."""
    replies = seen.get(Question(name=sender, rdtype="NS", view=View.DELEGATION), ())
    return next((reply.answer for reply in replies if isinstance(reply.answer, Delegated)), None)


def name_for(host: str, zone: str, panel: DnsHost | None) -> str:
    """Writes an owner name as the panel's name field wants it."""
    relative = relative_name(host, zone)
    if panel is None:
        return relative
    if relative == "@":
        return panel.apex or "(leave the name empty)"
    return host if panel.names == "full" else relative


def value_for(record: PlannedRecord, panel: DnsHost | None) -> str:
    """Writes a value as the panel's value field wants it."""
    if record.rdtype == "TXT" and len(record.value) > STRING_LIMIT and panel is not None and panel.long_txt == "split":
        return " ".join(quoted(piece) for piece in split_text(record.value))
    if record.priority is not None and panel is not None and not panel.priority_field:
        return f"{record.priority} {record.value}"
    return record.value


def place(panel: DnsHost | None, servers: Sequence[str]) -> str:
    """Says where the records are edited."""
    if panel is not None:
        return f"at {panel.name} ({panel.where})"
    return f"at your DNS host ({servers[0]})" if servers else "at your DNS host"


def duration(seconds: int) -> str:
    """Writes a span of time for a person."""
    for size, name in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds >= size:
            count = round(seconds / size)
            return f"{count} {name}{'s' if count != 1 else ''}"
    return "a minute"

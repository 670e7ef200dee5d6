"""The command `letterhead check`: any domain, without a server, an account or a data folder."""

import asyncio
import os
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from letterhead.cli.exit_codes import Exit
from letterhead.errors import Fault, Kind

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    from letterhead.operations.one_off_checks import OneOffCheck, OneOffDeps

EXITS = {"pass": Exit.OK, "fail": Exit.NOT_GOOD, "inconclusive": Exit.USAGE}
ZONE_IS_NO_NETWORK = "--zone looks at a text instead of the network, so nobody is asked."
ZONE_FIX = "Leave --zone away, or --resolver and --authoritative-port."


def check(
    domain: str,
    /,
    *,
    selector: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    mail_from: str | None = None,
    expect: Path | None = None,
    zone: Path | None = None,
    resolver: Annotated[tuple[str, ...], Parameter(negative="")] = (),
    authoritative_port: int | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative="", help="Print the findings as JSON.")] = False,
) -> Exit:
    """Look at any domain's DNS and say what is wrong and what to do; needs no server and no account.

    Exits with 0 where nothing blocks, with 1 where something does, with 2 where it could not be looked at.

    Parameters
    ----------
    domain
        The domain that mail is sent from: acme.dev
    selector
        A DKIM selector; may be given several times. Without one, those that mail services often use are tried: a guess.
    mail_from
        The MAIL FROM domain (return-path), as its first label or as the full name.
    expect
        A JSON file with the records that should be there: {"records": [{"id", "host", "recordType", "recordValue"}]}.
    zone
        A zone file to look at instead of the network, as a DNS host exports it.
    resolver
        A recursive resolver to ask, host[:port]; may be given several times. Without one, those of
        LETTERHEAD_DNS_RESOLVERS, else this machine's own.
    authoritative_port
        The port at which authoritative servers listen, for a laboratory.
    """
    from letterhead.cli import conclusions
    from letterhead.operations.one_off_checks import inspect

    try:
        request = _parse_request(domain, selector, mail_from, expect)
        if zone is None:
            deps = _dns_deps(resolver, authoritative_port)
        elif not resolver and authoritative_port is None:
            deps, request = _zone_file_deps(zone, request)
        else:
            raise Fault(Kind.CONFIG_INVALID, ZONE_IS_NO_NETWORK, ZONE_FIX)
    except Fault as fault:  # whatever it is, it is the command line that can't be followed
        raise Fault(Kind.CONFIG_INVALID, fault.detail, fault.fix) from fault
    result = asyncio.run(inspect(deps, request))
    conclusions.print_result(result, as_json=as_json)
    return EXITS[result.verdict]


def _parse_request(domain: str, selectors: Sequence[str], mail_from: str | None, expect: Path | None) -> "OneOffCheck":
    from letterhead.cli.plans import read_expected
    from letterhead.core.names.lookup_names import parse_lookup_name, parse_lookup_selector
    from letterhead.operations.one_off_checks import OneOffCheck

    sender = parse_lookup_name(domain)
    name = sender.ascii
    records = read_expected(expect) if expect is not None else ()
    parsed = [parse_lookup_selector(each, sender) for each in selectors]
    if mail_from is not None:
        full = mail_from.rstrip(".")
        mail_from = parse_lookup_name(full if "." in full else f"{full}.{name}").ascii
    return OneOffCheck(sender=name, records=records, selectors=tuple(dict.fromkeys(parsed)), mail_from=mail_from)


def _zone_file_deps(path: Path, request: "OneOffCheck") -> "tuple[OneOffDeps, OneOffCheck]":
    """Return what answers from a zone file, and the request with the selectors that the file holds."""
    from msgspec.structs import replace

    from letterhead.cli.plans import read_text
    from letterhead.operations.one_off_checks import OneOffDeps
    from letterhead.wiring.dns import ZoneFileResolver, load_hosts

    try:
        resolver = ZoneFileResolver(read_text(path, "The zone file"), asked=request.sender)
    except Fault as fault:
        raise Fault(fault.kind, f"{path}: {fault.detail}", fault.fix) from fault
    sender = request.sender
    if not any(sender == zone or sender.endswith(f".{zone}") for zone in resolver.zones):
        holds = f"holds {', '.join(resolver.zones)}" if resolver.zones else "holds no zone"
        fix = f"Name the file of the zone that {sender} lies in; it begins with $ORIGIN and the zone's name."
        raise Fault(Kind.CONFIG_INVALID, f"{path} {holds}, which says nothing about {sender}.", fix)
    deps = OneOffDeps(
        resolver=resolver, hosts=load_hosts(), now=_now, special_use=_special_use(), zone_text=resolver.notes
    )
    if request.records or request.selectors:
        return deps, request
    zone_name = max((zone for zone in resolver.zones if f".{sender}".endswith(f".{zone}")), key=len)
    return deps, replace(request, selectors=_selectors_in(resolver.owners, sender, zone_name))


def _selectors_in(owners: Sequence[str], sender: str, zone: str) -> tuple[str, ...]:
    """Return the selectors of the sender that a zone text holds, also where the final dot of a full name is missing.

    Such a name is doubled: mail._domainkey.acme.dev.acme.dev. The rules for misplaced records then find it.
    A wildcard is no selector, since it answers only for names that do not exist (RFC 4592 2.1.1); nor is a label that
    begins with an underscore, which sets a record of another kind apart (RFC 8552 1.1), such as `_adsp` (RFC 5617 4.1).
    """
    # Longest first: of a doubled name, what stands before the first `._domainkey`.
    ends = (f"._domainkey.{sender}.{zone}", f"._domainkey.{sender}.{sender}", f"._domainkey.{sender}")
    found = ((owner, end) for owner in owners for end in ends if owner.endswith(end))
    selectors = dict.fromkeys(owner.removesuffix(end) for owner, end in found)
    return tuple(each for each in selectors if not any(label.startswith(("*", "_")) for label in each.split(".")))


def _dns_deps(resolvers: Sequence[str], port: int | None) -> "OneOffDeps":
    from letterhead.config import SYSTEM_FILE, dns_resolvers, system_resolvers
    from letterhead.operations.one_off_checks import OneOffDeps
    from letterhead.wiring.dns import ANYWHERE, load_hosts, resolver_at, suffixes

    if port is not None and not 0 < port < 65536:
        raise Fault(Kind.CONFIG_INVALID, f"{port} is no port.", "--authoritative-port takes a number from 1 to 65535.")
    addresses = [_parse_resolver(each) for each in resolvers]
    if not addresses:
        system = SYSTEM_FILE if os.access(SYSTEM_FILE, os.R_OK) else None  # a service's, which not everybody may read
        configured = dns_resolvers(os.environ, Path(), system) or system_resolvers()
        addresses = [(each.host, each.port) for each in configured]
    laboratory = bool(resolvers) or port is not None
    networks = ANYWHERE if laboratory or _special_use() else _private_networks()
    return OneOffDeps(
        resolver=resolver_at(addresses, port or 53, suffixes(), networks=networks),
        hosts=load_hosts(),
        now=_now,
        special_use=laboratory or _special_use(),
    )


def _parse_resolver(text: str) -> tuple[str, int]:
    """Return a resolver's address; a name is looked up by the machine."""
    from letterhead.config import read_resolvers

    host, _, port = text.rpartition(":") if text.count(":") == 1 else (text, "", "53")
    try:
        found = read_resolvers(text)[0]
    except ValueError as wrong:
        fix = "Write --resolver 127.0.0.1:5353, with an IPv6 address in brackets: --resolver [::1]:5353."
        if not host or not port.isdigit() or not 0 < int(port) < 65536 or ":" in host:
            raise Fault(Kind.CONFIG_INVALID, f"{text!r} is no resolver: it {wrong}.", fix) from wrong
        try:
            return socket.getaddrinfo(host, int(port), type=socket.SOCK_DGRAM)[0][4][:2]  # type: ignore[return-value]
        except OSError as unknown:
            raise Fault(Kind.CONFIG_INVALID, f"The resolver {host!r} can't be found: {unknown}.", fix) from unknown
    return found.host, found.port


def _private_networks() -> "Sequence[IPv4Network | IPv6Network]":
    """Return the private networks whose nameservers may be asked, as for a server."""
    from letterhead.config.networks import read_networks

    try:
        return read_networks(os.environ.get("LETTERHEAD_DNS_NETWORKS", "").strip())
    except ValueError as error:
        fix = "Write it as docs/configuration.md shows: LETTERHEAD_DNS_NETWORKS=10.0.0.0/8."
        raise Fault(Kind.CONFIG_INVALID, f"LETTERHEAD_DNS_NETWORKS {error}.", fix) from error


def _special_use() -> bool:
    """Whether special-use names are allowed, as for a server (docs/configuration.md)."""
    return os.environ.get("LETTERHEAD_ALLOW_SPECIAL_USE", "").strip().lower() in ("1", "true", "yes", "on")


def _now() -> datetime:
    return datetime.now(UTC)

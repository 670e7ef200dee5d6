"""Knows the command `letterhead check`: any domain, without a server, an account or a data folder."""

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
    from letterhead.operations.one_off_checks import OneOffCheck, OneOffDeps, OneOffResult

EXITS = {"pass": Exit.OK, "fail": Exit.NOT_GOOD, "inconclusive": Exit.USAGE}


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
        A zone file to look at instead of the network; begins with $ORIGIN.
    resolver
        A recursive resolver to ask, host[:port]; may be given several times. Without one, this machine's own.
    authoritative_port
        The port at which authoritative servers listen, for a laboratory.
    """
    from letterhead.operations.one_off_checks import inspect

    try:
        inquiry = _inquiry(domain, selector, mail_from, expect)
        if zone is not None:
            _alone(resolver, authoritative_port)
            outlook, inquiry = _in_text(zone, inquiry)
        else:
            outlook = _at_servers(resolver, authoritative_port)
    except Fault as fault:  # whatever it is, it is the command line that can't be followed
        raise Fault(Kind.CONFIG_INVALID, fault.detail, fault.fix) from fault
    return _told(asyncio.run(inspect(outlook, inquiry)), as_json=as_json)


def _told(conclusion: "OneOffResult", *, as_json: bool) -> Exit:
    from letterhead.cli import conclusions
    from letterhead.cli.tables import console

    if as_json:
        print(conclusions.as_json(conclusion))
    else:
        console().print(conclusions.as_text(conclusion))
    return EXITS[conclusion.verdict]


# --- what was asked for -----------------------------------------------------------------------------------------------


def _inquiry(domain: str, selectors: Sequence[str], mail_from: str | None, expect: Path | None) -> "OneOffCheck":
    from letterhead.cli.plans import read_expected
    from letterhead.core.names.domain_names import parse_anywhere
    from letterhead.operations.one_off_checks import OneOffCheck

    name = parse_anywhere(domain).ascii
    return OneOffCheck(
        sender=name,
        records=read_expected(expect) if expect is not None else (),
        selectors=_selectors(selectors, name),
        mail_from=_mail_from(mail_from, name) if mail_from is not None else None,
    )


def _selectors(given: Sequence[str], domain: str) -> tuple[str, ...]:
    from letterhead.core.names.domain_names import DomainName, parse_selector

    read = (parse_selector(each.partition("._domainkey")[0], DomainName(domain)) for each in given)
    return tuple(dict.fromkeys(read))


def _mail_from(given: str, domain: str) -> str:
    from letterhead.core.names.domain_names import parse_anywhere

    name = given.rstrip(".")
    return parse_anywhere(name if "." in name else f"{name}.{domain}").ascii


def _alone(resolvers: Sequence[str], port: int | None) -> None:
    if resolvers or port is not None:
        raise Fault(
            Kind.CONFIG_INVALID,
            "--zone looks at a text instead of the network, so nobody is asked.",
            "Leave --zone away, or --resolver and --authoritative-port.",
        )


# --- where to look ----------------------------------------------------------------------------------------------------


def _in_text(path: Path, inquiry: "OneOffCheck") -> "tuple[OneOffDeps, OneOffCheck]":
    """Answers from a zone file; the selectors that it holds need not be guessed."""
    from msgspec.structs import replace

    from letterhead.cli.plans import read_text
    from letterhead.operations.one_off_checks import OneOffDeps
    from letterhead.wiring.dns import ZoneFileResolver, load_hosts

    try:
        text = ZoneFileResolver(read_text(path, "The zone file"))
    except Fault as fault:
        raise Fault(fault.kind, f"{path}: {fault.detail}", fault.fix) from fault
    sender = inquiry.sender
    if not any(sender == held or sender.endswith(f".{held}") for held in text.zones):
        holds = f"holds {', '.join(text.zones)}" if text.zones else "holds no zone"
        fix = f"Name the file of the zone that {sender} lies in; it begins with $ORIGIN and the zone's name."
        raise Fault(Kind.CONFIG_INVALID, f"{path} {holds}, which says nothing about {sender}.", fix)
    outlook = OneOffDeps(resolver=text, hosts=load_hosts(), now=_now, special_use=_special_use())
    if inquiry.records or inquiry.selectors:
        return outlook, inquiry
    end = f"._domainkey.{sender}"
    return outlook, replace(
        inquiry, selectors=tuple(name.removesuffix(end) for name in text.owners if name.endswith(end))
    )


def _at_servers(resolvers: Sequence[str], port: int | None) -> "OneOffDeps":
    from letterhead.config import system_resolvers
    from letterhead.operations.one_off_checks import OneOffDeps
    from letterhead.wiring.dns import load_hosts, resolver_at, suffixes

    if port is not None and not 0 < port < 65536:
        raise Fault(Kind.CONFIG_INVALID, f"{port} is no port.", "--authoritative-port takes a number from 1 to 65535.")
    addresses = [_address(each) for each in resolvers] or [(each.host, each.port) for each in system_resolvers()]
    laboratory = bool(resolvers) or port is not None
    return OneOffDeps(
        resolver=resolver_at(addresses, port or 53, suffixes(), private_servers=laboratory or _special_use()),
        hosts=load_hosts(),
        now=_now,
        special_use=laboratory or _special_use(),
    )


def _address(text: str) -> tuple[str, int]:
    """Reads a resolver's address; a name is looked up as the machine does."""
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


def _special_use() -> bool:
    """Says whether reserved names are at home here, as for a server (docs/configuration.md)."""
    return os.environ.get("LETTERHEAD_ALLOW_SPECIAL_USE", "").strip().lower() in ("1", "true", "yes", "on")


def _now() -> datetime:
    return datetime.now(UTC)

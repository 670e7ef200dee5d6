"""The command `letterhead check`: any domain, without a server, an account or a data folder."""

import asyncio
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from letterhead.cli.exit_codes import Exit, report_fault, worst
from letterhead.cli.output import TABLE, Output, print_csv
from letterhead.cli.tables import console, terminal_width, waiting
from letterhead.errors import Fault, Kind

if TYPE_CHECKING:
    from ipaddress import IPv4Network, IPv6Network

    from letterhead.operations.one_off_checks import OneOffCheck, OneOffDeps, OneOffResult

EXITS = {"pass": Exit.OK, "fail": Exit.NOT_GOOD, "none": Exit.NOT_GOOD, "inconclusive": Exit.NOT_SEEN}
ZONE_IS_NO_NETWORK = "--zone looks at a text instead of the network, so nobody is asked."
ZONE_FIX = "Leave --zone away, or --resolver and --authoritative-port."
AT_ONCE = 8  # checks side by side, each within its own packets and seconds
STDIN = "-"


@dataclass(frozen=True, slots=True)
class _Where:
    """What the checks of one command have in common: where to look, and for what."""

    selectors: Sequence[str]
    mail_from: str | None
    expect: Path | None
    zone: Path | None
    zone_text: str
    strict: bool


def check(
    domain: Annotated[tuple[str, ...], Parameter(allow_leading_hyphen=True, show_default=False)] = (),
    /,
    *,
    from_file: Path | None = None,
    selector: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    mail_from: str | None = None,
    expect: Path | None = None,
    zone: Path | None = None,
    resolver: Annotated[tuple[str, ...], Parameter(negative="", show_default=False)] = (),
    authoritative_port: int | None = None,
    strict: Annotated[bool, Parameter(negative="")] = False,
    output: Output = TABLE,
) -> Exit:
    """Look at any domain's DNS and say what is wrong and what to do; needs no server and no account.

    Exits with 0 where nothing blocks, with 1 where something does or there is no DKIM, SPF and DMARC at all, with 5
    where DNS did not say enough. Of several domains the worst counts: 2, then 1, then 5.

    Parameters
    ----------
    domain
        The domains that mail is sent from: acme.dev. A single - reads them from the standard input, one on a line.
    from_file
        A file with domains, one on a line; what follows a # is a comment.
    selector
        A DKIM selector; may be given several times. Without one, those that mail services often use are tried: a guess.
    mail_from
        The MAIL FROM domain (return-path), as its first label or, for one domain, as the full name.
    expect
        A JSON file with the records that should be there: {"records": [{"id", "host", "recordType", "recordValue"}]}.
    zone
        A zone file to look at instead of the network, as a DNS host exports it.
    resolver
        A recursive resolver to ask, host[:port]; may be given several times. Without one, those of
        LETTERHEAD_DNS_RESOLVERS, else this machine's own.
    authoritative_port
        The port at which authoritative servers listen, for a laboratory.
    strict
        Count warnings too: exit with 1 where there is one.
    """
    # Long because its docstring explains every option.
    from letterhead.cli.plans import read_text

    domains = _named_domains(domain, from_file)
    one = len(domain) == 1 and domain != (STDIN,) and from_file is None
    text, deps = "", None
    with _as_usage():
        if zone is not None and (resolver or authoritative_port is not None):
            raise Fault(Kind.CONFIG_INVALID, ZONE_IS_NO_NETWORK, ZONE_FIX)
        if not one and expect is not None:
            detail = f"--expect holds the records of one domain, and {len(domains)} were named."
            raise Fault(Kind.CONFIG_INVALID, detail, "Check that domain alone.")
        if not one and mail_from is not None and "." in mail_from.rstrip("."):
            detail = f"--mail-from {mail_from} is a full name, which is that of one domain, and several were named."
            raise Fault(Kind.CONFIG_INVALID, detail, "Give its first label alone, such as: --mail-from bounce")
        if zone is None:
            deps = dns_deps(resolver, authoritative_port)
        else:  # once for all domains: what comes from a pipe can be read no second time
            text = read_text(zone, "The zone file")
    where = _Where(selector, mail_from, expect, zone, text, strict)
    return asyncio.run(_check_all(domains, where, deps, _Printer(output, one=one)))


def _named_domains(named: Sequence[str], path: Path | None) -> list[str]:
    """Return the domains of the command line, of the standard input and of a file, each once."""
    from letterhead.cli.plans import read_text

    options = [each for each in named if each.startswith("-") and each != STDIN]
    if options:
        fix = "See what there is: letterhead check --help"
        raise Fault(Kind.CONFIG_INVALID, f"There is no option {options[0][:60]!r}.", fix)
    found: list[str] = []
    for each in named:
        found += _lines(sys.stdin.read()) if each == STDIN else [each]
    if path is not None:
        found += _lines(sys.stdin.read() if str(path) == STDIN else read_text(path, "The file of domains"))
    if not found:
        fix = "Name one or several: letterhead check acme.dev. From a file, one on a line: --from-file domains.txt"
        raise Fault(Kind.CONFIG_INVALID, "No domain was named.", fix)
    return list(dict.fromkeys(found))


def _lines(text: str) -> list[str]:
    return [name for line in text.splitlines() if (name := line.partition("#")[0].strip())]


@contextmanager
def _as_usage() -> Iterator[None]:
    """Take any fault for one of the command line, which can't be followed."""
    try:
        yield
    except Fault as fault:
        raise Fault(Kind.CONFIG_INVALID, fault.detail, fault.fix) from fault


async def _check_all(domains: Sequence[str], where: _Where, network: "OneOffDeps | None", printer: "_Printer") -> Exit:
    """Check several domains side by side, print each in its turn, and return the worst exit code."""
    from letterhead.operations.one_off_checks import inspect

    room = asyncio.Semaphore(AT_ONCE)

    async def check_one(domain: str) -> "OneOffResult | Fault":
        async with room:
            try:
                with _as_usage():
                    request = _parse_request(domain, where)
                    deps = network
                    if deps is None and where.zone is not None:
                        deps, request = _zone_file_deps(where.zone, where.zone_text, request)
                assert deps is not None  # noqa: S101 one of the two is there
                return await inspect(deps, request)
            except Fault as fault:
                return fault

    tasks = [asyncio.ensure_future(check_one(each)) for each in domains]
    codes: list[Exit] = []
    for domain, task in zip(domains, tasks, strict=True):
        with waiting(f"Asking DNS about {domain}"):
            result = await task
        codes.append(report_fault(result) if isinstance(result, Fault) else EXITS[result.verdict])
        if not isinstance(result, Fault):
            printer.add(result)
    printer.end()
    return worst(codes)


class _Printer:
    """Prints results in the form that was chosen: text as they come, JSON and CSV at the end."""

    def __init__(self, output: Output, *, one: bool) -> None:
        self._form, self._one, self._results = output.form, one, list["OneOffResult"]()

    def add(self, result: "OneOffResult") -> None:
        """Take the next result."""
        from letterhead.cli import conclusions

        if self._form == "table":
            if self._results:
                print()
            console().print(conclusions.terminal_text(result, terminal_width()))
        self._results.append(result)

    def end(self) -> None:
        """Print what waits for the last result; nothing where one domain was named and could not be checked."""
        from letterhead.cli import conclusions

        if self._form == "csv":
            print_csv(conclusions.CSV_HEADER, (row for each in self._results for row in conclusions.csv_rows(each)))
        elif self._form == "json" and (self._results or not self._one):
            print(conclusions.json_text([conclusions.json_value(each) for each in self._results], one=self._one))


def _parse_request(domain: str, where: _Where) -> "OneOffCheck":
    from letterhead.cli.plans import read_expected
    from letterhead.core.names.lookup_names import parse_lookup_name, parse_lookup_selector
    from letterhead.operations.one_off_checks import OneOffCheck

    sender = parse_lookup_name(domain)
    name = sender.ascii
    records = read_expected(where.expect) if where.expect is not None else ()
    parsed = [parse_lookup_selector(each, sender) for each in where.selectors]
    mail_from = where.mail_from
    if mail_from is not None:
        full = mail_from.rstrip(".")
        mail_from = parse_lookup_name(full if "." in full else f"{full}.{name}").ascii
    selectors = tuple(dict.fromkeys(parsed))
    return OneOffCheck(sender=name, records=records, selectors=selectors, mail_from=mail_from, strict=where.strict)


def _zone_file_deps(path: Path, text: str, request: "OneOffCheck") -> "tuple[OneOffDeps, OneOffCheck]":
    """Return what answers from a zone file, and the request with the selectors that the file holds."""
    from msgspec.structs import replace

    from letterhead.operations.one_off_checks import OneOffDeps
    from letterhead.wiring.dns import ZoneFileResolver, load_hosts

    try:
        resolver = ZoneFileResolver(text, asked=request.sender)
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


def dns_deps(resolvers: Sequence[str] = (), port: int | None = None) -> "OneOffDeps":
    """Return what asks DNS from this machine: at these resolvers, else at those of the settings, else its own."""
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
        resolver=resolver_at(addresses, port or 53, suffixes(), networks=networks, packets_per_second=None),
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

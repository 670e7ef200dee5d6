"""The DNS hosts of the table as the port has them: which there are, and a zone at one of them for a credential."""

import importlib.util
import re
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlsplit

from letterhead.adapters.dns_hosts.limits import LibraryThreads
from letterhead.adapters.dns_hosts.table import HOSTS, HostRow
from letterhead.core.secret import Secret, reveal
from letterhead.errors import Fault, Kind
from letterhead.ports.dns_host import DnsHostAccess, HostCredential, HostedZone

MOST_OCTETS: Final = 8192  # of one field: a service account's key is some 2,400
OVH_ENDPOINTS: Final = ("ovh-eu", "ovh-ca", "ovh-us")
ALGORITHMS: Final = ("hmac-sha256", "hmac-sha384", "hmac-sha512")
_ONE_LINE: Final = re.compile(r"[!-~]+")
_TEXT: Final = re.compile(r"[\n\r\t -~]+")


def is_installed() -> bool:
    """Whether octoDNS is here, which the extra `dns-hosts` brings with all its providers."""
    return importlib.util.find_spec("octodns") is not None


class OctoDnsHosts:
    """Implements `HostedZones`; of accounts' own servers, only those that the operator lists can be named."""

    def __init__(self, servers: Sequence[tuple[str, int]] = (), threads: LibraryThreads | None = None) -> None:
        self._servers = frozenset(servers)
        self._threads = threads or LibraryThreads()

    def list_hosts(self) -> Sequence[DnsHostAccess]:
        """Return the DNS hosts, by name; none where octoDNS is not installed."""
        if not is_installed():
            return ()
        return sorted((row.access for row in HOSTS), key=lambda access: access.name.lower())

    def open_zone(self, host: str, zone: str, credential: HostCredential) -> HostedZone:
        """Return a zone at a host, without asking the host yet.

        Faults: `parameter-invalid`, `config-invalid` where octoDNS is not installed.
        """
        row = next((row for row in HOSTS if row.access.id == host), None)
        if row is None:
            known = ", ".join(sorted(each.access.id for each in HOSTS))
            raise _invalid(f"Records can't be written at a DNS host {host[:40]!r}.", f"Name one of: {known}.")
        self.check_fields(row, credential.fields)
        if not is_installed():
            raise Fault(
                Kind.CONFIG_INVALID,
                "Records are written at DNS hosts through octoDNS, and it is not installed.",
                "Install the extra `dns-hosts` (docs/install/pip.md).",
            )
        from letterhead.adapters.dns_hosts.zone import OctoDnsZone  # here, since it needs the extra

        return OctoDnsZone(row, zone, credential.fields, self._threads)

    def check_fields(self, row: HostRow, fields: Mapping[str, Secret]) -> None:
        """Raise Fault `parameter-invalid` for a field that is missing, unknown or not allowed; it shows no value."""
        known = {field.name: field for field in row.access.fields}
        names = ", ".join(f"{name} (optional)" if field.optional else name for name, field in known.items())
        needs = f"The credential of {row.access.name} has: {names}."
        for name in fields:
            if name not in known:
                raise _invalid(f"A credential of {row.access.name} has no field {name[:40]!r}.", needs)
        for name, field in known.items():
            if name not in fields:
                if field.optional:
                    continue
                raise _invalid(f"The credential of {row.access.name} lacks {name}.", needs)
            octets = reveal(fields[name])
            shape = _TEXT if name == "serviceAccount" else _ONE_LINE
            if len(octets) > MOST_OCTETS or not shape.fullmatch(octets.decode("utf-8", "replace")):
                raise _invalid(
                    f"{name} of {row.access.name} is empty, too long, or has spaces or other signs that none has.",
                    f"Copy it again from {row.access.name}, without spaces before or after it.",
                )
        self.check_values(row, {name: reveal(secret).decode() for name, secret in fields.items()})

    def check_values(self, row: HostRow, given: Mapping[str, str]) -> None:
        """Raise Fault `parameter-invalid` for a value that the host has not, or a server that is not listed."""
        match row.access.id:
            case "ovh" if given["endpoint"] not in OVH_ENDPOINTS:
                raise _invalid("endpoint is none of OVHcloud's.", f"Use one of: {', '.join(OVH_ENDPOINTS)}.")
            case "dnsimple" if not given["account"].isdecimal():
                raise _invalid("account of DNSimple is no number.", "It is the number in the address of its pages.")
            case "rfc2136" if given.get("algorithm", "hmac-sha256") not in ALGORITHMS:
                raise _invalid("algorithm is none that is taken.", f"Use one of: {', '.join(ALGORITHMS)}.")
            case _:
                pass
        if row.server is not None and read_server(given[row.server]) not in self._servers:
            raise _invalid(
                f"{row.server} names a server that this installation does not write at.",
                "Ask the operator to add it to LETTERHEAD_DNS_SERVERS, as host:port, and name it in the same way.",
            )


def read_server(text: str) -> tuple[str, int] | None:
    """Return the host and port of a URL or of `host:port`, None where it is neither."""
    try:
        parts = urlsplit(text if "://" in text else f"dns://{text}")
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None
    plain = parts.scheme in ("http", "https", "dns") and "@" not in text and parts.path in ("", "/")
    if not plain or parts.query or parts.fragment or not parts.hostname or port is None:
        return None
    return parts.hostname, port


def _invalid(detail: str, fix: str) -> Fault:
    return Fault(Kind.PARAMETER_INVALID, detail, fix)

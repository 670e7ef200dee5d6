"""DNS records as values, and their text in a zone file (RFC 1035 5.1).

Octets of a TXT are kept as a `str` with one character per octet (Latin-1), so that a snapshot is readable JSON
and no octet is lost.
"""

import re
from collections.abc import Iterable
from typing import assert_never

import msgspec

STRING_LIMIT = 255  # RFC 1035 3.3: a <character-string> holds at most 255 octets
MAX_TTL = 2**31 - 1


class Txt(msgspec.Struct, frozen=True, kw_only=True, tag="txt"):
    """The strings of one TXT record, each of at most 255 octets."""

    strings: tuple[str, ...]

    @property
    def text(self) -> str:
        """The strings joined with nothing in between (RFC 7208 3.3, RFC 6376 3.6.2.2)."""
        return "".join(self.strings)


class Mx(msgspec.Struct, frozen=True, kw_only=True, tag="mx"):
    """One MX: `exchange` in lower case without a final dot; the null MX (RFC 7505) is an empty exchange."""

    preference: int
    exchange: str


class Address(msgspec.Struct, frozen=True, kw_only=True, tag="address"):
    """One IPv4 or IPv6 address in its canonical spelling."""

    ip: str


class Target(msgspec.Struct, frozen=True, kw_only=True, tag="target"):
    """The one name in a CNAME, NS or PTR, in lower case without a final dot."""

    name: str


class Soa(msgspec.Struct, frozen=True, kw_only=True, tag="soa"):
    """The fields of an SOA that are used here; `minimum` is in seconds."""

    primary: str
    serial: int
    minimum: int


class Other(msgspec.Struct, frozen=True, kw_only=True, tag="other"):
    """Any other RDATA in its presentation form."""

    text: str


Rdata = Txt | Mx | Address | Target | Soa | Other


class RRset(msgspec.Struct, frozen=True, kw_only=True):
    """The records of one owner name and type; `ttl` in seconds."""

    owner: str
    rdtype: str
    ttl: int
    rdatas: tuple[Rdata, ...]

    @property
    def key(self) -> tuple[str, str]:
        """The name and type, which a zone has once (RFC 2181 5)."""
        return self.owner, self.rdtype


def read_ttl(seconds: int) -> int:
    """Return a TTL as caches understand it: 0 where its most significant bit is set (RFC 2181 8)."""
    return seconds if seconds <= MAX_TTL else 0


def split_text(value: str) -> tuple[str, ...]:
    """Split a TXT value into strings of at most 255 octets."""
    pieces = [value[at : at + STRING_LIMIT] for at in range(0, len(value), STRING_LIMIT)]
    return tuple(pieces) or ("",)


def quote(text: str) -> str:
    """Return one string as a zone file has it: quotes and backslashes escaped, other octets as \\DDD (RFC 1035 5.1)."""
    escaped = re.sub(r'(["\\])', r"\\\1", text)
    return '"' + re.sub(r"[^\x20-\x7e]", lambda hit: f"\\{min(ord(hit[0]), 255):03d}", escaped) + '"'


def zone_line(host: str, rdtype: str, value: str, priority: int | None = None, ttl: int = 3600) -> str:
    """Return one line of a zone file with full names."""
    match rdtype:
        case "TXT":
            data = " ".join(quote(piece) for piece in split_text(value))
        case "MX":
            data = f"{priority or 0} {value}."
        case "CNAME" | "NS":
            data = f"{value}."
        case _:
            data = value
    return f"{host}. {ttl} IN {rdtype} {data}"


def display_texts(rdatas: Iterable[Rdata]) -> tuple[str, ...]:
    """Return each RDATA as the text that a DNS host's form shows for it."""
    texts = []
    for rdata in rdatas:
        match rdata:
            case Txt() | Other():
                texts.append(rdata.text)
            case Mx():
                texts.append(f"{rdata.preference} {rdata.exchange or '.'}")
            case Address():
                texts.append(rdata.ip)
            case Target():
                texts.append(rdata.name)
            case Soa():
                texts.append(f"{rdata.primary} {rdata.serial}")
            case _:
                assert_never(rdata)
    return tuple(texts)

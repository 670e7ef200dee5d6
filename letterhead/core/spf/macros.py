"""Knows what the macros of an SPF record become for one mail (RFC 7208 7). Asks nothing."""

import re
from ipaddress import IPv6Address, ip_address
from typing import Final
from urllib.parse import quote

import msgspec

MOST: Final = 253
_MACRO: Final = re.compile(r"%(?:\{([slodiphv])([0-9]*)(r?)([-.+,/_=]*)\}|([%_-]))", re.IGNORECASE)
_LITERAL: Final = {"%": "%", "_": " ", "-": "%20"}


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """Holds who hands a mail over: its address, the name it gave, and the envelope sender as `local@domain`."""

    ip: str
    helo: str
    sender: str

    @property
    def address_type(self) -> str:
        """Names the type of the records that may hold the client's address."""
        return "AAAA" if ":" in self.ip else "A"


def client_of(ip: str, helo: str, mail_from: str) -> Client:
    """Puts a client together: RFC 7208 5 takes a mapped IPv4 address for what it is, 4.3 adds a local part."""
    address = ip_address(ip)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    local, _, domain = mail_from.rpartition("@")
    return Client(ip=str(mapped or address), helo=helo, sender=f"{local or 'postmaster'}@{domain}")


def wants_name(spec: str) -> bool:
    """Says whether a text wants the client's name, as its reverse record has it (`%{p}`)."""
    return any((hit[1] or "").lower() == "p" for hit in _MACRO.finditer(spec))


def expand(spec: str, client: Client, domain: str, name: str = "unknown") -> str:
    """Writes a domain-spec out; `domain` is the one whose record is read, `name` the client's validated one."""

    def put(hit: re.Match[str]) -> str:
        if hit[5]:
            return _LITERAL[hit[5]]
        value = _transformed(_value(hit[1].lower(), client, domain, name), hit[2], bool(hit[3]), hit[4] or ".")
        return quote(value, safe="-._~") if hit[1].isupper() else value  # RFC 7208 7.3

    whole = _MACRO.sub(put, spec).lower().removesuffix(".")
    while len(whole) > MOST:  # RFC 7208 7.3: labels are dropped from the left
        whole = whole[len(whole) - MOST :].partition(".")[2]
    return whole


def _value(letter: str, client: Client, domain: str, name: str) -> str:
    local, _, of = client.sender.rpartition("@")
    values = {"s": client.sender, "l": local, "o": of, "d": domain, "i": _dotted(client.ip), "p": name}
    return (values | {"h": client.helo, "v": "ip6" if ":" in client.ip else "in-addr"})[letter]


def _dotted(ip: str) -> str:
    """Writes an IPv6 address nibble by nibble (RFC 7208 7.3)."""
    return ".".join(IPv6Address(ip).exploded.replace(":", "")) if ":" in ip else ip


def _transformed(value: str, digits: str, backwards: bool, delimiters: str) -> str:
    parts = re.split(f"[{re.escape(delimiters)}]", value)
    if backwards:
        parts.reverse()
    return ".".join(parts[-int(digits[:4]) :] if digits else parts)

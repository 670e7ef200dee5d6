"""The expansion of macros in an SPF record for one message (RFC 7208 7)."""

import re
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from typing import Final
from urllib.parse import quote

import msgspec

MOST: Final = 253
_MACRO: Final = re.compile(r"%(?:\{([slodiphv])([0-9]*)(r?)([-.+,/_=]*)\}|([%_-]))", re.IGNORECASE)
_LITERAL: Final = {"%": "%", "_": " ", "-": "%20"}


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """The client that sends a message: its address, the name it gave, and the envelope sender as `local@domain`."""

    ip: str
    helo: str
    sender: str

    @property
    def address_type(self) -> str:
        """Return the type of the records that may hold the client's address."""
        return "AAAA" if ":" in self.ip else "A"

    @property
    def other_address_type(self) -> str:
        """Return the type of the records that never hold the client's address."""
        return "A" if ":" in self.ip else "AAAA"


def new_client(ip: str, helo: str, mail_from: str) -> Client:
    """Return a client with a mapped IPv4 address as IPv4 (RFC 7208 5) and a local part in its sender (4.3)."""
    address = ip_address(ip)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    local, _, domain = mail_from.rpartition("@")
    return Client(ip=str(mapped or address), helo=helo, sender=f"{local or 'postmaster'}@{domain}")


def needs_name(spec: str) -> bool:
    """Return whether a domain-spec needs the client's validated name (`%{p}`)."""
    return any((hit[1] or "").lower() == "p" for hit in _MACRO.finditer(spec))


@lru_cache(maxsize=64)  # each rule about a record asks again where its terms lead
def expand_for_domain(spec: str, domain: str, sender_domain: str) -> str | None:
    """Expand a domain-spec whose macros name domains alone (`%{d}`, `%{o}`); None where one needs the message."""
    if any((hit[1] or "d").lower() not in "do" for hit in _MACRO.finditer(spec)):
        return None
    return expand(spec, Client(ip="0.0.0.0", helo="", sender=f"postmaster@{sender_domain}"), domain)  # noqa: S104 not used


def expand_tail(spec: str, domain: str, sender_domain: str) -> str | None:
    """Expand what stands behind the last macro that needs the message; None where that is not `.` and a domain."""
    ends = [hit.end() for hit in _MACRO.finditer(spec) if (hit[1] or "d").lower() not in "do"]
    tail = expand_for_domain(spec[ends[-1] :], domain, sender_domain) if ends else None
    return tail if tail and tail.startswith(".") and "." in tail[1:] else None


def expand(spec: str, client: Client, domain: str, name: str = "unknown") -> str:
    """Expand a domain-spec; `domain` is that of the record, `name` the client's validated one."""
    local, _, sender_domain = client.sender.rpartition("@")
    is_ipv6 = ":" in client.ip
    values = {
        "s": client.sender,
        "l": local,
        "o": sender_domain,
        "d": domain,
        "i": ".".join(IPv6Address(client.ip).exploded.replace(":", "")) if is_ipv6 else client.ip,  # nibble by nibble
        "p": name,
        "h": client.helo,
        "v": "ip6" if is_ipv6 else "in-addr",
    }

    def expand_macro(hit: re.Match[str]) -> str:
        letter, digits, backwards, delimiters, literal = hit.groups()
        if literal:
            return _LITERAL[literal]
        parts = re.split(f"[{re.escape(delimiters or '.')}]", values[letter.lower()])
        if backwards:
            parts.reverse()
        value = ".".join(parts[-int(digits[:4]) :] if digits else parts)
        return quote(value, safe="-._~") if letter.isupper() else value  # RFC 7208 7.3

    whole = _MACRO.sub(expand_macro, spec).lower().removesuffix(".")
    while len(whole) > MOST:  # RFC 7208 7.3: labels are dropped from the left
        whole = whole[len(whole) - MOST :].partition(".")[2]
    return whole

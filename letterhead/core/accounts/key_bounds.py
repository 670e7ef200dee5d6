"""What an API key may be held to: some sender domains, some networks. A webhook endpoint may be held to domains."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final

import msgspec

from letterhead.errors import Fault, Kind

MOST_DOMAINS: Final = 20  # that one key or endpoint is bound to
MOST_NETWORKS: Final = 20  # that one key may come from
_MAPPED: Final = IPv6Network("::ffff:0:0/96")  # RFC 4291 2.5.5.2


class DomainBinding(msgspec.Struct, frozen=True, kw_only=True):
    """The sender domains that a key or a webhook endpoint is bound to: these names as A-labels, and those below them
    where `covers_below`."""

    names: tuple[str, ...]
    covers_below: bool = False

    @property
    def endings(self) -> tuple[str, ...]:
        """Return what the names below end in; empty where they are not covered."""
        return tuple(f".{name}" for name in self.names) if self.covers_below else ()

    def covers(self, sender: str) -> bool:
        """Tell whether a name, lower case and in A-labels, is one of these or below one, label by label."""
        return sender in self.names or sender.endswith(self.endings)

    def is_within(self, outer: "DomainBinding") -> bool:
        """Tell whether every name that this covers is covered by another binding, too."""
        return all(map(outer.covers, self.names)) and (outer.covers_below or not self.covers_below)


def parse_networks(texts: Iterable[str]) -> tuple[str, ...]:
    """Parse IPv4 and IPv6 networks in CIDR notation (RFC 4632, RFC 4291 2.3), each once; Fault `parameter-invalid`.

    An address alone is a network of one, and IPv4 written inside IPv6 is IPv4.
    """
    return tuple(dict.fromkeys(str(_parse_network(text)) for text in texts))


def _parse_network(text: str) -> IPv4Network | IPv6Network:
    try:
        network = ip_network(text if "%" not in text else "")  # a zone (RFC 4007) means something on one machine alone
    except ValueError:
        fix = "Write an address such as 192.0.2.1 or 2001:db8::1, or a network such as 192.0.2.0/24 or 2001:db8::/32."
        with suppress(ValueError):
            inside = ip_network(text.partition("%")[0], strict=False)
            fix = f"Bits are set behind its length: write {inside}, or the address alone."
        detail = f"The network {text[:80]!r} is no IPv4 or IPv6 network."
        raise Fault(Kind.PARAMETER_INVALID, detail, fix) from None
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        return IPv4Network((int(network.network_address) & 0xFFFFFFFF, network.prefixlen - 96))
    return network


def is_from(networks: Sequence[str], address: str) -> bool:
    """Tell whether an address lies in one of these networks; one that can't be read lies in none."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    found = getattr(found, "ipv4_mapped", None) or found
    return any(found in ip_network(each) for each in networks)


def are_within(networks: Sequence[str], outer: Sequence[str]) -> bool:
    """Tell whether each of some networks lies in one of the outer ones."""
    wide = [ip_network(each) for each in outer]
    return all(any(_is_subnet(ip_network(each), other) for other in wide) for each in networks)


def _is_subnet(inner: IPv4Network | IPv6Network, outer: IPv4Network | IPv6Network) -> bool:
    if isinstance(inner, IPv4Network):
        return isinstance(outer, IPv4Network) and inner.subnet_of(outer)
    return isinstance(outer, IPv6Network) and inner.subnet_of(outer)

"""Limit the open connections of a listener: in all, and of one network of clients."""

from collections import Counter
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

from letterhead.operations.sign_in_throttle import network_of

MOST_OF_API = 16_384  # connections, however many descriptors there are: each costs memory too
MOST_OF_RELAY, MOST_OF_RELAY_EACH = 200, 50

UNIX_PEER = "unix"  # stands for the address of whoever connects over a Unix socket, which has none

Network = IPv4Network | IPv6Network


class ConnectionLimits:
    """The open connections of one listener. A connection counts from its accept on, before any octet or handshake.

    A network is what `network_of` returns: an IPv4 address, or the /64 of an IPv6 address. The proxies are trusted
    networks whose connections are those of many clients, so that only the limit in all holds for them.
    """

    def __init__(self, most: int, most_each: int, proxies: Sequence[Network] = ()) -> None:
        self.most, self.most_each, self._proxies = most, most_each, proxies
        self._open, self._each = 0, Counter[str]()

    def add(self, address: str) -> bool:
        """Count a connection; return False where there are too many, and count nothing."""
        network = network_of(address)
        if self._open >= self.most or (self._each[network] >= self.most_each and not self.is_proxy(address)):
            return False
        self._open += 1
        self._each[network] += 1
        return True

    def remove(self, address: str) -> None:
        """Forget a connection that was counted and has ended."""
        network = network_of(address)
        self._open -= 1
        self._each[network] -= 1
        if not self._each[network]:
            del self._each[network]

    def is_proxy(self, address: str) -> bool:
        """Whether an address is that of a trusted proxy; whoever may open our Unix socket is one."""
        if address == UNIX_PEER:
            return True
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        mapped = parsed.ipv4_mapped if isinstance(parsed, IPv6Address) else None
        return any((mapped or parsed) in proxy for proxy in self._proxies)


class DescriptorShares(NamedTuple):
    """How many of a process's descriptors its listeners may use for connections."""

    api: int
    relay: int


def descriptor_shares(descriptors: int) -> DescriptorShares:
    """Divide the descriptors of a process: half for the API and pages, an eighth for the relay.

    The rest is for the database, DNS, webhooks, the smart host and files, which no client must be able to use up.
    """
    return DescriptorShares(api=min(descriptors // 2, MOST_OF_API), relay=min(descriptors // 8, MOST_OF_RELAY))

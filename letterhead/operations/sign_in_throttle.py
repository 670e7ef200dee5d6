"""Limit how often an address may fail to sign in: in this process, and in all that share the store.

Only failures are counted. A valid key is accepted from any address: behind one proxy nobody can lock the others out.
"""

from collections.abc import Callable
from datetime import timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final, Protocol

import structlog

from letterhead.errors import Fault
from letterhead.operations.token_buckets import TokenBuckets, too_many
from letterhead.ports.deps import Clock
from letterhead.ports.store.leases import LeaseStore

log = structlog.get_logger()

WRITES, WRITES_BURST = (
    20.0,
    100,
)  # a second, by this process: guesses from many addresses at once must not fill the store
ALL: Final = "all"


class ThrottleNeeds(Protocol):
    """What counting failures in all processes needs."""

    @property
    def store(self) -> LeaseStore: ...
    @property
    def now(self) -> Clock: ...


class ThrottleSettings(Protocol):
    """How many failures a second an address may have, how many at once, and whether all processes count together."""

    @property
    def failure_rate(self) -> float: ...
    @property
    def failure_burst(self) -> int: ...
    @property
    def share_failures(self) -> bool: ...


class SignInThrottle:
    """Count failed sign-ins by address, and refuse those that fail too often."""

    def __init__(self, deps: ThrottleNeeds, settings: ThrottleSettings, clock: Callable[[], float]) -> None:
        self._deps, self._shared = deps, settings.share_failures
        self._here = TokenBuckets(settings.failure_rate, settings.failure_burst, clock)
        self._writes = TokenBuckets(WRITES, WRITES_BURST, clock)

    async def count(self, address: str) -> None:
        """Count one failure; Fault `too-many-requests` where it is one too many."""
        network = network_of(address)
        left = self._here.take(network)
        if left < 0.0:
            raise self._fault(network, left + 1.0)
        if not self._shared or self._writes.take(ALL) < 0.0:
            return
        # One write takes a slot of the rate that all processes share, and none where no slot is free.
        now, every = self._deps.now(), timedelta(seconds=1 / self._here.rate)
        latest = now + every * (self._here.burst - 1)
        try:
            slot = await self._deps.store.take_rate_slot(f"failed sign-in {network}", now, every, latest)
        except Fault as fault:
            log.warning("failures.not-shared", kind=fault.kind, detail=fault.detail)
            return
        if slot is None:
            self._here.drain(network)  # the store is asked again only when this process would allow a failure again
            raise self._fault(network, 0.0)

    def _fault(self, network: str, level: float) -> Fault:
        return too_many(f"failed sign-ins from {network}", self._here.wait(level))


def network_of(address: str) -> str:
    """Return the network of which one host may have every address: of IPv6 the /64 (RFC 6177), of IPv4 the address."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]  # a name that a proxy or a socket gave
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped is not None else str(IPv6Network((parsed, 64), strict=False))
    return str(parsed)

"""Knows how often an address may fail to sign in: in this process, and in all that share the store.

Who signs in well is never asked about here. A valid key gets in from any address: behind one proxy nobody can lock the
others out.
"""

from collections.abc import Callable
from datetime import timedelta
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final, Protocol

import structlog

from letterhead.errors import Fault
from letterhead.operations.token_buckets import TokenBuckets, too_many
from letterhead.ports.deps import Deps

log = structlog.get_logger()

WRITES, WRITES_BURST = 20.0, 100  # a second, by this process: guesses from everywhere at once are not to fill the store
ALL: Final = "all"


class ThrottleSettings(Protocol):
    """Says how many failures a second an address may have, how many at once, and whether all processes count them."""

    @property
    def failure_rate(self) -> float: ...
    @property
    def failure_burst(self) -> int: ...
    @property
    def share_failures(self) -> bool: ...


class SignInThrottle:
    """Counts failed sign-ins by address, and slows down those that fail too often."""

    def __init__(self, deps: Deps, patience: ThrottleSettings, clock: Callable[[], float]) -> None:
        self._deps, self._shared = deps, patience.share_failures
        self._here = TokenBuckets(patience.failure_rate, patience.failure_burst, clock)
        self._writes = TokenBuckets(WRITES, WRITES_BURST, clock)

    async def count(self, address: str) -> None:
        """Counts one; Fault `too-many-requests` where it is one too many."""
        where = neighbourhood(address)
        left = self._here.take(where)
        if left < 0.0:
            raise self._fault(where, left + 1.0)
        if self._shared and self._writes.take(ALL) >= 0.0 and not await self._counted(where):
            self._here.drain(where)  # asked again when this process would let it fail again
            raise self._fault(where, 0.0)

    async def _counted(self, where: str) -> bool:
        """Takes one of the turns that all processes share: one write, and none where there is no turn."""
        now, every = self._deps.now(), timedelta(seconds=1 / self._here.rate)
        latest = now + every * (self._here.burst - 1)
        try:
            return await self._deps.store.take_rate_slot(f"failed sign-in {where}", now, every, latest) is not None
        except Fault as fault:
            log.warning("failures.not-shared", kind=fault.kind, detail=fault.detail)
            return True

    def _fault(self, where: str, level: float) -> Fault:
        return too_many(f"failed sign-ins from {where}", self._here.wait(level))


def neighbourhood(address: str) -> str:
    """Names the network that one host may have all addresses of: of IPv6 the /64 (RFC 6177), of IPv4 the address."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]  # a name that a proxy or a socket gave
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped) if mapped is not None else str(IPv6Network((parsed, 64), strict=False))
    return str(parsed)

"""Rate limits of this process: requests per second of an account and of each of its keys, proofs per domain.

Requests per month are in `operations/request_usage.py`, failed sign-ins in `operations/sign_in_throttle.py`,
repeated requests in `operations/recent_results.py`, what leaves rows behind in `operations/daily_limits.py`.
"""

import math
from collections.abc import Callable
from typing import Final

from letterhead.core.accounts.accounts import Caller
from letterhead.core.domain.domain import Domain
from letterhead.operations.sign_in_throttle import network_of
from letterhead.operations.token_buckets import BUCKETS_KEPT as BUCKETS_KEPT
from letterhead.operations.token_buckets import TokenBuckets as TokenBuckets

KEY_PART: Final = 0.75  # of the account's rate: one key that asks without end leaves room for the others and for people
# Requests of an account that may change something: each may leave an entry in the audit, of some 200 octets, for ever.
WRITES_A_DAY, WRITES_AT_ONCE = 200_000, 50_000


class RequestRates:
    """The requests per second of each account, and below them those of each of its keys; a session counts as its key.

    With the requests that may change something, which have a rate of the day besides.
    """

    def __init__(self, rate: float, burst: int, clock: Callable[[], float]) -> None:
        self._accounts = TokenBuckets(rate, burst, clock)
        self._keys = TokenBuckets(rate * KEY_PART, math.ceil(burst * KEY_PART), clock)
        self._writes = TokenBuckets(WRITES_A_DAY / 86_400, max(WRITES_AT_ONCE, burst), clock)

    def take(self, caller: Caller, requests: str = "requests with this key", *, may_write: bool = True) -> None:
        """Count a request; Fault `too-many-requests`. What one limit refuses is not counted by those above it."""
        self._keys.require(caller.key_id, requests)
        self._accounts.require(caller.account_id, "requests of this account")
        if may_write:
            self._writes.require(caller.account_id, "changes of this account within a day")

    def headers(self, caller: Caller) -> dict[bytes, bytes]:
        """Return the RateLimit headers (draft-ietf-httpapi-ratelimit-headers-10) of the key and of its account."""
        of = ((b"key", self._keys, caller.key_id), (b"account", self._accounts, caller.account_id))
        return {
            b"ratelimit-policy": b", ".join(
                b'"%s";q=%d;w=%d' % (name, buckets.burst, math.ceil(buckets.burst / buckets.rate))
                for name, buckets, _ in of
            ),
            b"ratelimit": b", ".join(_rate_limit(name, buckets, buckets.level(who)) for name, buckets, who in of),
        }


def _rate_limit(name: bytes, buckets: TokenBuckets, left: float) -> bytes:
    return b'"%s";r=%d;t=%d' % (name, math.floor(left), math.ceil((buckets.burst - left) / buckets.rate))


class OpenIdRates:
    """How often anybody may begin or end to sign in by OpenID Connect: from one network, and all together."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._each, self._all = TokenBuckets(1.0, 30, clock), TokenBuckets(20.0, 200, clock)

    def take(self, address: str) -> None:
        """Count one step of one client; Fault `too-many-requests`."""
        for rates, name in ((self._each, network_of(address)), (self._all, "all")):
            rates.require(name, "sign-ins by your organisation's provider")


def take_proof(rates: TokenBuckets, domain: Domain) -> None:
    """Take a token of a domain's rate of proofs, for the API or a page; Fault `too-many-requests`."""
    rates.require(domain.id, f"proofs of {domain.sender}")

"""Rate limits of this process: requests per second and key, proofs per domain; cached responses to repeated requests.

Requests per month are in `operations/request_usage.py`, failed sign-ins in `operations/sign_in_throttle.py`.
"""

import math
from collections import OrderedDict
from collections.abc import Callable

from letterhead.core.domain.domain import Domain
from letterhead.operations.token_buckets import BUCKETS_KEPT as BUCKETS_KEPT
from letterhead.operations.token_buckets import TokenBuckets as TokenBuckets
from letterhead.operations.token_buckets import too_many as too_many


class RecentResponses:
    """Cache of responses for some seconds, so that a repeated request costs no query to other systems."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds, self._clock = seconds, clock
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    def get(self, name: str) -> bytes | None:
        """Return a cached response that has not expired."""
        until, body = self._kept.get(name, (0.0, b""))
        return body if self._clock() < until else None

    def age_headers(self, name: str) -> dict[str, str]:
        """Return how old a cached response is, and after how long a new one is made; nothing where it has expired."""
        left = self._kept.get(name, (0.0, b""))[0] - self._clock()
        if left <= 0:
            return {}
        return {"Age": str(max(0, math.floor(self._seconds - left))), "Retry-After": str(math.ceil(left))}

    def keep(self, name: str, body: bytes) -> bytes:
        """Cache a response, and return it."""
        self._kept[name] = (self._clock() + self._seconds, body)
        self._kept.move_to_end(name)
        if len(self._kept) > BUCKETS_KEPT:
            self._kept.popitem(last=False)
        return body


def rate_headers(buckets: TokenBuckets, left: float) -> dict[bytes, bytes]:
    """Return the RateLimit headers (draft-ietf-httpapi-ratelimit-headers-10)."""
    until_full = math.ceil((buckets.burst - max(left, 0.0)) / buckets.rate)
    return {
        b"ratelimit-policy": buckets.policy,
        b"ratelimit": b'"key";r=%d;t=%d' % (max(0, math.floor(left)), until_full),
    }


def take_proof(rates: TokenBuckets, domain: Domain) -> None:
    """Take a token of a domain's rate of proofs, for the API or a page; Fault `too-many-requests`."""
    left = rates.take(domain.id)
    if left < 0.0:
        raise too_many(f"proofs of {domain.sender}", rates.wait(left + 1.0))

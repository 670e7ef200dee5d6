"""How many packets name servers get from us: a token bucket for each address, and who waits for its tokens.

Whoever adds a domain chooses the servers that we ask, and needs no proof for that. What one address gets is therefore
bounded, whoever asks. More is allowed where names are served that claims of ours have proven, and at registries.
Waiting is ours and says nothing of the server: a check for which there is no token has no result (`is_limited`).
"""

import asyncio
import heapq
import itertools
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakKeyDictionary

from letterhead.ports.resolver import Allowance

BURST_SECONDS: Final = 1.0  # after a rest, the packets of so many seconds may be sent at once: one check needs several
FIRST_WAIT: Final = 2.0  # seconds that a check may wait for its first packet to a server; longer, and it comes later
REGISTRY_FACTOR: Final = 10.0  # the servers of a registry are asked for the delegation of every domain below it
PROVEN_PART: Final = 0.25  # of the rate, added for each registrable name that is proven and served at the address
PROVEN_MOST: Final = 100  # names that are counted for one address, and so at most 26 times the rate
PROVEN_LASTS: Final = 30 * 3600.0  # seconds; the routine check of a verified domain comes once a day at least
ROUTINE_WEIGHT: Final = 3.0  # while others wait, one check of a proven name comes after three of names in setting up
BUCKETS_KEPT: Final = 2048  # the longest unused go first: they are full again by then


@dataclass(slots=True)
class _Queue:
    """The packets that wait for one address; it exists while any does.

    Turns are virtual times: a check's turn stays the same for all of its packets, so that checks that have begun end
    first, and each further check of an account comes after one check of every other account.
    """

    waiting: list[tuple[float, int, asyncio.Future[None]]] = field(default_factory=list)
    turns: WeakKeyDictionary[Allowance, float] = field(default_factory=WeakKeyDictionary)
    last: dict[str, float] = field(default_factory=dict)  # the last turn of each account
    now: float = 0.0  # the turn that was served last


@dataclass(slots=True)
class _Bucket:
    """The tokens of one address at a time, and the proven names that are served there, each until it is forgotten."""

    level: float
    at: float
    factor: float = 1.0
    proven: OrderedDict[str, float] = field(default_factory=OrderedDict)
    queue: _Queue | None = None


class PacketRates:
    """The token bucket of each server address: `rate` packets a second, or without a limit where that is None.

    Of this process alone: several processes each keep their own.
    """

    def __init__(self, rate: float | None) -> None:
        self.rate = rate
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()
        self._order = itertools.count()

    def allow_registry(self, address: str) -> None:
        """Allow more at an address: it serves the zone of a registry."""
        if self.rate is not None:
            self._bucket(address, self.rate).factor = REGISTRY_FACTOR

    async def take(self, address: str, allowance: Allowance) -> bool:
        """Take a token for one packet, waiting where there is none; false where the check has to come later."""
        if self.rate is None:
            return True
        bucket = self._bucket(address, self.rate)
        now = asyncio.get_running_loop().time()
        if allowance.proven:
            _note_proven(bucket, allowance.proven, now)
        rate = self._refill(bucket, self.rate, now)
        if bucket.queue is None and bucket.level >= 1.0:
            bucket.level -= 1.0
            return True
        if not await self._wait(bucket, rate, allowance):
            allowance.is_limited = True
        return not allowance.is_limited

    async def _wait(self, bucket: _Bucket, rate: float, allowance: Allowance) -> bool:
        """Wait for a token in the order of turns, until the check's time is over; at first only if it comes soon."""
        loop = asyncio.get_running_loop()
        if bucket.queue is None:
            bucket.queue = _Queue()
            loop.call_later((1.0 - bucket.level) / rate, self._serve, bucket)
        queue = bucket.queue
        turn = queue.turns.get(allowance)
        if turn is None:
            weight = ROUTINE_WEIGHT if allowance.proven else 1.0
            turn = max(queue.now, queue.last.get(allowance.account_id, 0.0)) + weight
            before = sum(1 for other, _, pending in queue.waiting if other <= turn and not pending.done())
            if before >= rate * FIRST_WAIT:
                return False
            queue.turns[allowance] = queue.last[allowance.account_id] = turn
        pending: asyncio.Future[None] = loop.create_future()
        allowance.has_waited = True
        heapq.heappush(queue.waiting, (turn, next(self._order), pending))
        try:
            async with asyncio.timeout_at(allowance.until):
                await pending
        except TimeoutError:
            return False
        return True

    def _serve(self, bucket: _Bucket) -> None:
        """Give the tokens that are there to those who wait, and come again when there is another."""
        queue, loop = bucket.queue, asyncio.get_running_loop()
        if queue is None or self.rate is None:
            return
        rate = self._refill(bucket, self.rate, loop.time())
        while queue.waiting and bucket.level >= 1.0:
            turn, _, pending = heapq.heappop(queue.waiting)
            if not pending.done():
                bucket.level -= 1.0
                queue.now = max(queue.now, turn)
                pending.set_result(None)
        queue.last = {account: turn for account, turn in queue.last.items() if turn > queue.now}
        if queue.waiting:
            loop.call_later((1.0 - bucket.level) / rate, self._serve, bucket)
        else:
            bucket.queue = None

    def _refill(self, bucket: _Bucket, base: float, now: float) -> float:
        """Add the tokens that came since the last time; return how many come in a second."""
        while bucket.proven and next(iter(bucket.proven.values())) <= now:
            bucket.proven.popitem(last=False)
        rate = base * max(bucket.factor, 1.0 + PROVEN_PART * len(bucket.proven))
        bucket.level = min(max(1.0, rate * BURST_SECONDS), bucket.level + (now - bucket.at) * rate)
        bucket.at = now
        return rate

    def _bucket(self, address: str, base: float) -> _Bucket:
        """Return the bucket of an address, a full one where it is not known; forget the one longest unused."""
        bucket = self._buckets.get(address)
        if bucket is None:
            now = asyncio.get_running_loop().time()
            bucket = self._buckets[address] = _Bucket(level=max(1.0, base * BURST_SECONDS), at=now)
            if len(self._buckets) > BUCKETS_KEPT:
                unused = (known for known, each in self._buckets.items() if each.queue is None)
                del self._buckets[next(unused)]
        self._buckets.move_to_end(address)
        return bucket


def _note_proven(bucket: _Bucket, name: str, now: float) -> None:
    """Count a proven name for an address, from now on and for a while."""
    if name in bucket.proven or len(bucket.proven) < PROVEN_MOST:
        bucket.proven[name] = now + PROVEN_LASTS
        bucket.proven.move_to_end(name)

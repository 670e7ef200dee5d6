"""Knows how much may be asked: requests per second and key, failed sign-ins per address, requests per month.

The buckets count in this process alone (failures.py shares one kind); the month is counted by the store, which every
process adds to.
"""

import asyncio
import contextlib
import math
from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime

import structlog

from letterhead.core.accounts.accounts import Caller
from letterhead.core.accounts.quotas import over_requests
from letterhead.errors import Fault
from letterhead.operations.token_buckets import BUCKETS_KEPT as BUCKETS_KEPT
from letterhead.operations.token_buckets import TokenBuckets as TokenBuckets
from letterhead.operations.token_buckets import too_many as too_many
from letterhead.ports.store import Store

log = structlog.get_logger("letterhead.web")


class Recent:
    """Keeps answers for some seconds, so that asking again and again asks nobody else."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._seconds, self._clock = seconds, clock
        self._kept: OrderedDict[str, tuple[float, bytes]] = OrderedDict()

    def get(self, name: str) -> bytes | None:
        """Finds an answer that is fresh enough."""
        until, answer = self._kept.get(name, (0.0, b""))
        return answer if self._clock() < until else None

    def keep(self, name: str, answer: bytes) -> bytes:
        """Keeps an answer, and gives it."""
        self._kept[name] = (self._clock() + self._seconds, answer)
        self._kept.move_to_end(name)
        if len(self._kept) > BUCKETS_KEPT:
            self._kept.popitem(last=False)
        return answer


def rate_headers(buckets: TokenBuckets, left: float) -> dict[bytes, bytes]:
    """Tells a client how fast it may go on (draft-ietf-httpapi-ratelimit-headers-10)."""
    until_full = math.ceil((buckets.burst - max(left, 0.0)) / buckets.rate)
    return {
        b"ratelimit-policy": buckets.policy,
        b"ratelimit": b'"key";r=%d;t=%d' % (max(0, math.floor(left)), until_full),
    }


class Usage:
    """Counts requests by account and month; writes them together, about each second, and never per request."""

    def __init__(self, store: Store, now: Callable[[], datetime], flush_every: float) -> None:
        self._store, self._now, self._flush_every = store, now, flush_every
        self._month = ""
        self._totals: dict[str, int] = {}  # as the store said last
        self._made: dict[str, int] = {}  # since then
        self._used: dict[str, datetime] = {}
        self._flusher: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    async def count(self, caller: Caller, *, free: bool) -> None:
        """Counts one request; Fault `usage-limit-exceeded` where the account's month is used up, unless it is free."""
        now = self._now()
        await self._turn_month(now)
        self._used[caller.key_id] = now
        account = caller.account_id
        if not free:
            if caller.limits.requests_per_month is not None:
                over = over_requests(caller.limits, await self.used(account), now)
                if over is not None:
                    raise over.fault()
            self._made[account] = self._made.get(account, 0) + 1
        if self._flusher is None or self._flusher.done():
            self._flusher = asyncio.create_task(self._flush_later())

    async def used(self, account: str) -> int:
        """Says how many requests an account made this month."""
        if account not in self._totals:
            totals = await self._store.count_requests(_month(self._now()), {account: 0}, {})
            self._totals.setdefault(account, totals.get(account, 0))
        return self._totals[account] + self._made.get(account, 0)

    async def _turn_month(self, now: datetime) -> None:
        month = _month(now)
        if month != self._month:
            if self._made:
                await self.flush()
            self._month = month
            self._totals.clear()

    async def _flush_later(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), self._flush_every)
        try:
            await self.flush()
        except Fault as fault:  # counted again with the next ones
            log.warning("usage.not-written", kind=fault.kind, detail=fault.detail)

    async def close(self) -> None:
        """Writes what is left, after the writing under way."""
        self._closing.set()
        if self._flusher is not None:
            await self._flusher
        await self.flush()

    async def flush(self) -> None:
        """Writes what was counted; what can't be written stays counted here."""
        month = self._month
        made, self._made = self._made, {}
        used, self._used = self._used, {}
        if not made and not used:
            return
        for account, number in made.items():  # counted as used while the store is busy
            if account in self._totals:
                self._totals[account] += number
        try:
            totals = await self._store.count_requests(month, made, used)
        except BaseException:
            for account, number in made.items():
                self._made[account] = self._made.get(account, 0) + number
                if account in self._totals:
                    self._totals[account] -= number
            self._used = used | self._used
            raise
        if month == self._month:
            self._totals.update(totals)


def _month(now: datetime) -> str:
    return f"{now.year:04d}-{now.month:02d}"

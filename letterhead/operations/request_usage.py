"""Requests per account and month: counted in memory, written together, about each second, to the shared store."""

import asyncio
import contextlib
from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

import structlog

from letterhead.core.accounts.accounts import Caller
from letterhead.core.accounts.quotas import over_requests
from letterhead.errors import Fault
from letterhead.ports.deps import Clock
from letterhead.ports.store.accounts import AccountStore

log = structlog.get_logger("letterhead.web")

TOTALS_KEPT = 10_000  # accounts; those that asked longest ago are read again when they ask


class RequestUsageNeeds(Protocol):
    """What counting requests needs."""

    @property
    def store(self) -> AccountStore: ...
    @property
    def now(self) -> Clock: ...


class RequestUsage:
    """Count requests by account and month; write them together, about each second, and never per request."""

    def __init__(self, deps: RequestUsageNeeds, flush_every: float) -> None:
        self._deps, self._flush_every = deps, flush_every
        self._month = ""
        self._totals: OrderedDict[str, int] = OrderedDict()  # as the store said last, of those that asked last
        self._made: dict[str, int] = {}  # since then
        self._used: dict[str, datetime] = {}
        self._flusher: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    async def count(self, caller: Caller, *, free: bool) -> None:
        """Count one request; Fault `usage-limit-exceeded` where the account's month is used up, unless it is free."""
        now = self._deps.now()
        month = _month(now)
        if month != self._month:
            if self._made:
                await self.flush()
            self._month = month
            self._totals.clear()
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
        """Return how many requests an account made this month."""
        if account not in self._totals:
            totals = await self._deps.store.count_requests(_month(self._deps.now()), {account: 0}, {})
            if account not in self._totals:
                self._keep({account: totals.get(account, 0)})
        return self._totals[account] + self._made.get(account, 0)

    async def _flush_later(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), self._flush_every)
        try:
            await self.flush()
        except Fault as fault:  # counted again with the next ones
            log.warning("usage.not-written", kind=fault.kind, detail=fault.detail)

    async def close(self) -> None:
        """Write what is left, after the writing under way."""
        self._closing.set()
        if self._flusher is not None:
            await self._flusher
        await self.flush()

    async def flush(self) -> None:
        """Write what was counted; what can't be written stays counted here."""
        month = self._month
        made, self._made = self._made, {}
        used, self._used = self._used, {}
        if not made and not used:
            return
        for account, number in made.items():  # counted as used while the store is busy
            if account in self._totals:
                self._totals[account] += number
        try:
            totals = await self._deps.store.count_requests(month, made, used)
        except BaseException:
            for account, number in made.items():
                self._made[account] = self._made.get(account, 0) + number
                if account in self._totals:
                    self._totals[account] -= number
            self._used = used | self._used
            raise
        if month == self._month:
            self._keep(totals)

    def _keep(self, totals: Mapping[str, int]) -> None:
        for account, number in totals.items():
            self._totals[account] = number
            self._totals.move_to_end(account)
        while len(self._totals) > TOTALS_KEPT:
            self._totals.popitem(last=False)


def _month(now: datetime) -> str:
    return f"{now.year:04d}-{now.month:02d}"

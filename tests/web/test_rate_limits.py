"""Hold the counting of requests to its promises, on a hand-turned clock and a real store."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from letterhead.core.accounts.accounts import Caller, Scope
from letterhead.core.accounts.quotas import Limits
from letterhead.errors import Fault, Kind
from letterhead.operations.request_usage import RequestUsage
from letterhead.web.rate_limits import BUCKETS_KEPT, TokenBuckets
from tests.operations.world import Clock, World, opened


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Open an installation."""
    async with opened(tmp_path) as installation:
        yield installation


def caller(world: World, allowed: int | None) -> Caller:
    return Caller(
        account_id=world.account.id, key_id="key_x", scope=Scope.FULL, limits=Limits(requests_per_month=allowed)
    )


async def made(usage: RequestUsage, asking: Caller, times: int) -> int:
    """Make so many requests and tell how many went through."""
    passed = 0
    for _ in range(times):
        try:
            await usage.count(asking, free=False)
            passed += 1
        except Fault as fault:
            assert fault.kind is Kind.USAGE_LIMIT_EXCEEDED
    return passed


def test_bucket_refills_with_time() -> None:
    """A bucket lets a burst through, then as many as flow in, and never more than the burst."""
    now = [100.0]
    buckets = TokenBuckets(2.0, 3, lambda: now[0])
    assert [buckets.take("a") >= 0 for _ in range(4)] == [True, True, True, False]
    assert buckets.take("b") >= 0
    now[0] += 0.5
    assert [buckets.take("a") >= 0 for _ in range(2)] == [True, False]
    now[0] += 1000
    assert [buckets.take("a") >= 0 for _ in range(4)] == [True, True, True, False]


def test_buckets_do_not_grow_without_bound() -> None:
    """However many names ask, only so many buckets are kept."""
    buckets = TokenBuckets(1.0, 5, lambda: 0.0)
    for number in range(BUCKETS_KEPT + 10):
        buckets.take(str(number))
    assert len(buckets._levels) == BUCKETS_KEPT


async def test_month_starts_anew(world: World) -> None:
    """With the first moment of a month (UTC) the account may go on, and the old month keeps its own count."""
    clock = Clock(datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC))
    usage = RequestUsage(replace(world.deps, now=clock), flush_every=60)
    asking = caller(world, 2)
    assert await made(usage, asking, 3) == 2
    clock.turn(seconds=1)
    assert await made(usage, asking, 3) == 2
    await usage.close()
    for month in ("2026-11", "2026-12"):
        totals = await world.deps.store.count_requests(month, {world.account.id: 0}, {})
        assert totals[world.account.id] == 2


async def test_two_processes_share_a_month(world: World) -> None:
    """What one process wrote counts in another from its next write on."""
    clock = Clock(datetime(2026, 11, 23, tzinfo=UTC))
    one, other = (RequestUsage(replace(world.deps, now=clock), flush_every=60) for _ in range(2))
    asking = caller(world, 10)
    assert await made(one, asking, 6) == 6
    assert await made(other, asking, 1) == 1
    await one.flush()
    await other.flush()
    assert await made(other, asking, 9) == 3
    await one.close()
    await other.close()


async def test_key_was_used(world: World) -> None:
    """A key's last use is written with the counts."""
    clock = Clock(datetime(2026, 11, 23, tzinfo=UTC))
    usage = RequestUsage(replace(world.deps, now=clock), flush_every=60)
    (key,) = await world.deps.store.keys(world.account.id)
    known = await world.deps.store.find_caller(world.deps.digest(world.key))
    assert known is not None
    await usage.count(known, free=True)
    await usage.close()
    (after,) = await world.deps.store.keys(world.account.id)
    assert (key.last_used_at, after.last_used_at) == (None, clock())

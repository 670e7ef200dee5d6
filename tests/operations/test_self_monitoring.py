"""The service watches itself: how late checks begin, and the provider's account; what it learns is there for all."""

import asyncio
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from letterhead import worker
from letterhead.core.schedule.check_lag import slot_of
from letterhead.operations import self_monitoring
from letterhead.ports.provider import HealthItem
from letterhead.wiring.assemble import Overrides
from tests.operations.world import Clock, WrittenDns, opened
from tests.rigs.waiting import CEILING


async def test_a_worker_writes_down_how_late_checks_began(tmp_path: Path, dns: WrittenDns, clock: Clock) -> None:
    """A check that was due for a minute is counted where a minute belongs; so it is when the worker stops at once."""
    async with opened(tmp_path, Overrides(resolver=dns, now=clock)) as world:
        await world.add("acme.test")
        clock.turn(seconds=60)
        stop = asyncio.Event()
        working = asyncio.create_task(worker.run(world.deps, worker.WorkerSettings(pooled_keys=0), stop))
        until = asyncio.get_running_loop().time() + CEILING
        while (await world.view("acme.test")).last_check is None:
            assert asyncio.get_running_loop().time() < until
            await asyncio.sleep(0.02)
        stop.set()
        await asyncio.wait_for(working, CEILING)
        seen = await self_monitoring.service_health(world.deps)
        assert [(each.at, each.step, each.number) for each in seen.checks] == [(slot_of(clock()), 9, 1)]
        assert seen.conditions is not None
        assert [each.said for each in seen.conditions.items] == ["dns: nothing outside to reach"]


async def test_what_could_not_be_written_is_kept(tmp_path: Path, dns: WrittenDns, clock: Clock) -> None:
    """Out of reach of the store nothing is lost, and nothing is counted twice afterwards."""
    async with opened(tmp_path, Overrides(resolver=dns, now=clock)) as world:
        begun = Counter({(slot_of(clock()), 0): 4})
        kept = world.deps
    with pytest.raises(ValueError, match="connection"):
        await self_monitoring.save_histogram(kept, begun)
    begun[slot_of(clock()), 0] += 1
    async with opened(tmp_path, Overrides(resolver=dns, now=clock)) as world:
        await self_monitoring.save_histogram(world.deps, begun)
        await self_monitoring.save_histogram(world.deps, begun)
        (told,) = (await self_monitoring.service_health(world.deps)).checks
        assert told.number == 5


async def test_the_account_is_asked_once_in_a_quarter_of_an_hour(tmp_path: Path, dns: WrittenDns, clock: Clock) -> None:
    """However many workers there are; and each time the answer takes the place of the one before."""
    async with opened(tmp_path, Overrides(resolver=dns, now=clock)) as world:
        asked = [await self_monitoring.update_provider_health(world.deps) for _ in range(2)]
        clock.turn(minutes=15)
        asked.append(await self_monitoring.update_provider_health(world.deps))
        assert asked == [True, False, True]
        told = await world.deps.store.provider_health("dns")
        assert told is not None
        assert told.at == clock()
        assert told.items == (HealthItem(said="dns: nothing outside to reach"),)


async def test_only_a_day_is_told(tmp_path: Path, dns: WrittenDns, clock: Clock) -> None:
    """What is older than the picture is not in it."""
    async with opened(tmp_path, Overrides(resolver=dns, now=clock)) as world:
        await world.deps.store.add_to_histogram(self_monitoring.CHECKS, {(clock(), 0): 1})
        clock.turn(hours=23)
        assert len((await self_monitoring.service_health(world.deps)).checks) == 1
        clock.turn(hours=1)
        assert (await self_monitoring.service_health(world.deps)).checks == []
        assert (await self_monitoring.service_health(world.deps)).begins > clock() - timedelta(days=1)

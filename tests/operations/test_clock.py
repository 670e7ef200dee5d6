"""A clock that was ahead for a moment: once it is right, domains are looked at as ever, and monitors are told."""

import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from letterhead.adapters.providers.simulated import SimulatedProvider
from letterhead.core.domain.health import HealthState
from letterhead.core.schedule.shares import PlacesHeld
from letterhead.operations import checks, leases, on_demand_checks
from letterhead.operations.domains import plan_of
from letterhead.operations.health import HealthProbes, check_health
from letterhead.operations.heartbeats import new_process
from letterhead.operations.recent_results import OnDemand
from letterhead.ports.store.monitoring import Role
from letterhead.wiring.assemble import Overrides
from tests.operations.conftest import MAIL_FROM
from tests.operations.world import Clock, World, WrittenDns, opened

SENDER = "acme.test"
AHEAD = timedelta(days=400)
WATCHED = "somebody has the setup page open"


@pytest.fixture
async def ours(tmp_path: Path, clock: Clock, dns: WrittenDns) -> AsyncIterator[World]:
    """Open an installation with a published domain that was checked once by a clock far ahead."""
    stand = Overrides(resolver=dns, provider=SimulatedProvider(clock), now=clock)
    async with opened(tmp_path, stand, **MAIL_FROM) as world:
        added = await world.add(SENDER)
        dns.publish(*plan_of(world.deps, added).records)
        for _ in range(3):
            await world.look(SENDER)
            clock.turn(minutes=20)
        right = clock.at
        clock.at = right + AHEAD
        await world.look(SENDER)
        clock.at = right
        yield world


PLACES = PlacesHeld(places=10, by_account={})


async def test_a_check_on_request_is_made(ours: World, clock: Clock) -> None:
    """The last check lies in the future, and answers for none; the one on request has the time of the right clock."""
    on_demand = OnDemand(time.monotonic)
    assert await on_demand_checks.check_now(ours.deps, on_demand, ours.account.id, SENDER) is None
    last = (await ours.view(SENDER)).last_check
    assert last is not None
    assert last.taken_at == clock.at
    clock.turn(seconds=2)
    standing = await on_demand_checks.check_now(ours.deps, on_demand, ours.account.id, SENDER)
    assert standing is not None
    assert (standing.age, standing.next_at) == (timedelta(seconds=2), clock.at + timedelta(seconds=3))


async def test_the_worker_looks_and_monitors_are_told(ours: World, clock: Clock) -> None:
    """Nothing is due for 400 days, and readiness says so, until it is recalled: then all is as ever."""
    await ours.deps.store.save_heartbeat(new_process(ours.deps, Role.WORKER), clock.at)
    assert await leases.claim_checks(ours.deps, "worker", PLACES) == []
    worker = (await check_health(ours.deps, HealthProbes(ours.deps))).worker
    assert not worker.is_ok
    assert "dated in the future" in worker.detail
    assert await leases.recall_misdated(ours.deps) == 1
    ((claimed, context),) = await leases.claim_checks(ours.deps, "worker", PLACES)
    assert await checks.check(ours.deps, claimed, context=context)
    assert (await check_health(ours.deps, HealthProbes(ours.deps))).worker.is_ok
    after = await ours.domain(SENDER)
    assert after.next_check_at is not None
    assert after.next_check_at - clock.at < timedelta(days=2)


async def test_a_set_up_page_of_the_future_hurries_nothing(ours: World, clock: Clock, dns: WrittenDns) -> None:
    """A page that was open while the clock was ahead does not have its domain checked every 5 s until then."""
    domain, then = await ours.domain(SENDER), clock.at + AHEAD
    await ours.deps.store.note_page_open(domain.id, "no link", then, then + timedelta(seconds=40))
    dns.withdraw(*plan_of(ours.deps, domain).records)  # something is to come, which an open page hurries
    assert (await ours.look(SENDER)).check_reason != WATCHED
    await ours.deps.store.note_page_open(domain.id, "no link", clock.at, clock.at + timedelta(seconds=40))
    assert (await ours.look(SENDER)).check_reason == WATCHED


async def test_a_state_of_the_future_runs_from_the_right_clock(ours: World, clock: Clock, dns: WrittenDns) -> None:
    """What a domain entered, or was seen as, in the future counts from now: it is at risk as soon as any other."""
    dns.withdraw(*plan_of(ours.deps, await ours.domain(SENDER)).records)
    for _ in range(3):
        await ours.look(SENDER)
        clock.turn(minutes=11)
    after = await ours.domain(SENDER)
    assert after.dkim.state is HealthState.AT_RISK
    assert after.dkim.since <= clock.at
    assert after.dkim.stops_sending_at is not None
    assert after.dkim.stops_sending_at - clock.at < timedelta(hours=72)

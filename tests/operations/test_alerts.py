"""Alerts follow the reminders: one line for each step to each channel, once, also where no mail goes; then retries."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from letterhead.adapters.alerts import AppriseSender
from letterhead.adapters.providers.simulated import SimulatedProvider
from letterhead.core.domain.health import HealthState
from letterhead.core.public.webhooks import EgressPolicy
from letterhead.operations import accounts, alerts, reminders
from letterhead.operations.alerts import MOST_ATTEMPTS
from letterhead.wiring.assemble import Overrides
from tests.operations.world import OPERATOR, Clock, World, WrittenDns, opened
from tests.rigs.alert_services import AlertServices, Dial, serving

NAME = "acme.test"
MINUTE = timedelta(minutes=1)
NTFY, DISCORD = "ntfys://tk_abc@ntfy.acme.dev/mail", "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js"


@pytest.fixture
def dns() -> WrittenDns:
    """Return DNS that the test writes."""
    return WrittenDns(NAME)


@pytest.fixture
def services() -> Iterator[AlertServices]:
    """Run what stands in for the services."""
    with serving() as running:
        yield running


@pytest.fixture
async def ours(tmp_path: Path, clock: Clock, dns: WrittenDns, services: AlertServices) -> AsyncIterator[World]:
    """Open an installation without a mail server, whose account has two channels."""
    sender = AppriseSender(EgressPolicy(), services.resolve, dial=Dial(services), seconds=5)
    stand = Overrides(resolver=dns, provider=SimulatedProvider(clock), alerts=sender, now=clock)
    async with opened(tmp_path, stand, PUBLIC_URL="https://lh.example.com") as world:
        for name, url in (("Team", NTFY), ("On call", DISCORD)):
            await alerts.add_channel(world.deps, world.account.id, name, url, OPERATOR)
        yield world


async def work(world: World) -> int:
    """Do what a worker does, and say how many alerts were claimed."""
    now = world.deps.now()
    for due in await world.deps.store.claim_reminders(now, now + MINUTE, "test", 100):
        await reminders.send(world.deps, due, "test")
    claimed = await world.deps.store.claim_alerts(now, now + MINUTE, "test", 100)
    for each in claimed:
        await alerts.send_alert(world.deps, each, "test")
    return len(claimed)


async def at_risk(world: World, dns: WrittenDns, clock: Clock) -> None:
    """Bring the claim to verified, and then at risk."""
    await world.add(NAME)
    dns.publish(await world.dkim(NAME))
    await world.look(NAME)
    clock.turn(minutes=1)
    await world.look(NAME)
    dns.withdraw(await world.dkim(NAME))
    await world.look(NAME)
    clock.turn(minutes=11)
    assert (await world.look(NAME)).dkim.state is HealthState.AT_RISK


def lines(services: AlertServices) -> list[tuple[str, str]]:
    """List what arrived: host and text."""
    return sorted((each.host, each.body.get("message") or each.body.get("content")) for each in services.posted)


async def test_each_step_goes_to_each_channel_once(
    ours: World, dns: WrittenDns, clock: Clock, services: AlertServices
) -> None:
    """What happened, what to do, where; with the reminders by mail off, and without a mail server."""
    await accounts.change_account(ours.deps, ours.account.id, OPERATOR, accounts.AccountUpdate(reminders=False))
    await at_risk(ours, dns, clock)
    assert await work(ours) == 2
    assert await work(ours) == 0
    line = (
        f"{NAME} is about to lose its verification: put its records back. "
        f"https://lh.example.com/dashboard/domains/{NAME}"
    )
    assert lines(services) == [("discord.com", line), ("ntfy.acme.dev", line)]
    services.posted.clear()
    clock.turn(hours=50)
    await ours.look(NAME)
    assert await work(ours) == 2
    assert all(" stops sending on 2026-" in text for _, text in lines(services))
    listed = await alerts.list_channels(ours.deps, ours.account.id)
    used = {each.name: (each.failing_since, each.used_at) for each in listed}
    assert used == {"Team": (None, clock.at), "On call": (None, clock.at)}


async def test_a_channel_that_fails_is_named_and_tried_some_times(
    ours: World, dns: WrittenDns, clock: Clock, services: AlertServices
) -> None:
    """Each attempt later than the one before; the reason says nothing of the address; then it is left."""
    services.status = 503
    await at_risk(ours, dns, clock)
    began = clock.at
    attempts = 0
    for _ in range(300):
        attempts += await work(ours)
        clock.turn(minutes=1)
    assert attempts == 2 * MOST_ATTEMPTS
    listed = await alerts.list_channels(ours.deps, ours.account.id)
    assert [(each.failing_since, each.failure) for each in listed] == [(began, "it answered 503")] * 2
    assert await alerts.list_failing(ours.deps, 10) == listed
    assert await alerts.list_failing(ours.deps, 1) == listed[:1]
    services.status = 200
    tested = await alerts._send(ours.deps, await alerts.find_channel(ours.deps, ours.account.id, listed[0].id), "x")
    assert tested.said == "it answered 200"
    assert [each.id for each in await alerts.list_failing(ours.deps, 10)] == [listed[1].id]


async def test_what_is_over_is_not_told(ours: World, dns: WrittenDns, clock: Clock, services: AlertServices) -> None:
    """A domain that came back, or is deleted, before the alert went out."""
    await at_risk(ours, dns, clock)
    now = ours.deps.now()
    for due in await ours.deps.store.claim_reminders(now, now + MINUTE, "test", 100):
        await reminders.send(ours.deps, due, "test")
    dns.publish(await ours.dkim(NAME))
    for _ in range(8):
        await ours.look(NAME)
        clock.turn(minutes=11)
    assert (await ours.domain(NAME)).dkim.state is HealthState.VERIFIED
    for each in await ours.deps.store.claim_alerts(ours.deps.now(), ours.deps.now() + MINUTE, "test", 100):
        await alerts.send_alert(ours.deps, each, "test")
    assert [text for _, text in lines(services) if "about to lose" in text] == []


async def test_a_process_that_dies_sends_nothing_twice(
    ours: World, dns: WrittenDns, clock: Clock, services: AlertServices
) -> None:
    """What was marked as handed over is never claimed again."""
    await at_risk(ours, dns, clock)
    now = ours.deps.now()
    for due in await ours.deps.store.claim_reminders(now, now + MINUTE, "test", 100):
        await reminders.send(ours.deps, due, "test")
    for each in await ours.deps.store.claim_alerts(now, now + MINUTE, "dies", 100):
        assert await ours.deps.store.mark_alert_handed_over(each.id, "dies", now)
    clock.turn(minutes=10)
    assert await ours.deps.store.claim_alerts(clock.at, clock.at + MINUTE, "next", 100) == []
    assert services.posted == []

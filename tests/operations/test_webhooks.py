"""Webhooks as stories on a hand-turned clock, with a real receiver: signed, retried, rotated, ended, sent again."""

import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from standardwebhooks.webhooks import Webhook as Reference

from letterhead.adapters.providers.simulated import SimulatedProvider
from letterhead.core.domain.health import HealthState
from letterhead.core.public import webhooks as rules
from letterhead.errors import Fault, Kind
from letterhead.operations import deliveries, domains, webhooks
from letterhead.operations.recent_results import OnDemand
from letterhead.ports.store.webhooks import Delivery, EndpointChoice
from letterhead.wiring.assemble import Overrides
from tests.operations.world import OPERATOR, Clock, World, WrittenDns, opened
from tests.rigs import webhook_receiver
from tests.rigs.webhook_receiver import Ledger, Mood

NAME = "acme.test"
OPEN = {"WEBHOOKS_ALLOW_HTTP": "true", "WEBHOOKS_ALLOW_PRIVATE": "true"}


@pytest.fixture
def receiver() -> Iterator[Ledger]:
    """Run a receiver."""
    with webhook_receiver.running() as ledger:
        yield ledger


@pytest.fixture
async def ours(tmp_path: Path, clock: Clock, dns: WrittenDns) -> AsyncIterator[World]:
    """Open an installation whose webhooks may lead to this machine."""
    stand = Overrides(resolver=dns, provider=SimulatedProvider(clock), now=clock)
    async with opened(tmp_path, stand, **OPEN) as world:
        yield world


async def hook(world: World, receiver: Ledger, *events: str) -> webhooks.RevealedWebhook:
    """Add an endpoint."""
    settings = webhooks.WebhookSettings(url=receiver.url, events=events or ("*",))
    return await webhooks.add_webhook(world.deps, world.account.id, settings, OPERATOR)


async def deliver(world: World) -> int:
    """Make an attempt of all that is due, and say how many."""
    now, made = world.deps.now(), 0
    for failing in (False, True):
        while owed := await world.deps.store.claim_deliveries(
            now, now + timedelta(seconds=30), "test", 9, endpoints=EndpointChoice(late=failing, places=2)
        ):
            for each in owed:
                await deliveries.deliver(world.deps, each)
            made += len(owed)
    return made


async def listed(world: World, shown: webhooks.RevealedWebhook) -> list[Delivery]:
    """List an endpoint's deliveries, the newest first."""
    return await webhooks.list_deliveries(world.deps, world.account.id, shown.webhook.id, None, 1000)


async def test_a_life_is_told_as_it_happened(ours: World, clock: Clock, dns: WrittenDns, receiver: Ledger) -> None:
    """From POST to deletion each event arrives once, under the id it has in the timeline, with the domain as it was."""
    await hook(ours, receiver)
    await ours.add(NAME)
    await ours.look(NAME)
    dns.publish(await ours.dkim(NAME))
    await ours.look(NAME)
    clock.turn(minutes=1)
    assert (await ours.look(NAME)).dkim.state is HealthState.VERIFIED
    dns.withdraw(await ours.dkim(NAME))
    await ours.look(NAME)
    clock.turn(minutes=11)
    await ours.look(NAME)
    await domains.delete_domain(ours.deps, ours.account.id, NAME, OPERATOR)
    assert await deliver(ours) == len(receiver.received) == 7
    assert await deliver(ours) == 0
    timeline = await ours.deps.store.events(ours.account.id, None, None, 99)
    assert sorted(receiver.ids()) == [each.id for each in timeline]
    told = sorted((each.message for each in receiver.received), key=lambda message: message["id"])
    told_as = [(each["type"], each.get("change", {}).get("to"), each["data"]["status"]) for each in told]
    assert told_as == [
        ("domain.created", None, "PENDING"),
        ("domain.pending", None, "PENDING"),
        ("record.changed", "present", "PENDING"),
        ("domain.verified", None, "SUCCESS"),
        ("record.changed", "absent", "SUCCESS"),
        ("domain.at_risk", None, "TEMPORARY_FAILURE"),
        ("domain.deleted", None, "TEMPORARY_FAILURE"),
    ]


async def test_the_reference_library_takes_what_is_sent(ours: World, clock: Clock, receiver: Ledger) -> None:
    """Signed by the secret that was shown; after a rotation by both for a day, then by the new one alone."""
    clock.at = clock.at.fromtimestamp(time.time(), clock.at.tzinfo)  # the library looks at the real clock
    shown = await hook(ours, receiver)
    old = shown.secret_text()
    await ours.add(NAME)
    await deliver(ours)
    for taken in receiver.received:
        message = Reference(old or "").verify(taken.body, taken.headers)
        assert message["id"] == taken.id
        assert message["data"]["sender"] == NAME
        assert not {"privateDKIMKey", "private_dkim_key"} & set(message["data"])
    new = (await webhooks.rotate_secret(ours.deps, ours.account.id, shown.webhook.id, OPERATOR)).secret_text()
    assert new != old
    both = await sent_now(ours, shown, receiver)
    assert len(both.split()) == 2
    for secret in (old, new):
        Reference(secret or "").verify(receiver.received[-1].body, receiver.received[-1].headers)
    clock.turn(hours=24)
    assert len((await sent_now(ours, shown, receiver)).split()) == 1


async def sent_now(world: World, shown: webhooks.RevealedWebhook, receiver: Ledger) -> str:
    """Send a test and return its signatures."""
    await webhooks.try_webhook(world.deps, OnDemand(time.monotonic), world.account.id, shown.webhook.id)
    await deliver(world)
    return receiver.received[-1].headers["webhook-signature"]


async def test_the_schedule_ends_after_three_days(ours: World, clock: Clock, receiver: Ledger) -> None:
    """Ten attempts under one id at the promised times, each kept; then it is failed, and sent again on request."""
    receiver.mood = Mood.BROKEN
    shown = await hook(ours, receiver, "domain.created")
    await ours.add(NAME)
    began, last = clock.at, clock.at
    while await deliver(ours) or (await listed(ours, shown))[0].due_at:
        last = clock.at
        clock.at = (await listed(ours, shown))[0].due_at or clock.at
    (failed,) = await listed(ours, shown)
    assert failed.fate is rules.DeliveryStatus.FAILED
    assert [each.status for each in failed.attempts] == [500] * 10
    waits = [
        (later.at - each.at).total_seconds() for each, later in zip(failed.attempts, failed.attempts[1:], strict=False)
    ]
    wanted = [5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400]
    assert all(0.89 * want <= wait <= 1.11 * want for wait, want in zip(waits, wanted, strict=True))
    assert last - began > timedelta(hours=67)
    assert set(receiver.ids()) == {failed.id}
    receiver.mood = Mood.OK
    await webhooks.redeliver(ours.deps, ours.account.id, shown.webhook.id, failed.id, OPERATOR)
    assert await deliver(ours) == 1
    (told,) = await listed(ours, shown)
    assert (told.fate, len(told.attempts)) == (rules.DeliveryStatus.DELIVERED, 11)
    assert set(receiver.ids()) == {failed.id}


async def test_retry_after_puts_it_off(ours: World, clock: Clock, receiver: Ledger) -> None:
    """429 with Retry-After: not a second earlier than asked for."""
    receiver.mood, receiver.retry_after = Mood.BUSY, "7200"
    shown = await hook(ours, receiver, "domain.created")
    await ours.add(NAME)
    assert await deliver(ours) == 1
    assert (await listed(ours, shown))[0].due_at == clock.at + timedelta(hours=2)
    clock.turn(minutes=119)
    assert await deliver(ours) == 0
    receiver.mood = Mood.OK
    clock.turn(minutes=1)
    assert await deliver(ours) == 1


async def test_gone_ends_it_until_it_is_changed(ours: World, receiver: Ledger) -> None:
    """410 disables: nothing more is sent, tests and repeats are refused with what to do, and PUT enables it again."""
    receiver.mood = Mood.GONE
    shown = await hook(ours, receiver)
    await ours.add(NAME)
    assert await deliver(ours) == 2  # created and pending were under way together
    found = await webhooks.find_webhook(ours.deps, ours.account.id, shown.webhook.id)
    assert found.webhook.disabled_at is not None
    await ours.add(f"b.{NAME}")
    assert await deliver(ours) == 0
    with pytest.raises(Fault) as refused:
        await webhooks.try_webhook(ours.deps, OnDemand(time.monotonic), ours.account.id, shown.webhook.id)
    assert refused.value.kind is Kind.CONFLICT
    receiver.mood = Mood.OK
    settings = webhooks.WebhookSettings(url=receiver.url, events=("*",))
    await webhooks.change_webhook(ours.deps, ours.account.id, shown.webhook.id, settings, OPERATOR)
    await ours.add(f"c.{NAME}")
    assert await deliver(ours) == 2


async def test_a_test_says_what_it_is(ours: World, receiver: Ledger) -> None:
    """A test arrives whatever is subscribed to, and tells of no domain."""
    shown = await hook(ours, receiver, "domain.lost")
    owed = await webhooks.try_webhook(ours.deps, OnDemand(time.monotonic), ours.account.id, shown.webhook.id)
    assert await deliver(ours) == 1
    (message,) = [each.message for each in receiver.received]
    assert (message["id"], message["type"]) == (owed.id, "webhook.test")
    assert set(message["data"]) == {"message"}


async def test_what_the_operator_forbids_later_is_not_sent(tmp_path: Path, clock: Clock, receiver: Ledger) -> None:
    """An endpoint that was allowed once is not dialled any more once the settings forbid it, and its log says why."""
    async with opened(tmp_path, Overrides(now=clock), **OPEN) as world:
        shown = await hook(world, receiver)
        account = world.account
    async with opened(tmp_path, Overrides(now=clock)) as world:
        strict = World(world.deps, account, "")
        await strict.add(NAME)
        assert await deliver(strict) == 2
        assert {each.attempts[0].status for each in await listed(strict, shown)} == {None}
        assert all("https" in each.attempts[0].said for each in await listed(strict, shown))
    assert receiver.connections == 0


async def test_endpoints_are_counted(ours: World, receiver: Ledger) -> None:
    """An account has twenty endpoints at most."""
    for _ in range(webhooks.MOST):
        await hook(ours, receiver)
    with pytest.raises(Fault) as refused:
        await hook(ours, receiver)
    assert refused.value.kind is Kind.CONFLICT

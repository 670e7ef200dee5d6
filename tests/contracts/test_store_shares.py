"""Hold the claiming statements to the rule of `core.schedule.shares`, on each engine."""

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest
from msgspec.structs import replace

from letterhead.adapters.storage import leases
from letterhead.core.domain.domain import Domain, Effect, EventKind
from letterhead.core.domain.health import HealthState, new_health
from letterhead.core.public.webhooks import DeliveryStatus, RetryDecision, Webhook
from letterhead.core.schedule.check_schedule import CheckQueue
from letterhead.core.schedule.shares import PlacesHeld, choose_turns
from letterhead.ports.store import Store
from letterhead.ports.store.domains import DomainUpdate
from letterhead.ports.store.leases import IntentPlace
from letterhead.ports.store.monitoring import AccountWork, WorkKind
from letterhead.ports.store.webhooks import DeliveryAttempt, EndpointChoice
from tests.contracts.samples import NOW, Shop, audit, event, fresh_id, later

UNTIL = later(minutes=5)
WATCHED = {"dkim": new_health(HealthState.VERIFIED, NOW), "mail_from_health": None}


async def due_domains(shop: Shop, account_ids: Sequence[str], **how: object) -> list[Domain]:
    """Add a domain for each account that is named, the longest due first."""
    return [
        await shop.domain(account_id, f"d{at}.example", next_check_at=later(seconds=at - 1000), **how)
        for at, account_id in enumerate(account_ids)
    ]


def places(number: int, held: Mapping[str, int], served: Mapping[str, int] | None = None) -> PlacesHeld:
    """Make the places of a process."""
    return PlacesHeld(places=number, by_account=held, served=served or {})


@pytest.mark.parametrize("seed", range(8))
async def test_checks_are_claimed_by_the_rule(shop: Shop, seed: int) -> None:
    """The statement chooses what the pure rule chooses, whatever is due and held; so does the next claim."""
    chance = random.Random(seed)
    accounts = [(await shop.account()).id for _ in range(4)]
    waiting = chance.choices(accounts, weights=[9, 3, 1, 1], k=20)
    domains = await due_domains(shop, waiting)
    number = chance.choice([4, 8, 16])
    held = Counter(chance.choices(accounts, k=chance.randrange(number)))
    for _ in range(2):
        free = number - held.total()
        claimed = await shop.store.claim_due(NOW, UNTIL, "me", free, held=places(number, held))
        chosen = choose_turns([each.account_id for each in domains], held, number)
        assert {each.id for each in claimed} == {domains[at].id for at in chosen}
        held.update(each.account_id for each in claimed)
        domains = [each for each in domains if each.id not in {one.id for one in claimed}]


async def test_what_waits_behind_thousands_is_found(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last of a hundred due domains is claimed in a few claims, where all before it are one account's."""
    monkeypatch.setattr(leases, "RANKED_FURTHER", 15)
    many, one = (await shop.account()).id, (await shop.account()).id
    await due_domains(shop, [many] * 100)
    last = await shop.domain(one, "last.example", next_check_at=NOW)
    held = Counter({many: 12})
    for _ in range(12):
        claimed = await shop.store.claim_due(NOW, UNTIL, "me", 16 - held.total(), held=places(16, held))
        held.update(each.account_id for each in claimed)
        if claimed:
            break
    assert [each.id for each in claimed] == [last.id]
    assert await shop.store.claim_due(NOW, UNTIL, "me", 4, held=places(16, {many: 12})) == []


async def test_each_queue_is_claimed_by_itself(shop: Shop) -> None:
    """A domain waits among those that are set up, those that are watched, or those that were slow."""
    account_id = (await shop.account()).id
    new = await shop.domain(account_id, "new.example")
    watched = await shop.domain(account_id, "watched.example", **WATCHED)
    slow = await shop.domain(account_id, "slow.example", is_slow=True)
    found = {
        queue: [each.id for each in await shop.store.claim_due(NOW, UNTIL, "me", 9, queues=[queue])]
        for queue in CheckQueue
    }
    assert found == {
        CheckQueue.ONBOARDING: [new.id],
        CheckQueue.ROUTINE: [watched.id],
        CheckQueue.SLOW: [slow.id],
    }
    assert await shop.store.save(DomainUpdate(domain=replace(slow, is_slow=False)))
    again = await shop.store.claim_due(NOW, UNTIL, "me", 9, queues=[CheckQueue.ONBOARDING])
    assert [each.id for each in again] == [slow.id]


async def owe(shop: Shop, account_id: str, number: int, effect: Effect = Effect.WITHDRAW) -> None:
    """Owe so many pieces of work outside, each for a name of its own."""
    for _ in range(number):
        domain = await shop.domain(account_id, f"{fresh_id('n')}.example")
        assert await shop.store.save(DomainUpdate(domain=domain, effects=(effect,)))


async def test_work_outside_is_shared_by_account(shop: Shop) -> None:
    """The newcomer goes first, then whoever was served longest ago, and nobody takes the last quarter."""
    many, one = (await shop.account()).id, (await shop.account()).id
    await owe(shop, many, 9)
    await owe(shop, one, 2)

    async def claimed(limit: int, held: PlacesHeld) -> list[str]:
        found = await shop.store.claim_intents(NOW, UNTIL, "me", limit, held=held)
        await shop.store.release_leases("me", NOW)
        return sorted(each.account_id for each in found)

    assert await claimed(1, places(4, {many: 3})) == [one]
    assert await claimed(1, places(4, {many: 2, one: 1})) == []
    assert await claimed(4, places(4, {})) == sorted([many, many, one])
    assert await claimed(1, places(4, {"a": 1, "b": 1, "c": 1}, {many: 8})) == [one]
    assert await claimed(1, places(4, {"a": 1, "b": 1, "c": 1}, {many: 8, one: 9})) == [many]


async def test_the_provider_and_our_zone_are_two_places(shop: Shop) -> None:
    """Work at one of them is claimed apart from work at the other."""
    account_id = (await shop.account()).id
    await owe(shop, account_id, 2, Effect.PUBLISH)
    await owe(shop, account_id, 1, Effect.REGISTER)
    at_provider = await shop.store.claim_intents(NOW, UNTIL, "me", 9, where=IntentPlace.PROVIDER)
    in_zone = await shop.store.claim_intents(NOW, UNTIL, "me", 9, where=IntentPlace.KEY_ZONE)
    assert [each.effect for each in at_provider] == [Effect.REGISTER]
    assert [each.effect for each in in_zone] == [Effect.PUBLISH, Effect.PUBLISH]


async def test_reminders_are_shared_by_account(shop: Shop) -> None:
    """Another account's reminder goes before the hundredth of one."""
    many, one = (await shop.account()).id, (await shop.account()).id
    for account_id, number in ((many, 8), (one, 1)):
        for at in range(number):
            domain = await shop.domain(account_id, f"r{at}.example")
            health = replace(new_health(HealthState.AT_RISK, NOW), stops_sending_at=later(hours=72))
            at_risk = DomainUpdate(domain=replace(domain, dkim=health), events=(event(EventKind.DOMAIN_AT_RISK),))
            assert await shop.store.save(at_risk)
    claimed = await shop.store.claim_reminders(NOW, UNTIL, "me", 2, held=places(4, {many: 2}))
    assert [each.account_id for each in claimed] == [one]
    rest = await shop.store.claim_reminders(NOW, UNTIL, "me", 4, held=places(4, {}))
    assert [each.account_id for each in rest] == [many] * 3


async def hook(store: Store, account_id: str) -> Webhook:
    """Add an endpoint with a test that is due."""
    made = Webhook(id=fresh_id("wh"), account_id=account_id, url="https://x.dev/", events=("*",), created_at=NOW)
    assert await store.add_webhook(made, b"sealed", 99, audit())
    await store.try_webhook(made.id, "webhook.test", "a test", NOW)
    return made


async def test_deliveries_are_shared_by_account(shop: Shop) -> None:
    """Twenty endpoints of one account leave places for another, whose endpoint goes first."""
    many, one = (await shop.account()).id, (await shop.account()).id
    for _ in range(20):
        await hook(shop.store, many)
    mine = await hook(shop.store, one)

    async def claimed(free: int, held: Mapping[str, int]) -> list[str]:
        share, quick = places(16, held), EndpointChoice(late=False, places=2)
        found = await shop.store.claim_deliveries(NOW, UNTIL, "me", free, endpoints=quick, held=share)
        return [each.stored.webhook.account_id for each in found]

    assert await claimed(4, {many: 12}) == [mine.account_id]
    assert Counter(await claimed(16, {})) == {many: 12}


async def test_a_slow_endpoint_waits_among_the_slow(shop: Shop) -> None:
    """One that took more than two seconds is claimed with those that fail, until it is quick again."""
    mine = await hook(shop.store, (await shop.account()).id)

    async def claimed(*, late: bool) -> bool:
        found = await shop.store.claim_deliveries(NOW, UNTIL, "me", 9, endpoints=EndpointChoice(late=late, places=2))
        for each in found:
            took = 100 if late else 2_500
            attempt = DeliveryAttempt(at=NOW, milliseconds=took, status=200, said="")
            await shop.store.record_attempt(each, attempt, RetryDecision(fate=DeliveryStatus.DELIVERED))
        await shop.store.try_webhook(mine.id, "webhook.test", "a test", NOW)
        return bool(found)

    assert [await claimed(late=late) for late in (True, False, False, True, True, False)] == [
        False, True, False, True, False, True,
    ]  # fmt: skip


async def test_one_test_at_a_time_is_under_way(shop: Shop) -> None:
    """Whoever asks again meanwhile is given the same one, which is due at once."""
    mine = await hook(shop.store, (await shop.account()).id)
    (owed,) = await shop.store.claim_deliveries(NOW, UNTIL, "me", 9, endpoints=EndpointChoice(late=False, places=2))
    assert await shop.store.try_webhook(mine.id, "webhook.test", "a test", NOW) == owed.id
    failed = DeliveryAttempt(at=NOW, milliseconds=9, status=500, said="")
    await shop.store.record_attempt(owed, failed, RetryDecision(fate=DeliveryStatus.PENDING, due_at=later(hours=1)))
    assert await shop.store.try_webhook(mine.id, "webhook.test", "a test", NOW) == owed.id
    (again,) = await shop.store.claim_deliveries(NOW, UNTIL, "me", 9, endpoints=EndpointChoice(late=True, places=2))
    assert again.id == owed.id
    done = DeliveryAttempt(at=NOW, milliseconds=9, status=200, said="")
    await shop.store.record_attempt(again, done, RetryDecision(fate=DeliveryStatus.DELIVERED))
    assert await shop.store.try_webhook(mine.id, "webhook.test", "a test", NOW) != owed.id


async def test_what_is_done_for_accounts_is_added_up(shop: Shop) -> None:
    """By account and kind, since the hour that is asked for; what is old is deleted."""
    made = await shop.account(name="Acme")
    checks = AccountWork(account_id=made.id, kind=WorkKind.CHECK, number=2, milliseconds=300)
    rest = AccountWork(account_id="", kind=WorkKind.RELAY, number=5, octets=900)
    await shop.store.add_account_work(NOW - timedelta(hours=3), [checks])
    await shop.store.add_account_work(NOW, [checks, rest])
    await shop.store.add_account_work(NOW + timedelta(minutes=20), [checks])
    work = {(each.account_id, each.kind): each for each in await shop.store.account_work(NOW)}
    assert work == {
        (made.id, WorkKind.CHECK): replace(checks, number=4, milliseconds=600, account_name="Acme"),
        ("", WorkKind.RELAY): rest,
    }
    assert await shop.store.prune_account_work(NOW - timedelta(hours=1)) == 1
    (since_the_first,) = [each for each in await shop.store.account_work(NOW - timedelta(days=1)) if each.account_id]
    assert since_the_first.number == 4


async def test_the_newest_of_many_unproven_domains_are_no_crowd(shop: Shop) -> None:
    """Of an account's domains without proof all but the fifty newest know how many they are; no others do."""
    many, one = (await shop.account()).id, (await shop.account()).id
    domains = [await shop.domain(many, f"c{at}.example") for at in range(53)]
    proven = await shop.domain(many, "proven.example", **WATCHED)
    alone = await shop.domain(one, "alone.example")
    contexts = await shop.store.load_check_contexts([*domains, proven, alone])
    assert [contexts[each.id].crowd for each in (*domains, proven, alone)] == [3] * 3 + [0] * 52


async def test_an_account_is_no_crowd_while_it_has_few(shop: Shop) -> None:
    """Fifty domains without proof are checked as often as one."""
    account_id = (await shop.account()).id
    domains = [await shop.domain(account_id, f"c{at}.example") for at in range(50)]
    assert {each.crowd for each in (await shop.store.load_check_contexts(domains)).values()} == {0}

"""Hold the store to what it promises of events, endpoints and deliveries, on each engine."""

import asyncio
from datetime import timedelta

import pytest
from msgspec.structs import replace

from letterhead.core.domain.domain import Domain, EventKind, RecordChange
from letterhead.core.public.webhooks import DeliveryStatus, RetryDecision, Webhook
from letterhead.ports.store import Store
from letterhead.ports.store.domains import DomainUpdate
from letterhead.ports.store.webhooks import DeliveryAttempt, DueDelivery, EndpointChoice
from tests.contracts.samples import NOW, Shop, audit, checkup, event, fresh_id, later

Stores = tuple[Store, Store]
MINUTE = timedelta(minutes=1)
DELIVERED = RetryDecision(fate=DeliveryStatus.DELIVERED)


async def hook(store: Store, account_id: str, *events: str, most: int = 9) -> Webhook:
    """Add an endpoint."""
    made = Webhook(
        id=fresh_id("wh"), account_id=account_id, url="https://x.dev/", events=events or ("*",), created_at=NOW
    )
    assert await store.add_webhook(made, b"sealed", most, audit())
    return made


async def owed_domain(shop: Shop, *events: str, sender: str = "acme.example") -> tuple[Webhook, Domain]:
    """Add an account with an endpoint and a domain, whose first event is owed."""
    account = await shop.account()
    webhook = await hook(shop.store, account.id, *events)
    return webhook, await shop.domain(account.id, sender)


async def due(store: Store, minutes: float = 0, owner: str = "me", **how: int) -> list[DueDelivery]:
    """Claim what is due after so many minutes, for a minute."""
    now = later(minutes=minutes)
    chosen = EndpointChoice(late=bool(how.get("failing", 0)), places=how.get("places", 2))
    return await store.claim_deliveries(now, now + MINUTE, owner, how.get("limit", 100), endpoints=chosen)


def attempt(status: int | None = 200, minutes: float = 0) -> DeliveryAttempt:
    """Make an attempt."""
    return DeliveryAttempt(at=later(minutes=minutes), milliseconds=7, status=status, said="odd \0 text")


def again(minutes: float) -> RetryDecision:
    """Rule that it is tried again."""
    return RetryDecision(fate=DeliveryStatus.PENDING, due_at=later(minutes=minutes))


async def test_an_event_is_owed_with_its_own_id(shop: Shop) -> None:
    """Each endpoint that wants an event is owed it once, under the event's id, with the domain as it was then."""
    account = await shop.account()
    every, lost = await hook(shop.store, account.id), await hook(shop.store, account.id, "domain.lost")
    domain = await shop.domain(account.id, "acme.example")
    change = RecordChange(record="dkim", was="present", now="absent")
    told = (event(EventKind.DOMAIN_LOST), replace(event(EventKind.RECORD_CHANGED), change=change))
    assert await shop.store.save(DomainUpdate(domain=replace(domain, tokens=("three",)), events=told))
    events = await shop.store.events(account.id, None, None, 9)
    claimed = {(each.stored.webhook.id, each.kind): each for each in await due(shop.store, places=9)}
    assert {key: each.id for key, each in claimed.items()} == {
        **{(every.id, each.event.kind.value): each.id for each in events},
        (lost.id, "domain.lost"): events[1].id,
    }
    owed = claimed[every.id, "record.changed"]
    assert owed.domain is not None
    assert (owed.change, owed.domain.tokens, owed.failures, owed.at) == (change, ("three",), 0, NOW)
    assert owed.stored.sealed == b"sealed"


async def test_only_who_wants_it_is_owed(shop: Shop) -> None:
    """Other accounts, other events, endpoints that are disabled and events of before are owed nothing."""
    other, _ = await owed_domain(shop, "domain.lost")
    account = await shop.account()
    late = await shop.domain(account.id, "late.example")
    webhook = await hook(shop.store, account.id)
    assert await due(shop.store) == []
    (owed,) = [each for each in await _told(shop, late) if each.stored.webhook.id == webhook.id]
    await shop.store.record_attempt(owed, attempt(410), RetryDecision(fate=DeliveryStatus.FAILED, gone=True))
    assert await _told(shop, replace(late, version=1)) == []
    assert await shop.store.deliveries(other.id, None, 9) == []


async def _told(shop: Shop, domain: Domain) -> list[DueDelivery]:
    assert await shop.store.save(DomainUpdate(domain=domain, events=(event(EventKind.DOMAIN_FAILED),)))
    return await due(shop.store)


async def test_nothing_is_owed_of_what_was_not_written(shop: Shop) -> None:
    """A save that lost a race owes nothing: message and event stand or fall together."""
    webhook, domain = await owed_domain(shop, "domain.failed")
    stale = replace(domain, version=7)
    assert not await shop.store.save(DomainUpdate(domain=stale, events=(event(EventKind.DOMAIN_FAILED),)))
    assert await shop.store.deliveries(webhook.id, None, 9) == []


async def test_a_deleted_domain_is_still_told(shop: Shop) -> None:
    """Its last event is owed, and its timeline is read from the account's."""
    webhook, domain = await owed_domain(shop)
    assert await shop.store.delete(domain, event(EventKind.DOMAIN_DELETED), (), audit())
    assert [each.kind for each in await due(shop.store)] == ["domain.pending", "domain.deleted"]
    timeline = await shop.store.events(webhook.account_id, None, None, 9, sender="acme.example")
    assert [each.event.kind for each in timeline] == [EventKind.DOMAIN_PENDING, EventKind.DOMAIN_DELETED]
    assert await shop.store.events(webhook.account_id, None, None, 9, sender="other.example") == []


async def test_an_event_leads_to_its_check(shop: Shop) -> None:
    """Events of one check lead to it, whole; those of a person to none, and other accounts' are not found."""
    webhook, domain = await owed_domain(shop)
    seen, told = checkup(), (event(EventKind.DOMAIN_FAILED), event(EventKind.RECORD_CHANGED))
    assert await shop.store.save(DomainUpdate(domain=domain, events=told, check=seen))
    first, *others = await shop.store.events(webhook.account_id, domain.id, None, 9)
    assert first.check_id is None
    (check_id,) = {each.check_id for each in others}
    assert check_id is not None
    kept = await shop.store.find_check(check_id)
    assert kept is not None
    assert kept.taken_at == NOW
    assert kept.snapshot == seen.snapshot
    assert await shop.store.event(webhook.account_id, first.id) == first
    assert await shop.store.event("another", first.id) is None


async def test_two_at_a_time(stores: Stores, shop: Shop) -> None:
    """However many ask, an endpoint has two messages under way; what ran out counts no more."""
    webhook, domain = await owed_domain(shop)
    for version in range(6):
        assert await shop.store.save(DomainUpdate(domain=replace(domain, version=version), events=(event(),)))
    claims = await asyncio.gather(*(due(store, owner=f"o{number}") for number in range(5) for store in stores))
    claimed = [each for claim in claims for each in claim]
    assert len({each.id for each in claimed}) == len(claimed) == 2
    assert await due(shop.store, minutes=0.5) == []
    await shop.store.record_attempt(claimed[0], attempt(), DELIVERED)
    assert len(await due(shop.store, minutes=0.5)) == 1
    assert len(await due(shop.store, minutes=3)) == 2
    assert {each.stored.webhook.id for each in claimed} == {webhook.id}


async def test_a_failing_endpoint_waits_apart(shop: Shop) -> None:
    """Once an attempt failed, its messages are given out among the failing ones alone, until one arrives."""
    webhook, domain = await owed_domain(shop)
    (owed,) = await due(shop.store)
    await shop.store.record_attempt(owed, attempt(500), again(1))
    assert await due(shop.store, minutes=0.5, failing=1) == []
    assert await due(shop.store, minutes=2) == []
    (owed,) = await due(shop.store, minutes=2, failing=1)
    assert (owed.failures, owed.stored.webhook.id) == (1, webhook.id)
    await shop.store.record_attempt(owed, attempt(minutes=2), DELIVERED)
    assert await shop.store.save(DomainUpdate(domain=domain, events=(event(),)))
    assert len(await due(shop.store, minutes=3)) == 1


async def test_every_attempt_is_kept(shop: Shop) -> None:
    """Deliveries are listed newest first in pages, with all attempts in order and what comes next."""
    webhook, domain = await owed_domain(shop)
    (first,) = await due(shop.store)
    await shop.store.record_attempt(first, attempt(None), again(5))
    assert await shop.store.save(DomainUpdate(domain=domain, events=(event(EventKind.DOMAIN_FAILED),)))
    newest, oldest = await shop.store.deliveries(webhook.id, None, 9)
    assert (newest.kind, newest.fate, newest.attempts) == ("domain.failed", DeliveryStatus.PENDING, ())
    assert (oldest.id, oldest.due_at) == (first.id, later(minutes=5))
    (made,) = oldest.attempts
    assert (made.status, made.milliseconds, made.at) == (None, 7, NOW)
    (again_,) = [each for each in await due(shop.store, 5, failing=1) if each.id == first.id]
    await shop.store.record_attempt(again_, attempt(204, minutes=5), DELIVERED)
    assert await shop.store.deliveries(webhook.id, newest.id, 9) == [await shop.store.delivery(webhook.id, first.id)]
    told = await shop.store.delivery(webhook.id, first.id)
    assert told is not None
    assert (told.fate, told.due_at, [each.status for each in told.attempts]) == (
        DeliveryStatus.DELIVERED,
        None,
        [None, 204],
    )
    assert len(await shop.store.deliveries(webhook.id, None, 1)) == 1
    assert await shop.store.delivery("another", first.id) is None


async def test_who_lost_the_lease_decides_nothing(shop: Shop) -> None:
    """An attempt after the lease ran out is written down, but moves only what arrived."""
    webhook, _ = await owed_domain(shop)
    (slow,) = await due(shop.store, owner="slow")
    (quick,) = await due(shop.store, minutes=2, owner="quick")
    assert slow.id == quick.id
    await shop.store.record_attempt(slow, attempt(500), again(9))
    assert await due(shop.store, minutes=2.5) == []
    await shop.store.record_attempt(quick, attempt(200), DELIVERED)
    await shop.store.record_attempt(slow, attempt(500), again(9))
    (told,) = await shop.store.deliveries(webhook.id, None, 9)
    assert (told.fate, len(told.attempts)) == (DeliveryStatus.DELIVERED, 3)


async def test_gone_ends_all_that_is_owed(shop: Shop) -> None:
    """After 410 nothing is given out any more; a change of the endpoint enables it for what comes then."""
    webhook, domain = await owed_domain(shop)
    for version in range(3):
        assert await shop.store.save(DomainUpdate(domain=replace(domain, version=version), events=(event(),)))
    owed, _ = await due(shop.store)
    await shop.store.record_attempt(owed, attempt(410), RetryDecision(fate=DeliveryStatus.FAILED, gone=True))
    kept = await shop.store.webhook(webhook.account_id, webhook.id)
    assert kept is not None
    assert kept.webhook.disabled_at == NOW
    assert {each.fate for each in await shop.store.deliveries(webhook.id, None, 9)} == {DeliveryStatus.FAILED}
    assert await due(shop.store, 60) == []
    assert await shop.store.change_webhook(webhook, audit())
    assert await shop.store.redeliver(webhook.id, owed.id, audit())
    assert [each.id for each in await due(shop.store, 60)] == [owed.id]
    kept = await shop.store.webhook(webhook.account_id, webhook.id)
    assert kept is not None
    assert kept.webhook.disabled_at is None


async def test_a_test_is_owed_too(shop: Shop) -> None:
    """A message that follows from no event is owed like any other, without a domain."""
    account = await shop.account()
    webhook = await hook(shop.store, account.id, "domain.lost")
    made = await shop.store.try_webhook(webhook.id, "webhook.test", "a test", NOW)
    (owed,) = await due(shop.store)
    assert (owed.id, owed.kind, owed.domain) == (made, "webhook.test", None)


async def test_endpoints_are_counted_and_the_accounts_own(shop: Shop) -> None:
    """No more than so many; another account neither finds, changes, rotates nor deletes one."""
    account, other = await shop.account(), await shop.account()
    webhook = await hook(shop.store, account.id, most=1)
    assert not await shop.store.add_webhook(replace(webhook, id="more"), b"", 1, audit())
    stranger = replace(webhook, account_id=other.id)
    assert not await shop.store.change_webhook(stranger, audit())
    assert not await shop.store.rotate_secret(other.id, webhook.id, b"", NOW, audit())
    assert not await shop.store.delete_webhook(other.id, webhook.id, audit())
    assert await shop.store.webhook(other.id, webhook.id) is None
    assert await shop.store.rotate_secret(account.id, webhook.id, b"new", later(hours=24), audit())
    (kept,) = await shop.store.webhooks(account.id)
    assert (kept.sealed, kept.old_sealed, kept.webhook.old_secret_until) == (b"new", b"sealed", later(hours=24))
    assert await shop.store.delete_webhook(account.id, webhook.id, audit())
    assert await shop.store.webhooks(account.id) == []


async def test_leases_are_handed_back(shop: Shop) -> None:
    """Who stops hands back what it claimed; who deletes the endpoint meanwhile ends it quietly."""
    webhook, _ = await owed_domain(shop)
    assert (await shop.store.backlog(NOW)).deliveries == 1
    (owed,) = await due(shop.store)
    assert (await shop.store.backlog(NOW)).deliveries == 0
    await shop.store.release_leases("me", NOW)
    assert len(await due(shop.store, owner="other")) == 1
    assert await shop.store.delete_webhook(webhook.account_id, webhook.id, audit())
    await shop.store.record_attempt(owed, attempt(), DELIVERED)
    assert (await shop.store.backlog(later(hours=1))).deliveries == 0


@pytest.mark.parametrize("limit", [1, 3])
async def test_claims_are_bounded(shop: Shop, limit: int) -> None:
    """No more is claimed than there are places, over all endpoints."""
    account = await shop.account()
    for _ in range(5):
        await hook(shop.store, account.id)
    await shop.domain(account.id, "acme.example")
    assert len(await due(shop.store, limit=limit)) == limit

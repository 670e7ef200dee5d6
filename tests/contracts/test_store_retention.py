"""Hold the store to what it forgets, and to what it never does, on each engine."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from letterhead.core.accounts.quotas import Limits
from letterhead.core.domain.domain import Domain, Event, EventKind, RecordChange
from letterhead.core.public.webhooks import DeliveryStatus, RetryDecision, Webhook
from letterhead.errors import Fault, Kind
from letterhead.ports.store import Store
from letterhead.ports.store.domains import DomainUpdate
from letterhead.ports.store.webhooks import DeliveryAttempt, EndpointChoice
from tests.contracts.samples import NOW, Shop, audit, checkup, domain, fresh_id, later, pooled_keys


def changed(record: str, days: float) -> Event:
    """Make a change of a record."""
    change = RecordChange(record=record, was="present", now="absent")
    return Event(kind=EventKind.RECORD_CHANGED, at=later(days=days), detail="It changed.", change=change)


def entered(kind: EventKind, days: float) -> Event:
    """Make an event of a state."""
    return Event(kind=kind, at=later(days=days), detail="It happened.")


async def live(shop: Shop, made: Domain, *events: Event) -> Domain:
    """Save a check for each event, one after the other."""
    for event in events:
        assert await shop.store.save(DomainUpdate(domain=made, events=(event,), check=checkup(event.at)))
        made = replace(made, version=made.version + 1)
    return made


async def told(store: Store, made: Domain) -> list[tuple[EventKind, str | None, bool]]:
    """List what is left: kind, record, whether its check is there."""
    found = await store.events(made.account_id, made.id, None, 99)
    return [
        (each.event.kind, each.event.change.record if each.event.change else None, each.check_id is not None)
        for each in found
    ]


LIFE = (
    changed("dkim", 1),
    entered(EventKind.DOMAIN_VERIFIED, 2),
    changed("mail_from", 3),
    changed("dmarc", 4),
    entered(EventKind.DOMAIN_AT_RISK, 5),
    changed("dkim", 6),
)


async def test_what_explains_the_present_stays(shop: Shop) -> None:
    """All may be old: the events since the present state was entered stay, and the last one of each record."""
    account = await shop.account()
    made = await live(shop, await shop.domain(account.id, "acme.example"), *LIFE)
    assert await shop.store.prune_events(later(days=900)) == 3
    assert await told(shop.store, made) == [
        (EventKind.RECORD_CHANGED, "mail_from", True),
        (EventKind.RECORD_CHANGED, "dmarc", True),
        (EventKind.DOMAIN_AT_RISK, None, True),
        (EventKind.RECORD_CHANGED, "dkim", True),
    ]
    assert await shop.store.prune_events(later(days=900)) == 0
    assert (await shop.store.last_checks([made.id]))[made.id].taken_at == later(days=6)


async def test_what_is_young_stays(shop: Shop) -> None:
    """Nothing goes that is younger than it is kept."""
    account = await shop.account()
    made = await live(shop, await shop.domain(account.id, "acme.example"), *LIFE)
    assert await shop.store.prune_events(later(days=1.5)) == 2
    assert next(kind for kind, _, _ in await told(shop.store, made)) is EventKind.DOMAIN_VERIFIED


async def test_snapshots_go_sooner(shop: Shop) -> None:
    """The checks behind events that explain nothing present go, the events stay; those that do keep theirs."""
    account = await shop.account()
    made = await live(shop, await shop.domain(account.id, "acme.example"), *LIFE)
    assert await shop.store.prune_snapshots(later(days=900)) == 4  # two parted, two deleted
    assert [there for _, _, there in await told(shop.store, made)] == [False, False, False, True, True, True, True]
    for each in await shop.store.events(account.id, made.id, None, 99):
        assert each.check_id is None or await shop.store.find_check(each.check_id) is not None
    assert await shop.store.prune_snapshots(later(days=900)) == 0


async def test_a_deleted_domains_history_goes_with_time(shop: Shop) -> None:
    """It explains nothing any more: readable for as long as it is kept, then gone whole."""
    account = await shop.account()
    made = await live(shop, await shop.domain(account.id, "acme.example"), *LIFE)
    deleted = entered(EventKind.DOMAIN_DELETED, 7)
    assert await shop.store.delete(made, deleted, (), audit())
    assert len(await told(shop.store, made)) == 8
    assert await shop.store.prune_events(later(days=6.5)) == 7
    assert await shop.store.prune_events(later(days=8)) == 1
    assert await told(shop.store, made) == []
    assert await shop.store.prune_snapshots(later(days=8)) == 6


async def test_deliveries_go_when_they_are_done(shop: Shop) -> None:
    """What arrived or was given up goes with its attempts; what is under way stays, however old."""
    account = await shop.account()
    hook = Webhook(id=fresh_id("wh"), account_id=account.id, url="https://x.dev/", events=("*",), created_at=NOW)
    assert await shop.store.add_webhook(hook, b"", 9, audit())
    await live(shop, await shop.domain(account.id, "acme.example"), *LIFE[:2])
    every = EndpointChoice(late=False, places=1)
    claimed = await shop.store.claim_deliveries(NOW, later(minutes=1), "me", 9, endpoints=every)
    for owed in claimed:
        attempt = DeliveryAttempt(at=NOW, milliseconds=1, status=200, said="")
        await shop.store.record_attempt(owed, attempt, RetryDecision(fate=DeliveryStatus.DELIVERED))
    assert await shop.store.prune_deliveries(NOW - timedelta(days=1)) == 0
    assert await shop.store.prune_deliveries(later(days=900)) == len(claimed) == 1
    assert {each.fate for each in await shop.store.deliveries(hook.id, None, 9)} == {DeliveryStatus.PENDING}


async def test_claims_without_proof_are_counted(shop: Shop) -> None:
    """An account has no more pending claims than it may; a proven one counts no more."""
    account = await shop.account(limits=Limits(pending_claims=1))
    first = await shop.domain(account.id, "one.example")
    second = shop.claim(domain(account.id, "two.example"), own=pooled_keys(1)[0])
    assert await shop.store.count_unproven(account.id) == 1
    with pytest.raises(Fault) as refused:
        await shop.store.claim(second, account.limits)
    assert refused.value.kind is Kind.USAGE_LIMIT_EXCEEDED
    assert await shop.store.save(DomainUpdate(domain=replace(first, is_holder=True)))
    assert await shop.store.count_unproven(account.id) == 0
    assert (await shop.store.account(account.id)) == account
    await shop.store.claim(second, account.limits)


async def test_the_audit_is_read_backwards(shop: Shop) -> None:
    """The newest rows come first, in pages, of all or of one account."""
    account = await shop.account()
    for number in range(3):
        await shop.store.audit(replace(audit(f"test.{number}"), account_id=account.id))
    newest, *others = await shop.store.audit_rows(None, None, 100)
    assert newest.row == replace(audit("test.2"), account_id=account.id)
    mine = await shop.store.audit_rows(account.id, newest.number, 100)
    assert [each.row.action for each in mine] == ["test.1", "test.0"]
    assert len(others) > len(mine)
    assert len(await shop.store.audit_rows(None, None, 1)) == 1

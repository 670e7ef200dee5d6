"""Endpoints for some domains of an account: which events they are owed, against a model, on each engine."""

import random
import sqlite3
from contextlib import closing

import asyncpg
import pytest
from msgspec.structs import replace

from letterhead.core.accounts.key_bounds import DomainBinding
from letterhead.core.domain.domain import EventKind
from letterhead.core.public.webhooks import EVERY, Webhook
from letterhead.ports.store import Store
from letterhead.ports.store.domains import DomainUpdate
from letterhead.ports.store.webhooks import EndpointChoice
from tests.contracts.samples import NOW, Shop, audit, event, fresh_id, later

NAMES = ("acme.dev", "eu.acme.dev", "a.eu.acme.dev", "xacme.dev", "dev.acme.org", "zeta.dev", "acme.dev.zeta.dev")
KINDS = (EventKind.DOMAIN_LOST, EventKind.RECORD_CHANGED, EventKind.FINDING_RAISED)


async def hook(
    store: Store, account_id: str, binding: DomainBinding | None, events: tuple[str, ...] = (EVERY,)
) -> Webhook:
    """Add an endpoint."""
    made = Webhook(
        id=fresh_id("wh"), account_id=account_id, url="https://x.dev/", events=events, binding=binding, created_at=NOW
    )
    assert await store.add_webhook(made, b"sealed", 99, audit())
    found = await store.webhook(account_id, made.id)
    assert found is not None
    assert found.webhook == made
    return made


def wants(webhook: Webhook, sender: str, kind: str) -> bool:
    """Say whether an endpoint is owed an event, label by label."""
    if EVERY not in webhook.events and kind not in webhook.events:
        return False
    if webhook.binding is None:
        return True
    labels = sender.split(".")
    above = [".".join(labels[at:]) for at in range(len(labels))] if webhook.binding.covers_below else [sender]
    return any(name in webhook.binding.names for name in above)


async def owed(store: Store, webhook: Webhook) -> list[tuple[str, str]]:
    """List the ids and kinds of what an endpoint is owed, the newest first."""
    return [(each.id, each.kind) for each in await store.deliveries(webhook.id, None, 1000)]


@pytest.mark.parametrize("seed", range(3))
async def test_random_endpoints_are_owed_their_own_events_alone(shop: Shop, seed: int) -> None:
    """Whatever domains and kinds they are for, before and after they change: what the model says, and nothing else."""
    chance, store = random.Random(seed), shop.store
    account, other = await shop.account(), await shop.account()
    domains = {name: await shop.domain(account.id, name) for name in NAMES}
    theirs = await shop.domain(other.id, "acme.dev")

    def binding() -> DomainBinding | None:
        names = tuple(chance.sample([*NAMES, "none.dev", "dev"], chance.randint(1, 3)))
        return DomainBinding(names=names, covers_below=chance.random() < 0.5) if chance.random() < 0.8 else None

    def kinds() -> tuple[str, ...]:
        return (EVERY,) if chance.random() < 0.5 else (chance.choice(KINDS).value,)

    endpoints = [await hook(store, account.id, binding(), kinds()) for _ in range(8)]
    expected: dict[str, set[tuple[str, str]]] = {each.id: set() for each in endpoints}
    senders: dict[str, str] = {}
    for _ in range(40):
        if chance.random() < 0.2:
            at = chance.randrange(len(endpoints))
            endpoints[at] = changed = replace(endpoints[at], binding=binding(), events=kinds())
            assert await store.change_webhook(changed, audit())
            kept = changed.binding
            expected[changed.id] = {
                each
                for each in expected[changed.id]
                if kept is None or wants(replace(changed, events=("*",)), senders[each[0]], "")
            }
        name, kind = chance.choice(NAMES), chance.choice(KINDS)
        domain = domains[name]
        assert await store.save(DomainUpdate(domain=domain, events=(event(kind),)))
        domains[name] = replace(domain, version=domain.version + 1)
        told = (await store.events(account.id, domain.id, None, 1000))[-1]
        senders[told.id] = name
        for each in endpoints:
            if wants(each, name, kind.value):
                expected[each.id].add((told.id, kind.value))
        for each in endpoints:
            assert set(await owed(store, each)) == expected[each.id], (each, name, kind)
    assert await store.save(DomainUpdate(domain=theirs, events=(event(KINDS[0]),)))
    for each in endpoints:
        assert set(await owed(store, each)) == expected[each.id]
    assert sum(map(len, expected.values())) > 40


async def test_a_bound_endpoint_is_tested_and_sent_the_last_event(shop: Shop) -> None:
    """A test goes to it, and the deletion of its domain; what is claimed carries the domains that it is for."""
    account, store = await shop.account(), shop.store
    domain, beside = await shop.domain(account.id, "acme.dev"), await shop.domain(account.id, "beside.dev")
    bound = await hook(store, account.id, DomainBinding(names=("acme.dev",)))
    tested = await store.try_webhook(bound.id, "webhook.test", "a test", NOW)
    for each in (domain, beside):
        assert await store.delete(each, event(EventKind.DOMAIN_DELETED), (), audit())
    chosen = EndpointChoice(late=False, places=9)
    claimed = await store.claim_deliveries(NOW, later(minutes=1), "me", 99, endpoints=chosen)
    assert sorted((each.kind, each.domain and each.domain.sender) for each in claimed) == [
        ("domain.deleted", "acme.dev"),
        ("webhook.test", None),
    ]
    assert {each.stored.webhook.binding for each in claimed} == {bound.binding}
    assert await store.change_webhook(replace(bound, binding=DomainBinding(names=("beside.dev",))), audit())
    assert [each for each, _ in await owed(store, bound)] == [tested]


async def test_earlier_versions_find_no_event_of_it(store: Store, url: str) -> None:
    """The column that they look into names none, in each engine, and can't be made to name one."""
    shop = Shop(store)
    account = await shop.account()
    bound = await hook(store, account.id, DomainBinding(names=("acme.dev",)), ("domain.lost",))
    whole = await hook(store, account.id, None, ("domain.lost",))
    assert await events_of(url, bound.id) == " "
    assert await events_of(url, whole.id) == " domain.lost "
    with pytest.raises((sqlite3.IntegrityError, asyncpg.CheckViolationError)):
        await subscribe(url, bound.id)
    await subscribe(url, whole.id)
    assert await store.change_webhook(replace(bound, binding=None), audit())
    assert await events_of(url, bound.id) == " domain.lost "


async def subscribe(url: str, webhook_id: str) -> None:
    """Subscribe an endpoint to all events, as an earlier version does it."""
    await run(url, "UPDATE webhooks SET events = ' * ' WHERE id = $1", webhook_id)


async def events_of(url: str, webhook_id: str) -> str:
    """Read the events of an endpoint, as an earlier version does it."""
    ((events,),) = await run(url, "SELECT events FROM webhooks WHERE id = $1", webhook_id)
    return str(events)


async def run(url: str, statement: str, *values: str) -> list[tuple[object, ...]]:
    """Run a statement beside the store."""
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
            return connection.execute(statement.replace("$1", "?"), values).fetchall()
    connected = await asyncpg.connect(url, statement_cache_size=0)
    try:
        return [tuple(row) for row in await connected.fetch(statement, *values)]
    finally:
        await connected.close()

"""The store tells which processes were seen, by one clock, and what is owed outside and since when."""

import asyncio
from datetime import UTC, datetime, timedelta

from letterhead.core.domain.domain import Effect
from letterhead.ports.store import Store
from letterhead.ports.store.domains import DomainUpdate
from letterhead.ports.store.monitoring import ProcessIdentity, Role
from tests.contracts.samples import NOW, Shop, event

HOUR = timedelta(hours=1)


def process(name: str, role: Role = Role.WORKER) -> ProcessIdentity:
    """Make up a process."""
    return ProcessIdentity(id=name, role=role, host="mail1", pid=4711, version="1.2.3")


async def test_each_process_is_seen_until_it_stops(stores: tuple[Store, Store]) -> None:
    """One process sees the other's heartbeat whole, the later one first; one that stops is gone."""
    here, there = stores
    worker, relay = process("worker-1"), process("relay-1", Role.RELAY)
    now = datetime.now(UTC)
    await here.save_heartbeat(worker, now)
    await asyncio.sleep(0.01)  # so that both engines tell the two apart
    await there.save_heartbeat(relay, now + timedelta(milliseconds=10))
    seen = await there.heartbeats(now + timedelta(milliseconds=10))
    assert [each.process for each in seen] == [relay, worker]
    assert all(abs(each.silent) < timedelta(seconds=30) for each in seen)
    assert [each.since for each in seen] == [each.at for each in seen]
    await here.save_heartbeat(worker, now + timedelta(seconds=10))
    (again,) = [each for each in await here.heartbeats(now) if each.process == worker]
    assert again.since < again.at
    await there.end_heartbeat(worker)
    assert [each.process for each in await here.heartbeats(now)] == [relay]


async def test_a_clock_that_differs_changes_nothing_on_postgres(store: Store, engine: str) -> None:
    """Two machines' clocks may differ by an hour: the server's own decides. SQLite has one machine, and one clock."""
    await store.save_heartbeat(process("worker-1"), datetime.now(UTC) + HOUR)
    (seen,) = await store.heartbeats(datetime.now(UTC) - HOUR)
    assert (abs(seen.silent) < timedelta(seconds=30)) is (engine != "sqlite")


async def test_old_heartbeats_are_forgotten(store: Store) -> None:
    """What was last seen before a time goes; what was seen after it stays."""
    now = datetime.now(UTC)
    await store.save_heartbeat(process("worker-1"), now)
    assert await store.prune_heartbeats(now - HOUR) == 0
    assert await store.prune_heartbeats(now + HOUR) == 1
    assert list(await store.heartbeats(now)) == []


async def test_all_work_that_is_owed_is_counted(shop: Shop, store: Store) -> None:
    """Work that is leased or postponed is owed like any other, and its age runs from when it was written."""
    one = await shop.domain((await shop.account()).id, "acme.dev")
    effects = (Effect.REGISTER, Effect.RESTART)
    assert await store.save(DomainUpdate(domain=one, events=(event(),), effects=effects))
    now = NOW + HOUR
    assert (await store.backlog(now)).intents == 2
    (claimed,) = await store.claim_intents(now, now + HOUR, "worker-1", 10)
    assert ((await store.backlog(now)).intents, (await store.backlog(now)).intents_age) == (2, 3600.0)
    await store.postpone_intent(claimed.id, now + HOUR, "the provider said no")
    assert ((await store.backlog(now)).intents, (await store.backlog(now)).intents_age) == (2, 3600.0)
    await store.finish_intent(claimed.id)
    for intent in await store.claim_intents(now, now + HOUR, "worker-1", 10):
        await store.finish_intent(intent.id)
    assert ((await store.backlog(now)).intents, (await store.backlog(now)).intents_age) == (0, 0.0)

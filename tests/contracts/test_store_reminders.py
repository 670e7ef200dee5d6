"""Hold the store to what it promises of reminders and of silence, on each engine."""

import asyncio
import sqlite3
from collections import Counter
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest
from msgspec.structs import replace

from letterhead.adapters.storage import migrate, open_store, schema, schema_state
from letterhead.adapters.storage.statements import Dialect
from letterhead.core.domain.domain import Domain, EventKind
from letterhead.core.domain.health import HealthState, new_health
from letterhead.core.plan.plan import Verdict
from letterhead.core.schedule.reminders import AT_ONCE, BEFORE_STOP, ReminderKind
from letterhead.ports.store import Store
from letterhead.ports.store.domains import CheckResult, DomainUpdate
from letterhead.ports.store.reminders import DueReminder
from tests.contracts.samples import NOW, Shop, audit, checkup, event, later
from tests.rigs.postgres import Postgres

Stores = tuple[Store, Store]


async def at_risk(shop: Shop, sender: str = "acme.example") -> Domain:
    """Save a domain that came at risk now, and return it as it is stored."""
    made = await shop.account()
    domain = await shop.domain(made.id, sender)
    watch = replace(new_health(HealthState.AT_RISK, NOW), stops_sending_at=later(hours=72))
    told = (event(EventKind.DOMAIN_AT_RISK),)
    assert await shop.store.save(DomainUpdate(domain=replace(domain, dkim=watch), events=told))
    stored = await shop.store.domain_by_id(domain.id)
    assert stored is not None
    return stored


async def due(
    store: Store, hours: float, owner: str = "me", kind: ReminderKind = ReminderKind.AT_RISK
) -> list[DueReminder]:
    """Claim what is due after so many hours, for a minute, and return those of a kind."""
    now = later(hours=hours)
    claimed = await store.claim_reminders(now, now + timedelta(minutes=1), owner, 100)
    return [owed for owed in claimed if owed.reminder.kind is kind]


async def test_each_step_is_owed_once(shop: Shop) -> None:
    """What follows from a state again and again is written once, and due at its own time."""
    domain = await at_risk(shop)
    for _ in range(3):
        assert await shop.store.save(DomainUpdate(domain=domain))
        domain = replace(domain, version=domain.version + 1)
    (first,) = await due(shop.store, 0)
    assert (first.reminder.kind, first.reminder.step, first.attempts) == (ReminderKind.AT_RISK, AT_ONCE, 0)
    assert first.domain_id == domain.id
    assert first.account_id == domain.account_id
    assert await shop.store.mark_handed_over(first.id, "me", NOW)
    await shop.store.settle_reminder(first.id, "sent", "250", NOW)
    assert await due(shop.store, 47.9) == []
    (last,) = await due(shop.store, 48)
    assert (last.reminder.step, last.reminder.spell) == (BEFORE_STOP, later(hours=72).isoformat())
    assert last.reminder.due_at == later(hours=48)


async def test_a_new_domain_owes_its_steps(shop: Shop) -> None:
    """The transaction that adds a domain writes its steps too; deleting it takes them away."""
    made = await shop.account()
    domain = await shop.domain(made.id, "acme.example")
    kind = ReminderKind.PENDING
    assert [owed.reminder.step for owed in await due(shop.store, 24, kind=kind)] == ["24h"]
    assert [owed.reminder.step for owed in await due(shop.store, 48, kind=kind)] == ["24h", "48h"]
    assert (await shop.store.backlog(later(hours=50))).reminders == 2
    assert await shop.store.delete(domain, event(EventKind.DOMAIN_DELETED), (), audit())
    assert (await shop.store.backlog(later(hours=50))).reminders == 0


async def test_handed_over_is_for_ever(shop: Shop) -> None:
    """A lease that ran out is given to another, who alone may hand over; after that nobody gets it again."""
    await at_risk(shop)
    (owed,) = await due(shop.store, 0, "one")
    assert await due(shop.store, 0.01, "two") == []
    (again,) = await due(shop.store, 1, "two")
    assert again.id == owed.id
    assert not await shop.store.mark_handed_over(owed.id, "one", NOW)
    assert await shop.store.mark_handed_over(owed.id, "two", NOW)
    assert not await shop.store.mark_handed_over(owed.id, "two", NOW)
    await shop.store.release_leases("two", NOW)
    assert await due(shop.store, 2) == []


async def test_handed_back_is_given_out_again(shop: Shop) -> None:
    """A worker that stops gives back what it had only claimed."""
    await at_risk(shop)
    assert len(await due(shop.store, 0, "one")) == 1
    await shop.store.release_leases("one", NOW)
    assert len(await due(shop.store, 0, "two")) == 1


async def test_postponed(shop: Shop) -> None:
    """What nobody took comes again when it is due, one attempt older; what is closed does not."""
    await at_risk(shop)
    (owed,) = await due(shop.store, 0)
    assert await shop.store.mark_handed_over(owed.id, "me", NOW)
    await shop.store.postpone_reminder(owed.id, later(hours=1), "451 later")
    assert await due(shop.store, 0.9) == []
    (again,) = await due(shop.store, 1)
    assert (again.id, again.attempts) == (owed.id, 1)
    await shop.store.settle_reminder(owed.id, "refused", "550", None)
    await shop.store.postpone_reminder(owed.id, NOW, "too late")
    assert await due(shop.store, 2) == []


async def test_sent_is_remembered(shop: Shop) -> None:
    """The domain knows when it was last reminded, and a check that had begun before is thrown away."""
    before = await at_risk(shop)
    (owed,) = await due(shop.store, 0)
    await shop.store.settle_reminder(owed.id, "sent", "250", later(minutes=3))
    after = await shop.store.domain(before.account_id, before.sender)
    assert after == replace(before, reminder_sent_at=later(minutes=3), version=before.version + 1)
    assert not await shop.store.save(DomainUpdate(domain=before))


async def test_workers_share_reminders(stores: Stores, shop: Shop) -> None:
    """Workers that claim at once hand each reminder over once, even where leases run out under them."""
    for number in range(20):
        await at_risk(shop, f"d{number}.example")
    handed: Counter[str] = Counter()

    async def labour(store: Store, owner: str, minutes: range) -> None:
        for minute in minutes:
            now = later(minutes=minute)
            for owed in await store.claim_reminders(now, now, owner, 5):
                await asyncio.sleep(0)
                mine = await store.mark_handed_over(owed.id, owner, now)
                handed[owed.id] += mine

    await asyncio.gather(*(labour(stores[number % 2], f"owner{number}", range(12)) for number in range(4)))
    await labour(shop.store, "last", range(30, 40))  # what the others took from each other is still there
    assert len(handed) == 20
    assert set(handed.values()) == {1}


def silent(minutes: float, hears: bool = False) -> CheckResult:
    """Make a checkup in which nobody answered about the DKIM record, or somebody did."""
    made = checkup(later(minutes=minutes))
    verdict = Verdict.ABSENT if hears else Verdict.UNANSWERED
    return replace(made, results=tuple(replace(each, verdict=verdict) for each in made.results))


async def test_silence_is_counted_in_zones(shop: Shop) -> None:
    """Zones that fell silent since anybody was heard are counted once each; one that is heard ends it."""
    made = await shop.account()
    names = {name: await shop.domain(made.id, name, zone=name[2:]) for name in ("a.x.test", "b.x.test", "a.y.test")}

    async def look(name: str, minutes: float, hears: bool = False) -> None:
        domain = names[name]
        assert await shop.store.save(DomainUpdate(domain=domain, check=silent(minutes, hears)))
        names[name] = replace(domain, version=domain.version + 1)

    assert await shop.store.resolver_outage() is None
    await look("a.x.test", 0)
    await look("b.x.test", 1)
    silence = await shop.store.resolver_outage()
    assert silence is not None
    assert (silence.zones, silence.since) == (1, NOW)
    await look("a.x.test", 2)
    await look("a.y.test", 3)
    silence = await shop.store.resolver_outage()
    assert silence is not None
    assert (silence.zones, silence.since) == (2, NOW)
    await look("a.y.test", 4, hears=True)
    assert await shop.store.resolver_outage() is None
    await look("a.x.test", 5)  # silent since long before
    assert await shop.store.resolver_outage() is None
    await look("a.y.test", 6)
    silence = await shop.store.resolver_outage()
    assert silence is not None
    assert (silence.zones, silence.since) == (1, later(minutes=6))


async def test_the_wish_for_no_reminders_is_kept(shop: Shop) -> None:
    """An account wants reminders until it says otherwise."""
    made = await shop.account()
    assert made.reminders
    assert await shop.store.change_account(replace(made, reminders=False), audit())
    assert await shop.store.account(made.id) == replace(made, reminders=False)
    assert await shop.store.accounts() == [replace(made, reminders=False)]


@pytest.fixture
async def old(engine: str, postgres: Postgres, tmp_path: Path) -> str:
    """Make a database of the first revision, with an account, a domain and a checkup in it."""
    filled = [
        "INSERT INTO accounts (id, name, email, created_at) VALUES ('a1', 'Old', 'old@example.com', 0)",
        "INSERT INTO domains (id, account_id, sender, status, held, version, life) "
        "VALUES ('d1', 'a1', 'acme.example', 'PENDING', 0, 0, 'life')",
        "INSERT INTO checkups (domain_id, body) VALUES ('d1', 'body')",
    ]
    if engine == "sqlite":
        path = tmp_path / "old.db"
        with closing(sqlite3.connect(path)) as file, file:
            file.executescript(";\n".join([schema.migration(Dialect.SQLITE, None, "0001"), *filled]))
        return f"sqlite:///{path}"
    url = postgres.url(postgres.create())
    connection = await asyncpg.connect(url)
    for statement in (schema.migration(Dialect.POSTGRES, None, "0001"), *filled):
        await connection.execute(statement)
    await connection.close()
    return url


async def test_the_first_schema_migrates_with_data_in_it(old: str) -> None:
    """A database of the revision before is brought forward, and what is in it is there."""
    assert await schema_state(old) is schema.SchemaState.OUTDATED
    await migrate(old)
    async with open_store(old) as store:
        (account,) = await store.accounts()
        assert (account.name, account.reminders) == ("Old", True)
        assert await store.count_domains("a1") == 1
        assert await store.resolver_outage() is None

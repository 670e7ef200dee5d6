"""Checks that see nothing new: the short way they take leads where the long way leads, whatever the world does."""

import random
from collections.abc import AsyncIterator
from dataclasses import replace as with_parts
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from letterhead.adapters.providers.simulated import SimulatedProvider
from letterhead.core.accounts.quotas import Limits
from letterhead.core.check.check_memory import CheckMemory
from letterhead.core.domain.domain import Domain
from letterhead.core.domain.health import HealthState
from letterhead.operations import checks
from letterhead.operations.domains import plan_of
from letterhead.ports.store.domains import CheckContext, DomainUpdate
from letterhead.wiring.assemble import Overrides
from tests.operations.conftest import MAIL_FROM
from tests.operations.world import Clock, World, WrittenDns, opened

SENDER = "acme.test"
STEPS = 60
DMARC = (
    "v=DMARC1; p=none",
    "v=DMARC1; p=reject; rua=mailto:a@acme.test",
    "v=DMARC1; p=none; adkim=s; aspf=s",
    "v=DMARC1; pct=50; p=none",
    "v=DMARC1; p=nonsense",
)


class Watching:
    """Keeps what a check would write, and writes nothing; passes on all else."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.saved: DomainUpdate | None = None
        self.confirmed: tuple[Domain, datetime] | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def save(self, outcome: DomainUpdate, limits: Limits | None = None) -> bool:
        self.saved = outcome
        return True

    async def confirm(self, domain: Domain, at: datetime) -> bool:
        self.confirmed = (domain, at)
        return True


@pytest.fixture
async def ours(tmp_path: Path, clock: Clock, dns: WrittenDns) -> AsyncIterator[World]:
    """Open an installation whose DNS the test writes, and whose dice always fall alike."""
    stand = Overrides(resolver=dns, provider=SimulatedProvider(clock), now=clock)
    async with opened(tmp_path, stand, **MAIL_FROM) as world:
        yield with_parts(world, deps=with_parts(world.deps, random_octets=lambda count: b"\x80" * count))


async def verified(world: World, dns: WrittenDns, clock: Clock) -> None:
    """Add a domain, publish its records, and wait until it is verified in whole."""
    stand = World(with_parts(world.deps, random_octets=random.Random(7).randbytes), world.account, world.key)
    added = await stand.add(SENDER)
    dns.publish(*plan_of(world.deps, added).records)
    for _ in range(4):
        await world.look(SENDER)
        clock.turn(minutes=20)
    assert (await world.domain(SENDER)).dkim.state is HealthState.VERIFIED


async def way(world: World, told: CheckContext) -> Watching:
    """Look at the domain without writing what follows."""
    watching = Watching(world.deps.store)
    deps = with_parts(world.deps, store=watching)
    assert await checks.check(deps, await world.domain(SENDER), context=told)
    return watching


async def both(world: World) -> bool:
    """Hold the short way to the long one, then write what the short one does; say whether it was taken."""
    store = world.deps.store
    domain = await world.domain(SENDER)
    told = (await store.load_check_contexts([domain]))[domain.id]
    forgetful = with_parts(world, deps=with_parts(world.deps, check_memory=CheckMemory()))
    short, long = await way(world, told), await way(forgetful, replace(told, fingerprint=None))
    assert long.confirmed is None
    assert long.saved is not None
    if short.confirmed is None:
        assert short.saved == long.saved
        assert await store.save(short.saved)
        return False
    after, at = short.confirmed
    assert (long.saved.events, long.saved.effects, long.saved.related_events, long.saved.keys_to_destroy) == (
        (),
        (),
        (),
        (),
    )
    assert after == long.saved.domain
    assert await store.confirm(after, at)
    stands, judged = (await store.last_checks([domain.id]))[domain.id], long.saved.check
    assert judged is not None
    assert (stands.taken_at, stands.results, stands.findings) == (judged.taken_at, judged.results, judged.findings)
    told_again = (await store.load_check_contexts([domain]))[domain.id]
    assert told_again.fingerprint == told.fingerprint == long.saved.fingerprint
    return True


def changed(chance: random.Random, world: World, domain: Domain, dns: WrittenDns) -> None:
    """Change something in the world, or nothing that matters, or nothing."""
    records = plan_of(world.deps, domain).records
    record = chance.choice(records)
    line = dns.records.get((record.host, record.rdtype), "")
    match chance.randrange(9):
        case 0:
            dns.withdraw(record)
        case 1 | 2:
            dns.publish(*records)
        case 3:
            dns.silent = chance.random() < 0.3
        case 4:
            dns.records[record.host, record.rdtype] = line.replace(" 3600 ", f" {chance.randrange(60, 9999)} ")
        case 5:
            dns.records[f"_dmarc.{SENDER}", "TXT"] = f'_dmarc.{SENDER}. 300 TXT "{chance.choice(DMARC)}"'
        case 6:
            dns.records[record.host, record.rdtype] = f'{line}\n{record.host}. 3600 TXT "other {chance.random()}"'
        case _:
            dns.silent = False


@pytest.mark.parametrize("seed", range(4))
async def test_the_short_way_leads_where_the_long_one_leads(
    ours: World, dns: WrittenDns, clock: Clock, seed: int
) -> None:
    """Through sixty changes of the world, each check writes the domain, events and findings that judging all writes."""
    chance = random.Random(seed)
    await verified(ours, dns, clock)
    taken = 0
    for _ in range(STEPS):
        if chance.random() < 0.5:
            changed(chance, ours, await ours.domain(SENDER), dns)
        taken += await both(ours)
        clock.turn(minutes=chance.choice([1, 11, 60, 360]))
        if (await ours.domain(SENDER)).dkim.state is HealthState.FAILED:
            break
    assert taken > 2


async def test_rules_that_changed_are_asked_again(ours: World, dns: WrittenDns, clock: Clock) -> None:
    """After an upgrade that changed a rule, the first check judges anew; the next one need not."""
    await verified(ours, dns, clock)
    await both(ours)
    assert await both(ours)
    upgraded = with_parts(ours, deps=with_parts(ours.deps, rules_version="others"))
    assert not await both(upgraded)
    assert await both(upgraded)


async def test_a_new_key_is_never_confirmed(ours: World, dns: WrittenDns, clock: Clock) -> None:
    """A plan with another value is another world, though DNS says what it said."""
    await verified(ours, dns, clock)
    await both(ours)
    assert await both(ours)
    domain = await ours.domain(SENDER)
    watching = Watching(ours.deps.store)
    told = (await ours.deps.store.load_check_contexts([domain]))[domain.id]
    deps = with_parts(ours.deps, store=watching)
    other = replace(domain, public_key=domain.public_key.replace("A", "B", 3))
    assert await checks.check(deps, other, context=told)
    assert watching.confirmed is None

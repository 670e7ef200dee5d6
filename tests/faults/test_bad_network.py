"""P1 and P3 where the network between the service and its database is bad: late, narrow, sliced, stalled, cut, reset.

What was acknowledged is there, what was not can be asked for again, and nobody waits for ever.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from letterhead.adapters.storage import migrate
from letterhead.core.accounts.quotas import Limits
from letterhead.core.domain.domain import EventKind
from letterhead.errors import Fault, Kind
from letterhead.operations import domains
from letterhead.operations.domains import DomainRequest
from letterhead.operations.key_pool import new_pooled_key
from letterhead.ports.store.domains import DomainQuery
from letterhead.wiring.assemble import Overrides
from tests.operations.world import World, opened
from tests.rigs import chaos
from tests.rigs.chaos import Chaos, Harm
from tests.rigs.postgres import Postgres
from tests.rigs.waiting import is_within

PATIENCE = 1.0  # seconds for a statement, where the service waits ten
MANY = 8


@pytest.fixture
async def proxy(postgres: Postgres) -> AsyncIterator[Chaos]:
    """Run a proxy before the database."""
    async with chaos.running("127.0.0.1", postgres.port) as running_proxy:
        yield running_proxy


@pytest.fixture
async def world(
    tmp_path: Path, postgres_url: str, proxy: Chaos, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[World]:
    """Open an installation that reaches its database through the proxy."""
    monkeypatch.setattr("letterhead.adapters.storage.postgres_pool.STATEMENT_SECONDS", PATIENCE)
    await migrate(postgres_url)
    there = postgres_url.rpartition("@")[2].partition("/")[0]
    async with opened(
        tmp_path, Overrides(), DATABASE_URL=postgres_url.replace(there, f"127.0.0.1:{proxy.port}")
    ) as made:
        pair = made.deps.keyring.make_pair()
        await made.deps.store.pool_keys([new_pooled_key(made.deps, pair) for _ in range(3 * MANY)])
        yield made


async def add(world: World, name: str) -> bool:
    """Add a domain; say whether that was acknowledged, and take no other fault than trouble of storage."""
    try:
        await domains.add_domain(world.deps, world.account.id, Limits(), DomainRequest(sender=name))
    except Fault as fault:
        assert fault.kind is Kind.STORAGE_UNAVAILABLE
        return False
    return True


async def stored(world: World) -> list[str]:
    """List what is there."""
    return [each.sender for each in await world.deps.store.domains(world.account.id, DomainQuery())]


async def all_is_well(world: World, names: list[str], acked: list[str]) -> None:
    """Hold that what was acknowledged is there, and that asking again brings the rest, each once."""
    assert set(acked) <= set(await stored(world))
    for name in names:
        assert await add(world, name)
    assert await stored(world) == sorted(names)
    kinds = [each.event.kind for each in await world.deps.store.events(world.account.id, None, None, 1000)]
    assert kinds.count(EventKind.DOMAIN_CREATED) == len(names)


@pytest.mark.parametrize("harm", [Harm.LATE, Harm.NARROW, Harm.SLICE])
async def test_a_bad_way_is_only_slow(world: World, proxy: Chaos, harm: Harm) -> None:
    """Whatever arrives late, slowly or in pieces arrives."""
    proxy.usual = harm
    proxy.reset_all()
    names = [f"d{number}.acme.test" for number in range(MANY)]
    acked = [name for name in names if await add(world, name)]
    assert len(acked) >= MANY - 2  # the first may meet a connection that has just been reset
    assert proxy.met[harm] > 0
    await all_is_well(world, names, acked)


@pytest.mark.parametrize("harm", [Harm.HANG, Harm.CUT_REQUEST, Harm.HALF_REPLY, Harm.RESET_REPLY, Harm.LOSE_REPLY])
async def test_no_way_is_said_in_time(world: World, proxy: Chaos, harm: Harm) -> None:
    """Where no connection can be made, that is said in time, and over when the way is back."""
    proxy.usual = harm
    proxy.reset_all()
    began = time.monotonic()
    assert not await add(world, "d0.acme.test")
    assert is_within(time.monotonic() - began, 5 * PATIENCE)
    proxy.usual = Harm.NONE
    proxy.reset_all()
    await add(world, "d1.acme.test")
    await all_is_well(world, ["d0.acme.test", "d1.acme.test"], [])


async def test_a_stall_in_the_middle_loses_nothing(world: World, proxy: Chaos) -> None:
    """Writes that a stalled network holds are refused in time or acknowledged, and what was acknowledged is there."""
    names = [f"d{number}.acme.test" for number in range(MANY)]
    adding = [asyncio.ensure_future(add(world, name)) for name in names]
    await asyncio.wait(adding, return_when=asyncio.FIRST_COMPLETED)
    proxy.stall()
    began = time.monotonic()
    went = await asyncio.gather(*adding)
    assert is_within(time.monotonic() - began, 6 * PATIENCE)
    assert not all(went)
    proxy.flow()
    proxy.reset_all()
    await add(world, names[0])
    await all_is_well(world, names, [name for name, acked in zip(names, went, strict=True) if acked])


async def test_resets_in_the_middle_lose_nothing(world: World, proxy: Chaos) -> None:
    """The same where all connections are reset, again and again."""
    names = [f"d{number}.acme.test" for number in range(2 * MANY)]
    acked: list[str] = []
    for start in range(0, len(names), 6):
        some = names[start : start + 6]
        adding = [asyncio.ensure_future(add(world, name)) for name in some]
        await asyncio.wait(adding, return_when=asyncio.FIRST_COMPLETED)
        proxy.reset_all()
        acked += [name for name, went in zip(some, await asyncio.gather(*adding), strict=True) if went]
    await add(world, names[0])
    await all_is_well(world, names, acked)

"""What is written together and what stands for a list, on both engines."""

import asyncio
import sqlite3
from collections.abc import Sequence

import asyncpg
import pytest
from msgspec.structs import replace

from letterhead.adapters.storage.write_batcher import WriteBatcher
from letterhead.errors import Fault
from letterhead.ports.store import Store
from letterhead.ports.store.domains import DomainQuery, DomainUpdate
from tests.contracts.samples import Shop, audit, later

AUDIT = "SELECT actor, account_id, action, subject, address, tracking_id, at FROM audit ORDER BY subject"


async def audited(url: str) -> list[tuple[object, ...]]:
    """Read the audit past the store."""
    if url.startswith("sqlite:"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        try:
            return connection.execute(AUDIT).fetchall()
        finally:
            connection.close()
    asked = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await asked.fetch(AUDIT)]
    finally:
        await asked.close()


async def test_audit_rows_of_one_moment_are_all_kept(store: Store, url: str) -> None:
    """Each of many requests at once has its own audit row, whole, when its `audit` returns; odd text included."""
    rows = [replace(audit(), subject=f"it {number:02}", tracking_id=f"t{number}") for number in range(30)]
    rows.append(replace(audit(), subject='odd "\\ \x1b \0 \ud800 ü', account_id="acc", address=None))
    await asyncio.gather(*(store.audit(row) for row in rows))
    kept = await audited(url)
    assert len(kept) == len(rows)
    at = int(rows[0].at.timestamp() * 1000)
    assert kept[0] == ("operator", None, "test.done", "it 00", "192.0.2.1", "t0", at)
    assert kept[-1] == ("operator", "acc", "test.done", 'odd "\\ \x1b \ufffd ? ü', None, None, at)


async def test_a_broken_write_is_told_to_each_that_waits_for_it() -> None:
    """Whoever waits for a write that fails hears of it; the next one is tried, and each gets what came of its own."""
    wrote: list[int] = []

    async def write(items: Sequence[int]) -> Sequence[int]:
        await asyncio.sleep(0)
        if not wrote:
            wrote.append(0)
            raise OSError("full")
        wrote.extend(items)
        return [-item for item in items]

    gathering: WriteBatcher[int, int] = WriteBatcher(write)
    ended = await asyncio.gather(*(gathering.add(number) for number in (1, 2)), return_exceptions=True)
    assert [type(each) for each in ended] == [OSError, OSError]
    assert await asyncio.gather(*(gathering.add(number) for number in (3, 4, 5))) == [-3, -4, -5]
    assert wrote == [0, 3, 4, 5]


async def test_one_that_gives_up_leaves_the_others() -> None:
    """A request that goes away while it waits disturbs none of those that wait with it."""
    going, wrote = asyncio.Event(), list[int]()

    async def write(items: Sequence[int]) -> Sequence[None]:
        await going.wait()
        wrote.extend(items)
        return [None for _ in items]

    gathering: WriteBatcher[int, None] = WriteBatcher(write)
    waiting = [asyncio.create_task(gathering.add(number)) for number in (1, 2)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    await asyncio.sleep(0)
    going.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting[0]
    await waiting[1]
    assert wrote == [1, 2]


async def test_marks_follow_every_change(shop: Shop) -> None:
    """A list's marks are its domains' ids and versions, and differ after whatever a list can tell of."""
    account = await shop.account()
    first, second = await shop.domain(account.id, sender="b.test"), await shop.domain(account.id, sender="a.test")
    other = await shop.account()
    await shop.domain(other.id, sender="c.test")

    async def marks() -> list[tuple[str, int]]:
        listed = await shop.store.domains(account.id, DomainQuery())
        told = await shop.store.list_versions(account.id)
        assert told == [(each.id, each.version) for each in listed]
        return told

    before = await marks()
    assert [domain_id for domain_id, _ in before] == [second.id, first.id]
    assert await shop.store.save(DomainUpdate(domain=replace(first, last_sync=later(hours=1))))
    assert await marks() != before


async def test_a_gathering_stops_with_its_loop() -> None:
    """A write that is cancelled cancels those that wait for it, so that none waits for ever."""

    async def write(_: Sequence[int]) -> Sequence[None]:
        raise asyncio.CancelledError

    with pytest.raises((asyncio.CancelledError, Fault)):
        await asyncio.wait_for(WriteBatcher[int, None](write).add(1), 2)

"""P2: no acknowledged write is lost in a power cut. The store's own engine, pragmas and statements, on a disk that
forgets what was not synced; its real self then opens what is left."""

import asyncio
import random
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import apsw
import pytest
from msgspec.structs import replace

from letterhead.adapters.storage import open_store
from letterhead.adapters.storage.sqlite import WRITER, SqliteEngine
from letterhead.adapters.storage.store import SqlStore
from letterhead.core.accounts.quotas import Limits
from letterhead.core.domain.domain import Domain, EventKind
from letterhead.ports.store.domains import DomainQuery
from tests.contracts.samples import Shop, audit, domain, event, pooled_keys
from tests.faults.conftest import Figures
from tests.rigs.powercut import Disk

SEED = 20261123
CUTS_IN_A_RUN = 25
DOMAINS = 120  # added in one run; every fourth of them is deleted again


class Wire:
    """Stands where the driver's connection does, on a disk of our own; the statements are the store's."""

    def __init__(self, path: Path, disk: Disk, pragmas: Sequence[str]) -> None:
        self._connection = apsw.Connection(str(path), vfs=disk.name)
        self._connection.row_trace = named
        for pragma in pragmas:
            self._connection.execute(f"PRAGMA {pragma}").fetchall()

    async def execute_fetchall(self, sql: str, values: Mapping[str, Any] | None = None) -> list[Any]:
        """Run one statement."""
        return list(self._connection.execute(sql, values or {}))

    async def rollback(self) -> None:
        """Undo what was begun."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close it."""
        self._connection.close()


def named(cursor: apsw.Cursor, row: tuple[object, ...]) -> dict[str, object]:
    """Return a row whose columns have their names."""
    return dict(zip((name for name, *_ in cursor.description), row, strict=True))


@dataclass
class Acked:
    """What the store said was done, at one instant."""

    added: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    under_way: str = ""

    def now(self) -> "Acked":
        """Keep it as it is at this instant."""
        return Acked(set(self.added), set(self.deleted), self.under_way)

    def lost(self, found: set[str]) -> set[str]:
        """Say what a store that holds `found` has forgotten: what was added, or that it was deleted."""
        kept = self.added - self.deleted - {self.under_way}
        return (kept - found) | (self.deleted & found)


Wreck = tuple[Acked, Mapping[str, bytes]]


async def a_run(path: Path, pragmas: Sequence[str], cuts: int, seed: int) -> list[Wreck]:
    """Add and delete domains, and keep what cuts at random writes would have left."""
    chance, wrecks = random.Random(seed), list[Wreck]()
    async with open_store(f"sqlite:///{path}", migrate_first=True) as store:
        account = await Shop(store).account(id="acc")
    disk = Disk(f"powercut-{seed}-{path.parent.name}")
    acked = Acked()
    # Some writes of each addition are of one page each; the number of them all is known well enough.
    moments = set(chance.sample(range(20, DOMAINS * 12), cuts))
    disk.at_write = lambda number: wrecks.append((acked.now(), disk.wreck(chance))) if number in moments else None
    wire = Wire(path, disk, pragmas)
    store = SqlStore(SqliteEngine(path, wire, [wire]))  # type: ignore[list-item, arg-type] # what it needs of the driver, and no more
    try:
        for number in range(DOMAINS):
            await add_and_delete(store, acked, domain(account.id, f"d{number}.dev", id=f"d{number}"), number)
        wrecks.append((acked.now(), disk.wreck(chance)))
    finally:
        wire.close()
        disk.unregister()
    return wrecks


async def add_and_delete(store: SqlStore, acked: Acked, wanted: Domain, number: int) -> None:
    """Add one domain, and delete every fourth; note each when the store says that it is done."""
    own = replace(pooled_keys(1)[0], sealed=bytes(1500))
    acked.under_way = wanted.sender
    await store.claim(Shop(store).claim(wanted, own=own), Limits())
    acked.added.add(wanted.sender)
    if number % 4 == 3:
        assert await store.delete(wanted, event(EventKind.DOMAIN_DELETED), (), audit())
        acked.deleted.add(wanted.sender)
    acked.under_way = ""


def written(folder: Path, wreck: Mapping[str, bytes]) -> Path:
    """Write what a cut left into a folder, and return the database file."""
    folder.mkdir()
    for path, octets in wreck.items():
        (folder / Path(path).name).write_bytes(octets)
    return folder / "letterhead.db"


async def after(folder: Path, wreck: Mapping[str, bytes]) -> set[str]:
    """Open what a cut left as the service does, and list the domains; each is whole."""
    file = written(folder, wreck)
    async with open_store(f"sqlite:///{file}") as store:
        names = {each.sender for each in await store.domains("acc", DomainQuery())}
        assert {f"{domain_id}.dev" for domain_id, _ in await store.sealed_keys("acc")} == names
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return names


async def cut(folder: Path, pragmas: Sequence[str], cuts: int) -> tuple[int, int, int]:
    """Cut the power so many times; count the cuts, what was acknowledged before each, and what was lost."""
    made = acked = lost = 0
    for run in range(-(-cuts // CUTS_IN_A_RUN)):
        path = folder / f"run{run}" / "letterhead.db"
        path.parent.mkdir()
        for told, wreck in await a_run(path, pragmas, CUTS_IN_A_RUN - 1, SEED + run):
            found = await after(folder / f"wreck{made}", wreck)
            made, acked, lost = made + 1, acked + len(told.added), lost + len(told.lost(found))
    return made, acked, lost


@pytest.mark.timeout(600)
def test_power_cuts_lose_nothing(tmp_path: Path, size: int, figures: Figures) -> None:
    """After every cut the file is whole, and all that was acknowledged is as it was said to be."""
    made, acked, lost = asyncio.run(cut(tmp_path, WRITER, size))
    figures(cuts=made, acknowledged=acked, lost=lost)
    assert made >= size
    assert lost == 0


def test_without_full_sync_power_cuts_lose(tmp_path: Path, figures: Figures) -> None:
    """The same with synchronous=NORMAL loses what was acknowledged: the test above can fail."""
    hasty = [each.replace("synchronous=FULL", "synchronous=NORMAL") for each in WRITER]
    assert hasty != list(WRITER)
    made, acked, lost = asyncio.run(cut(tmp_path, hasty, CUTS_IN_A_RUN))
    figures(cuts=made, acknowledged=acked, lost=lost)
    assert lost > 0

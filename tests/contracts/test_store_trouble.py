"""Show what the store does when things break: killed processes, full disks, lost servers, old schemas."""

import asyncio
import contextlib
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest
import structlog
from msgspec.structs import replace

from letterhead.adapters.storage import SchemaState, migrate, open_store, schema_state
from letterhead.adapters.storage.sqlite import open_sqlite
from letterhead.core.accounts.quotas import Limits
from letterhead.core.domain.domain import EventKind
from letterhead.errors import Fault, Kind
from letterhead.ports.keyring import PooledKey
from letterhead.ports.store.domains import DomainQuery, DomainUpdate
from tests.contracts.samples import NOW, Shop, audit, checkup, domain, event, later
from tests.rigs.postgres import Postgres, running
from tests.rigs.waiting import is_within

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("LETTERHEAD_TEST_KILLS", "10"))


def file_of(url: str) -> Path:
    """Return the file behind an address of SQLite."""
    return Path(url.removeprefix("sqlite:///"))


async def tried(url: str, statement: str) -> None:
    """Run a statement beside the store, as an operator with a client of the database could."""
    if url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(file_of(url), isolation_level=None)) as connection:
            connection.execute(statement)
    else:
        other = await asyncpg.connect(url)
        try:
            await other.execute(statement)
        finally:
            await other.close()


async def counted(url: str, table: str) -> int:
    """Count rows beside the store."""
    if url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(file_of(url))) as connection:
            return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    other = await asyncpg.connect(url)
    try:
        return int(await other.fetchval(f"SELECT count(*) FROM {table}"))
    finally:
        await other.close()


# death


def killed_writer(url: str, run: int) -> set[str]:
    """Let a writer work for a moment, kill it, and return what it was told to be kept."""
    command = [sys.executable, "-m", "tests.contracts.writer", url, str(run)]
    writer = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert writer.stdout is not None
    acknowledged = [writer.stdout.readline()]
    time.sleep(0.02 + 0.013 * (run % 7))
    writer.kill()
    acknowledged += writer.stdout.read().splitlines(keepends=True)
    writer.wait()
    writer.stdout.close()
    return {line.strip() for line in acknowledged if line.endswith("\n")}


@pytest.mark.timeout(30 + 6 * KILLS)
async def test_killed_process_loses_nothing(url: str, engine: str) -> None:
    """After each kill -9 all that was acknowledged is there, whole, and the store is ready within 3 s."""
    # The file is what a killed process could harm; PostgreSQL stands outside it.
    for run in range(KILLS if engine == "sqlite" else KILLS // 4):
        acknowledged = await asyncio.to_thread(killed_writer, url, run)
        assert acknowledged
        began = time.monotonic()
        async with open_store(url) as store:
            await store.ready()
            assert is_within(time.monotonic() - began, 3)
            kept = await store.domains(f"account-{run}", DomainQuery())
            names = {one.sender for one in kept}
            assert acknowledged <= names
            assert {domain_id for domain_id, _ in await store.sealed_keys(f"account-{run}")} == names
            told = {one.sender for one in await store.events(f"account-{run}", None, None, 10**6)}
            assert told == names


# a disk without space


@contextlib.contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """Let no file of this process grow above a size, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


async def test_full_disk_is_honest(migrated: dict[str, str], tmp_path: Path) -> None:
    """Without space reads go on and writes are refused as storage trouble; with space again, all goes on."""
    path = Path(shutil.copy(migrated["sqlite"], tmp_path / "letterhead.db"))
    async with open_store(f"sqlite:///{path}") as store:
        shop = Shop(store)
        made = await shop.account()
        first = await shop.domain(made.id, "first.example")
        big = [PooledKey(id="big", public_key="", sealed=bytes(2_000_000))]
        with no_file_above(1_000_000):
            for _ in range(2):
                with pytest.raises(Fault) as refused:
                    await store.pool_keys(big)
                assert refused.value.kind is Kind.STORAGE_UNAVAILABLE
            assert await store.domains(made.id, DomainQuery()) == [first]
        assert (await store.backlog(NOW)).pooled_keys == 0
        await store.pool_keys(big)
        await shop.domain(made.id, "second.example")
        assert (await store.backlog(NOW)).pooled_keys == 1


# a server that is gone


CUT = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""


async def test_cut_connections_are_replaced(migrated: dict[str, str], postgres: Postgres) -> None:
    """When the server cuts all connections, reads notice nothing, and a write works at the latest when repeated."""
    with postgres.database(migrated["postgresql"]) as url:
        async with open_store(url) as store:
            made = await Shop(store).account()
            await tried(url, CUT)
            assert await store.accounts() == [made]
            await tried(url, CUT)
            with contextlib.suppress(Fault):
                await store.audit(audit())
            await store.audit(audit())


async def test_lost_server_is_storage_trouble() -> None:
    """A server that is gone is a fault that says so, soon, without the password of the address."""
    with running() as server:
        url = server.url(server.create()).replace("postgres@", "postgres:geheim@")
        await migrate(url)
        async with open_store(url) as store:
            made = await Shop(store).account()
            server.server.stop()
            began = time.monotonic()
            for attempt in (
                store.accounts(),
                store.audit(audit()),
                store.delete_account(made.id, audit()),
                store.ready(),
            ):
                with pytest.raises(Fault) as refused:
                    await attempt
                assert refused.value.kind is Kind.STORAGE_UNAVAILABLE
                assert "geheim" not in refused.value.detail
            assert is_within(time.monotonic() - began, 5)
        with pytest.raises(Fault) as refused:
            async with open_store(url):
                pass
        assert refused.value.kind is Kind.STORAGE_UNAVAILABLE


async def test_wrong_database_is_told(postgres: Postgres) -> None:
    """A database that does not exist, or an address of another kind, is named as the trouble."""
    with pytest.raises(Fault, match="nowhere") as refused:
        await schema_state(postgres.url("nowhere"))
    assert refused.value.kind is Kind.STORAGE_UNAVAILABLE
    for wrong in ("mysql://host/name", "letterhead.db", "sqlite:///"):
        with pytest.raises(Fault) as refused:
            await migrate(wrong)
        assert refused.value.kind is Kind.CONFIG_INVALID


# one owner of the file


async def test_file_has_one_owner(tmp_path: Path) -> None:
    """A second process that opens or migrates the file is refused and told the first one's id."""
    url = f"sqlite:///{tmp_path}/new/letterhead.db"
    async with open_store(url, migrate_first=True):
        with pytest.raises(Fault, match=f"process {os.getpid()}") as refused:
            await migrate(url)
        assert refused.value.kind is Kind.DATABASE_IN_USE
        second = f"import asyncio; from letterhead.adapters.storage import migrate; asyncio.run(migrate({url!r}))"
        run = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", second], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert f"in use by the process {os.getpid()}" in run.stderr
        assert await schema_state(url) is SchemaState.CURRENT
    async with open_store(url):
        pass


async def test_file_is_closed_to_others(tmp_path: Path) -> None:
    """Nobody but the owner reads the database, its log or its lock."""
    path = tmp_path / "new" / "letterhead.db"
    async with open_store(f"sqlite:///{path}", migrate_first=True) as store:
        await Shop(store).account()
        files = sorted(path.parent.iterdir())
        assert [one.name for one in files] == [f"letterhead.db{end}" for end in ("", "-shm", "-wal", ".lock")]
        assert {one.stat().st_mode & 0o077 for one in files} == {0}


async def test_foreign_file_is_storage_trouble(tmp_path: Path) -> None:
    """A file that is no database is left as it is."""
    path = tmp_path / "letter.txt"
    path.write_bytes(b"Dear Sir or Madam, " * 100)
    with pytest.raises(Fault) as refused:
        async with open_store(f"sqlite:///{path}", migrate_first=True):
            pass
    assert refused.value.kind is Kind.STORAGE_UNAVAILABLE
    assert path.read_bytes() == b"Dear Sir or Madam, " * 100


async def test_unreadable_row_stops_nobody_else(url: str) -> None:
    """A domain that this version can't read is logged and passed over; the others are worked on."""
    async with open_store(url) as store:
        shop = Shop(store)
        made = await shop.account()
        strange = await shop.domain(made.id, "strange.example")
        plain = await shop.domain(made.id, "plain.example")
        await tried(url, f"UPDATE domains SET life = '{{}}' WHERE id = '{strange.id}'")
        with structlog.testing.capture_logs() as logged:
            assert await store.claim_due(NOW, later(minutes=5), "worker", 10) == [plain]
        assert [(line["event"], line["domain"]) for line in logged] == [("domain.unreadable", strange.id)]


# what must be gone, what must stay


async def test_deleted_key_is_overwritten(migrated: dict[str, str], tmp_path: Path) -> None:
    """After a domain is deleted, its sealed key stands in no file any more, not in the log either."""
    path = Path(shutil.copy(migrated["sqlite"], tmp_path / "letterhead.db"))
    async with open_store(f"sqlite:///{path}") as store:
        shop = Shop(store)
        made = await shop.account()
        key = PooledKey(id="k", public_key="", sealed=b"very secret octets")
        await store.pool_keys([key])
        wanted = domain(made.id, "example.com")
        await store.claim(shop.claim(wanted), Limits())

        def stands() -> bool:
            return any(key.sealed in one.read_bytes() for one in tmp_path.iterdir())

        assert stands()
        assert await store.delete(wanted, event(EventKind.DOMAIN_DELETED), (), audit())
        assert not stands()


_ROW = "(id, at, actor, action, subject) VALUES (1, 0, 'me', 'a', 's')"
_OVERRIDING = _ROW.replace(" VALUES", " OVERRIDING SYSTEM VALUE VALUES")
_UPDATE = "UPDATE audit SET actor = 'me'"
_COUNTS = (  # of a row only the number of its entries may grow, and only forward in time
    "UPDATE audit SET repeats = 0",
    "UPDATE audit SET repeats = repeats + 1, last_at = at, actor = 'me'",
    "UPDATE audit SET repeats = repeats + 1, last_at = 1",
    "UPDATE audit SET last_at = at + 1",
)
# Every statement of the engine that changes, replaces or removes a row that is there.
CHANGES_OF_AUDIT = {
    "sqlite": (
        _UPDATE,
        *_COUNTS,
        "UPDATE audit SET id = id + 1000",
        "UPDATE OR REPLACE audit SET id = 2 WHERE id = 1",
        "DELETE FROM audit",
        f"INSERT OR REPLACE INTO audit {_ROW}",
        f"REPLACE INTO audit {_ROW}",
        f"REPLACE INTO audit {_ROW.replace('(id', '(rowid')}",
        f"INSERT INTO audit {_ROW} ON CONFLICT (id) DO UPDATE SET actor = 'me'",
    ),
    "postgresql": (
        _UPDATE,
        *_COUNTS,
        "DELETE FROM audit",
        "TRUNCATE audit",
        f"INSERT INTO audit {_OVERRIDING} ON CONFLICT (id) DO UPDATE SET actor = 'me'",
        "MERGE INTO audit AS a USING (SELECT 1 AS id) AS n ON a.id = n.id WHEN MATCHED THEN DELETE",
    ),
}


async def test_audit_is_append_only(url: str) -> None:
    """No client of the database changes or removes a row of the audit without taking the trigger away first."""
    async with open_store(url) as store:
        await store.audit(audit())
        await store.audit(audit())
        before = await store.audit_rows(None, None, 10)
        for statement in CHANGES_OF_AUDIT["sqlite" if url.startswith("sqlite") else "postgresql"]:
            with pytest.raises((sqlite3.IntegrityError, asyncpg.RaiseError), match="append-only"):
                await tried(url, statement)
        assert await store.audit_rows(None, None, 10) == before


async def test_events_keep_their_evidence(url: str) -> None:
    """The checkup behind an event is kept when later ones replace it; routine ones are not piled up."""
    async with open_store(url) as store:
        shop = Shop(store)
        made = await shop.account()
        one = await shop.domain(made.id, "example.com")
        for version in range(6):
            told = (event(at=later(hours=version)),) * 2 if version == 3 else ()
            outcome = DomainUpdate(domain=replace(one, version=version), check=checkup(note=str(version)), events=told)
            assert await store.save(outcome)
    assert await counted(url, "evidence") == 1
    assert await counted(url, "checkups") == 1
    assert await counted(url, "events WHERE evidence_id IS NOT NULL") == 2


async def test_power_cut_is_provided_for(migrated: dict[str, str]) -> None:
    """The one connection that writes waits for the disk at each commit: synchronous=FULL, which is 2."""
    async with open_sqlite(Path(migrated["sqlite"]), migrate_first=False) as engine:
        for pragma, wanted in (("synchronous", 2), ("journal_mode", "wal"), ("foreign_keys", 1), ("secure_delete", 1)):
            (row,) = await engine._connection.execute_fetchall(f"PRAGMA {pragma}")
            assert row[0] == wanted


# schemas


@pytest.fixture
def empty_url(engine: str, postgres: Postgres, tmp_path: Path) -> Iterator[str]:
    """Return the address of a database without a schema."""
    if engine == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
    else:
        with postgres.database() as url:
            yield url


async def test_outdated_schema_is_refused(empty_url: str) -> None:
    """A database without the schema is not opened but told how to get it; migrating it twice does no harm."""
    assert await schema_state(empty_url) is SchemaState.EMPTY
    with pytest.raises(Fault) as refused:
        async with open_store(empty_url):
            pass
    assert (refused.value.kind, refused.value.fix) == (Kind.SCHEMA_OUTDATED, "Run: letterhead migrate")
    for _ in range(2):
        await migrate(empty_url)
    assert await schema_state(empty_url) is SchemaState.CURRENT
    async with open_store(empty_url) as store:
        assert await store.accounts() == []


async def test_names_sort_by_octets(postgres_url: str) -> None:
    """What is paged through sorts alike on both engines, whatever language the database was made for."""
    await migrate(postgres_url)
    octets = "information_schema.columns WHERE collation_name = 'C' AND table_schema = 'public' AND "
    assert await counted(postgres_url, f"{octets} table_name = 'domains' AND column_name = 'sender'") == 1
    assert await counted(postgres_url, f"{octets} table_name = 'events' AND column_name = 'id'") == 1


async def test_newer_schema_is_used(url: str) -> None:
    """A database that a later version has migrated still opens: migrations only add."""
    await tried(url, "UPDATE alembic_version SET version_num = '9999'")
    assert await schema_state(url) is SchemaState.NEWER
    async with open_store(url, migrate_first=True) as store:
        await store.ready()


async def test_failed_migration_leaves_nothing(empty_url: str) -> None:
    """A migration happens whole or not at all."""
    await tried(empty_url, "CREATE TABLE vault (stands_in_the_way INTEGER)")
    with pytest.raises((sqlite3.OperationalError, asyncpg.DuplicateTableError)):
        await migrate(empty_url)
    assert await schema_state(empty_url) is SchemaState.EMPTY
    await tried(empty_url, "DROP TABLE vault")
    await migrate(empty_url)
    async with open_store(empty_url) as store:
        await store.ready()


async def test_migrating_at_once(postgres_url: str) -> None:
    """Of several that migrate at once one does it, and the others find it done."""
    await asyncio.gather(*(migrate(postgres_url) for _ in range(4)))
    assert await schema_state(postgres_url) is SchemaState.CURRENT

"""Databases of earlier releases are brought forward, and a process killed while it migrates leaves the old schema."""

import asyncio
import sqlite3
import subprocess
import sys
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from letterhead.adapters.storage import SchemaState, migrate, open_store, schema, schema_state
from letterhead.adapters.storage.statements import Dialect, for_engine
from letterhead.errors import Fault
from tests.contracts.samples import Shop
from tests.rigs.postgres import Postgres

ROOT = Path(__file__).parents[2]
# Databases in the world carry these; a revision that is taken away would make them look newer than they are.
RELEASED = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0013", "0014")
# As Alembic wrote the table and the row for the first releases.
TABLE = """CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL, \n    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

"""
ROW = "\n\nINSERT INTO alembic_version (version_num) VALUES ('{}') RETURNING version_num;\n"
KILLED = """
import asyncio, os, signal, sqlite3, sys
real = sqlite3.connect

def connect(*arguments, **options):
    connection = real(*arguments, **options)
    connection.set_trace_callback(lambda text: os.kill(os.getpid(), signal.SIGKILL) if sys.argv[2] in text else None)
    return connection

sqlite3.connect = connect
from letterhead.adapters.storage import migrate
asyncio.run(migrate(sys.argv[1]))
"""
MIGRATING = "import asyncio, sys; from letterhead.adapters.storage import migrate; asyncio.run(migrate(sys.argv[1]))"
STATEMENTS = ("CREATE TABLE reminders", "ALTER TABLE domain_keys", "UPDATE alembic_version", "COMMIT")
IN_SQLITE = "SELECT type, name, sql FROM sqlite_master ORDER BY 1, 2"
IN_POSTGRES = """
SELECT 'column', table_name || '.' || column_name,
    concat_ws(' ', data_type, is_nullable, column_default, collation_name)
FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL SELECT 'trigger', tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
ORDER BY 1, 2
"""


async def run(url: str, script: str) -> list[Any]:
    """Run a script, or read the rows of one statement, beside the store."""
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)) as connection:
            if script.lstrip().startswith("SELECT"):
                return connection.execute(script).fetchall()
            connection.executescript(script)
            return []
    other = await asyncpg.connect(url)
    try:
        if script.lstrip().startswith("SELECT"):
            return [tuple(row) for row in await other.fetch(script)]
        await other.execute(script)
        return []
    finally:
        await other.close()


async def objects(url: str) -> list[Any]:
    """List the tables, columns, indexes, constraints and triggers of a database, blanks aside."""
    rows = await run(url, IN_SQLITE if url.startswith("sqlite") else IN_POSTGRES)
    return [(kind, name, " ".join((text or "").split())) for kind, name, text in rows]


async def revisions(url: str) -> list[str]:
    """Read the version rows: one, as every release has read it."""
    return [row[0] for row in await run(url, "SELECT version_num FROM alembic_version")]


def earlier(url: str, revision: str) -> str:
    """Write what an earlier release ran on an empty database."""
    files = [schema.MIGRATIONS[each].read_text("utf-8") for each in RELEASED[: RELEASED.index(revision) + 1]]
    dialect = Dialect.SQLITE if url.startswith("sqlite") else Dialect.POSTGRES
    return for_engine(TABLE + "\n".join(files) + ROW.format(revision), dialect)


@pytest.fixture
def empty(engine: str, postgres: Postgres, tmp_path: Path) -> Iterator[str]:
    """Return the address of a database without a schema."""
    if engine == "sqlite":
        yield f"sqlite:///{tmp_path}/empty.db"
    else:
        with postgres.database() as url:
            yield url


@pytest.fixture
def newest(engine: str, migrated: Mapping[str, str], postgres: Postgres) -> str:
    """Return the address of a database that this version made."""
    return f"sqlite:///{migrated['sqlite']}" if engine == "sqlite" else postgres.url(migrated["postgresql"])


def test_released_revisions_are_there() -> None:
    """Each file has a number of its own; those of earlier releases stay, in their order, before any new one."""
    files = sorted((ROOT / "letterhead" / "adapters" / "storage" / "migrations").iterdir())
    assert [path.name[:4] for path in files] == list(schema.REVISIONS)
    assert all(path.name[:4].isdigit() and path.suffix == ".sql" for path in files)
    assert schema.REVISIONS[: len(RELEASED)] == RELEASED


@pytest.mark.parametrize("revision", RELEASED)
async def test_a_database_of_an_earlier_release_is_brought_forward(revision: str, empty: str, newest: str) -> None:
    """From each revision that Alembic wrote: the schema is that of a new database, and one row names it."""
    await run(empty, earlier(empty, revision))
    expected = SchemaState.CURRENT if revision == schema.HEAD else SchemaState.OUTDATED
    assert await schema_state(empty) is expected
    await migrate(empty)
    assert await revisions(empty) == [schema.HEAD]
    assert await objects(empty) == await objects(newest)
    async with open_store(empty) as store:
        await store.ready()


async def test_selectors_of_earlier_releases_count_on(empty: str) -> None:
    """For the account that used them; for others where it holds the name, held it, or is not known any more."""
    await run(empty, earlier(empty, "0014"))
    life = '{"selector": "s4"}'
    await run(
        empty,
        f"""
        INSERT INTO accounts (id, name, email, created_at) VALUES ('a', 'A', 'a@a.test', 0), ('b', 'B', 'b@b.test', 0);
        INSERT INTO domains (id, account_id, sender, status, held, version, life) VALUES
            ('d1', 'a', 'held.test', 'SUCCESS', 1, 0, '{life}'), ('d2', 'a', 'tried.test', 'PENDING', 0, 0, '{life}');
        INSERT INTO used_selectors (sender, selector, account_id) VALUES
            ('held.test', 's1', 'a'), ('held.test', 's2', 'b'), ('held.test', 's4', NULL), ('lost.test', 's1', 'a'),
            ('tried.test', 's1', 'a'), ('old.test', 's1', NULL);
        INSERT INTO events (id, domain_id, account_id, sender, kind, at, detail) VALUES
            ('e1', 'd3', 'a', 'lost.test', 'domain.verified', 0, '');
        """,
    )
    await migrate(empty)
    assert await run(empty, "SELECT sender, selector, account_id FROM held_selectors ORDER BY 1, 2") == [
        ("held.test", "s1", "a"), ("held.test", "s4", "a"), ("lost.test", "s1", "a"), ("old.test", "s1", None),
    ]  # fmt: skip
    async with open_store(empty) as store:
        shop = Shop(store)
        for account_id, sender, selector in (("b", "held.test", "s2"), ("a", "lost.test", "s1")):
            with pytest.raises(Fault, match=f"used the selector {selector}"):
                await shop.domain(account_id, sender, selector=selector)
        for sender, selector, of_others in (
            ("held.test", "s1", True), ("lost.test", "s1", True), ("old.test", "s1", True), ("tried.test", "s1", False),
        ):  # fmt: skip
            claim = await shop.domain("b", sender, selector=selector)
            assert await store.is_selector_of_others(claim) is of_others


@pytest.mark.parametrize(
    "at", ["CREATE TABLE reminders", "ALTER TABLE domain_keys", "UPDATE alembic_version", "COMMIT"]
)
async def test_killed_while_it_migrates_a_file(at: str, tmp_path: Path) -> None:
    """Killed as this statement begins: the old revision is whole, and the next try does all of it."""
    url = f"sqlite:///{tmp_path}/old.db"
    await run(url, earlier(url, "0001"))
    before = await objects(url)
    killed = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", KILLED, url, at], cwd=ROOT, check=False)
    assert killed.returncode == -9
    assert (await revisions(url), await objects(url)) == (["0001"], before)
    await migrate(url)
    assert await revisions(url) == [schema.HEAD]


async def test_killed_while_it_migrates_a_server(postgres: Postgres, migrated: Mapping[str, str]) -> None:
    """Killed between the first migration and the last, it leaves nothing in the way of one that waited for it."""
    async with AsyncExitStack() as stack:
        url = stack.enter_context(postgres.database())
        await run(url, earlier(url, "0001"))
        holder = await asyncpg.connect(url)
        stack.push_async_callback(holder.close)
        async with holder.transaction():
            await holder.execute("LOCK TABLE domain_keys IN ACCESS SHARE MODE")  # the sixth migration changes it
            killed = await stack.enter_async_context(migrating(url))
            await waiting(holder, 1)
            other = await stack.enter_async_context(migrating(url))
            await waiting(holder, 2)
            killed.kill()
            assert await killed.wait() == -9
            assert await revisions(url) == ["0001"]
        assert await asyncio.wait_for(other.wait(), 30) == 0
        assert await revisions(url) == [schema.HEAD]
        assert await objects(url) == await objects(postgres.url(migrated["postgresql"]))


@asynccontextmanager
async def migrating(url: str) -> AsyncIterator[Process]:
    """Migrate in a process of its own."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", MIGRATING, url, cwd=ROOT)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def waiting(connection: "asyncpg.Connection[Any]", number: int) -> None:
    """Wait until so many wait for locks."""
    end = time.monotonic() + 30
    while await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted") < number:
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


async def test_domains_that_fail_are_found_after_the_migration(empty: str) -> None:
    """Since when, by what is stored of them; those that do not fail, and processes of before, write none."""
    await run(empty, earlier(empty, "0014"))
    await run(
        empty,
        """
        INSERT INTO accounts (id, name, email, created_at) VALUES ('a', 'A', 'a@a.test', 0);
        INSERT INTO domains (id, account_id, sender, status, held, version, life) VALUES
            ('d1', 'a', 'f.test', 'FAILED', 0, 0, '{"dkim": {"since": "2026-11-23T09:00:00.250000Z"}}'),
            ('d2', 'a', 'r.test', 'TEMPORARY_FAILURE', 1, 0, '{"dkim": {"since": "2026-11-23T09:00:01Z"}}'),
            ('d3', 'a', 'w.test', 'SUCCESS', 1, 0, '{"dkim": {"since": "2026-11-23T09:00:00Z"}}');
        """,
    )
    await migrate(empty)
    await run(
        empty,
        "INSERT INTO domains (id, account_id, sender, status, held, version, life) "
        "VALUES ('d4', 'a', 'o.test', 'FAILED', 0, 0, '{}')",
    )
    found = await run(empty, "SELECT sender, failing_since / 1000, refused FROM domains ORDER BY sender")
    at = 1_795_424_400
    assert found == [("f.test", at, 0), ("o.test", None, 0), ("r.test", at + 1, 0), ("w.test", None, 0)]

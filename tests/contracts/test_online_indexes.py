"""An index of a large table is built on PostgreSQL while others write, and no version starts without it."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from letterhead.adapters.storage import SchemaState, migrate, open_store, schema, schema_state
from letterhead.adapters.storage.statements import Dialect
from letterhead.errors import Fault, Kind
from tests.contracts.samples import Shop
from tests.rigs.postgres import Postgres

NAME = "domains_of_a_test"
LAST_RELEASED = "0018"
VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)"
WAITING = "SELECT count(*) FROM pg_stat_progress_create_index WHERE phase LIKE 'waiting%'"
QUEUED = """
SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND datname = current_database()
"""
CREATED_INDEX = re.compile(r"^CREATE (?:UNIQUE )?INDEX (CONCURRENTLY\s+)?(\w+)\s+ON (\w+)", re.MULTILINE)


@pytest.fixture
def url(postgres: Postgres) -> Iterator[str]:
    """Return the address of an empty database."""
    with postgres.database() as made:
        yield made


@pytest.fixture
def next_version(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Ship one more migration: a column, and an index of it."""
    path = tmp_path / "9999_test.sql"
    path.write_text(
        "ALTER TABLE domains ADD COLUMN shade TEXT;\n\n"
        f"CREATE INDEX /*postgresql CONCURRENTLY */ {NAME} ON domains (shade);\n"
    )
    with monkeypatch.context() as patch:
        patch.setitem(schema.MIGRATIONS, "9999", path)
        patch.setattr(schema, "REVISIONS", (*schema.REVISIONS, "9999"))
        patch.setattr(schema, "HEAD", "9999")
        patch.setattr(schema.migration, "__defaults__", ("9999",))
        yield


async def test_others_write_while_an_index_is_built(url: str, request: pytest.FixtureRequest) -> None:
    """An old transaction holds up the index, and nobody who writes meanwhile."""
    await migrate(url)
    async with open_store(url) as store:
        shop = Shop(store)
        account = await shop.account()
        request.getfixturevalue("next_version")
        old, other = await asyncpg.connect(url), await asyncpg.connect(url)
        try:
            async with old.transaction(isolation="repeatable_read"):
                await old.fetch("SELECT 1 FROM accounts")  # whoever began before must end before the index counts
                migrating = asyncio.create_task(migrate(url))
                async with asyncio.timeout(60):
                    while not await other.fetchval(WAITING):  # noqa: ASYNC110 the server says when
                        await asyncio.sleep(0.05)
                assert not await other.fetchval(VALID, NAME)
                await asyncio.wait_for(shop.domain(account.id, "second.test"), 20)
                assert await schema_state(url) is SchemaState.INCOMPLETE
            await asyncio.wait_for(migrating, 60)
            assert await other.fetchval(VALID, NAME)
            assert await schema_state(url) is SchemaState.CURRENT
        finally:
            await old.close()
            await other.close()


@pytest.mark.usefixtures("next_version")
async def test_an_index_that_was_left_behind_is_built_again(url: str) -> None:
    """After a kill in the middle it is there and not valid: no process starts, and the next migration builds it."""
    await migrate(url)
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = to_regclass($1)", NAME)
        assert await schema_state(url) is SchemaState.INCOMPLETE
        with pytest.raises(Fault, match="indexes are missing") as refused:
            async with open_store(url):
                pass
        assert refused.value.kind is Kind.SCHEMA_OUTDATED
        await asyncio.gather(migrate(url), migrate(url))
        assert await connection.fetchval(VALID, NAME)
    finally:
        await connection.close()
    async with open_store(url) as store:
        await store.ready()


async def test_a_table_in_use_holds_no_queue_up(url: str) -> None:
    """A migration that waits for a table lets others at it every few seconds, and goes on once the table is free."""
    old, other = await asyncpg.connect(url), await asyncpg.connect(url)
    try:
        await old.execute(schema.migration(Dialect.POSTGRES, None, LAST_RELEASED))
        async with old.transaction():
            for table in await old.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
                await old.execute(f"LOCK TABLE {table['tablename']} IN ACCESS SHARE MODE")
            migrating = asyncio.create_task(migrate(url))
            async with asyncio.timeout(60):
                while not await other.fetchval(QUEUED):  # noqa: ASYNC110 the server says when
                    await asyncio.sleep(0.02)
            await asyncio.wait_for(other.fetch("SELECT * FROM domains, webhooks, events"), 20)
            assert not migrating.done()
        await asyncio.wait_for(migrating, 60)
    finally:
        await old.close()
        await other.close()


def test_new_indexes_of_earlier_tables_are_built_beside_other_work() -> None:
    """From this version on: an index belongs to a table of the same migration, or says CONCURRENTLY."""
    locking = []
    for revision in schema.REVISIONS[schema.REVISIONS.index(LAST_RELEASED) + 1 :]:
        text = schema.text(revision, Dialect.POSTGRES)
        locking += [
            name for online, name, table in CREATED_INDEX.findall(text)
            if not online and f"CREATE TABLE {table} (" not in text
        ]  # fmt: skip
    assert locking == []

"""Show that the PostgreSQL of the tests is a real one, and that tests do not see each other's data."""

import time

import asyncpg
import pytest

from tests.rigs.postgres import Postgres, running


async def test_database_is_cloned(postgres: Postgres) -> None:
    """A database made from a template holds what the template holds, and keeps its own changes to itself."""
    template = postgres.create()
    connection = await asyncpg.connect(postgres.url(template))
    await connection.execute("create table account (id integer)")
    await connection.close()
    with postgres.database(template) as first, postgres.database(template) as second:
        writer, reader = await asyncpg.connect(first), await asyncpg.connect(second)
        await writer.execute("insert into account values (1)")
        assert await reader.fetchval("select count(*) from account") == 0
        await writer.close()
        await reader.close()
    with pytest.raises(asyncpg.InvalidCatalogNameError):
        await asyncpg.connect(first)


async def test_database_starts_empty(postgres_url: str) -> None:
    """Each test that asks for a database gets an empty one, of a version that the service supports."""
    connection = await asyncpg.connect(postgres_url)
    assert await connection.fetchval("select count(*) from pg_stat_user_tables") == 0
    assert connection.get_server_version().major >= 14
    await connection.close()


def test_server_starts_fast_and_leaves_nothing() -> None:
    """A server is ready in seconds, and its process and folder are gone afterwards."""
    began = time.monotonic()
    with running() as server:
        assert time.monotonic() - began < 10
        folder = server.server.log.parent
        assert folder.exists()
    assert not folder.exists()

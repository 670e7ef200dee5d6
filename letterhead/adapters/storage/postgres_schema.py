"""The schema of a PostgreSQL database, brought up to date while the service goes on reading and writing.

Tables and columns change in one transaction, which takes no time whatever a table's size. The indexes that a table gets
later take minutes where it is large: they are built afterwards, without a lock (`schema.online_indexes`).
"""

import asyncio
from contextlib import suppress
from typing import Final

import asyncpg
import structlog

from letterhead.adapters.storage import schema
from letterhead.adapters.storage.postgres_servers import PostgresConnection
from letterhead.adapters.storage.schema import SchemaState
from letterhead.adapters.storage.statements import Dialect

MIGRATING: Final = 0x6C657474  # names the advisory lock: one migrates, the others wait
# Behind a change that waits for its lock, all other work on the table waits. And a server looks for deadlocks after a
# second: a change that gives way before is never the reason why a write of another process is broken off.
LOCK_MILLISECONDS: Final = 500
REST_SECONDS: Final = 1.0
MISSING: Final = """
SELECT name FROM unnest($1::TEXT[]) WITH ORDINALITY AS wanted (name, place)
WHERE NOT EXISTS (SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(name) AND indisvalid)
ORDER BY place
"""
BUILDING: Final = "SELECT count(*) FROM pg_stat_progress_create_index WHERE index_relid = to_regclass($1)"

log = structlog.get_logger()


async def migrate_schema(connection: PostgresConnection) -> None:
    """Run the migrations that are missing, then build the indexes that are; others that migrate are waited for."""
    before = await _run_migrations(connection)
    if schema.state_of(before) is SchemaState.NEWER:
        return
    while missing := await _missing_indexes(connection):
        name = missing[0]
        if await connection.fetchval(BUILDING, name):
            await asyncio.sleep(REST_SECONDS)  # another process builds it
            continue
        if before is not None:
            log.info("migration.index", index=name, detail="Building an index; the service can go on meanwhile.")
        try:
            await connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")  # a build that was killed left it
            await connection.execute(schema.online_indexes()[name])
        except (asyncpg.DuplicateTableError, asyncpg.DeadlockDetectedError):  # another process began at that moment
            await asyncio.sleep(REST_SECONDS)
    for name in schema.replaced_indexes():
        with suppress(asyncpg.DeadlockDetectedError):  # another process drops it at the same moment
            await connection.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")


async def schema_state_of(connection: PostgresConnection) -> SchemaState:
    """Return how the schema relates to the one of this version."""
    state = schema.state_of(await revision_of(connection))
    if state is SchemaState.CURRENT and await _missing_indexes(connection):
        return SchemaState.INCOMPLETE
    return state


async def revision_of(connection: PostgresConnection) -> str | None:
    """Return the revision that the database names; None where there is no schema."""
    if await connection.fetchval("SELECT to_regclass('alembic_version')::text") is None:
        return None
    revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    return revision


async def _run_migrations(connection: PostgresConnection) -> str | None:
    """Run the migrations in one transaction, and return the revision that there was, None where there was none.

    Begin again where another transaction keeps a table for long.
    """
    while True:
        try:
            async with connection.transaction():
                await connection.execute("SELECT pg_advisory_xact_lock($1)", MIGRATING)
                revision = await revision_of(connection)
                if schema.state_of(revision) in (SchemaState.EMPTY, SchemaState.OUTDATED):
                    await connection.execute(f"SET LOCAL lock_timeout = '{LOCK_MILLISECONDS}ms'")
                    await connection.execute(await asyncio.to_thread(schema.migration, Dialect.POSTGRES, revision))
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
            log.warning("migration.waits", error=str(error), detail="Another transaction uses a table: tried again.")
            await asyncio.sleep(REST_SECONDS)
        else:
            return revision


async def _missing_indexes(connection: PostgresConnection) -> list[str]:
    """Return the indexes of this version that are not there, or not valid, in the order of the migrations."""
    return [row["name"] for row in await connection.fetch(MISSING, list(schema.online_indexes()))]

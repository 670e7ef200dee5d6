"""All tables of a PostgreSQL database: read in one snapshot, and written into an empty one in one transaction."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from letterhead.adapters.storage import schema
from letterhead.adapters.storage.postgres import PostgresSession, connected, driver_errors
from letterhead.adapters.storage.postgres_schema import MIGRATING, migrate_schema, revision_of
from letterhead.adapters.storage.postgres_servers import PostgresConnection, PostgresServers
from letterhead.adapters.storage.statements import Dialect, statements
from letterhead.adapters.storage.tables import (
    AT_ONCE,
    count_rows_of,
    end_what_was_held,
    readable_revision,
    refuse_revision,
    refuse_rows,
    schema_tables,
    select_rows_of,
)
from letterhead.errors import Fault, Kind
from letterhead.ports.store.tables import StoredRow, StoredTable

WHERE = "The PostgreSQL database"
# A server may be set to end what takes as long as this: it is one transaction, which sits idle while rows are written.
NO_LIMITS = "SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0"
# Heartbeats come every 10 s; after 40 s a process is taken for gone (operations/heartbeats.py).
LIVING = "SELECT process FROM heartbeats WHERE at > EXTRACT(EPOCH FROM now()) * 1000 - 40000 ORDER BY process"


class PostgresTableReader:
    """The implementation of `TableReader` on a connection within one transaction of one snapshot."""

    def __init__(self, connection: PostgresConnection, revision: str) -> None:
        self.revision, self.tables = revision, schema_tables(revision)
        self._connection = connection

    async def rows(self, table: StoredTable) -> AsyncGenerator[list[StoredRow], None]:
        """Return the rows of a table, some at a time."""
        async for rows in _read_rows(self._connection, table):
            yield rows


class PostgresTableWriter:
    """The implementation of `TableWriter` on a connection within one transaction."""

    def __init__(self, connection: PostgresConnection, revision: str | None) -> None:
        self._connection, self._revision = connection, revision

    async def make_schema(self, revision: str) -> None:
        """Make the schema of a revision, where there is none."""
        if self._revision is not None:
            refuse_revision(self._revision, revision, WHERE)
            return
        with driver_errors():
            await self._connection.execute(
                await asyncio.to_thread(schema.migration, Dialect.POSTGRES, None, revision), timeout=None
            )
        self._revision = revision

    async def write(self, table: StoredTable, rows: Sequence[StoredRow]) -> None:
        """Add rows to a table."""
        kinds = (_kind(table, column) for column in table.columns)
        arrays = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(kinds, 1))
        columns = ", ".join(f'"{column}"' for column in table.columns)
        keep = "OVERRIDING SYSTEM VALUE" if table.is_numbered else ""
        # Not COPY: the driver prepares a statement by name for it, which a pooler may hand to another client.
        insert = f'INSERT INTO "{table.name}" ({columns}) {keep} SELECT * FROM unnest({arrays})'  # noqa: S608 our names
        with driver_errors():
            await self._connection.execute(insert, *map(list, zip(*rows, strict=True)))

    async def rows(self, table: StoredTable) -> AsyncGenerator[list[StoredRow], None]:
        """Return the rows of a table as they were written, some at a time."""
        async for rows in _read_rows(self._connection, table):
            yield rows

    async def finish(self, *, moved: bool, now: int) -> Mapping[str, int]:
        """Bring the schema up to date, end what was held, and return how many rows each table has."""
        tables = schema_tables(self._revision or schema.HEAD)
        with driver_errors():
            counts = await _count(self._connection, tables)
            if self._revision != schema.HEAD:
                script = await asyncio.to_thread(schema.migration, Dialect.POSTGRES, self._revision)
                await self._connection.execute(script)
            for each in tables:
                if each.is_numbered:
                    await self._connection.execute(
                        f"SELECT setval(pg_get_serial_sequence('{each.name}', 'id'), max(id)) "  # noqa: S608 our names
                        f'FROM "{each.name}" HAVING max(id) IS NOT NULL'
                    )
            session = PostgresSession(self._connection, statements(Dialect.POSTGRES))
            await end_what_was_held(session, moved=moved, now=now)
        return counts


@asynccontextmanager
async def read_postgres_tables(url: str, *, alone: bool) -> AsyncIterator[PostgresTableReader]:
    """Open the tables for reading, as they are now; `alone` refuses a database that processes use."""
    async with connected(PostgresServers(url)) as connection:
        with driver_errors():
            transaction = connection.transaction(isolation="repeatable_read", readonly=True)
            await transaction.start()
            await connection.execute(NO_LIMITS)
            revision = readable_revision(await revision_of(connection), WHERE)
            if alone and (living := [row["process"] for row in await connection.fetch(LIVING)]):
                raise Fault(
                    Kind.DATABASE_IN_USE,
                    f"The database is in use by {', '.join(living)}, seen within 40 seconds.",
                    "Stop every process of the service first: what they write meanwhile would be missing.",
                )
        yield PostgresTableReader(connection, revision)


@asynccontextmanager
async def write_postgres_tables(url: str) -> AsyncIterator[PostgresTableWriter]:
    """Open an empty database for writing; commit at the end of the block, then build the indexes that take long."""
    async with connected(PostgresServers(url)) as connection:
        with driver_errors():
            transaction = connection.transaction()
            await transaction.start()
        try:
            with driver_errors():
                await connection.execute(NO_LIMITS)
                await connection.execute("SELECT pg_advisory_xact_lock($1)", MIGRATING)
                revision = await revision_of(connection)
                if revision is not None:
                    refuse_rows(await _count(connection, schema_tables(readable_revision(revision, WHERE))), WHERE)
            yield PostgresTableWriter(connection, revision)
            with driver_errors():
                await transaction.commit()
        except BaseException:
            await transaction.rollback()
            raise
        with driver_errors():
            await migrate_schema(connection)


async def _read_rows(connection: PostgresConnection, table: StoredTable) -> AsyncGenerator[list[StoredRow], None]:
    with driver_errors():
        await connection.execute(f"DECLARE table_rows NO SCROLL CURSOR FOR {select_rows_of(table)}")
        while rows := await connection.fetch(f"FETCH {AT_ONCE} FROM table_rows"):
            yield [tuple(row) for row in rows]
        await connection.execute("CLOSE table_rows")


async def _count(connection: PostgresConnection, tables: Sequence[StoredTable]) -> dict[str, int]:
    return {each.name: await connection.fetchval(count_rows_of(each)) for each in tables}


def _kind(table: StoredTable, column: str) -> str:
    return "bytea" if column in table.octets else "bigint" if column in table.numbers else "text"

"""All tables of a SQLite file: read in one snapshot, and written into an empty file in one transaction."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiosqlite

from letterhead.adapters.storage import schema
from letterhead.adapters.storage.sqlite import (
    READER,
    WRITER,
    SqliteSession,
    connected,
    driver_errors,
    lock_file,
    revision_of,
)
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
from letterhead.ports.store.tables import StoredRow, StoredTable


class SqliteTableReader:
    """The implementation of `TableReader` on a connection within one transaction, whose first read made the snapshot.

    The log of the file grows until the transaction ends: the writer goes on, and its checkpoints wait.
    """

    def __init__(self, path: Path, connection: aiosqlite.Connection, revision: str) -> None:
        self.revision, self.tables = revision, schema_tables(revision)
        self._path, self._connection = path, connection

    async def rows(self, table: StoredTable) -> AsyncGenerator[list[StoredRow], None]:
        """Return the rows of a table, some at a time."""
        async for rows in _read_rows(self._path, self._connection, table):
            yield rows


class SqliteTableWriter:
    """The implementation of `TableWriter` on a connection within one transaction."""

    def __init__(self, path: Path, connection: aiosqlite.Connection, revision: str | None) -> None:
        self._path, self._connection, self._revision = path, connection, revision

    async def make_schema(self, revision: str) -> None:
        """Make the schema of a revision, where there is none."""
        if self._revision is not None:
            refuse_revision(self._revision, revision, str(self._path))
            return
        await self._run(await asyncio.to_thread(schema.migration, Dialect.SQLITE, None, revision))
        self._revision = revision

    async def write(self, table: StoredTable, rows: Sequence[StoredRow]) -> None:
        """Add rows to a table."""
        columns = ", ".join(f'"{column}"' for column in table.columns)
        values = ", ".join("?" * len(table.columns))
        insert = f'INSERT INTO "{table.name}" ({columns}) VALUES ({values})'  # noqa: S608 names of our own schema
        with driver_errors(self._path):
            await self._connection.executemany(insert, rows)

    async def rows(self, table: StoredTable) -> AsyncGenerator[list[StoredRow], None]:
        """Return the rows of a table as they were written, some at a time."""
        async for rows in _read_rows(self._path, self._connection, table):
            yield rows

    async def finish(self, *, moved: bool, now: int) -> Mapping[str, int]:
        """Bring the schema up to date, end what was held, and return how many rows each table has."""
        counts = await _count(self._connection, schema_tables(self._revision or schema.HEAD))
        if self._revision != schema.HEAD:
            await self._run(await asyncio.to_thread(schema.migration, Dialect.SQLITE, self._revision))
        with driver_errors(self._path):
            session = SqliteSession(self._connection, statements(Dialect.SQLITE))
            await end_what_was_held(session, moved=moved, now=now)
        return counts

    async def _run(self, script: str) -> None:
        with driver_errors(self._path):
            for statement in _split(script):
                await self._connection.execute(statement)


@asynccontextmanager
async def read_sqlite_tables(path: Path, *, alone: bool) -> AsyncIterator[SqliteTableReader]:
    """Open the tables for reading, as they are now; `alone` refuses a file that a process uses (`database-in-use`)."""
    if not await asyncio.to_thread(path.exists):
        readable_revision(None, str(path))
    async with AsyncExitStack() as stack:
        if alone:
            stack.enter_context(lock_file(path, make=False))
        connection = await stack.enter_async_context(connected(path, "ro", READER))
        with driver_errors(path):
            await connection.execute_fetchall("BEGIN")
            revision = readable_revision(await revision_of(connection), str(path))
        yield SqliteTableReader(path, connection, revision)


@asynccontextmanager
async def write_sqlite_tables(path: Path) -> AsyncIterator[SqliteTableWriter]:
    """Open an empty file for writing, which is made if need be; commit at the end of the block."""
    is_new = not await asyncio.to_thread(path.exists)
    try:
        with lock_file(path, make=True):
            async with connected(path, "rw", WRITER) as connection:
                with driver_errors(path):
                    await connection.execute_fetchall("BEGIN IMMEDIATE")
                    revision = await revision_of(connection)
                    if revision is not None:
                        tables = schema_tables(readable_revision(revision, str(path)))
                        refuse_rows(await _count(connection, tables), str(path))
                try:
                    yield SqliteTableWriter(path, connection, revision)
                    with driver_errors(path):
                        await connection.execute_fetchall("COMMIT")
                except BaseException:
                    await connection.rollback()
                    raise
    except BaseException:
        if is_new:
            await asyncio.to_thread(_remove, path)
        raise


async def _read_rows(
    path: Path, connection: aiosqlite.Connection, table: StoredTable
) -> AsyncGenerator[list[StoredRow], None]:
    with driver_errors(path):
        async with connection.execute(select_rows_of(table)) as found:
            while rows := list(await found.fetchmany(AT_ONCE)):
                yield [tuple(row) for row in rows]


async def _count(connection: aiosqlite.Connection, tables: Sequence[StoredTable]) -> dict[str, int]:
    return {each.name: next(iter(await connection.execute_fetchall(count_rows_of(each))))[0] for each in tables}


def _split(script: str) -> Iterator[str]:
    """Split a script into its statements: executescript() would commit before it begins."""
    statement = ""
    for line in script.splitlines():
        statement += f"{line}\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _remove(path: Path) -> None:
    """Remove the file that was made, with its log; the lock file stays, as of any database."""
    for each in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        each.unlink(missing_ok=True)

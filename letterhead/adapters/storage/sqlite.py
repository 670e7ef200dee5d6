"""The SQLite engine: one process owns the file, one connection writes and checkpoints, others only read.

Two connections that write or checkpoint at once can corrupt a WAL up to SQLite 3.51.2: hence the lock file and the
single writer. `synchronous=FULL` keeps what was acknowledged through a power cut; NORMAL does not.
"""

import asyncio
import fcntl
import itertools
import os
import sqlite3
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final, TypeVar

import aiosqlite

from letterhead.adapters.storage import schema
from letterhead.adapters.storage.engine import (
    ConstraintViolation,
    DatabaseRow,
    SqlValue,
    TransactionBody,
    storable,
    unavailable,
)
from letterhead.adapters.storage.statements import Dialect, Statement, statements
from letterhead.errors import Fault, Kind

T = TypeVar("T")

READERS: Final = 2
WRITER: Final = ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON", "busy_timeout=5000")
READER: Final = ("query_only=ON", "busy_timeout=5000")
# https://sqlite.org/rescode.html: failures of the file or the machine. Any other OperationalError is a bug of ours.
UNAVAILABLE: Final = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PROTOCOL,
    sqlite3.SQLITE_NOTADB,
}


class SqliteSession:
    """One connection, on which statements run."""

    def __init__(self, connection: aiosqlite.Connection, known: Mapping[str, Statement]) -> None:
        self._connection = connection
        self._known = known

    async def rows(self, statement: str, /, **values: SqlValue) -> Sequence[DatabaseRow]:
        """Run one statement and return the rows that it selects or returns."""
        stored = {name: storable(value) for name, value in values.items()}
        # One trip to the connection's thread; execute and fetchall would be two.
        return tuple(await self._connection.execute_fetchall(self._known[statement].sql, stored))


class SqliteEngine:
    """The engine on the one writer and the readers of a file."""

    def __init__(self, path: Path, writer: aiosqlite.Connection, readers: list[aiosqlite.Connection]) -> None:
        known = statements(Dialect.SQLITE)
        self._path = path
        self._connection = writer
        self._writer = SqliteSession(writer, known)
        self._readers = itertools.cycle([SqliteSession(reader, known) for reader in readers])
        self._write_lock = asyncio.Lock()

    async def read(self, statement: str, /, **values: SqlValue) -> Sequence[DatabaseRow]:
        """Run one statement that only reads."""
        with driver_errors(self._path):
            return await next(self._readers).rows(statement, **values)

    async def write(self, statement: str, /, **values: SqlValue) -> Sequence[DatabaseRow]:
        """Run one statement that writes, as a transaction of its own."""
        async with self._write_lock:
            with driver_errors(self._path):
                return await self._writer.rows(statement, **values)

    async def transact(self, work: TransactionBody[T]) -> T:
        """Run `work` in one transaction, after those that wait already."""
        async with self._write_lock:
            with driver_errors(self._path):
                try:
                    await self._connection.execute_fetchall("BEGIN IMMEDIATE")
                    result = await work(self._writer)
                    await self._connection.execute_fetchall("COMMIT")
                except BaseException:
                    # After a cancellation too: the connection's thread runs its orders one after the other, so this
                    # undoes what has begun, and nothing where the commit went through.
                    await self._connection.rollback()
                    raise
                return result

    async def shred(self) -> None:
        """Empty the write-ahead log, which still contains what was deleted, unless somebody reads it now."""
        async with self._write_lock:
            with suppress(sqlite3.OperationalError):  # the next checkpoint does it
                await self._connection.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")


@asynccontextmanager
async def open_sqlite(path: Path, *, migrate_first: bool) -> AsyncIterator[SqliteEngine]:
    """Open the file for this process alone; `migrate_first` creates it or brings its schema up to date.

    Raise Fault `database-in-use` where another process owns it, `schema-outdated` for an outdated schema,
    `storage-unavailable` where the file can't be opened.
    """
    async with AsyncExitStack() as stack:
        if not migrate_first and not await asyncio.to_thread(path.exists):
            schema.refuse_outdated(schema.SchemaState.EMPTY, str(path))
        stack.enter_context(lock_file(path, make=migrate_first))
        writer = await stack.enter_async_context(connected(path, "rw", WRITER))
        with driver_errors(path):
            if migrate_first:
                await _migrate(writer)
            schema.refuse_outdated(schema.state_of(await revision_of(writer)), str(path))
        readers = [await stack.enter_async_context(connected(path, "ro", READER)) for _ in range(READERS)]
        engine = SqliteEngine(path, writer, readers)
        await engine.write("release_all_domains")  # nobody else can hold one: the file is ours alone
        await engine.write("release_all_intents")
        await engine.write("release_all_reminders")
        await engine.write("release_all_alerts")
        await engine.write("release_all_deliveries")
        await engine.write("end_all_heartbeats")
        yield engine


async def migrate_sqlite(path: Path) -> None:
    """Bring the schema of a file that no process has open up to date; raise Fault `database-in-use` for another."""
    with lock_file(path, make=True):
        async with connected(path, "rw", WRITER) as writer:
            with driver_errors(path):
                await _migrate(writer)


async def revision_of_sqlite(path: Path) -> str | None:
    """Return the revision of a file's schema; None where there is no schema."""
    if not await asyncio.to_thread(path.exists):
        return None
    async with connected(path, "ro", READER) as reader:
        with driver_errors(path):
            return await revision_of(reader)


async def _migrate(writer: aiosqlite.Connection) -> None:
    revision = await revision_of(writer)
    if schema.state_of(revision) in (schema.SchemaState.CURRENT, schema.SchemaState.NEWER):
        return
    script = await asyncio.to_thread(schema.migration, Dialect.SQLITE, revision)
    try:
        await writer.executescript(f"BEGIN IMMEDIATE;\n{script}\nCOMMIT;")
    except BaseException:
        await writer.rollback()
        raise


async def revision_of(connection: aiosqlite.Connection) -> str | None:
    """Return the revision that the database names; None where there is no schema."""
    tables = await connection.execute_fetchall("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'")
    if not list(tables):
        return None
    found = await connection.execute_fetchall("SELECT version_num FROM alembic_version")
    return next((row[0] for row in found), None)


@asynccontextmanager
async def connected(path: Path, mode: str, pragmas: tuple[str, ...]) -> AsyncIterator[aiosqlite.Connection]:
    """Open one connection to a file, `ro` or `rw`, and close it at the end."""
    with driver_errors(path):
        connection = await aiosqlite.connect(_uri(path, mode), uri=True, isolation_level=None)
    try:
        connection.row_factory = sqlite3.Row
        with driver_errors(path):
            for pragma in pragmas:
                await connection.execute_fetchall(f"PRAGMA {pragma}")
        yield connection
    finally:
        await connection.close()


def _uri(path: Path, mode: str) -> str:
    return f"{path.absolute().as_uri()}?mode={mode}"


@contextmanager
def lock_file(path: Path, *, make: bool) -> Iterator[None]:
    """Hold the lock file next to the database, which the system releases however the process ends.

    Create the folder, and with `make` the file, readable for nobody else; the log inherits the file's permissions.
    Raise Fault `database-in-use` or `storage-unavailable`.
    """
    lock = path.with_name(f"{path.name}.lock")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise unavailable(f"The database {path}", error.strerror) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = os.pread(handle, 20, 0).decode("ascii", "replace").strip() or "unknown"
            raise Fault(
                Kind.DATABASE_IN_USE,
                f"The database {path} is in use by the process {owner}, which holds {lock.name}.",
                "Stop that process first, or use PostgreSQL, where any number of processes share one database.",
            ) from error
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        if make:
            path.touch(0o600)
        yield
    finally:
        os.close(handle)


@contextmanager
def driver_errors(path: Path) -> Iterator[None]:
    """Translate the driver's errors into Faults; `sqlite_errorcode` has the kind in its low octet."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise ConstraintViolation from error
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in UNAVAILABLE:
            raise unavailable(f"The database {path}", error) from error
        raise

"""Speaks to PostgreSQL through a pool of connections that carry no session state."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Final, TypeVar

import asyncpg

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

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]

T = TypeVar("T")

ATTEMPTS: Final = 3
SECONDS: Final = 10.0  # for one statement, and for a free connection
MIGRATING: Final = 0x6C657474  # names the advisory lock: one migrates, the others wait
LOST: Final = (
    asyncpg.PostgresConnectionError,  # class 08
    asyncpg.OperatorInterventionError,  # class 57: shutdown, cancelled
    asyncpg.InternalClientError,  # between the server's farewell and the end of the connection
)
TROUBLE: Final = (
    *LOST,
    OSError,
    TimeoutError,
    asyncpg.InvalidAuthorizationSpecificationError,  # class 28
    asyncpg.InvalidCatalogNameError,  # 3D000: no such database
    asyncpg.TransactionRollbackError,  # class 40, after ATTEMPTS
    asyncpg.InsufficientResourcesError,  # class 53: disk full, too many connections
    asyncpg.LockNotAvailableError,  # 55P03
    asyncpg.PostgresSystemError,  # class 58: input and output
    asyncpg.ReadOnlySQLTransactionError,  # 25006: a standby
    asyncpg.DataCorruptedError,
)


class PostgresSession:
    """Runs statements on one connection."""

    def __init__(self, connection: "Connection", known: Mapping[str, Statement]) -> None:
        self._connection = connection
        self._known = known

    async def rows(self, statement: str, /, **values: SqlValue) -> Sequence[DatabaseRow]:
        """Runs one statement and gives what it selects or returns."""
        return await _rows(self._connection, self._known[statement], values)


class PostgresEngine:
    """Runs statements on a pool."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool
        self._known = statements(Dialect.POSTGRES)

    async def read(self, statement: str, /, **values: SqlValue) -> Sequence[DatabaseRow]:
        """Runs one statement that only reads; once more where it was the first to learn that a connection is dead."""
        with _translated():
            try:
                return await _rows(self._pool, self._known[statement], values)
            except LOST:
                await self._pool.expire_connections()
                return await _rows(self._pool, self._known[statement], values)

    async def write(self, statement: str, /, **values: SqlValue) -> Sequence[DatabaseRow]:
        """Runs one statement that writes, as a transaction of its own."""
        with _translated():
            return await self._again(lambda: _rows(self._pool, self._known[statement], values))

    async def transact(self, work: TransactionBody[T]) -> T:
        """Runs work in one transaction, anew where it met another in a deadlock."""
        with _translated():
            return await self._again(lambda: self._once(work))

    async def shred(self) -> None:
        """Leaves deleted rows to the server's vacuum: there is no overwriting them from here."""

    async def _again(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Tries again what lost to another transaction, of which nothing was written; but not what may be written."""
        try:
            for _ in range(ATTEMPTS - 1):
                with suppress(asyncpg.TransactionRollbackError):
                    return await attempt()
            return await attempt()
        except LOST:
            await self._pool.expire_connections()  # the others are dead too, most likely
            raise

    async def _once(self, work: TransactionBody[T]) -> T:
        async with self._pool.acquire(timeout=SECONDS) as connection, connection.transaction():
            return await work(PostgresSession(connection, self._known))


@asynccontextmanager
async def open_postgres(url: str, *, migrate_first: bool, connections: int) -> AsyncIterator[PostgresEngine]:
    """Opens a pool of so many connections; `migrate_first` brings the schema up to date."""
    if migrate_first:
        await migrate_postgres(url)
    schema.refuse_outdated(await revision_of_postgres(url), "the PostgreSQL database")
    with _translated():
        # No session state is ever set, so there is nothing to reset: a round trip less for each request.
        pool = await asyncpg.create_pool(
            url, min_size=1, max_size=connections, reset=_nothing, command_timeout=SECONDS, timeout=SECONDS
        )
    try:
        yield PostgresEngine(pool)
    finally:
        await _closed(pool)


async def migrate_postgres(url: str) -> None:
    """Brings the schema up to date, in one transaction; whoever comes at the same time waits."""
    async with _connected(url) as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", MIGRATING)
        revision = await _revision(connection)
        if schema.state_of(revision) in (schema.SchemaState.EMPTY, schema.SchemaState.OUTDATED):
            await connection.execute(await asyncio.to_thread(schema.migration, Dialect.POSTGRES, revision))


async def revision_of_postgres(url: str) -> str | None:
    """Reads the revision of a database's schema; nothing where there is none."""
    async with _connected(url) as connection:
        return await _revision(connection)


async def _revision(connection: "Connection") -> str | None:
    if await connection.fetchval("SELECT to_regclass('alembic_version')::text") is None:
        return None
    revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    return revision


@asynccontextmanager
async def _connected(url: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    with _translated():
        connection = await asyncpg.connect(url, timeout=SECONDS)
        try:
            yield connection
        finally:
            await connection.close(timeout=SECONDS)


async def _closed(pool: "Pool") -> None:
    try:
        await asyncio.wait_for(pool.close(), SECONDS)
    except TimeoutError:
        pool.terminate()


async def _nothing(connection: "Connection") -> None:
    """Resets nothing."""


async def _rows(
    where: "Connection | Pool", statement: Statement, values: Mapping[str, SqlValue]
) -> Sequence[DatabaseRow]:
    return await where.fetch(statement.sql, *(storable(values[name]) for name in statement.parameters))


@contextmanager
def _translated() -> Iterator[None]:
    """Turns the driver's trouble into faults; never shows the address, which may hold a password."""
    try:
        yield
    except asyncpg.IntegrityConstraintViolationError as error:
        raise ConstraintViolation from error
    except TROUBLE as error:
        raise unavailable("PostgreSQL", str(error) or type(error).__name__) from error
    except asyncpg.InterfaceError as error:
        if isinstance(error, ValueError):  # a wrong argument: a bug of ours, where the others are lost connections
            raise
        raise unavailable("PostgreSQL", error) from error

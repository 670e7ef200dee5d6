"""The PostgreSQL engine: a pool of connections that carry no session state."""

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
    asyncpg.InternalClientError,  # between the server's goodbye and the end of the connection
)
UNAVAILABLE: Final = (
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
    """One transaction on one connection."""

    def __init__(self, connection: "Connection", known: Mapping[str, Statement]) -> None:
        self._connection = connection
        self._known = known

    async def rows(self, statement: str, /, **values: SqlValue) -> Sequence[DatabaseRow]:
        """Run one statement and return the rows that it selects or returns."""
        return await _rows(self._connection, self._known[statement], values)


class PostgresEngine:
    """The engine on a pool of connections."""

    def __init__(self, pool: "Pool") -> None:
        self._pool = pool
        self._known = statements(Dialect.POSTGRES)

    async def read(self, statement: str, /, **values: SqlValue) -> Sequence[DatabaseRow]:
        """Run one statement that only reads; run it again where it was the first to meet a dead connection."""
        with _driver_errors():
            try:
                return await _rows(self._pool, self._known[statement], values)
            except LOST:
                await self._pool.expire_connections()
                return await _rows(self._pool, self._known[statement], values)

    async def write(self, statement: str, /, **values: SqlValue) -> Sequence[DatabaseRow]:
        """Run one statement that writes, as a transaction of its own."""
        with _driver_errors():
            return await self._retry(lambda: _rows(self._pool, self._known[statement], values))

    async def transact(self, work: TransactionBody[T]) -> T:
        """Run `work` in one transaction, again where it lost to another one (serialization, deadlock)."""

        async def attempt() -> T:
            async with self._pool.acquire(timeout=SECONDS) as connection, connection.transaction():
                return await work(PostgresSession(connection, self._known))

        with _driver_errors():
            return await self._retry(attempt)

    async def shred(self) -> None:
        """Do nothing: deleted rows can't be overwritten from here, the server's vacuum does it."""

    async def _retry(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Retry what lost to another transaction and wrote nothing; never what may have been written."""
        try:
            for _ in range(ATTEMPTS - 1):
                with suppress(asyncpg.TransactionRollbackError):
                    return await attempt()
            return await attempt()
        except LOST:
            await self._pool.expire_connections()  # the others are dead too, most likely
            raise


@asynccontextmanager
async def open_postgres(url: str, *, migrate_first: bool, connections: int) -> AsyncIterator[PostgresEngine]:
    """Open a pool of `connections` connections; `migrate_first` brings the schema up to date.

    Raise Fault `schema-outdated` for an outdated schema, `storage-unavailable` where the server can't be reached.
    """
    if migrate_first:
        await migrate_postgres(url)
    schema.refuse_outdated(await revision_of_postgres(url), "the PostgreSQL database")
    with _driver_errors():
        # No session state is ever set, so there is nothing to reset: a round trip less for each request.
        pool = await asyncpg.create_pool(
            url, min_size=1, max_size=connections, reset=_keep_state, command_timeout=SECONDS, timeout=SECONDS
        )
    try:
        yield PostgresEngine(pool)
    finally:
        try:
            await asyncio.wait_for(pool.close(), SECONDS)
        except TimeoutError:
            pool.terminate()


async def migrate_postgres(url: str) -> None:
    """Bring the schema up to date in one transaction; concurrent migrations wait for each other."""
    async with _connected(url) as connection, connection.transaction():
        await connection.execute("SELECT pg_advisory_xact_lock($1)", MIGRATING)
        revision = await _revision(connection)
        if schema.state_of(revision) in (schema.SchemaState.EMPTY, schema.SchemaState.OUTDATED):
            await connection.execute(await asyncio.to_thread(schema.migration, Dialect.POSTGRES, revision))


async def revision_of_postgres(url: str) -> str | None:
    """Return the revision of a database's schema; None where there is no schema."""
    async with _connected(url) as connection:
        return await _revision(connection)


async def _revision(connection: "Connection") -> str | None:
    if await connection.fetchval("SELECT to_regclass('alembic_version')::text") is None:
        return None
    revision: str | None = await connection.fetchval("SELECT version_num FROM alembic_version")
    return revision


@asynccontextmanager
async def _connected(url: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    with _driver_errors():
        connection = await asyncpg.connect(url, timeout=SECONDS)
        try:
            yield connection
        finally:
            await connection.close(timeout=SECONDS)


async def _keep_state(connection: "Connection") -> None:
    """Reset nothing."""


async def _rows(
    connection: "Connection | Pool", statement: Statement, values: Mapping[str, SqlValue]
) -> Sequence[DatabaseRow]:
    return await connection.fetch(statement.sql, *(storable(values[name]) for name in statement.parameters))


@contextmanager
def _driver_errors() -> Iterator[None]:
    """Translate the driver's errors into Faults; never show the URL, which may contain a password."""
    try:
        yield
    except asyncpg.IntegrityConstraintViolationError as error:
        raise ConstraintViolation from error
    except UNAVAILABLE as error:
        raise unavailable("PostgreSQL", str(error) or type(error).__name__) from error
    except asyncpg.InterfaceError as error:
        if isinstance(error, ValueError):  # a wrong argument: a bug of ours, where the others are lost connections
            raise
        raise unavailable("PostgreSQL", error) from error

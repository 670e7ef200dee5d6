"""The PostgreSQL engine: named statements on a pool of connections that carry no session state."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final, TypeVar

import asyncpg
import structlog

from letterhead.adapters.storage import postgres_schema, schema
from letterhead.adapters.storage.engine import (
    ConstraintViolation,
    DatabaseRow,
    SqlValue,
    TransactionBody,
    storable,
    unavailable,
)
from letterhead.adapters.storage.postgres_pool import LOST, PostgresPool
from letterhead.adapters.storage.postgres_replica import FROM_REPLICA, PostgresReplica
from letterhead.adapters.storage.postgres_servers import PostgresConnection, PostgresServers, refused
from letterhead.adapters.storage.statements import Dialect, Statement, statements

log = structlog.get_logger()

T = TypeVar("T")

ATTEMPTS: Final = 3
FIRST_READ_SECONDS: Final = 2.5  # then on another connection: this one may be dead without a word
SECOND_READ_SECONDS: Final = 7.5
PREPARED: Final = 100  # statements that the server keeps for each connection
NOT_PREPARED: Final = (  # by name in one server connection of a pooler, and looked for in another
    asyncpg.DuplicatePreparedStatementError,
    asyncpg.InvalidSQLStatementNameError,
)
UNAVAILABLE: Final = (
    *LOST,
    *NOT_PREPARED,
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

    def __init__(self, connection: PostgresConnection, known: Mapping[str, Statement]) -> None:
        self._connection = connection
        self._known = known

    async def rows(self, statement: str, /, **values: SqlValue) -> Sequence[DatabaseRow]:
        """Run one statement and return the rows that it selects or returns."""
        known = self._known[statement]
        return await self._connection.fetch(known.sql, *_ordered(known, values))


class PostgresEngine:
    """The engine on a pool of connections."""

    def __init__(self, pool: PostgresPool, replica: PostgresReplica | None = None) -> None:
        self._pool, self._replica = pool, replica
        self._known = statements(Dialect.POSTGRES)

    async def read(self, statement: str, /, **values: SqlValue) -> Sequence[DatabaseRow]:
        """Run one statement that only reads; run it again where it was the first to meet a dead connection."""
        known = self._known[statement]
        ordered = _ordered(known, values)
        if self._replica is not None and statement in FROM_REPLICA:
            found = await self._replica.fetch(known.sql, ordered)
            if found is not None:
                return found
        with driver_errors():
            try:
                return await self._pool.fetch(known.sql, ordered, FIRST_READ_SECONDS)
            except LOST:
                return await self._pool.fetch(known.sql, ordered, SECOND_READ_SECONDS)
            except NOT_PREPARED:
                self._stop_preparing()
                return await self._pool.fetch(known.sql, ordered)

    async def write(self, statement: str, /, **values: SqlValue) -> Sequence[DatabaseRow]:
        """Run one statement that writes, as a transaction of its own."""
        known = self._known[statement]
        ordered = _ordered(known, values)
        with driver_errors():
            return await self._retry(lambda: self._pool.fetch(known.sql, ordered))

    async def transact(self, work: TransactionBody[T]) -> T:
        """Run `work` in one transaction, again where it lost to another one (serialization, deadlock, a lock)."""

        async def attempt() -> T:
            async with self._pool.transaction() as connection:
                return await work(PostgresSession(connection, self._known))

        with driver_errors():
            return await self._retry(attempt)

    async def shred(self) -> None:
        """Do nothing: deleted rows can't be overwritten from here, the server's vacuum does it."""

    async def _retry(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Retry what lost to another transaction and wrote nothing; never what may have been written."""
        for _ in range(ATTEMPTS - 1):
            with suppress(asyncpg.TransactionRollbackError, asyncpg.LockNotAvailableError):
                try:
                    return await attempt()
                except asyncpg.ReadOnlySQLTransactionError:  # the server is a standby now: another one takes writes
                    self._pool.forget()
                except NOT_PREPARED:
                    self._stop_preparing()
        return await attempt()

    def _stop_preparing(self) -> None:
        """Prepare statements by name no longer: a pooler hands each transaction to another connection."""
        if self._pool.statement_cache:
            _log_pooler()
        self._pool.statement_cache = 0
        self._pool.forget()


@asynccontextmanager
async def open_postgres(
    url: str, *, migrate_first: bool, connections: int, prepared: bool | None = None, read_url: str | None = None
) -> AsyncIterator[PostgresEngine]:
    """Open a pool of `connections` connections; `migrate_first` brings the schema up to date.

    `prepared` says whether statements are prepared by name; None is yes, unless a pooler stands before the server.
    `read_url` leads to a replica, from which lists are read while it follows.
    Raise Fault `schema-outdated` for an outdated schema, `storage-unavailable` where the server can't be reached,
    `config-invalid` for a URL that asks for what can't be.
    """
    if migrate_first:
        await migrate_postgres(url)
    servers = PostgresServers(url)
    async with connected(servers) as connection:
        schema.refuse_outdated(await postgres_schema.schema_state_of(connection), "the PostgreSQL database")
        servers.is_pooled = await _is_pooled(connection)
        cache = servers.statement_cache
        if prepared is not None:
            cache = (cache or PREPARED) if prepared else 0
        elif cache is None:
            cache = 0 if servers.is_pooled else PREPARED
            if servers.is_pooled:
                _log_pooler()
    size = min(connections, servers.connection_limit or connections)
    with driver_errors():
        async with PostgresPool(servers, size, cache).opened() as pool:
            if read_url is None:
                yield PostgresEngine(pool)
                return
            # The replica's pooler, if it has one, is not looked at: without names statements run everywhere.
            followers = PostgresPool(PostgresServers(read_url, reads_only=True), size, cache if prepared else 0)
            async with PostgresReplica(pool, followers).opened() as replica:
                yield PostgresEngine(pool, replica)


async def migrate_postgres(url: str) -> None:
    """Bring the schema up to date while others read and write; concurrent migrations wait for each other."""
    async with connected(PostgresServers(url)) as connection:
        await postgres_schema.migrate_schema(connection)


async def revision_of_postgres(url: str) -> str | None:
    """Return the revision of a database's schema; None where there is no schema."""
    async with connected(PostgresServers(url)) as connection:
        return await postgres_schema.revision_of(connection)


async def state_of_postgres(url: str) -> schema.SchemaState:
    """Return how the schema of a database relates to the one of this version."""
    async with connected(PostgresServers(url)) as connection:
        return await postgres_schema.schema_state_of(connection)


async def _is_pooled(connection: PostgresConnection) -> bool:
    """Whether a pooler stands before the server: the process that answers is not the one that was named at the start.

    Statements that are prepared by name would then meet those of other clients, and the wrong one might run.
    """
    return bool(await connection.fetchval("SELECT pg_backend_pid()") != connection.get_server_pid())


def _log_pooler() -> None:
    log.warning(
        "database.pooler",
        detail="A pooler stands before the database: statements are not prepared by name.",
        fix="Set LETTERHEAD_DATABASE_PREPARED=false to say so, or true where it keeps prepared statements apart "
        "(session mode; PgBouncer 1.21 or newer with max_prepared_statements).",
    )


@asynccontextmanager
async def connected(servers: PostgresServers) -> AsyncIterator[PostgresConnection]:
    """Open one connection beside the pool, and close it at the end."""
    with driver_errors():
        connection = await servers.connect()
        try:
            yield connection
        finally:
            await connection.close(timeout=FIRST_READ_SECONDS)


def _ordered(statement: Statement, values: Mapping[str, SqlValue]) -> list[SqlValue]:
    return [storable(values[name]) for name in statement.parameters]


@contextmanager
def driver_errors() -> Iterator[None]:
    """Translate the driver's errors into Faults; never show the URL, which may contain a password."""
    try:
        yield
    except asyncpg.IntegrityConstraintViolationError as error:
        raise ConstraintViolation from error
    except asyncpg.InsufficientPrivilegeError as error:  # 42501
        fix = (
            "Let the role of the URL do that, as the database's owner: GRANT USAGE, CREATE ON SCHEMA public TO role, "
            "so that letterhead migrate can make the tables; "
            "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO role, where another role made them."
        )
        raise refused(error, fix) from error
    except UNAVAILABLE as error:
        raise unavailable("PostgreSQL", str(error) or type(error).__name__) from error
    except asyncpg.InterfaceError as error:
        if isinstance(error, ValueError):  # a wrong argument: a bug of ours, where the others are lost connections
            raise
        raise unavailable("PostgreSQL", error) from error

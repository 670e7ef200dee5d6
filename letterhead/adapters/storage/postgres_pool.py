"""The connections of one process to PostgreSQL: a bounded number of places, and none that is dead for long.

The driver's own pool waits for a place without a limit, and for a dead server to confirm what it cancels. Connections
here carry no session state, so that a pool is little more than a stack. One that rested is asked for a sign of life
before it is used, since a router between may have forgotten it; one that dies takes those that rest with it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import asyncpg

from letterhead.adapters.storage.engine import unavailable
from letterhead.adapters.storage.postgres_servers import PostgresConnection, PostgresServers

STATEMENT_SECONDS: Final = 10.0
PLACE_SECONDS: Final = 2.0  # that a request waits for a free connection
RESTED_SECONDS: Final = 1.0  # after so long a connection has to answer before it is used
ANSWER_SECONDS: Final = 1.0
IDLE_SECONDS: Final = 180.0  # below the 240 s after which usual balancers forget a connection
CLOSE_SECONDS: Final = 5.0
LOST: Final = (
    asyncpg.PostgresConnectionError,  # class 08
    asyncpg.OperatorInterventionError,  # class 57: shutdown, cancelled
    asyncpg.IdleInTransactionSessionTimeoutError,  # 25P03: the server gave us up, and has undone all
    asyncpg.InternalClientError,  # between the server's goodbye and the end of the connection
    OSError,
    TimeoutError,
)


class PostgresPool:
    """The connections to the servers of one URL, the one used last first."""

    def __init__(self, servers: PostgresServers, size: int, statement_cache: int) -> None:
        self.servers, self.size, self.statement_cache = servers, size, statement_cache
        self._places = asyncio.Semaphore(size)
        self._resting: list[PostgresConnection] = []
        self._used: set[PostgresConnection] = set()
        self._generation = 0
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def opened(self, *, at_once: bool = True) -> AsyncIterator["PostgresPool"]:
        """Open the first connection (`at_once`), so that trouble is told, and close all of them at the end."""
        if at_once:
            await self._give_back(await self._take())
        self._start(self._end_idle())
        try:
            yield self
        finally:
            for task in list(self._tasks):
                task.cancel()
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    for _ in range(self.size):
                        await self._places.acquire()
                    for connection in self._resting:
                        with suppress(*LOST, asyncpg.InterfaceError):
                            await connection.close(timeout=ANSWER_SECONDS)
            for connection in (*self._resting, *self._used):
                connection.terminate()

    async def fetch(self, sql: str, values: Sequence[Any], seconds: float | None = None) -> list[asyncpg.Record]:
        """Run one statement on a free connection; `seconds` are less than the usual time for it."""
        connection = await self._take()
        try:
            rows = await connection.fetch(sql, *values, timeout=seconds)
        except BaseException as error:
            await self._give_back(connection, error)
            raise
        await self._give_back(connection)
        return rows

    @asynccontextmanager
    async def lent(self) -> AsyncIterator[PostgresConnection]:
        """Lend a connection for several statements, each of which is a transaction of its own."""
        connection = await self._take()
        try:
            yield connection
        except BaseException as error:
            await self._give_back(connection, error)
            raise
        await self._give_back(connection)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[PostgresConnection]:
        """Lend a connection with an open transaction, and commit that at the end; undo it after an error."""
        connection = await self._take()
        try:
            await connection.execute("BEGIN")
            try:
                yield connection
            except (*LOST, asyncio.CancelledError):
                raise  # nothing can be said to the server now: what follows ends the connection, or undoes it later
            except BaseException:
                await connection.execute("ROLLBACK")
                raise
            await connection.execute("COMMIT")
        except BaseException as error:
            await self._give_back(connection, error)
            raise
        await self._give_back(connection)

    def forget(self) -> None:
        """Let no connection be used again that is open now: those that rest end, the others when they are free."""
        self._generation += 1
        resting, self._resting = self._resting, []
        for connection in resting:
            connection.terminate()

    async def _take(self) -> PostgresConnection:
        """Return a connection of one's own; raise Fault `storage-unavailable` where there is none in time."""
        if self._places.locked():
            try:
                async with asyncio.timeout(PLACE_SECONDS):
                    await self._places.acquire()
            except TimeoutError:
                why = f"all {self.size} connections of this process have been busy for {PLACE_SECONDS:.0f} s"
                raise unavailable("PostgreSQL", why) from None
        else:
            await self._places.acquire()
        try:
            connection = await self._connection()
        except BaseException:
            self._places.release()
            raise
        self._used.add(connection)
        return connection

    async def _connection(self) -> PostgresConnection:
        while self._resting:
            connection = self._resting.pop()
            if connection.is_closed():
                continue
            if time.monotonic() - connection.last_used < RESTED_SECONDS or await self._is_alive(connection):
                return connection
        generation = self._generation
        connection = await self.servers.connect(self.statement_cache, STATEMENT_SECONDS)
        connection.generation = generation
        return connection

    async def _is_alive(self, connection: PostgresConnection) -> bool:
        """Whether a connection answers; where it does not, it is ended, and those that rest as well."""
        try:
            await connection.execute("SELECT 1", timeout=ANSWER_SECONDS)
        except (*LOST, asyncpg.InterfaceError):
            connection.terminate()
            self.servers.suspect(connection)
            self.forget()
            return False
        except BaseException:
            connection.terminate()
            raise
        return True

    async def _give_back(self, connection: PostgresConnection, error: BaseException | None = None) -> None:
        """Take a connection back; end it after an error that it may have died of."""
        if isinstance(error, LOST):
            self.forget()  # the others are dead too, most likely
            if not isinstance(error, asyncpg.OperatorInterventionError):  # it did not say that it ends
                self.servers.suspect(connection)
        if isinstance(error, asyncio.CancelledError) or type(error) is TimeoutError:
            self._start(self._settle(connection))  # who gave up does not wait until the server has cancelled
            return
        if isinstance(error, LOST):
            connection.terminate()
        self._free(connection)

    def _free(self, connection: PostgresConnection) -> None:
        """Let others have the place, and the connection where it is whole."""
        self._used.discard(connection)
        if not connection.is_closed():
            if connection.generation != self._generation or connection.is_in_transaction():
                connection.terminate()
            else:
                connection.last_used = time.monotonic()
                self._resting.append(connection)
        self._places.release()

    async def _settle(self, connection: PostgresConnection) -> None:
        """Wait a moment until a cancelled statement has ended, undo its transaction, and free the connection."""
        try:
            if await self._is_alive(connection) and connection.is_in_transaction():
                await connection.execute("ROLLBACK", timeout=ANSWER_SECONDS)
        except (*LOST, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection.terminate()
        finally:
            self._free(connection)

    async def _end_idle(self) -> None:
        """End connections that rested for long, for as long as the pool is open."""
        while True:
            await asyncio.sleep(IDLE_SECONDS / 6)
            before = time.monotonic() - IDLE_SECONDS
            idle = [each for each in self._resting if each.last_used < before]
            self._resting = [each for each in self._resting if each.last_used >= before]
            for connection in idle:
                with suppress(*LOST, asyncpg.InterfaceError):
                    await connection.close(timeout=ANSWER_SECONDS)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

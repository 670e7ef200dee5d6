"""Lists read from a replica that has replayed all that the primary had written when the list was asked for.

Nobody sees less than was written before, by whatever process: the position of the primary is asked for (once for all
who ask at the same moment), and the replica has to have replayed it. One that lags or does not answer is left out by
itself, and comes back by itself.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import asyncpg
import structlog

from letterhead.adapters.storage.postgres_pool import LOST, PostgresPool
from letterhead.adapters.storage.postgres_servers import PostgresConnection
from letterhead.adapters.storage.write_batcher import WriteBatcher
from letterhead.errors import Fault

log = structlog.get_logger()

# The statements that make lists; what decides about writes, and private keys, are read from the primary.
FROM_REPLICA: Final = frozenset(
    {
        "domains", "domain_versions", "last_checks", "account_domains", "events_of_account",
        "domains_within", "domain_versions_within", "events_within",
    }
)  # fmt: skip
WRITTEN: Final = "SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::bigint AS position"
REPLAYED: Final = "SELECT (pg_last_wal_replay_lsn() - '0/0'::pg_lsn)::bigint"
LAG_SECONDS: Final = 0.05  # that a list waits for the replica to follow
POLL_SECONDS: Final = 0.005
ANSWER_SECONDS: Final = 1.5
PROBE_SECONDS: Final = 1.0  # between two looks at a replica that is left out
FAILED: Final = (*LOST, Fault, asyncpg.PostgresError, asyncpg.InterfaceError)


class PostgresReplica:
    """A replica beside its primary; in use while it answers and follows."""

    def __init__(self, primary: PostgresPool, replica: PostgresPool) -> None:
        self._primary, self._replica = primary, replica
        self._positions: WriteBatcher[None, int] = WriteBatcher(self._load_positions)
        self._is_used = False

    @asynccontextmanager
    async def opened(self) -> AsyncIterator["PostgresReplica"]:
        """Look after the replica until the end; whether it answers now does not matter."""
        async with self._replica.opened(at_once=False):
            probing = asyncio.create_task(self._probe())
            try:
                yield self
            finally:
                probing.cancel()
                with suppress(asyncio.CancelledError):
                    await probing

    async def fetch(self, sql: str, values: Sequence[Any]) -> Sequence[asyncpg.Record] | None:
        """Return the rows of a statement; None where the primary has to be asked."""
        if not self._is_used:
            return None
        try:
            written = await self._positions.add(None)
        except FAILED:
            return None  # the primary itself is in trouble, which it says when it is asked
        try:
            async with asyncio.timeout(ANSWER_SECONDS), self._replica.lent() as connection:
                if await _has_replayed(connection, written):
                    return await connection.fetch(sql, *values)
            self._leave_out("it lags behind the primary")
        except FAILED as error:
            self._leave_out(str(error) or "no answer")
        return None

    async def _load_positions(self, asked: Sequence[None]) -> Sequence[int]:
        position: int = (await self._primary.fetch(WRITTEN, ()))[0]["position"]
        return [position] * len(asked)

    def _leave_out(self, why: str) -> None:
        if self._is_used:
            log.warning("replica.left-out", detail=f"Lists come from the primary: the replica is left out, {why}.")
        self._is_used = False

    async def _probe(self) -> None:
        """Take the replica into use whenever it answers and follows."""
        while True:
            if not self._is_used:
                with suppress(*FAILED):
                    written = await self._positions.add(None)
                    async with asyncio.timeout(ANSWER_SECONDS), self._replica.lent() as connection:
                        self._is_used = await _has_replayed(connection, written)
                if self._is_used:
                    log.info("replica.used", detail="The replica answers and follows: lists come from it.")
            await asyncio.sleep(PROBE_SECONDS)


async def _has_replayed(connection: PostgresConnection, position: int) -> bool:
    """Whether the server of a connection has replayed a position, or does so in a moment; never for a primary."""
    until = time.monotonic() + LAG_SECONDS
    while connection.replayed < position:
        connection.replayed = await connection.fetchval(REPLAYED) or 0
        if connection.replayed < position:
            if time.monotonic() > until:
                return False
            await asyncio.sleep(POLL_SECONDS)
    return True

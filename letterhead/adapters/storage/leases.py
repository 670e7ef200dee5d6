"""Keeps who works on what, and what was made ahead; knows nothing of how the work is done."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import msgspec
import structlog
from msgspec.structs import replace

from letterhead.adapters.storage import rows
from letterhead.adapters.storage.engine import DatabaseRow, DatabaseSession, Engine
from letterhead.adapters.storage.histograms import add
from letterhead.core.domain.domain import Domain
from letterhead.ports.keyring import PooledKey
from letterhead.ports.store.leases import Intent
from letterhead.ports.store.monitoring import Backlog

log = structlog.get_logger()


class SqlLeases:
    """Gives out work with leases. A domain's row is its own job; an intent is a row that is gone when it is done."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def claim_due(self, now: datetime, until: datetime, owner: str, limit: int) -> list[Domain]:
        """Leases due domains to `owner` until a time, the longest due first; each to one owner only."""
        claimed = await self._engine.write(
            "claim_due", now=rows.ms(now), until=rows.ms(until), owner=owner, limit=limit
        )
        return sorted(_readable(claimed), key=lambda domain: domain.next_check_at or now)

    async def check_sooner(self, domain_id: str, due: datetime) -> None:
        """Brings a domain's next check forward to `due`; a later one is not put off, a lease not touched.

        The version stays: whoever saves a check meanwhile has looked, and knows better when to look again.
        """

        async def work(session: DatabaseSession) -> None:
            for row in await session.rows("lock_domain", id=domain_id):
                domain = rows.domain(row)
                if domain.next_check_at is None or domain.next_check_at > due:
                    await session.rows("look_sooner", **rows.due_values(replace(domain, next_check_at=due)))

        await self._engine.transact(work)

    async def back_off(self, domain_id: str, due: datetime) -> None:
        """Puts a domain's next check off to `due` after a bug, and ends its lease."""

        async def work(session: DatabaseSession) -> None:
            for row in await session.rows("lock_domain", id=domain_id):
                domain = replace(rows.domain(row), next_check_at=due)
                await session.rows("back_off", **rows.due_values(domain))

        await self._engine.transact(work)

    async def claim_intents(self, now: datetime, until: datetime, owner: str, limit: int) -> list[Intent]:
        """Leases due intents likewise; several intents of one name are given out in order, one at a time."""
        claimed = await self._engine.write(
            "claim_intents", now=rows.ms(now), until=rows.ms(until), owner=owner, limit=limit
        )
        return sorted((rows.intent(row) for row in claimed), key=lambda intent: int(intent.id))

    async def finish_intent(self, intent_id: str) -> None:
        """Removes an intent that is done."""
        await self._engine.write("finish_intent", id=int(intent_id))

    async def postpone_intent(self, intent_id: str, due: datetime, reason: str) -> None:
        """Gives an intent back, to be claimed again at `due`, one attempt older."""
        await self._engine.write("postpone_intent", id=int(intent_id), due_at=rows.ms(due), reason=reason)

    async def release_leases(self, owner: str, now: datetime) -> None:
        """Ends all leases of an owner that stops."""

        async def work(session: DatabaseSession) -> None:
            await session.rows("hand_back_domains", owner=owner, now=rows.ms(now))
            await session.rows("hand_back_intents", owner=owner)
            await session.rows("hand_back_reminders", owner=owner)
            await session.rows("hand_back_deliveries", owner=owner)

        await self._engine.transact(work)

    async def take_rate_slot(self, name: str, now: datetime, every: timedelta, latest: datetime) -> datetime | None:
        """Takes the next turn of a budget that gives one in each `every`; nothing where that is after `latest`."""
        spacing = every // timedelta(milliseconds=1)

        async def work(session: DatabaseSession) -> datetime | None:
            for row in await session.rows(
                "take_turn", name=name, now=rows.ms(now), every=spacing, latest=rows.ms(latest)
            ):
                await add(session, f"turn {name}", now, 0, 1)
                return rows.time(row["next_at"] - spacing)
            return None

        return await self._engine.transact(work)

    async def pool_keys(self, keys: Sequence[PooledKey]) -> None:
        """Adds keys made ahead."""

        async def work(session: DatabaseSession) -> None:
            for key in keys:
                await session.rows("pool_key", id=key.id, public_key=key.public_key, sealed=key.sealed)

        await self._engine.transact(work)

    async def backlog(self, now: datetime) -> Backlog:
        """Counts due work that nobody has leased."""
        row = (await self._engine.read("backlog", now=rows.ms(now)))[0]
        lag = 0.0 if row["oldest"] is None else (rows.ms(now) - row["oldest"]) / 1000
        return Backlog(
            due=row["due"],
            lag=lag,
            intents=row["intents"],
            pooled_keys=row["pooled"],
            reminders=row["reminders"],
            deliveries=row["deliveries"],
        )

    async def ready(self) -> None:
        """Answers when storage can be used; Fault `storage-unavailable` where it can't."""
        await self._engine.read("revision")


def _readable(claimed: Sequence[DatabaseRow]) -> Iterator[Domain]:
    """Reads domains but for those it can't, so that one row (a later version's, say) does not stop all work."""
    for row in claimed:
        try:
            yield rows.domain(row)
        except msgspec.MsgspecError as error:
            log.error("domain.unreadable", domain=row["id"], error=str(error))

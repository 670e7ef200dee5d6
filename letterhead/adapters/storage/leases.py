"""Checks and intents with their leases, shared rates, and the pool of keys, in SQL."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
import structlog
from msgspec.structs import replace

from letterhead.adapters.storage import rows
from letterhead.adapters.storage.engine import DatabaseSession, Engine
from letterhead.adapters.storage.histograms import add_count
from letterhead.core.domain.domain import Domain
from letterhead.core.schedule.check_schedule import CLOCKS_DIFFER, LONGEST
from letterhead.ports.keyring import PooledKey
from letterhead.ports.store.leases import Intent
from letterhead.ports.store.monitoring import Backlog

RECALLED: Final = 1000
LONGEST_LEASE: Final = timedelta(hours=1)  # a lease is of seconds; clocks may differ

log = structlog.get_logger()


class SqlLeases:
    """The SQL implementation of `LeaseStore`, of the pool of keys and of the backlog.

    A due check is a column of the domain's row; an intent is a row that is deleted when it is done.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def claim_due(self, now: datetime, until: datetime, owner: str, limit: int) -> list[Domain]:
        """Lease due domains to `owner` until a time, the longest due first; each to one owner only."""
        claimed = await self._engine.write(
            "claim_due", now=rows.ms(now), until=rows.ms(until), owner=owner, limit=limit
        )
        domains: list[Domain] = []
        for row in claimed:
            try:
                domains.append(rows.domain(row))
            except msgspec.MsgspecError as error:  # so that one row (of a later version, say) does not stop all work
                log.error("domain.unreadable", domain=row["id"], error=str(error))
        return sorted(domains, key=lambda domain: domain.next_check_at or now)

    async def check_sooner(self, domain_id: str, due: datetime) -> None:
        """Bring a domain's next check forward to `due`; keep one that is earlier, and any lease.

        The version stays: a check that is saved meanwhile sets a better time for the next one.
        """

        async def work(session: DatabaseSession) -> None:
            for row in await session.rows("lock_domain", id=domain_id):
                domain = rows.domain(row)
                if domain.next_check_at is None or domain.next_check_at > due:
                    await session.rows("check_sooner", **rows.due_values(replace(domain, next_check_at=due)))

        await self._engine.transact(work)

    async def back_off(self, domain_id: str, due: datetime) -> None:
        """Postpone a domain's next check to `due` after a bug, and end its lease."""

        async def work(session: DatabaseSession) -> None:
            for row in await session.rows("lock_domain", id=domain_id):
                domain = replace(rows.domain(row), next_check_at=due)
                await session.rows("back_off", **rows.due_values(domain))

        await self._engine.transact(work)

    async def recall_misdated(self, now: datetime) -> int:
        """Make due what a clock planned or leased which was ahead of `now`; return how many domains that were.

        At most `RECALLED` domains at a time.
        """
        future, distant = rows.ms(now + CLOCKS_DIFFER), rows.ms(now + LONGEST)
        at, stale = rows.ms(now), rows.ms(now + LONGEST_LEASE)

        async def work(session: DatabaseSession) -> int:
            found = await session.rows(
                "misdated_domains", now=at, future=future, distant=distant, stale=stale, limit=RECALLED
            )
            if found:
                domain_ids = rows.json([row["id"] for row in found])
                await session.rows("recall_domains", domain_ids=domain_ids, now=at)
                await session.rows("recall_checks", domain_ids=domain_ids, future=future)
            await session.rows("recall_intents", now=at, distant=distant, stale=stale)
            await session.rows("recall_deliveries", now=at, distant=distant, stale=stale)
            await session.rows("recall_rates", distant=distant)
            return len(found)

        return await self._engine.transact(work)

    async def claim_intents(self, now: datetime, until: datetime, owner: str, limit: int) -> list[Intent]:
        """Lease due intents to `owner` until a time; those of one name in order, one at a time."""
        claimed = await self._engine.write(
            "claim_intents", now=rows.ms(now), until=rows.ms(until), owner=owner, limit=limit
        )
        return sorted((rows.intent(row) for row in claimed), key=lambda intent: int(intent.id))

    async def finish_intent(self, intent_id: str) -> None:
        """Delete an intent that is done."""
        await self._engine.write("finish_intent", id=int(intent_id))

    async def postpone_intent(self, intent_id: str, due: datetime, reason: str) -> None:
        """End the lease of an intent, to be claimed again at `due`, and count an attempt."""
        await self._engine.write("postpone_intent", id=int(intent_id), due_at=rows.ms(due), reason=reason)

    async def release_leases(self, owner: str, now: datetime) -> None:
        """End all leases of an owner that stops."""

        async def work(session: DatabaseSession) -> None:
            await session.rows("release_domains", owner=owner, now=rows.ms(now))
            await session.rows("release_intents", owner=owner)
            await session.rows("release_reminders", owner=owner)
            await session.rows("release_deliveries", owner=owner)

        await self._engine.transact(work)

    async def take_rate_slot(self, name: str, now: datetime, every: timedelta, latest: datetime) -> datetime | None:
        """Reserve the next slot of a shared rate and return its time; None where that is after `latest`."""
        spacing = every // timedelta(milliseconds=1)

        async def work(session: DatabaseSession) -> datetime | None:
            for row in await session.rows(
                "take_rate_slot", name=name, now=rows.ms(now), every=spacing, latest=rows.ms(latest)
            ):
                await add_count(session, f"turn {name}", now, 0, 1)
                return rows.time(row["next_at"] - spacing)
            return None

        return await self._engine.transact(work)

    async def pool_keys(self, keys: Sequence[PooledKey]) -> None:
        """Add keys to the pool of keys made ahead."""

        async def work(session: DatabaseSession) -> None:
            for key in keys:
                await session.rows("pool_key", id=key.id, public_key=key.public_key, sealed=key.sealed)

        await self._engine.transact(work)

    async def backlog(self, now: datetime) -> Backlog:
        """Count due work that nobody has leased, and all work that is owed outside."""
        future, distant = rows.ms(now + CLOCKS_DIFFER), rows.ms(now + LONGEST)
        row = (await self._engine.read("backlog", now=rows.ms(now), future=future, distant=distant))[0]
        lag = 0.0 if row["oldest"] is None else (rows.ms(now) - row["oldest"]) / 1000
        return Backlog(
            due=row["due"],
            lag=lag,
            intents=row["intents"],
            pooled_keys=row["pooled"],
            reminders=row["reminders"],
            deliveries=row["deliveries"],
            misdated=row["misdated"],
            intents_age=0.0 if row["owed_since"] is None else max(0.0, (rows.ms(now) - row["owed_since"]) / 1000),
        )

    async def ready(self) -> None:
        """Return once storage answers; raise Fault `storage-unavailable` where it does not."""
        await self._engine.read("revision")

"""Checks and intents with their leases, shared rates, and the pool of keys, in SQL."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec
import structlog
from msgspec.structs import replace

from letterhead.adapters.storage import rows
from letterhead.adapters.storage.engine import DatabaseSession, Engine
from letterhead.adapters.storage.histograms import add_count
from letterhead.core.domain.domain import Domain
from letterhead.core.schedule.check_schedule import CLOCKS_DIFFER, LONGEST, CheckQueue
from letterhead.core.schedule.shares import PlacesHeld, quarter_of
from letterhead.ports.keyring import PooledKey
from letterhead.ports.store.leases import Intent, IntentPlace
from letterhead.ports.store.monitoring import Backlog

RECALLED: Final = 1000
FEWEST_RANKED: Final = 20  # due domains that a claim ranks at least
RANKED_FURTHER: Final = 2000  # and those further back, while many domains of few accounts are due
LONGEST_LEASE: Final = timedelta(hours=1)  # a lease is of seconds; clocks may differ

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Share:
    """How many places a claim may fill, what a quarter of all is, and what each account holds."""

    limit: int
    quarter: int
    held: Counter[str]


class SqlLeases:
    """The SQL implementation of `LeaseStore`, of the pool of keys and of the backlog.

    A due check is a column of the domain's row; an intent is a row that is deleted when it is done.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._come_to: dict[CheckQueue, int] = {}  # how far back the claims of a queue have ranked: at most 3 entries

    async def claim_due(
        self,
        now: datetime,
        until: datetime,
        owner: str,
        limit: int,
        *,
        queues: Sequence[CheckQueue] = tuple(CheckQueue),
        held: PlacesHeld | None = None,
    ) -> list[Domain]:
        """Lease due domains of some queues to `owner` until a time, shared by account; each to one owner only.

        One queue after the other. Within each, the account that holds the fewest places goes first, then the domain
        that has been due longest; without `held`, no account is held to a share.
        """
        by_account = Counter(held.by_account if held else {})
        domains: list[Domain] = []
        for queue in queues:
            free = limit - len(domains)
            if free > 0:
                share = _Share(limit=free, quarter=quarter_of(held.places) if held else free, held=by_account)
                found = await self._claim_queue(queue, {"now": rows.ms(now), "until": rows.ms(until)}, owner, share)
                by_account.update(domain.account_id for domain in found)
                domains += found
        return sorted(domains, key=lambda domain: domain.next_check_at or now)

    async def _claim_queue(self, queue: CheckQueue, times: rows.Values, owner: str, share: "_Share") -> list[Domain]:
        """Lease due domains of one queue.

        Where the first ones that are due leave places to accounts that hold some already, others may wait behind them:
        then the next claims rank those too that stand further back, some thousand at a time, from where the last claim
        had come to.
        """
        domains: list[Domain] = []
        for _ in range(2):
            since, free = self._come_to.get(queue), share.limit - len(domains)
            window, look = max(FEWEST_RANKED, 2 * free), 0 if since is None else RANKED_FURTHER
            held = share.held + Counter(domain.account_id for domain in domains)
            claimed = await self._engine.write(
                "claim_due",
                queue=queue.value,
                owner=owner,
                limit=free,
                quarter=share.quarter,
                held=rows.json(held),
                window=window,
                since=since or 0,
                look=look,
                **times,
            )
            for row in claimed:
                try:
                    domains.append(rows.domain(row))
                except msgspec.MsgspecError as error:  # one row of a later version, say, must not stop all work
                    log.error("domain.unreadable", domain=row["id"], error=str(error))
            holds = share.held + Counter(domain.account_id for domain in domains)
            if len(domains) == share.limit and max(holds[domain.account_id] for domain in domains) == 1:
                self._come_to.pop(queue, None)  # each place went to an account that held none: nobody could go before
                break
            if not holds:
                break
            behind = await self._engine.read(
                "due_position", queue=queue.value, now=times["now"], since=since or 0, skip=look or window
            )
            if behind:
                self._come_to[queue] = max(behind[0]["next_check_at"], (since or 0) + 1)
            elif since is not None and since > 0:
                self._come_to[queue] = 0
            else:
                self._come_to.pop(queue, None)
            if since is not None or not behind or len(domains) == share.limit:
                break
        return domains

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

    async def claim_intents(
        self,
        now: datetime,
        until: datetime,
        owner: str,
        limit: int,
        *,
        held: PlacesHeld | None = None,
        where: IntentPlace | None = None,
    ) -> list[Intent]:
        """Lease due intents to `owner` until a time, shared by account; those of one name in order, one at a time."""
        claimed = await self._engine.write(
            "claim_intents",
            now=rows.ms(now),
            until=rows.ms(until),
            owner=owner,
            limit=limit,
            provider=int(where is not IntentPlace.KEY_ZONE),
            zone=int(where is not IntentPlace.PROVIDER),
            **rows.share_values(held, limit),
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
            await session.rows("release_alerts", owner=owner)
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
            alerts=row["alerts"],
            misdated=row["misdated"],
            intents_age=0.0 if row["owed_since"] is None else max(0.0, (rows.ms(now) - row["owed_since"]) / 1000),
        )

    async def ready(self) -> None:
        """Return once storage answers; raise Fault `storage-unavailable` where it does not."""
        await self._engine.read("revision")

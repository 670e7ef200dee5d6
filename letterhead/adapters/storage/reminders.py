"""Keeps what is owed of reminders, and who fell silent when; knows nothing of what a reminder says."""

from collections.abc import Iterable
from datetime import datetime

from msgspec.structs import replace

from letterhead.adapters.storage import rows
from letterhead.adapters.storage.engine import DatabaseSession, Engine
from letterhead.core.domain.domain import Domain, Event
from letterhead.core.schedule import reminders
from letterhead.core.zone.resolver_outage import ResolverOutage
from letterhead.ports.store.reminders import DueReminder


async def remind(session: DatabaseSession, domain: Domain, events: Iterable[Event]) -> None:
    """Writes what a domain's new events and state owe of reminders, in their own transaction."""
    for reminder in reminders.pending_reminders(domain, events):
        await session.rows("owe_reminder", **rows.reminder_values(domain, reminder))


class SqlReminders:
    """Gives reminders out at most once: what was marked as handed over is never claimed again."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def claim_reminders(self, now: datetime, until: datetime, owner: str, limit: int) -> list[DueReminder]:
        """Leases due reminders, but for those that were handed over or settled."""
        claimed = await self._engine.write(
            "claim_reminders", now=rows.ms(now), until=rows.ms(until), owner=owner, limit=limit
        )
        return sorted((rows.due_reminder(row) for row in claimed), key=lambda owed: int(owed.id))

    async def mark_handed_over(self, reminder_id: str, owner: str, now: datetime) -> bool:
        """Marks a reminder as handed over; false where it is not leased to `owner` any more."""
        return bool(await self._engine.write("hand_over", id=int(reminder_id), owner=owner, now=rows.ms(now)))

    async def settle_reminder(self, reminder_id: str, outcome: str, detail: str, sent_at: datetime | None) -> None:
        """Closes a reminder; with `sent_at` its domain remembers when it was last reminded.

        The domain's version rises: a check that began before would write the old time over the new one.
        """

        async def work(session: DatabaseSession) -> None:
            settled = await session.rows("settle_reminder", id=int(reminder_id), outcome=outcome, detail=detail)
            for row in settled if sent_at is not None else ():
                for found in await session.rows("lock_domain", id=row["domain_id"]):
                    domain = replace(rows.next_version(rows.domain(found)), reminder_sent_at=sent_at)
                    await session.rows("note_reminder", id=domain.id, version=domain.version, life=rows.json(domain))

        await self._engine.transact(work)

    async def postpone_reminder(self, reminder_id: str, due: datetime, detail: str) -> None:
        """Gives a reminder that nobody took back, to be claimed again at `due`, one attempt older."""
        await self._engine.write("postpone_reminder", id=int(reminder_id), due_at=rows.ms(due), detail=detail)

    async def resolver_outage(self) -> ResolverOutage | None:
        """Counts the zones that fell silent since the last check that was answered; nothing where there is none."""
        return rows.resolver_outage((await self._engine.read("silence"))[0])

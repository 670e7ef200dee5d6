"""Reminders with their leases, and the zones that stopped answering, in SQL."""

from collections.abc import Iterable
from datetime import datetime

from msgspec.structs import replace

from letterhead.adapters.storage import rows
from letterhead.adapters.storage.engine import DatabaseRow, DatabaseSession, Engine
from letterhead.core.domain.domain import Domain, Event
from letterhead.core.schedule import reminders
from letterhead.core.schedule.reminders import Reminder, ReminderKind
from letterhead.core.schedule.shares import PlacesHeld
from letterhead.core.zone.resolver_outage import ResolverOutage
from letterhead.ports.store.reminders import DueReminder


async def add_reminders(session: DatabaseSession, domain: Domain, events: Iterable[Event]) -> None:
    """Add the reminders that follow from a domain's new events and state, in their transaction."""
    for reminder in reminders.pending_reminders(domain, events):
        await session.rows("add_reminder", **_reminder_values(domain, reminder))


class SqlReminders:
    """The SQL implementation of `ReminderStore`.

    A reminder is sent at most once: what was marked as handed over is never claimed again.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def claim_reminders(
        self, now: datetime, until: datetime, owner: str, limit: int, *, held: PlacesHeld | None = None
    ) -> list[DueReminder]:
        """Lease due reminders to `owner` until a time, shared by account, but none that was handed over or settled."""
        claimed = await self._engine.write(
            "claim_reminders",
            now=rows.ms(now),
            until=rows.ms(until),
            owner=owner,
            limit=limit,
            **rows.share_values(held, limit),
        )
        return sorted((_due_reminder(row) for row in claimed), key=lambda reminder: int(reminder.id))

    async def mark_handed_over(self, reminder_id: str, owner: str, now: datetime) -> bool:
        """Mark a reminder as handed over; return false where it is no longer leased to `owner`."""
        return bool(await self._engine.write("mark_handed_over", id=int(reminder_id), owner=owner, now=rows.ms(now)))

    async def settle_reminder(self, reminder_id: str, outcome: str, detail: str, sent_at: datetime | None) -> None:
        """Close a reminder; with `sent_at`, set when its domain was last reminded.

        The domain's version rises: a check that began before would write the old time over the new one.
        """

        async def work(session: DatabaseSession) -> None:
            settled = await session.rows("settle_reminder", id=int(reminder_id), outcome=outcome, detail=detail)
            for row in settled if sent_at is not None else ():
                for found in await session.rows("lock_domain", id=row["domain_id"]):
                    domain = replace(rows.next_version(rows.domain(found)), reminder_sent_at=sent_at)
                    await session.rows(
                        "set_reminder_sent", id=domain.id, version=domain.version, life=rows.json(domain)
                    )

        await self._engine.transact(work)

    async def postpone_reminder(self, reminder_id: str, due: datetime, detail: str) -> None:
        """End the lease of a reminder that no server took, to be claimed again at `due`, and count an attempt."""
        await self._engine.write("postpone_reminder", id=int(reminder_id), due_at=rows.ms(due), detail=detail)

    async def resolver_outage(self) -> ResolverOutage | None:
        """Return the zones that stopped answering since the last check that was answered, counted; None for no zone."""
        return rows.resolver_outage((await self._engine.read("resolver_outage"))[0])


def _reminder_values(domain: Domain, reminder: Reminder) -> rows.Values:
    """Return the columns of a new reminder."""
    return {
        "domain_id": domain.id,
        "account_id": domain.account_id,
        "kind": reminder.kind.value,
        "step": reminder.step,
        "spell": reminder.spell,
        "due_at": rows.ms(reminder.due_at),
    }


def _due_reminder(row: DatabaseRow) -> DueReminder:
    """Read a reminder that is due."""
    return DueReminder(
        id=str(row["id"]),
        domain_id=row["domain_id"],
        account_id=row["account_id"],
        reminder=Reminder(
            kind=ReminderKind(row["kind"]), step=row["step"], spell=row["spell"], due_at=rows.time(row["due_at"])
        ),
        attempts=row["attempts"],
    )

"""Reminders that are due, leased to whoever sends them."""

from datetime import datetime
from typing import Protocol

import msgspec

from letterhead.core.schedule.reminders import Reminder


class DueReminder(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one reminder that is due, leased to the one who claimed it."""

    id: str
    domain_id: str
    account_id: str
    reminder: Reminder
    attempts: int


class ReminderStore(Protocol):
    """Reminders that are due, leased to whoever sends them."""

    async def claim_reminders(self, now: datetime, until: datetime, owner: str, limit: int) -> list[DueReminder]:
        """Leases due reminders likewise, but for those that were handed over or settled.

        They are written by `claim` and `save` with the events and states they follow from, each once for ever.
        """
        ...

    async def mark_handed_over(self, reminder_id: str, owner: str, now: datetime) -> bool:
        """Marks a reminder as handed over, before it is: from here on it is never claimed again.

        False where it is not leased to `owner` any more.
        """
        ...

    async def settle_reminder(self, reminder_id: str, outcome: str, detail: str, sent_at: datetime | None) -> None:
        """Closes a reminder; with `sent_at` its domain remembers when it was last reminded."""
        ...

    async def postpone_reminder(self, reminder_id: str, due: datetime, detail: str) -> None:
        """Gives a reminder that nobody took back, to be claimed again at `due`, one attempt older."""
        ...

"""Reminders that are due, and their leases."""

from datetime import datetime
from typing import Protocol

import msgspec

from letterhead.core.schedule.reminders import Reminder
from letterhead.core.schedule.shares import PlacesHeld


class DueReminder(msgspec.Struct, frozen=True, kw_only=True):
    """One reminder that is due, leased to the worker that claimed it."""

    id: str
    domain_id: str
    account_id: str
    reminder: Reminder
    attempts: int


class ReminderStore(Protocol):
    """Reminders that are due, and their leases."""

    async def claim_reminders(
        self, now: datetime, until: datetime, owner: str, limit: int, *, held: PlacesHeld | None = None
    ) -> list[DueReminder]:
        """Lease due reminders to `owner` until a time, shared by account, but none that was handed over or settled.

        Without `held`, no account is held to a share.
        """
        ...

    async def mark_handed_over(self, reminder_id: str, owner: str, now: datetime) -> bool:
        """Mark a reminder as handed over, before it is: from then on it is never claimed again.

        Return false where it is no longer leased to `owner`.
        """
        ...

    async def settle_reminder(self, reminder_id: str, outcome: str, detail: str, sent_at: datetime | None) -> None:
        """Close a reminder; with `sent_at`, set when its domain was last reminded."""
        ...

    async def postpone_reminder(self, reminder_id: str, due: datetime, detail: str) -> None:
        """End the lease of a reminder that no server took, to be claimed again at `due`, and count an attempt."""
        ...

"""Alert channels, and the alerts that are due to them."""

from datetime import datetime
from typing import Protocol

import msgspec

from letterhead.core.accounts.alert_channels import AlertChannel
from letterhead.core.schedule.reminders import Reminder
from letterhead.core.schedule.shares import PlacesHeld
from letterhead.ports.store.accounts import AuditRow


class StoredAlertChannel(msgspec.Struct, frozen=True, kw_only=True):
    """A channel as it is stored; its address opens for the purpose `alert-channel|<account>|<id>`."""

    channel: AlertChannel
    sealed: bytes


class DueAlert(msgspec.Struct, frozen=True, kw_only=True):
    """One reminder that is due to one channel, leased to the worker that claimed it."""

    id: str
    domain_id: str
    account_id: str
    channel_id: str
    reminder: Reminder
    attempts: int


class AlertStore(Protocol):
    """Alert channels, which go with the account, and the alerts that are due to them."""

    async def alert_channels(self, account_id: str) -> list[AlertChannel]:
        """Return an account's channels, the oldest first, without their addresses."""
        ...

    async def alert_channel(self, account_id: str, channel_id: str) -> StoredAlertChannel | None:
        """Return one of an account's channels."""
        ...

    async def add_alert_channel(self, stored: StoredAlertChannel, most: int, audit: AuditRow) -> bool:
        """Add a channel; return false where the account has `most`."""
        ...

    async def delete_alert_channel(self, account_id: str, channel_id: str, audit: AuditRow) -> bool:
        """Delete a channel with the alerts that are due to it; return false where there is none."""
        ...

    async def failing_alert_channels(self, limit: int) -> list[AlertChannel]:
        """Return channels of all accounts that no alert gets through to, those that have failed longest first."""
        ...

    async def queue_alerts(self, reminder_id: str, account_id: str, due: datetime) -> None:
        """Make a reminder due to each channel of its account, once for ever."""
        ...

    async def claim_alerts(
        self, now: datetime, until: datetime, owner: str, limit: int, *, held: PlacesHeld | None = None
    ) -> list[DueAlert]:
        """Lease due alerts to `owner` until a time, shared by account, but none that was handed over or settled."""
        ...

    async def mark_alert_handed_over(self, alert_id: str, owner: str, now: datetime) -> bool:
        """Mark an alert as handed over, before it is; return false where it is no longer leased to `owner`."""
        ...

    async def settle_alert(self, alert_id: str, outcome: str, detail: str) -> None:
        """Close an alert."""
        ...

    async def postpone_alert(self, alert_id: str, due: datetime, detail: str) -> None:
        """End the lease of an alert that did not get through, to be claimed again, and count an attempt."""
        ...

    async def note_alert_channel(self, channel_id: str, at: datetime, failure: str | None) -> None:
        """Note whether an alert got through to a channel, and why not."""
        ...

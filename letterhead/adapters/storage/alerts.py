"""Alert channels, and the alerts that are due to them, in SQL."""

from datetime import datetime

from letterhead.adapters.storage import rows
from letterhead.adapters.storage.accounts import append_audit
from letterhead.adapters.storage.engine import DatabaseRow, DatabaseSession, Engine
from letterhead.core.accounts.alert_channels import AlertChannel
from letterhead.core.schedule.reminders import Reminder, ReminderKind
from letterhead.core.schedule.shares import PlacesHeld
from letterhead.ports.store.accounts import AuditRow
from letterhead.ports.store.alerts import DueAlert, StoredAlertChannel


class SqlAlerts:
    """The SQL implementation of `AlertStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def alert_channels(self, account_id: str) -> list[AlertChannel]:
        """Return an account's channels, the oldest first, without their addresses."""
        return [_channel(row) for row in await self._engine.read("alert_channels", account_id=account_id)]

    async def alert_channel(self, account_id: str, channel_id: str) -> StoredAlertChannel | None:
        """Return one of an account's channels."""
        found = await self._engine.read("alert_channel", account_id=account_id, id=channel_id)
        return next((StoredAlertChannel(channel=_channel(row), sealed=row["sealed"]) for row in found), None)

    async def add_alert_channel(self, stored: StoredAlertChannel, most: int, audit: AuditRow) -> bool:
        """Add a channel; return false where the account has `most`."""
        channel = stored.channel

        async def work(session: DatabaseSession) -> bool:
            await session.rows("lock_account", id=channel.account_id)
            if len(await session.rows("alert_channels", account_id=channel.account_id)) >= most:
                return False
            await session.rows(
                "add_alert_channel",
                id=channel.id,
                account_id=channel.account_id,
                name=channel.name,
                scheme=channel.scheme,
                created_at=rows.ms(channel.created_at),
                sealed=stored.sealed,
            )
            return await append_audit(session, audit)

        return await self._engine.transact(work)

    async def delete_alert_channel(self, account_id: str, channel_id: str, audit: AuditRow) -> bool:
        """Delete a channel with the alerts that are due to it; return false where there is none."""

        async def work(session: DatabaseSession) -> bool:
            if not await session.rows("delete_alert_channel", id=channel_id, account_id=account_id):
                return False
            return await append_audit(session, audit)

        return await self._engine.transact(work)

    async def failing_alert_channels(self, limit: int) -> list[AlertChannel]:
        """Return channels of all accounts that no alert gets through to, those that have failed longest first."""
        return [_channel(row) for row in await self._engine.read("failing_alert_channels", limit=limit)]

    async def queue_alerts(self, reminder_id: str, account_id: str, due: datetime) -> None:
        """Make a reminder due to each channel of its account, once for ever."""
        await self._engine.write(
            "queue_alerts", reminder_id=int(reminder_id), account_id=account_id, due_at=rows.ms(due)
        )

    async def claim_alerts(
        self, now: datetime, until: datetime, owner: str, limit: int, *, held: PlacesHeld | None = None
    ) -> list[DueAlert]:
        """Lease due alerts to `owner` until a time, shared by account, but none that was handed over or settled."""
        claimed = await self._engine.write(
            "claim_alerts",
            now=rows.ms(now),
            until=rows.ms(until),
            owner=owner,
            limit=limit,
            **rows.share_values(held, limit),
        )
        if not claimed:
            return []
        wanted = sorted({row["reminder_id"] for row in claimed})
        found = {row["id"]: row for row in await self._engine.read("reminders_of_alerts", ids=rows.json(wanted))}
        due = [_due_alert(row, found[row["reminder_id"]]) for row in claimed if row["reminder_id"] in found]
        return sorted(due, key=lambda alert: int(alert.id))

    async def mark_alert_handed_over(self, alert_id: str, owner: str, now: datetime) -> bool:
        """Mark an alert as handed over, before it is; return false where it is no longer leased to `owner`."""
        marked = await self._engine.write("mark_alert_handed_over", id=int(alert_id), owner=owner, now=rows.ms(now))
        return bool(marked)

    async def settle_alert(self, alert_id: str, outcome: str, detail: str) -> None:
        """Close an alert."""
        await self._engine.write("settle_alert", id=int(alert_id), outcome=outcome, detail=detail)

    async def postpone_alert(self, alert_id: str, due: datetime, detail: str) -> None:
        """End the lease of an alert that did not get through, to be claimed again, and count an attempt."""
        await self._engine.write("postpone_alert", id=int(alert_id), due_at=rows.ms(due), detail=detail)

    async def note_alert_channel(self, channel_id: str, at: datetime, failure: str | None) -> None:
        """Note whether an alert got through to a channel, and why not."""
        await self._engine.write("note_alert_channel", id=channel_id, used_at=rows.ms(at), failure=failure)


def _channel(row: DatabaseRow) -> AlertChannel:
    return AlertChannel(
        id=row["id"],
        account_id=row["account_id"],
        name=row["name"],
        scheme=row["scheme"],
        created_at=rows.time(row["created_at"]),
        used_at=rows.maybe_time(row["used_at"]),
        failing_since=rows.maybe_time(row["failing_since"]),
        failure=row["failure"],
    )


def _due_alert(row: DatabaseRow, reminder: DatabaseRow) -> DueAlert:
    return DueAlert(
        id=str(row["id"]),
        domain_id=reminder["domain_id"],
        account_id=row["account_id"],
        channel_id=row["channel_id"],
        reminder=Reminder(
            kind=ReminderKind(reminder["kind"]),
            step=reminder["step"],
            spell=reminder["spell"],
            due_at=rows.time(reminder["due_at"]),
        ),
        attempts=row["attempts"],
    )

"""Keeps endpoints and what is owed to them; knows nothing of how a message is sent or what its answer means."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import msgspec

from letterhead.adapters.storage import rows
from letterhead.adapters.storage.accounts import append
from letterhead.adapters.storage.engine import DatabaseRow, DatabaseSession, Engine, SqlValue
from letterhead.adapters.storage.uuid7 import Uuid7Generator
from letterhead.core.domain.domain import Domain, Event
from letterhead.core.public.webhooks import EVERY, DeliveryStatus, RetryDecision, Webhook
from letterhead.ports.store.accounts import AuditRow
from letterhead.ports.store.webhooks import Delivery, DeliveryAttempt, DueDelivery, StoredWebhook

LAST: Final = "~"  # behind every id

_life = msgspec.json.Decoder(Domain)


async def owe(session: DatabaseSession, domain: Domain, event: Event, event_id: str) -> None:
    """Writes what the account's endpoints are owed of an event, in the event's own transaction."""
    await session.rows(
        "owe_deliveries",
        account_id=domain.account_id,
        id=event_id,
        kind=event.kind.value,
        marked=f" {event.kind.value} ",
        at=rows.ms(event.at),
        detail=event.detail,
        changed=rows.maybe_json(event.change),
        life=rows.json(domain),
    )


class SqlWebhooks:
    """Keeps endpoints, and gives their deliveries out with leases."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._trial_ids = engine, Uuid7Generator()

    async def webhooks(self, account_id: str) -> list[StoredWebhook]:
        """Lists an account's endpoints, the oldest first."""
        return [_webhook(row) for row in await self._engine.read("webhooks", account_id=account_id)]

    async def webhook(self, account_id: str, webhook_id: str) -> StoredWebhook | None:
        """Finds one of an account's endpoints."""
        found = await self._engine.read("webhook", account_id=account_id, id=webhook_id)
        return next((_webhook(row) for row in found), None)

    async def add_webhook(self, webhook: Webhook, sealed: bytes, most: int, audit: AuditRow) -> bool:
        """Adds an endpoint; false where the account has `most` of them."""

        async def work(session: DatabaseSession) -> bool:
            await session.rows("lock_account", id=webhook.account_id)
            if len(await session.rows("webhooks", account_id=webhook.account_id)) >= most:
                return False
            created_at = rows.ms(webhook.created_at)
            await session.rows("add_webhook", **_values(webhook), created_at=created_at, sealed=sealed)
            return await append(session, audit)

        return await self._engine.transact(work)

    async def change_webhook(self, webhook: Webhook, audit: AuditRow) -> bool:
        """Writes an endpoint's URL and events and lets it be tried again; false where there is no such endpoint."""
        return await self._audited("change_webhook", audit, **_values(webhook))

    async def rotate_secret(
        self, account_id: str, webhook_id: str, sealed: bytes, old_until: datetime, audit: AuditRow
    ) -> bool:
        """Gives an endpoint a new secret, and keeps the one before until a time; false where there is no such one."""
        until = rows.ms(old_until)
        return await self._audited(
            "rotate_secret", audit, id=webhook_id, account_id=account_id, sealed=sealed, old_until=until
        )

    async def delete_webhook(self, account_id: str, webhook_id: str, audit: AuditRow) -> bool:
        """Deletes an endpoint with all that it is owed; false where there is no such endpoint."""
        deleted = await self._audited("delete_webhook", audit, id=webhook_id, account_id=account_id)
        if deleted:
            await self._engine.shred()
        return deleted

    async def _audited(self, statement: str, audit: AuditRow, **values: SqlValue) -> bool:
        async def work(session: DatabaseSession) -> bool:
            return bool(await session.rows(statement, **values)) and await append(session, audit)

        return await self._engine.transact(work)

    async def try_webhook(self, webhook_id: str, kind: str, detail: str, at: datetime) -> str:
        """Owes an endpoint a message that follows from no event, and gives its id."""
        event_id = self._trial_ids.next(at)
        await self._engine.write(
            "owe_delivery", webhook_id=webhook_id, id=event_id, kind=kind, at=rows.ms(at), detail=detail
        )
        return event_id

    async def claim_deliveries(
        self, now: datetime, until: datetime, owner: str, limit: int, *, failing: bool, places: int
    ) -> list[DueDelivery]:
        """Leases due deliveries, at most `places` at a time for each endpoint; to those that fail, or to the others."""
        wanted: dict[str, SqlValue] = {"now": rows.ms(now), "failing": int(failing), "places": places, "limit": limit}
        if not await self._engine.read("glance_deliveries", now=rows.ms(now)):
            return []

        async def work(session: DatabaseSession) -> list[DueDelivery]:
            claimed: list[DueDelivery] = []
            for row in await session.rows("due_webhooks", **wanted):
                free = min(places - await _leased(session, row["id"], now), limit - len(claimed))
                if free > 0:
                    claimed += await _claimed(session, row["id"], now, until, owner, free)
            return claimed

        return await self._engine.transact(work)

    async def record_attempt(self, owed: DueDelivery, attempt: DeliveryAttempt, ruling: RetryDecision) -> None:
        """Writes an attempt down with what follows from it, and ends the lease.

        One by somebody whose lease ran out meanwhile is written down too, and only moves a delivery that arrived.
        """
        webhook_id = owed.kept.webhook.id

        async def work(session: DatabaseSession) -> None:
            if not await session.rows("add_attempt", **_attempt_values(webhook_id, owed.id, attempt)):
                return
            delivered = ruling.fate is DeliveryStatus.DELIVERED
            await session.rows(
                "settle_delivery",
                webhook_id=webhook_id,
                id=owed.id,
                owner=owed.owner,
                fate=ruling.fate.value,
                failed=0 if delivered else 1,
                due_at=rows.maybe_ms(ruling.due_at),
            )
            await session.rows("note_failing", id=webhook_id, failing=0 if delivered else 1)
            if ruling.gone:
                why = f"it answered {attempt.status}: no more messages wanted"
                await session.rows("disable_webhook", id=webhook_id, at=rows.ms(attempt.at), why=why)
                await session.rows("end_deliveries", webhook_id=webhook_id)

        await self._engine.transact(work)

    async def deliveries(self, webhook_id: str, before: str | None, limit: int) -> list[Delivery]:
        """Lists what an endpoint was and is owed with every attempt, the newest first; `before` is a delivery's id."""
        found = await self._engine.read("deliveries", webhook_id=webhook_id, before=before or LAST, limit=limit)
        return await self._with_attempts(webhook_id, found)

    async def delivery(self, webhook_id: str, delivery_id: str) -> Delivery | None:
        """Finds one delivery."""
        found = await self._engine.read("delivery", webhook_id=webhook_id, id=delivery_id)
        return next(iter(await self._with_attempts(webhook_id, found)), None)

    async def _with_attempts(self, webhook_id: str, found: Sequence[DatabaseRow]) -> list[Delivery]:
        if not found:
            return []
        first, last = found[-1]["id"], found[0]["id"]
        made = await self._engine.read("attempts", webhook_id=webhook_id, first=first, last=last)
        return [_delivery(row, (each for each in made if each["delivery_id"] == row["id"])) for row in found]

    async def redeliver(self, webhook_id: str, delivery_id: str, audit: AuditRow) -> bool:
        """Makes a delivery due anew, under its own id; false where there is no such delivery."""
        return await self._audited("redeliver", audit, webhook_id=webhook_id, id=delivery_id)


async def _leased(session: DatabaseSession, webhook_id: str, now: datetime) -> int:
    leased: int = (await session.rows("leased_deliveries", webhook_id=webhook_id, now=rows.ms(now)))[0]["leased"]
    return leased


async def _claimed(
    session: DatabaseSession, webhook_id: str, now: datetime, until: datetime, owner: str, limit: int
) -> list[DueDelivery]:
    (kept,) = [_webhook(row) for row in await session.rows("webhook_by_id", id=webhook_id)]
    claimed = await session.rows(
        "claim_deliveries", webhook_id=webhook_id, now=rows.ms(now), until=rows.ms(until), owner=owner, limit=limit
    )
    return sorted((_owed(row, kept, owner) for row in claimed), key=lambda owed: owed.id)


def _values(webhook: Webhook) -> rows.Values:
    """Gives the columns of an endpoint that can change, its id and its account's."""
    events = f" {' '.join(webhook.events)} "
    return {"id": webhook.id, "account_id": webhook.account_id, "url": webhook.url, "events": events}


def _webhook(row: DatabaseRow) -> StoredWebhook:
    webhook = Webhook(
        id=row["id"],
        account_id=row["account_id"],
        url=row["url"],
        events=tuple(row["events"].split()) or (EVERY,),
        created_at=rows.time(row["created_at"]),
        old_secret_until=rows.maybe_time(row["old_until"]),
        disabled_at=rows.maybe_time(row["disabled_at"]),
        disabled_why=row["disabled_why"],
    )
    return StoredWebhook(webhook=webhook, sealed=row["sealed"], old_sealed=row["old_sealed"])


def _owed(row: DatabaseRow, kept: StoredWebhook, owner: str) -> DueDelivery:
    return DueDelivery(
        id=row["id"],
        kept=kept,
        kind=row["kind"],
        at=rows.time(row["at"]),
        detail=row["detail"],
        change=rows.change(row["changed"]),
        domain=None if row["life"] is None else _life.decode(row["life"]),
        failures=row["failures"],
        owner=owner,
    )


def _attempt_values(webhook_id: str, delivery_id: str, attempt: DeliveryAttempt) -> rows.Values:
    return {
        "webhook_id": webhook_id,
        "delivery_id": delivery_id,
        "at": rows.ms(attempt.at),
        "milliseconds": attempt.milliseconds,
        "status": attempt.status,
        "said": attempt.said,
    }


def _delivery(row: DatabaseRow, made: Iterable[DatabaseRow]) -> Delivery:
    attempts = tuple(
        DeliveryAttempt(
            at=rows.time(each["at"]), milliseconds=each["milliseconds"], status=each["status"], said=each["said"]
        )
        for each in made
    )
    due_at = row["due_at"]
    return Delivery(
        id=row["id"],
        kind=row["kind"],
        at=rows.time(row["at"]),
        detail=row["detail"],
        fate=DeliveryStatus(row["fate"]),
        due_at=max(rows.time(due_at), rows.time(row["at"])) if due_at is not None else None,
        attempts=attempts,
    )

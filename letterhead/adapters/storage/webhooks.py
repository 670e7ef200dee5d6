"""Webhook endpoints and their deliveries, in SQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from letterhead.adapters.storage import key_rows, rows
from letterhead.adapters.storage.accounts import append_audit
from letterhead.adapters.storage.engine import DatabaseRow, DatabaseSession, Engine, SqlValue
from letterhead.adapters.storage.uuid7 import Uuid7Generator
from letterhead.core.accounts.key_bounds import DomainBinding
from letterhead.core.domain.domain import Domain, Event
from letterhead.core.public.webhooks import EVERY, DeliveryStatus, RetryDecision, Webhook
from letterhead.core.schedule.shares import PlacesHeld
from letterhead.ports.store.accounts import AuditRow
from letterhead.ports.store.webhooks import Delivery, DeliveryAttempt, DueDelivery, EndpointChoice, StoredWebhook
from letterhead.ports.tracing import traceparent

LAST: Final = "~"  # behind every id
SLOW: Final = 2000  # milliseconds that an attempt takes at an endpoint that waits among the slow ones

NO_EVENTS: Final = " "  # in place of the events that an endpoint with domains has, for versions that know no domains

_life = msgspec.json.Decoder(Domain)
_binding = msgspec.json.Decoder(DomainBinding)


async def add_deliveries(session: DatabaseSession, domain: Domain, event: Event, event_id: str) -> None:
    """Add an event's deliveries to the account's endpoints for its domain, in the event's own transaction."""
    await session.rows(
        "add_deliveries",
        account_id=domain.account_id,
        sender=domain.sender,
        id=event_id,
        kind=event.kind.value,
        marked=f" {event.kind.value} ",
        at=rows.ms(event.at),
        detail=event.detail,
        changed=rows.maybe_json(event.change),
        life=rows.json(domain),
        traceparent=traceparent.get(),
    )


class SqlWebhooks:
    """The SQL implementation of `WebhookStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._test_ids = engine, Uuid7Generator()

    async def webhooks(self, account_id: str) -> list[StoredWebhook]:
        """Return an account's endpoints, the oldest first."""
        return [_webhook(row) for row in await self._engine.read("webhooks", account_id=account_id)]

    async def webhook(self, account_id: str, webhook_id: str) -> StoredWebhook | None:
        """Return one of an account's endpoints."""
        found = await self._engine.read("webhook", account_id=account_id, id=webhook_id)
        return next((_webhook(row) for row in found), None)

    async def add_webhook(self, webhook: Webhook, sealed: bytes, most: int, audit: AuditRow) -> bool:
        """Add an endpoint; return false where the account has `most` of them."""

        async def work(session: DatabaseSession) -> bool:
            await session.rows("lock_account", id=webhook.account_id)
            if len(await session.rows("webhooks", account_id=webhook.account_id)) >= most:
                return False
            created_at = rows.ms(webhook.created_at)
            await session.rows("add_webhook", **webhook_values(webhook), created_at=created_at, sealed=sealed)
            return await append_audit(session, audit)

        return await self._engine.transact(work)

    async def change_webhook(self, webhook: Webhook, audit: AuditRow) -> bool:
        """Update an endpoint's URL, events and domains and enable it; return false where there is no such endpoint.

        Deliveries of other domains are deleted: whoever may see the endpoint may see and repeat what is left. The
        account is locked, as by those who add events to it, so that none adds one by the domains of before.
        """

        async def work(session: DatabaseSession) -> bool:
            await session.rows("lock_account", id=webhook.account_id)
            if not await session.rows("change_webhook", **webhook_values(webhook)):
                return False
            if webhook.binding is not None:
                within = key_rows.binding_values(webhook.binding)
                await session.rows("drop_deliveries_beyond", webhook_id=webhook.id, **within)
            return await append_audit(session, audit)

        return await self._engine.transact(work)

    async def rotate_secret(
        self, account_id: str, webhook_id: str, sealed: bytes, old_until: datetime, audit: AuditRow
    ) -> bool:
        """Set an endpoint's new secret, and keep the old one until a time; return false where there is no endpoint."""
        until = rows.ms(old_until)
        return await self._audited(
            "rotate_secret", audit, id=webhook_id, account_id=account_id, sealed=sealed, old_until=until
        )

    async def delete_webhook(self, account_id: str, webhook_id: str, audit: AuditRow) -> bool:
        """Delete an endpoint with its deliveries; return false where there is no such endpoint."""
        deleted = await self._audited("delete_webhook", audit, id=webhook_id, account_id=account_id)
        if deleted:
            await self._engine.shred()
        return deleted

    async def _audited(self, statement: str, audit: AuditRow, **values: SqlValue) -> bool:
        async def work(session: DatabaseSession) -> bool:
            return bool(await session.rows(statement, **values)) and await append_audit(session, audit)

        return await self._engine.transact(work)

    async def try_webhook(self, webhook_id: str, kind: str, detail: str, at: datetime) -> str:
        """Add a delivery that follows from no event, and return its id; one that is under way is made due instead."""
        event_id = self._test_ids.next(at)

        async def work(session: DatabaseSession) -> str:
            for row in await session.rows("pending_test", webhook_id=webhook_id, kind=kind):
                await session.rows("redeliver", webhook_id=webhook_id, id=row["id"])
                return str(row["id"])
            values: rows.Values = {"id": event_id, "kind": kind, "at": rows.ms(at), "detail": detail}
            await session.rows("add_delivery", webhook_id=webhook_id, **values, traceparent=traceparent.get())
            return event_id

        return await self._engine.transact(work)

    async def claim_deliveries(
        self,
        now: datetime,
        until: datetime,
        owner: str,
        limit: int,
        *,
        endpoints: EndpointChoice,
        held: PlacesHeld | None = None,
    ) -> list[DueDelivery]:
        """Lease due deliveries of some endpoints to `owner` until a time, shared by account."""
        if not await self._engine.read("any_due_delivery", now=rows.ms(now)):
            return []
        each = limit if held is None else 1  # the next claim, which follows at once, counts what this one took
        places, late = endpoints.places, int(endpoints.late)
        wanted: rows.Values = {"now": rows.ms(now), "late": late, "slow": SLOW, "places": places, "limit": limit}

        async def work(session: DatabaseSession) -> list[DueDelivery]:
            claimed: list[DueDelivery] = []
            for row in await session.rows("due_webhooks", **wanted, **rows.share_values(held, limit)):
                webhook_id: str = row["id"]
                leased = await session.rows("leased_deliveries", webhook_id=webhook_id, now=rows.ms(now))
                free = min(places - leased[0]["leased"], limit - len(claimed), each)
                if free <= 0:
                    continue
                (stored,) = [_webhook(each) for each in await session.rows("webhook_by_id", id=webhook_id)]
                lease: rows.Values = {"now": rows.ms(now), "until": rows.ms(until), "owner": owner, "limit": free}
                due = await session.rows("claim_deliveries", webhook_id=webhook_id, **lease)
                claimed += sorted((_due_delivery(each, stored, owner) for each in due), key=lambda each: each.id)
            return claimed

        return await self._engine.transact(work)

    async def record_attempt(self, due: DueDelivery, attempt: DeliveryAttempt, decision: RetryDecision) -> None:
        """Record an attempt and the retry decision, and end the lease.

        An attempt by an owner whose lease ran out is recorded too, but changes the delivery only if it was delivered.
        """
        webhook_id = due.stored.webhook.id

        async def work(session: DatabaseSession) -> None:
            if not await session.rows(
                "add_attempt",
                webhook_id=webhook_id,
                delivery_id=due.id,
                at=rows.ms(attempt.at),
                milliseconds=attempt.milliseconds,
                status=attempt.status,
                said=attempt.said,
            ):
                return
            delivered = decision.fate is DeliveryStatus.DELIVERED
            await session.rows(
                "settle_delivery",
                webhook_id=webhook_id,
                id=due.id,
                owner=due.owner,
                fate=decision.fate.value,
                failed=0 if delivered else 1,
                due_at=rows.maybe_ms(decision.due_at),
            )
            failing = 0 if delivered else 1
            await session.rows("set_webhook_pace", id=webhook_id, failing=failing, pace=attempt.milliseconds)
            if decision.gone:
                why = f"it answered {attempt.status}: no more messages wanted"
                await session.rows("disable_webhook", id=webhook_id, at=rows.ms(attempt.at), why=why)
                await session.rows("end_deliveries", webhook_id=webhook_id)

        await self._engine.transact(work)

    async def deliveries(self, webhook_id: str, before: str | None, limit: int) -> list[Delivery]:
        """Return an endpoint's deliveries with every attempt, the newest first; `before` is a delivery's id."""
        found = await self._engine.read("deliveries", webhook_id=webhook_id, before=before or LAST, limit=limit)
        return await self._with_attempts(webhook_id, found)

    async def delivery(self, webhook_id: str, delivery_id: str) -> Delivery | None:
        """Return one delivery with every attempt."""
        found = await self._engine.read("delivery", webhook_id=webhook_id, id=delivery_id)
        return next(iter(await self._with_attempts(webhook_id, found)), None)

    async def _with_attempts(self, webhook_id: str, found: Sequence[DatabaseRow]) -> list[Delivery]:
        if not found:
            return []
        first, last = found[-1]["id"], found[0]["id"]
        made = await self._engine.read("attempts", webhook_id=webhook_id, first=first, last=last)
        attempts: dict[str, list[DeliveryAttempt]] = {row["id"]: [] for row in found}
        for row in made:
            if row["delivery_id"] in attempts:
                attempts[row["delivery_id"]].append(
                    DeliveryAttempt(
                        at=rows.time(row["at"]),
                        milliseconds=row["milliseconds"],
                        status=row["status"],
                        said=row["said"],
                    )
                )
        return [_delivery(row, tuple(attempts[row["id"]])) for row in found]

    async def redeliver(self, webhook_id: str, delivery_id: str, audit: AuditRow) -> bool:
        """Make a delivery due again under its own id; return false where there is no such delivery."""
        return await self._audited("redeliver", audit, webhook_id=webhook_id, id=delivery_id)


def webhook_values(webhook: Webhook) -> rows.Values:
    """Return the columns of an endpoint that can change, its id and its account's."""
    events, binding = f" {' '.join(webhook.events)} ", webhook.binding
    return {
        "id": webhook.id,
        "account_id": webhook.account_id,
        "url": webhook.url,
        "events": events if binding is None else NO_EVENTS,
        "bound_events": None if binding is None else events,
        "binding": rows.maybe_json(binding),
    }


def _webhook(row: DatabaseRow) -> StoredWebhook:
    binding, events = row["binding"], row["events"] if row["binding"] is None else row["bound_events"]
    webhook = Webhook(
        id=row["id"],
        account_id=row["account_id"],
        url=row["url"],
        events=tuple(events.split()) or (EVERY,),
        binding=None if binding is None else _binding.decode(binding),
        created_at=rows.time(row["created_at"]),
        old_secret_until=rows.maybe_time(row["old_until"]),
        disabled_at=rows.maybe_time(row["disabled_at"]),
        disabled_why=row["disabled_why"],
    )
    return StoredWebhook(webhook=webhook, sealed=row["sealed"], old_sealed=row["old_sealed"])


def _due_delivery(row: DatabaseRow, stored: StoredWebhook, owner: str) -> DueDelivery:
    return DueDelivery(
        id=row["id"],
        stored=stored,
        kind=row["kind"],
        at=rows.time(row["at"]),
        detail=row["detail"],
        change=rows.change(row["changed"]),
        domain=None if row["life"] is None else _life.decode(row["life"]),
        failures=row["failures"],
        owner=owner,
        traceparent=row["traceparent"],
    )


def _delivery(row: DatabaseRow, attempts: tuple[DeliveryAttempt, ...]) -> Delivery:
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

"""Webhook endpoints and the deliveries that they are owed."""

from datetime import datetime
from typing import Protocol

import msgspec

from letterhead.core.domain.domain import Domain, RecordChange
from letterhead.core.public.webhooks import DeliveryStatus, RetryDecision, Webhook
from letterhead.ports.store.accounts import AuditRow


class StoredWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """Holds an endpoint as it is kept: its secrets open for the purpose `webhook|<account>|<id>`."""

    webhook: Webhook
    sealed: bytes
    old_sealed: bytes | None = None


class DueDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one message that an endpoint is owed, leased to `owner`; `id` is the event's, and the message's for ever.

    `domain` is as the event left it; a test has none.
    """

    id: str
    kept: StoredWebhook
    kind: str
    at: datetime
    detail: str
    change: RecordChange | None = None
    domain: Domain | None = None
    failures: int
    owner: str


class DeliveryAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one attempt of a delivery: the status if there was an answer, its words or what went wrong instead."""

    at: datetime
    milliseconds: int
    status: int | None = None
    said: str


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """Holds a delivery with every attempt, the oldest first; `due_at` is when it is tried next."""

    id: str
    kind: str
    at: datetime
    detail: str
    fate: DeliveryStatus
    due_at: datetime | None = None
    attempts: tuple[DeliveryAttempt, ...] = ()


class WebhookStore(Protocol):
    """Webhook endpoints and the deliveries that they are owed."""

    async def webhooks(self, account_id: str) -> list[StoredWebhook]:
        """Lists an account's endpoints, the oldest first."""
        ...

    async def webhook(self, account_id: str, webhook_id: str) -> StoredWebhook | None:
        """Finds one of an account's endpoints."""
        ...

    async def add_webhook(self, webhook: Webhook, sealed: bytes, most: int, audit: AuditRow) -> bool:
        """Adds an endpoint; false where the account has `most` of them."""
        ...

    async def change_webhook(self, webhook: Webhook, audit: AuditRow) -> bool:
        """Writes an endpoint's URL and events and lets it be tried again; false where there is no such endpoint."""
        ...

    async def rotate_secret(
        self, account_id: str, webhook_id: str, sealed: bytes, old_until: datetime, audit: AuditRow
    ) -> bool:
        """Gives an endpoint a new secret, and keeps the one before until a time; false where there is no such one."""
        ...

    async def delete_webhook(self, account_id: str, webhook_id: str, audit: AuditRow) -> bool:
        """Deletes an endpoint with all that it is owed; false where there is no such endpoint."""
        ...

    async def try_webhook(self, webhook_id: str, kind: str, detail: str, at: datetime) -> str:
        """Owes an endpoint a message that follows from no event, and gives its id."""
        ...

    async def claim_deliveries(
        self, now: datetime, until: datetime, owner: str, limit: int, *, failing: bool, places: int
    ) -> list[DueDelivery]:
        """Leases due deliveries, at most `places` at a time for each endpoint; to those that fail, or to the others.

        They are written with the events that they tell, one for each endpoint that wants them.
        """
        ...

    async def record_attempt(self, owed: DueDelivery, attempt: DeliveryAttempt, ruling: RetryDecision) -> None:
        """Writes an attempt down with what follows from it, and ends the lease.

        One by somebody whose lease ran out meanwhile is written down too, and only moves a delivery that arrived.
        """
        ...

    async def deliveries(self, webhook_id: str, before: str | None, limit: int) -> list[Delivery]:
        """Lists what an endpoint was and is owed with every attempt, the newest first; `before` is a delivery's id."""
        ...

    async def delivery(self, webhook_id: str, delivery_id: str) -> Delivery | None:
        """Finds one delivery."""
        ...

    async def redeliver(self, webhook_id: str, delivery_id: str, audit: AuditRow) -> bool:
        """Makes a delivery due anew, under its own id; false where there is no such delivery."""
        ...

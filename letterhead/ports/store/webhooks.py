"""Webhook endpoints and their deliveries."""

from datetime import datetime
from typing import Protocol

import msgspec

from letterhead.core.domain.domain import Domain, RecordChange
from letterhead.core.public.webhooks import DeliveryStatus, RetryDecision, Webhook
from letterhead.core.schedule.shares import PlacesHeld
from letterhead.ports.store.accounts import AuditRow


class StoredWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint as it is stored; its secrets open for the purpose `webhook|<account>|<id>`."""

    webhook: Webhook
    sealed: bytes
    old_sealed: bytes | None = None


class DueDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """One due message to an endpoint, leased to `owner`; `id` is the event's, and the message's for ever.

    `domain` is the domain after the event; a test has none. `traceparent` is the span under way at the event.
    """

    id: str
    stored: StoredWebhook
    kind: str
    at: datetime
    detail: str
    change: RecordChange | None = None
    domain: Domain | None = None
    failures: int
    owner: str
    traceparent: str | None = None


class DeliveryAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of a delivery: the status if there was a response, and its text or what went wrong instead."""

    at: datetime
    milliseconds: int
    status: int | None = None
    said: str


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery with every attempt, the oldest first; `due_at` is the time of the next attempt."""

    id: str
    kind: str
    at: datetime
    detail: str
    fate: DeliveryStatus
    due_at: datetime | None = None
    attempts: tuple[DeliveryAttempt, ...] = ()


class EndpointChoice(msgspec.Struct, frozen=True, kw_only=True):
    """Which endpoints a claim is for, and how many places each has.

    `late` ones are those whose last attempt failed or was slow; else all others.
    """

    late: bool
    places: int


class WebhookStore(Protocol):
    """Webhook endpoints and their deliveries."""

    async def webhooks(self, account_id: str) -> list[StoredWebhook]:
        """Return an account's endpoints, the oldest first."""
        ...

    async def webhook(self, account_id: str, webhook_id: str) -> StoredWebhook | None:
        """Return one of an account's endpoints."""
        ...

    async def add_webhook(self, webhook: Webhook, sealed: bytes, most: int, audit: AuditRow) -> bool:
        """Add an endpoint; return false where the account has `most` of them."""
        ...

    async def change_webhook(self, webhook: Webhook, audit: AuditRow) -> bool:
        """Update an endpoint's URL, events and domains and enable it; return false where there is no such endpoint.

        Its deliveries of domains that it is not for any more are deleted.
        """
        ...

    async def rotate_secret(
        self, account_id: str, webhook_id: str, sealed: bytes, old_until: datetime, audit: AuditRow
    ) -> bool:
        """Set an endpoint's new secret, and keep the old one until a time; return false where there is no endpoint."""
        ...

    async def delete_webhook(self, account_id: str, webhook_id: str, audit: AuditRow) -> bool:
        """Delete an endpoint with its deliveries; return false where there is no such endpoint."""
        ...

    async def try_webhook(self, webhook_id: str, kind: str, detail: str, at: datetime) -> str:
        """Add a delivery that follows from no event, and return its id; one that is under way is made due instead."""
        ...

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
        """Lease due deliveries of some endpoints to `owner` until a time, shared by account.

        They are written in the transaction of their event, one for each endpoint that subscribes to it and is for its
        domain. Without `held`, no account is held to a share.
        """
        ...

    async def record_attempt(self, due: DueDelivery, attempt: DeliveryAttempt, decision: RetryDecision) -> None:
        """Record an attempt and the retry decision, and end the lease.

        An attempt by an owner whose lease ran out is recorded too, but changes the delivery only if it was delivered.
        """
        ...

    async def deliveries(self, webhook_id: str, before: str | None, limit: int) -> list[Delivery]:
        """Return an endpoint's deliveries with every attempt, the newest first; `before` is a delivery's id."""
        ...

    async def delivery(self, webhook_id: str, delivery_id: str) -> Delivery | None:
        """Return one delivery with every attempt."""
        ...

    async def redeliver(self, webhook_id: str, delivery_id: str, audit: AuditRow) -> bool:
        """Make a delivery due again under its own id; return false where there is no such delivery."""
        ...

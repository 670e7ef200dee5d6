"""Serializers of events, webhooks and their deliveries."""

from datetime import datetime
from typing import Any

from msgspec import UNSET

from letterhead.core.public import representation
from letterhead.core.public.webhooks import PREFIX
from letterhead.operations.events import EventView
from letterhead.operations.webhooks import RevealedWebhook
from letterhead.ports.store.domains import DomainEvent
from letterhead.ports.store.webhooks import Delivery
from letterhead.web import schemas_events
from letterhead.web.serialize import given, public_snapshot, record_checks, truncate_to_milliseconds

MASKED = f"{PREFIX}…"


def event(each: DomainEvent) -> schemas_events.EventOut:
    """Serialize an event."""
    return schemas_events.EventOut(**_event(each))


def _event(each: DomainEvent) -> dict[str, Any]:
    return {
        "id": each.id,
        "kind": each.event.kind.value,
        "at": each.event.at,
        "detail": each.event.detail,
        "domain": each.sender,
        "change": representation.public_change(each.event),
        "finding": given(each.event.finding),
        "check_id": given(each.check_id),
    }


def event_detail(view: EventView) -> schemas_events.EventDetail:
    """Serialize an event with the check that caused it."""
    checkup, check_id = view.checkup, view.event.check_id
    if checkup is None or check_id is None:
        return schemas_events.EventDetail(**_event(view.event))
    check = schemas_events.CheckOut(
        id=check_id,
        checked_at=checkup.taken_at,
        records=record_checks(checkup.results),
        findings=checkup.findings,
        snapshot=public_snapshot(checkup.snapshot),
    )
    return schemas_events.EventDetail(**_event(view.event), check=check)


def webhook(shown: RevealedWebhook, now: datetime, *, secret: bool) -> schemas_events.WebhookOut:
    """Serialize a webhook; its secret is masked unless `secret` is true and it could be opened."""
    each = shown.webhook
    old = each.old_secret_until
    return schemas_events.WebhookOut(
        id=each.id,
        webhook=each.url,
        events=each.events,  # type: ignore[arg-type]
        domains=UNSET if each.binding is None else each.binding.names,
        covers_subdomains=UNSET if each.binding is None else each.binding.covers_below,
        secret=(shown.secret_text() if secret else None) or MASKED,
        created_at=truncate_to_milliseconds(each.created_at),
        old_secret_ends_at=truncate_to_milliseconds(old) if old is not None and old > now else UNSET,
        disabled_at=given(each.disabled_at),
        disabled_why=given(each.disabled_why),
    )


def delivery(each: Delivery) -> schemas_events.DeliveryOut:
    """Serialize a delivery with its attempts."""
    return schemas_events.DeliveryOut(
        id=each.id,
        kind=each.kind,  # type: ignore[arg-type]
        at=each.at,
        detail=each.detail,
        state=each.fate.value,
        next_attempt_at=given(each.due_at),
        attempts=tuple(
            schemas_events.AttemptOut(
                at=attempt.at, milliseconds=attempt.milliseconds, status=given(attempt.status), said=attempt.said
            )
            for attempt in each.attempts
        ),
    )

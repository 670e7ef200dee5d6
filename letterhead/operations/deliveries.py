"""Deliver a message to a webhook endpoint: at least once, always under one id, by a schedule that ends."""

import time
from typing import Protocol

import structlog

from letterhead.core.domain.domain import Event, EventKind
from letterhead.core.public import representation
from letterhead.core.public.webhooks import HttpResult, decide_retry, parse_target, signature_headers
from letterhead.errors import Fault
from letterhead.operations.checks import jitter
from letterhead.operations.domains import PlanNeeds, plan_of
from letterhead.operations.webhooks import open_secret
from letterhead.ports.deps import Clock, OperationSettings, RandomOctets
from letterhead.ports.keyring import Keyring
from letterhead.ports.meter import Meter
from letterhead.ports.outbound import Outbound
from letterhead.ports.store.webhooks import DeliveryAttempt, DueDelivery, WebhookStore
from letterhead.ports.tracing import SpanKind, Tracer, traceparent

SAID = 500  # characters of a response that are kept

log = structlog.get_logger()


class DeliveryNeeds(PlanNeeds, Protocol):
    """What delivering a message needs."""

    @property
    def store(self) -> WebhookStore: ...
    @property
    def outbound(self) -> Outbound: ...
    @property
    def keyring(self) -> Keyring: ...
    @property
    def meter(self) -> Meter: ...
    @property
    def tracer(self) -> Tracer: ...
    @property
    def policy(self) -> OperationSettings: ...
    @property
    def now(self) -> Clock: ...
    @property
    def random_octets(self) -> RandomOctets: ...


async def deliver(deps: DeliveryNeeds, delivery: DueDelivery) -> None:
    """Make one attempt, and record it with what follows from it.

    Its span is linked to that of the check or request behind the event; the endpoint is told of it by `traceparent`.
    """
    known = {
        "letterhead.account_id": delivery.stored.webhook.account_id,
        "letterhead.webhook_id": delivery.stored.webhook.id,
        "letterhead.delivery_id": delivery.id,
        "letterhead.event": delivery.kind,
    }
    with deps.tracer.span("webhook delivery", SpanKind.CLIENT, known, link=delivery.traceparent) as span:
        status = await _attempt(deps, delivery)
        if status is not None:
            span.set({"http.response.status_code": status})
        if status is None or status >= 400:
            span.fail("unreached" if status is None else str(status))


async def _attempt(deps: DeliveryNeeds, delivery: DueDelivery) -> int | None:
    """Return the status of the response; None where there was none."""
    stored, started, clock = delivery.stored, deps.now(), time.monotonic()
    try:
        target = parse_target(stored.webhook.url, deps.policy.egress)
    except Fault as refused:  # the operator allows less than when the endpoint was added
        result = HttpResult(status=None, said=refused.detail)
    else:
        body = message_body(deps, delivery)
        until = stored.webhook.old_secret_until
        sealed = [stored.sealed]
        if stored.old_sealed is not None and until is not None and started < until:  # both sign for a day
            sealed.append(stored.old_sealed)
        opened = [open_secret(deps.keyring, stored.webhook, each) for each in sealed]
        secrets = [each for each in opened if each is not None]
        if opened[0] is None:
            result = HttpResult(status=None, said="its signing secret can't be read here: make a new one")
        else:
            headers = dict(signature_headers(delivery.id, body, started, secrets))
            if (span := traceparent.get()) is not None:
                headers["traceparent"] = span
            result = await deps.outbound.post(target, headers, body)
    milliseconds = int((time.monotonic() - clock) * 1000)
    decision = decide_retry(result, delivery.failures, deps.now(), jitter(deps.random_octets))
    attempt = DeliveryAttempt(at=started, milliseconds=milliseconds, status=result.status, said=result.said[:SAID])
    await deps.store.record_attempt(delivery, attempt, decision)
    deps.meter.count_delivery(decision.fate)
    log.info("delivery.attempted", kind=delivery.kind, status=result.status, fate=decision.fate, due_at=decision.due_at)
    return result.status


def message_body(deps: PlanNeeds, delivery: DueDelivery) -> bytes:
    """Return the message as JSON: a test, or an event with the domain as the event left it."""
    if delivery.domain is None:
        return representation.webhook_test_body(delivery.id, delivery.kind, delivery.at)
    event = Event(kind=EventKind(delivery.kind), at=delivery.at, detail=delivery.detail, change=delivery.change)
    return representation.webhook_body(delivery.id, event, delivery.domain, plan_of(deps, delivery.domain))

"""Knows how a message reaches an endpoint: at least once, under one id for ever, by a schedule that ends."""

import time

import structlog

from letterhead.core.domain.domain import Event, EventKind
from letterhead.core.public import representation
from letterhead.core.public.webhooks import HttpResult, decide_retry, parse_target, signature_headers
from letterhead.core.secret import Secret
from letterhead.errors import Fault
from letterhead.operations.checks import jitter
from letterhead.operations.domains import plan_of
from letterhead.operations.webhooks import secret_purpose
from letterhead.ports.deps import Deps
from letterhead.ports.store.webhooks import DeliveryAttempt, DueDelivery

SAID = 500  # characters of an answer that are kept

log = structlog.get_logger()


async def deliver(deps: Deps, owed: DueDelivery) -> None:
    """Makes one attempt and writes down what came of it."""
    started, clock = deps.now(), time.monotonic()
    replied = await _sent(deps, owed)
    milliseconds = int((time.monotonic() - clock) * 1000)
    ruling = decide_retry(replied, owed.failures, deps.now(), jitter(deps))
    attempt = DeliveryAttempt(at=started, milliseconds=milliseconds, status=replied.status, said=replied.said[:SAID])
    await deps.store.record_attempt(owed, attempt, ruling)
    log.info("delivery.attempted", kind=owed.kind, status=replied.status, fate=ruling.fate, due_at=ruling.due_at)


async def _sent(deps: Deps, owed: DueDelivery) -> HttpResult:
    try:
        target = parse_target(owed.stored.webhook.url, deps.policy.egress)
    except Fault as refused:  # the operator allows less than when it was added
        return HttpResult(status=None, said=refused.detail)
    body = body_of(deps, owed)
    headers = signature_headers(owed.id, body, deps.now(), _secrets(deps, owed))
    return await deps.outbound.post(target, headers, body)


def body_of(deps: Deps, owed: DueDelivery) -> bytes:
    """Writes the message."""
    if owed.domain is None:
        return representation.webhook_test_body(owed.id, owed.kind, owed.at)
    event = Event(kind=EventKind(owed.kind), at=owed.at, detail=owed.detail, change=owed.change)
    return representation.webhook_body(owed.id, event, owed.domain, plan_of(deps, owed.domain))


def _secrets(deps: Deps, owed: DueDelivery) -> list[Secret]:
    """Opens the endpoint's secret, and for a day after a rotation the one before."""
    kept, purpose = owed.stored, secret_purpose(owed.stored.webhook)
    secrets = [deps.keyring.unseal(kept.sealed, purpose)]
    until = kept.webhook.old_secret_until
    if kept.old_sealed is not None and until is not None and deps.now() < until:
        secrets.append(deps.keyring.unseal(kept.old_sealed, purpose))
    return secrets

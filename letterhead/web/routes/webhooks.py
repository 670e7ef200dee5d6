"""Knows the endpoints of webhooks, in the shape that the clients know, and of what became of each message."""

from letterhead.core.accounts.accounts import Scope, allows
from letterhead.errors import Kind
from letterhead.operations import webhooks
from letterhead.operations.webhooks import RevealedWebhook
from letterhead.web import schemas_events as wire
from letterhead.web import serialize_events as telling
from letterhead.web.endpoint import Access, Call, Endpoint
from letterhead.web.links import next_page
from letterhead.web.responses import Answer, json

SECRET = {"Cache-Control": "no-store"}


async def list_webhooks(call: Call) -> Answer:
    """Lists the account's webhooks; a key of scope `read` sees their secrets masked."""
    listed = await webhooks.list_webhooks(call.deps, call.account_id)
    told = wire.Webhooks(endpoints=tuple(_told(call, each) for each in listed))
    return Answer(body=json(told).body, headers=SECRET)


def _told(call: Call, shown: RevealedWebhook) -> wire.WebhookOut:
    return telling.webhook(shown, call.deps.now(), secret=allows(call.caller.scope, Scope.WRITE))


def _one(call: Call, shown: RevealedWebhook) -> Answer:
    return Answer(body=json(_told(call, shown)).body, headers=SECRET)


async def add_webhook(call: Call) -> Answer:
    """Adds a webhook, which is told of events from now on, and answers with its signing secret."""
    asked = await call.body(wire.WebhookIn)
    added = await webhooks.add_webhook(call.deps, call.account_id, asked.webhook, list(asked.events), call.actor)
    return _one(call, added)


async def change_webhook(call: Call) -> Answer:
    """Changes a webhook's URL and events; its secret stays, and one that was disabled is enabled again."""
    webhook_id = call.part("webhookId")
    await webhooks.find_webhook(call.deps, call.account_id, webhook_id)
    asked = await call.body(wire.WebhookIn)
    changed = await webhooks.change_webhook(
        call.deps, call.account_id, webhook_id, asked.webhook, list(asked.events), call.actor
    )
    return _one(call, changed)


async def delete_webhook(call: Call) -> Answer:
    """Deletes a webhook with all that it was and is owed."""
    await webhooks.delete_webhook(call.deps, call.account_id, call.part("webhookId"), call.actor)
    return Answer(body=b"", status=204)


async def rotate_webhook_secret(call: Call) -> Answer:
    """Makes a new signing secret; for 24 h messages carry two signatures, by the new one and by the one before."""
    rotated = await webhooks.rotate_secret(call.deps, call.account_id, call.part("webhookId"), call.actor)
    return _one(call, rotated)


async def try_webhook(call: Call) -> Answer:
    """Sends a `webhook.test` message as soon as a worker is free; its delivery tells what came of it."""
    return json(telling.delivery(await webhooks.try_webhook(call.deps, call.account_id, call.part("webhookId"))))


async def list_deliveries(call: Call) -> Answer:
    """Lists a webhook's messages with every attempt, the newest first.

    It comes in pages, whose `Link` header (RFC 8288) leads to the next one.
    """
    query, webhook_id = call.query(wire.PageQuery), call.part("webhookId")
    before = query.cursor or None
    found = await webhooks.list_deliveries(call.deps, call.account_id, webhook_id, before, query.limit + 1)
    body = json([telling.delivery(each) for each in found[: query.limit]])
    if len(found) <= query.limit:
        return body
    last = found[query.limit - 1].id
    return Answer(body=body.body, headers=next_page(call, limit=query.limit, cursor=last))


async def redeliver(call: Call) -> Answer:
    """Sends a message again, under the same `webhook-id`, from the first step of the schedule on."""
    webhook_id, delivery_id = call.part("webhookId"), call.part("deliveryId")
    return json(
        telling.delivery(await webhooks.redeliver(call.deps, call.account_id, webhook_id, delivery_id, call.actor))
    )


TOPIC, ONE = "Webhooks", (Kind.NOT_FOUND,)
REFUSED = (
    Kind.WEBHOOK_URL_INVALID, Kind.WEBHOOK_NOT_HTTPS, Kind.WEBHOOK_NOT_PUBLIC, Kind.WEBHOOK_EVENTS_INVALID,
)  # fmt: skip

ENDPOINTS = (
    Endpoint(
        method="GET", path="/webhooks", serve=list_webhooks, access=Access.READ, topic=TOPIC, answer=wire.Webhooks,
    ),
    Endpoint(
        method="POST", path="/webhooks", serve=add_webhook, access=Access.WRITE, topic=TOPIC, answer=wire.WebhookOut,
        body=wire.WebhookIn, faults=(*REFUSED, Kind.CONFLICT),
    ),
    Endpoint(
        method="PUT", path="/webhooks/{webhookId}", serve=change_webhook, access=Access.WRITE, topic=TOPIC,
        answer=wire.WebhookOut, body=wire.WebhookIn, faults=(*REFUSED, *ONE),
    ),
    Endpoint(
        method="DELETE", path="/webhooks/{webhookId}", serve=delete_webhook, access=Access.WRITE, topic=TOPIC,
        statuses=(204,), faults=ONE, free=True,
    ),
    Endpoint(
        method="POST", path="/webhooks/{webhookId}/rotate-secret", serve=rotate_webhook_secret, access=Access.WRITE,
        topic=TOPIC, answer=wire.WebhookOut, faults=ONE,
    ),
    Endpoint(
        method="POST", path="/webhooks/{webhookId}/test", serve=try_webhook, access=Access.WRITE, topic=TOPIC,
        answer=wire.DeliveryOut, faults=(*ONE, Kind.CONFLICT),
    ),
    Endpoint(
        method="GET", path="/webhooks/{webhookId}/deliveries", serve=list_deliveries, access=Access.READ, topic=TOPIC,
        answer=list[wire.DeliveryOut], query=wire.PageQuery, faults=(*ONE, Kind.PARAMETER_INVALID),
    ),
    Endpoint(
        method="POST", path="/webhooks/{webhookId}/deliveries/{deliveryId}/redeliver", serve=redeliver,
        access=Access.WRITE, topic=TOPIC, answer=wire.DeliveryOut, faults=(*ONE, Kind.CONFLICT),
    ),
)  # fmt: skip

"""Endpoints of webhooks, whose shape existing clients rely on, and of their deliveries."""

from starlette.responses import Response

from letterhead.core.accounts.accounts import Scope, allows
from letterhead.errors import Kind
from letterhead.operations import webhooks
from letterhead.operations.webhooks import RevealedWebhook, WebhookSettings
from letterhead.web import schemas_events as schemas
from letterhead.web import serialize_events as serialize
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.routes.keys import REQUEST
from letterhead.web.serialize import json_response

SECRET = {"Cache-Control": "no-store"}


async def list_webhooks(context: RequestContext) -> Response:
    """Lists the account's webhooks; a key of scope `read` sees their secrets masked.

    A secret that is masked for other keys too can't be read any more: make a new one with `rotate-secret`.
    """
    listed = await webhooks.list_webhooks(context.deps, context.account_id)
    return json_response(schemas.Webhooks(endpoints=tuple(_webhook(context, each) for each in listed)), SECRET)


def _webhook(context: RequestContext, shown: RevealedWebhook) -> schemas.WebhookOut:
    return serialize.webhook(shown, context.deps.now(), secret=allows(context.caller.scope, Scope.WRITE))


def _webhook_response(context: RequestContext, shown: RevealedWebhook) -> Response:
    return json_response(_webhook(context, shown), SECRET)


async def add_webhook(context: RequestContext) -> Response:
    """Adds a webhook, which is told of events from now on, and answers with its signing secret.

    With `domains` it is told of the events of these sender domains alone.
    """
    settings = _settings(await context.body(schemas.WebhookIn))
    made = await webhooks.add_webhook(context.deps, context.account_id, settings, context.actor, context.caller.binding)
    return _webhook_response(context, made)


def _settings(asked: schemas.WebhookIn) -> WebhookSettings:
    return WebhookSettings(
        url=asked.webhook, events=asked.events, domains=asked.domains, covers_below=asked.covers_subdomains
    )


async def change_webhook(context: RequestContext) -> Response:
    """Changes a webhook's URL, events and domains; its secret stays, and one that was disabled is enabled again.

    Messages of domains that it is not for any more are deleted with their deliveries.
    """
    webhook_id = context.part("webhookId")
    await webhooks.find_webhook(context.deps, context.account_id, webhook_id)
    settings = _settings(await context.body(schemas.WebhookIn))
    changed = await webhooks.change_webhook(context.deps, context.account_id, webhook_id, settings, context.actor)
    return _webhook_response(context, changed)


async def delete_webhook(context: RequestContext) -> Response:
    """Deletes a webhook with all that it was and is owed."""
    await webhooks.delete_webhook(context.deps, context.account_id, context.part("webhookId"), context.actor)
    return Response(status_code=204)


async def rotate_webhook_secret(context: RequestContext) -> Response:
    """Makes a new signing secret; for 24 h messages carry two signatures, by the new one and by the one before."""
    rotated = await webhooks.rotate_secret(context.deps, context.account_id, context.part("webhookId"), context.actor)
    return _webhook_response(context, rotated)


async def try_webhook(context: RequestContext) -> Response:
    """Sends a `webhook.test` message as soon as a worker is free; its delivery tells what came of it. Once in 5 s."""
    tested = await webhooks.try_webhook(
        context.deps, context.state.on_demand, context.account_id, context.part("webhookId")
    )
    return json_response(serialize.delivery(tested))


async def list_deliveries(context: RequestContext) -> Response:
    """Lists a webhook's messages with every attempt, the newest first.

    It comes in pages, whose `Link` header (RFC 8288) leads to the next one.
    """
    query, webhook_id = context.query(schemas.PageQuery), context.part("webhookId")
    before = query.cursor or None
    found = await webhooks.list_deliveries(context.deps, context.account_id, webhook_id, before, query.limit + 1)
    headers = {}
    if len(found) > query.limit:
        headers = context.link_to_next(limit=query.limit, cursor=found[query.limit - 1].id)
    return json_response([serialize.delivery(each) for each in found[: query.limit]], headers)


async def redeliver(context: RequestContext) -> Response:
    """Sends a message again, under the same `webhook-id`, from the first step of the schedule on."""
    webhook_id, delivery_id = context.part("webhookId"), context.part("deliveryId")
    return json_response(
        serialize.delivery(
            await webhooks.redeliver(context.deps, context.account_id, webhook_id, delivery_id, context.actor)
        )
    )


TOPIC, ONE = "Webhooks", (Kind.NOT_FOUND,)
REFUSED = (
    Kind.WEBHOOK_URL_INVALID, Kind.WEBHOOK_NOT_HTTPS, Kind.WEBHOOK_NOT_PUBLIC, Kind.WEBHOOK_EVENTS_INVALID,
)  # fmt: skip

ENDPOINTS = (
    Endpoint(
        method="GET", path="/webhooks", serve=list_webhooks, access=Access.READ, for_bound=True, topic=TOPIC,
        answer=schemas.Webhooks,
    ),
    Endpoint(
        method="POST", path="/webhooks", serve=add_webhook, access=Access.WRITE, for_bound=True, topic=TOPIC,
        answer=schemas.WebhookOut, body=schemas.WebhookIn, faults=(*REFUSED, *REQUEST, Kind.KEY_BOUND, Kind.CONFLICT),
    ),
    Endpoint(
        method="PUT", path="/webhooks/{webhookId}", serve=change_webhook, access=Access.WRITE, for_bound=True,
        topic=TOPIC, answer=schemas.WebhookOut, body=schemas.WebhookIn,
        faults=(*REFUSED, *REQUEST, Kind.KEY_BOUND, *ONE),
    ),
    Endpoint(
        method="DELETE", path="/webhooks/{webhookId}", serve=delete_webhook, access=Access.WRITE, for_bound=True,
        topic=TOPIC, statuses=(204,), faults=ONE, free=True,
    ),
    Endpoint(
        method="POST", path="/webhooks/{webhookId}/rotate-secret", serve=rotate_webhook_secret, access=Access.WRITE,
        for_bound=True, topic=TOPIC, answer=schemas.WebhookOut, faults=ONE,
    ),
    Endpoint(
        method="POST", path="/webhooks/{webhookId}/test", serve=try_webhook, access=Access.WRITE, for_bound=True,
        topic=TOPIC, answer=schemas.DeliveryOut, faults=(*ONE, Kind.CONFLICT),
    ),
    Endpoint(
        method="GET", path="/webhooks/{webhookId}/deliveries", serve=list_deliveries, access=Access.READ,
        for_bound=True, topic=TOPIC, answer=list[schemas.DeliveryOut], query=schemas.PageQuery,
        faults=(*ONE, Kind.PARAMETER_INVALID),
    ),
    Endpoint(
        method="POST", path="/webhooks/{webhookId}/deliveries/{deliveryId}/redeliver", serve=redeliver,
        access=Access.WRITE, for_bound=True, topic=TOPIC, answer=schemas.DeliveryOut, faults=(*ONE, Kind.CONFLICT),
    ),
)  # fmt: skip

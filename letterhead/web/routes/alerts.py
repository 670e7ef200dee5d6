"""Endpoints of alert channels: chats and on-call services that an account hears of its domains by."""

from starlette.responses import Response

from letterhead.core.accounts.alert_channels import AlertChannel
from letterhead.errors import Kind
from letterhead.operations import alerts
from letterhead.web import schemas_alerts as schemas
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.serialize import given, json_response


async def add_alert_channel(context: RequestContext) -> Response:
    """Adds a chat or an on-call service that gets one line for each reminder: what happened, and what to do.

    Its address is sealed, and no answer ever has it. Nothing is sent yet: test it.
    """
    asked = await context.body(schemas.NewAlertChannel)
    channel = await alerts.add_channel(context.deps, context.account_id, asked.name, asked.url, context.actor)
    return json_response(public_channel(channel), status=201)


async def list_alert_channels(context: RequestContext) -> Response:
    """Lists the account's alert channels without their addresses, and since when one does not work."""
    listed = await alerts.list_channels(context.deps, context.account_id)
    return json_response(schemas.AlertChannels(alert_channels=tuple(map(public_channel, listed))))


async def delete_alert_channel(context: RequestContext) -> Response:
    """Deletes an alert channel. Revoke its address at the service, too: a backup may still have it, sealed."""
    await alerts.delete_channel(context.deps, context.account_id, context.part("channelId"), context.actor)
    return Response(status_code=204)


async def try_alert_channel(context: RequestContext) -> Response:
    """Sends a test to an alert channel, and answers with what came of it; within 5 s of the last test, of that one."""
    tested = await alerts.try_channel(
        context.deps, context.state.on_demand, context.account_id, context.part("channelId")
    )
    return json_response(schemas.AlertTestOut(taken=tested.is_taken, detail=tested.result.said))


def public_channel(channel: AlertChannel) -> schemas.AlertChannelOut:
    """Return a channel as the API shows it."""
    return schemas.AlertChannelOut(
        id=channel.id,
        name=channel.name,
        scheme=channel.scheme,
        service=channel.service,
        created_at=channel.created_at,
        used_at=given(channel.used_at),
        failing_since=given(channel.failing_since),
        failure=given(channel.failure),
    )


TOPIC, PATH = "Alert channels", "/alert-channels"

ENDPOINTS = (
    Endpoint(
        method="GET", path=PATH, serve=list_alert_channels, access=Access.READ, topic=TOPIC,
        answer=schemas.AlertChannels,
    ),
    Endpoint(
        method="POST", path=PATH, serve=add_alert_channel, access=Access.WRITE, topic=TOPIC,
        answer=schemas.AlertChannelOut, body=schemas.NewAlertChannel, statuses=(201,),
        faults=(Kind.PARAMETER_INVALID, Kind.ALERT_URL_INVALID, Kind.CONFLICT),
    ),
    Endpoint(
        method="POST", path=f"{PATH}/{{channelId}}/test", serve=try_alert_channel, access=Access.WRITE, topic=TOPIC,
        answer=schemas.AlertTestOut, faults=(Kind.NOT_FOUND, Kind.CONFLICT),
    ),
    Endpoint(
        method="DELETE", path=f"{PATH}/{{channelId}}", serve=delete_alert_channel, access=Access.WRITE, topic=TOPIC,
        statuses=(204,), faults=(Kind.NOT_FOUND,), free=True,
    ),
)  # fmt: skip

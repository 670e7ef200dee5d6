"""The endpoint for notifications of the mail provider."""

from starlette.responses import Response

from letterhead.errors import Kind
from letterhead.operations import provider_notifications
from letterhead.web import request_body, schemas
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.serialize import json_response


async def take_provider_notice(context: RequestContext) -> Response:
    """Takes a message of Amazon SNS whose signature and topic are right, with a notice of SES or EventBridge.

    It only brings the next look at the domains that it names forward. A SubscriptionConfirmation is confirmed. 404
    unless LETTERHEAD_SES_NOTICE_TOPICS names topics. The body is JSON as SNS writes it, whatever its Content-Type.
    """
    await provider_notifications.accept_notification(context.deps, await request_body.read_octets(context.request))
    return json_response(schemas.MessageBody(message="taken"))


ENDPOINTS = (
    Endpoint(
        method="POST", path="/provider/notices", serve=take_provider_notice, access=Access.OPEN, topic="The service",
        answer=schemas.MessageBody,
        faults=(
            Kind.NOT_FOUND, Kind.BODY_TOO_LARGE, Kind.BODY_NOT_JSON, Kind.BODY_INVALID, Kind.NOTICE_REFUSED,
            Kind.TOO_MANY_REQUESTS, Kind.PROVIDER_FAILED,
        ),
    ),
)  # fmt: skip

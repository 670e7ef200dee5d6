"""Knows the endpoint that the mail provider itself calls."""

from letterhead.errors import Kind
from letterhead.operations import notices
from letterhead.web import bodies, wire
from letterhead.web.answers import Answer, json
from letterhead.web.endpoints import Access, Call, Endpoint


async def take_provider_notice(call: Call) -> Answer:
    """Takes a message of Amazon SNS whose signature and topic are right, with a notice of SES or EventBridge.

    It only brings the next look at the domains that it names forward. A SubscriptionConfirmation is confirmed. 404
    unless LETTERHEAD_SES_NOTICE_TOPICS names topics. The body is JSON as SNS writes it, whatever its Content-Type.
    """
    await notices.take(call.deps, await bodies.octets_of(call.request))
    return json(wire.Message(message="taken"))


ENDPOINTS = (
    Endpoint(
        method="POST", path="/provider/notices", serve=take_provider_notice, access=Access.OPEN, topic="The service",
        answer=wire.Message,
        faults=(
            Kind.NOT_FOUND, Kind.BODY_TOO_LARGE, Kind.BODY_NOT_JSON, Kind.BODY_INVALID, Kind.NOTICE_REFUSED,
            Kind.TOO_MANY_REQUESTS, Kind.PROVIDER_FAILED,
        ),
    ),
)  # fmt: skip

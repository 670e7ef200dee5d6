"""Endpoints of the rotation of a domain's DKIM key."""

from msgspec import UNSET, UnsetType
from starlette.responses import Response

from letterhead.errors import Kind
from letterhead.operations import domains, rotations
from letterhead.web import schemas, serialize
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.serialize import json_response


async def start_rotation(context: RequestContext) -> Response:
    """Starts a change of DKIM keys: a new selector and key, whose record is to be published beside the old one.

    Mail is signed with the old key until every authoritative server serves the new one. Asked for again while one is
    under way, nothing changes. The domain must be verified or at risk.
    """
    asked = await context.body_if_any(schemas.NewRotation)
    wish = rotations.RotationRequest(
        selector=None if asked.selector is UNSET else asked.selector,
        private_key=None if isinstance(asked.private_key, UnsetType) else asked.private_key,
    )
    async with context.reading_key(wish.private_key):
        domain = await rotations.start(context.deps, context.account_id, context.part("sender"), wish, context.actor)
    return json_response(serialize.dkim_rotation(context.deps, domain))


async def show_rotation(context: RequestContext) -> Response:
    """Shows how far a change of DKIM keys is, what is waited for, and which old records can be removed."""
    domain = await domains.find_domain(context.deps, context.account_id, context.part("sender"))
    return json_response(serialize.dkim_rotation(context.deps, domain))


async def abandon_rotation(context: RequestContext) -> Response:
    """Abandons a change of DKIM keys before its switch, and destroys the new key; the old one goes on signing."""
    domain = await rotations.abandon(context.deps, context.account_id, context.part("sender"), context.actor)
    return json_response(serialize.dkim_rotation(context.deps, domain))


TOPIC, PATH = "Sender domains", "/domains/{sender}/dkim-rotation"

ENDPOINTS = (
    Endpoint(
        method="POST", path=PATH, serve=start_rotation, access=Access.WRITE, topic=TOPIC, answer=schemas.DkimRotation,
        body=schemas.NewRotation, body_optional=True,
        faults=(Kind.NOT_FOUND, Kind.CONFLICT, Kind.SELECTOR_INVALID, Kind.SELECTOR_USED, Kind.KEY_INVALID),
    ),
    Endpoint(
        method="GET", path=PATH, serve=show_rotation, access=Access.READ, topic=TOPIC, answer=schemas.DkimRotation,
        faults=(Kind.NOT_FOUND,),
    ),
    Endpoint(
        method="DELETE", path=PATH, serve=abandon_rotation, access=Access.WRITE, topic=TOPIC,
        answer=schemas.DkimRotation, faults=(Kind.NOT_FOUND, Kind.CONFLICT),
    ),
)  # fmt: skip

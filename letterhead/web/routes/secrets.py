"""The operator's endpoint that encrypts stored secrets with a new key."""

from starlette.responses import Response

from letterhead.errors import Kind
from letterhead.operations import rewrap as rewrapping
from letterhead.web import schemas
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.serialize import given, json_response


async def rewrap_secrets(context: RequestContext) -> Response:
    """Wraps stored secrets with the first key of LETTERHEAD_KEYS, some at a time.

    Asked again with `after` from the answer, until there is none. It may be broken off and begun again at any time;
    once a whole run wraps nothing, the older keys can go from LETTERHEAD_KEYS.
    """
    query = context.query(schemas.RewrapQuery)
    done = await rewrapping.rewrap(context.deps, query.after, query.limit, context.actor)
    return json_response(schemas.Rewrapped(looked_at=done.looked_at, rewrapped=done.rewrapped, after=given(done.after)))


ENDPOINTS = (
    Endpoint(
        method="POST", path="/secrets/rewrap", serve=rewrap_secrets, access=Access.OPERATOR, topic="The service",
        answer=schemas.Rewrapped, query=schemas.RewrapQuery, faults=(Kind.PARAMETER_INVALID,),
    ),
)  # fmt: skip

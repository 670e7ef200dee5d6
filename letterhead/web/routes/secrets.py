"""Knows the operator's endpoint on the secrets that are stored."""

from letterhead.errors import Kind
from letterhead.operations import rewrap as rewrapping
from letterhead.web import schemas
from letterhead.web.endpoint import Access, Call, Endpoint
from letterhead.web.responses import Answer, json
from letterhead.web.serialize import given


async def rewrap_secrets(call: Call) -> Answer:
    """Wraps stored secrets with the first key of LETTERHEAD_KEYS, some at a time.

    Asked again with `after` from the answer, until there is none. It may be broken off and begun again at any time;
    once a whole run wraps nothing, the older keys can go from LETTERHEAD_KEYS.
    """
    query = call.query(schemas.RewrapQuery)
    done = await rewrapping.rewrap(call.deps, query.after, query.limit, call.actor)
    return json(schemas.Rewrapped(looked_at=done.looked_at, rewrapped=done.rewrapped, after=given(done.after)))


ENDPOINTS = (
    Endpoint(
        method="POST", path="/secrets/rewrap", serve=rewrap_secrets, access=Access.OPERATOR, topic="The service",
        answer=schemas.Rewrapped, query=schemas.RewrapQuery, faults=(Kind.PARAMETER_INVALID,),
    ),
)  # fmt: skip

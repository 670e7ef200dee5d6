"""Knows the operator's endpoint on the secrets that are stored."""

from letterhead.errors import Kind
from letterhead.operations import rewrapping
from letterhead.web import wire
from letterhead.web.answers import Answer, json
from letterhead.web.endpoints import Access, Call, Endpoint
from letterhead.web.telling import given


async def rewrap_secrets(call: Call) -> Answer:
    """Wraps stored secrets with the first key of LETTERHEAD_KEYS, some at a time.

    Asked again with `after` from the answer, until there is none. It may be broken off and begun again at any time;
    once a whole run wraps nothing, the older keys can go from LETTERHEAD_KEYS.
    """
    query = call.query(wire.RewrapQuery)
    done = await rewrapping.rewrap(call.deps, query.after, query.limit, call.actor)
    return json(wire.Rewrapped(looked_at=done.looked_at, rewrapped=done.rewrapped, after=given(done.after)))


ENDPOINTS = (
    Endpoint(
        method="POST", path="/secrets/rewrap", serve=rewrap_secrets, access=Access.OPERATOR, topic="The service",
        answer=wire.Rewrapped, query=wire.RewrapQuery, faults=(Kind.PARAMETER_INVALID,),
    ),
)  # fmt: skip

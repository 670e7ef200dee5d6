"""Endpoints of events, of one domain and of the account."""

from collections.abc import Sequence

from starlette.responses import Response

from letterhead.errors import Kind
from letterhead.operations import events
from letterhead.ports.store.domains import DomainEvent
from letterhead.web import schemas_events, serialize_events
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.serialize import json_response


async def list_events(context: RequestContext) -> Response:
    """Lists what happened to the account's domains, deleted ones too, the oldest first.

    It comes in pages, whose `Link` header (RFC 8288) leads to the next one.
    """
    query = context.query(schemas_events.EventsQuery)
    sender = query.sender or None
    found = await events.account_events(context.deps, context.account_id, sender, query.cursor or None, query.limit + 1)
    return _page(context, found, query.limit, sender)


async def list_domain_events(context: RequestContext) -> Response:
    """Lists what happened to one sender domain, the oldest first; once it is deleted, look at `/events`."""
    query = context.query(schemas_events.PageQuery)
    sender, after = context.part("sender"), query.cursor or None
    found = await events.domain_events(context.deps, context.account_id, sender, after, query.limit + 1)
    return _page(context, found, query.limit)


def _page(context: RequestContext, found: Sequence[DomainEvent], limit: int, sender: str | None = None) -> Response:
    """Respond with a page; `found` has one event more than `limit` where there is a next page."""
    headers = {}
    if len(found) > limit:
        headers = context.link_to_next(limit=limit, cursor=found[limit - 1].id, sender=sender)
    return json_response([serialize_events.event(each) for each in found[:limit]], headers)


async def show_event(context: RequestContext) -> Response:
    """Shows one event with the check that it follows from: how each record stood, what was found, all that was seen."""
    view = await events.show_event(context.deps, context.account_id, context.part("eventId"))
    return json_response(serialize_events.event_detail(view))


ENDPOINTS = (
    Endpoint(
        method="GET", path="/events", serve=list_events, access=Access.READ, for_bound=True, topic="Events",
        answer=list[schemas_events.EventOut], query=schemas_events.EventsQuery, faults=(Kind.PARAMETER_INVALID,),
    ),
    Endpoint(
        method="GET", path="/events/{eventId}", serve=show_event, access=Access.READ, for_bound=True, topic="Events",
        answer=schemas_events.EventDetail, faults=(Kind.NOT_FOUND,),
    ),
    Endpoint(
        method="GET", path="/domains/{sender}/events", serve=list_domain_events, access=Access.READ, topic="Events",
        answer=list[schemas_events.EventOut], query=schemas_events.PageQuery,
        faults=(Kind.NOT_FOUND, Kind.PARAMETER_INVALID),
    ),
)  # fmt: skip

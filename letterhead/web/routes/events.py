"""Knows the endpoints that tell what happened: one domain's timeline, and the account's."""

from collections.abc import Sequence

from letterhead.errors import Kind
from letterhead.operations import events
from letterhead.ports.store.domains import DomainEvent
from letterhead.web import schemas_events as wire
from letterhead.web import serialize_events as telling
from letterhead.web.endpoint import Access, Call, Endpoint
from letterhead.web.links import next_page
from letterhead.web.responses import Answer, json


async def list_events(call: Call) -> Answer:
    """Lists what happened to the account's domains, deleted ones too, the oldest first.

    It comes in pages, whose `Link` header (RFC 8288) leads to the next one.
    """
    query = call.query(wire.EventsQuery)
    sender = query.sender or None
    found = await events.account_events(call.deps, call.account_id, sender, query.cursor or None, query.limit + 1)
    return _page(call, found, query.limit, sender)


async def list_domain_events(call: Call) -> Answer:
    """Lists what happened to one sender domain, the oldest first; once it is deleted, look at `/events`."""
    query = call.query(wire.PageQuery)
    sender, after = call.part("sender"), query.cursor or None
    found = await events.domain_events(call.deps, call.account_id, sender, after, query.limit + 1)
    return _page(call, found, query.limit)


def _page(call: Call, found: Sequence[DomainEvent], limit: int, sender: str | None = None) -> Answer:
    """Answers with a page; one more than wanted tells whether there is a next one."""
    body = json([telling.event(each) for each in found[:limit]])
    if len(found) <= limit:
        return body
    return Answer(body=body.body, headers=next_page(call, limit=limit, cursor=found[limit - 1].id, sender=sender))


async def show_event(call: Call) -> Answer:
    """Shows one event with the check that it follows from: how each record stood, what was found, all that was seen."""
    view = await events.show_event(call.deps, call.account_id, call.part("eventId"))
    return json(telling.event_detail(view))


ENDPOINTS = (
    Endpoint(
        method="GET", path="/events", serve=list_events, access=Access.READ, topic="Events",
        answer=list[wire.EventOut], query=wire.EventsQuery, faults=(Kind.PARAMETER_INVALID,),
    ),
    Endpoint(
        method="GET", path="/events/{eventId}", serve=show_event, access=Access.READ, topic="Events",
        answer=wire.EventDetail, faults=(Kind.NOT_FOUND,),
    ),
    Endpoint(
        method="GET", path="/domains/{sender}/events", serve=list_domain_events, access=Access.READ, topic="Events",
        answer=list[wire.EventOut], query=wire.PageQuery, faults=(Kind.NOT_FOUND, Kind.PARAMETER_INVALID),
    ),
)  # fmt: skip

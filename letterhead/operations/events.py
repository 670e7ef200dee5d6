"""Knows how what happened is read: as one domain's timeline, or as the account's, also after a domain is gone."""

import msgspec

from letterhead.errors import Fault, Kind
from letterhead.operations.domains import find_domain
from letterhead.ports.deps import Deps
from letterhead.ports.store.domains import CheckResult, DomainEvent


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    """Holds an event with the check that it follows from; what people and clocks do follows from none."""

    event: DomainEvent
    checkup: CheckResult | None


async def domain_events(deps: Deps, account_id: str, raw: str, after: str | None, limit: int) -> list[DomainEvent]:
    """Lists what happened to one domain, the oldest first; Fault `not-found`."""
    domain = await find_domain(deps, account_id, raw)
    return await deps.store.events(account_id, domain.id, after, limit)


async def account_events(
    deps: Deps, account_id: str, sender: str | None, after: str | None, limit: int
) -> list[DomainEvent]:
    """Lists what happened to all of an account's domains, deleted ones too, the oldest first."""
    return await deps.store.events(account_id, None, after, limit, sender)


async def show_event(deps: Deps, account_id: str, event_id: str) -> EventView:
    """Shows one event with all that was seen; Fault `not-found`."""
    event = await deps.store.event(account_id, event_id)
    if event is None:
        detail = f"This account has no event {event_id[:80]!r}."
        raise Fault(Kind.NOT_FOUND, detail, "Look at GET /events for those it has.")
    checkup = await deps.store.find_check(event.check_id) if event.check_id is not None else None
    return EventView(event=event, checkup=checkup)

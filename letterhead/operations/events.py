"""Events: list those of one domain, or of an account, deleted domains too; show one with its check."""

import msgspec

from letterhead.errors import Fault, Kind
from letterhead.operations.domains import FindDomainNeeds, find_domain
from letterhead.ports.store.domains import CheckResult, DomainEvent


class EventView(msgspec.Struct, frozen=True, kw_only=True):
    """An event with the check that it follows from; None where it follows from a request or from time alone."""

    event: DomainEvent
    checkup: CheckResult | None


async def domain_events(
    deps: FindDomainNeeds, account_id: str, raw: str, after: str | None, limit: int
) -> list[DomainEvent]:
    """List the events of one domain, the oldest first; Fault `not-found`."""
    domain = await find_domain(deps, account_id, raw)
    return await deps.store.events(account_id, domain.id, after, limit)


async def account_events(
    deps: FindDomainNeeds, account_id: str, sender: str | None, after: str | None, limit: int
) -> list[DomainEvent]:
    """List the events of all of an account's domains, deleted ones too, the oldest first."""
    return await deps.store.events(account_id, None, after, limit, sender)


async def show_event(deps: FindDomainNeeds, account_id: str, event_id: str) -> EventView:
    """Show one event with the check that it follows from; Fault `not-found`."""
    event = await deps.store.event(account_id, event_id)
    if event is None:
        detail = f"This account has no event {event_id[:80]!r}."
        raise Fault(Kind.NOT_FOUND, detail, "Look at GET /events for those it has.")
    checkup = await deps.store.find_check(event.check_id) if event.check_id is not None else None
    return EventView(event=event, checkup=checkup)

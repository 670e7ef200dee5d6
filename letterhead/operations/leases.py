"""Due work, leased to the one who does it: claimed, backed off after a bug, released when a worker stops."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from msgspec.structs import replace

from letterhead.core.domain.domain import Domain
from letterhead.core.schedule.check_schedule import CheckQueue
from letterhead.core.schedule.shares import PlacesHeld
from letterhead.operations.dns_questions import ASK_AGAIN
from letterhead.ports.deps import Clock
from letterhead.ports.store.domains import CheckContext, DomainStore
from letterhead.ports.store.leases import Intent, IntentPlace, LeaseStore
from letterhead.ports.store.reminders import DueReminder, ReminderStore
from letterhead.ports.store.webhooks import DueDelivery, EndpointChoice, WebhookStore

LEASE = timedelta(seconds=90)  # far more than a check's deadline and a provider's answer take together
DELIVERY_LEASE = timedelta(seconds=30)  # an attempt ends within 15 s
AFTER_A_BUG = timedelta(minutes=5)
AT_A_LIMIT = timedelta(seconds=ASK_AGAIN)

DueCheck = tuple[Domain, CheckContext | None]


class StoreForLeases(DomainStore, LeaseStore, ReminderStore, WebhookStore, Protocol):
    """All that work is leased from."""


class LeaseNeeds(Protocol):
    """What leasing needs."""

    @property
    def store(self) -> StoreForLeases: ...
    @property
    def now(self) -> Clock: ...


async def claim_checks(
    deps: LeaseNeeds, owner: str, held: PlacesHeld, onboarding: int = 0, *, slow: bool = False
) -> Sequence[DueCheck]:
    """Lease due domains for the free places, each with what its check needs besides it: those of slow zones, or others.

    Domains that are being set up come first, of which `onboarding` have a place now; an eighth of the places is kept
    for the others, so that no domain in use goes unwatched while many are set up.
    """
    now, domains = deps.now(), list[Domain]()
    if slow:
        domains = await deps.store.claim_due(now, now + LEASE, owner, held.free, queues=[CheckQueue.SLOW], held=held)
    else:
        kept = max(1, held.places // 8) if held.places > 1 else 0
        if (free := min(held.free, held.places - kept - onboarding)) > 0:
            queues = [CheckQueue.ONBOARDING]
            domains = await deps.store.claim_due(now, now + LEASE, owner, free, queues=queues, held=held)
        if (free := held.free - len(domains)) > 0:
            taken = Counter(held.by_account) + Counter(domain.account_id for domain in domains)
            rest, queues = replace(held, by_account=taken), [CheckQueue.ROUTINE]
            domains += await deps.store.claim_due(now, now + LEASE, owner, free, queues=queues, held=rest)
    contexts = await deps.store.load_check_contexts(domains) if domains else {}
    return [(domain, contexts.get(domain.id)) for domain in domains]


async def claim_intents(
    deps: LeaseNeeds, owner: str, held: PlacesHeld, *, where: IntentPlace | None = None
) -> Sequence[Intent]:
    """Lease due intents for the free places: work at the provider or in our own zone, or both."""
    now = deps.now()
    return await deps.store.claim_intents(now, now + LEASE, owner, held.free, held=held, where=where)


async def claim_reminders(deps: LeaseNeeds, owner: str, held: PlacesHeld) -> Sequence[DueReminder]:
    """Lease due reminders for the free places."""
    now = deps.now()
    return await deps.store.claim_reminders(now, now + LEASE, owner, held.free, held=held)


async def claim_deliveries(
    deps: LeaseNeeds, owner: str, held: PlacesHeld, *, late: bool, places: int
) -> Sequence[DueDelivery]:
    """Lease due deliveries for the free places; `places` for each endpoint.

    To endpoints whose last attempt failed or was slow (`late`), or to the others.
    """
    now = deps.now()
    until, endpoints = now + DELIVERY_LEASE, EndpointChoice(late=late, places=places)
    return await deps.store.claim_deliveries(now, until, owner, held.free, endpoints=endpoints, held=held)


async def recall_misdated(deps: LeaseNeeds) -> int:
    """Make due what a clock planned or leased which was ahead; return how many domains that were, 0 once none is."""
    return await deps.store.recall_misdated(deps.now())


async def postpone_check(deps: LeaseNeeds, domain: Domain) -> None:
    """Put off a check that a limit of packets left without a result, and end its lease."""
    await deps.store.back_off(domain.id, deps.now() + AT_A_LIMIT)


async def back_off_check(deps: LeaseNeeds, domain: Domain) -> None:
    """Put a domain's next check off after a bug of ours, and end its lease."""
    await deps.store.back_off(domain.id, deps.now() + AFTER_A_BUG)


async def back_off_intent(deps: LeaseNeeds, intent: Intent) -> None:
    """Give an intent back for later after a bug of ours."""
    await deps.store.postpone_intent(intent.id, deps.now() + AFTER_A_BUG, "our own fault")


async def release_leases(deps: LeaseNeeds, owner: str) -> None:
    """End all leases of an owner that stops."""
    await deps.store.release_leases(owner, deps.now())

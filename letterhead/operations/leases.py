"""Due work, leased to the one who does it: claimed, backed off after a bug, released when a worker stops."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from letterhead.core.domain.domain import Domain
from letterhead.ports.deps import Clock
from letterhead.ports.store.domains import CheckContext, DomainStore
from letterhead.ports.store.leases import Intent, LeaseStore
from letterhead.ports.store.reminders import DueReminder, ReminderStore
from letterhead.ports.store.webhooks import DueDelivery, WebhookStore

LEASE = timedelta(seconds=90)  # far more than a check's deadline and a provider's answer take together
DELIVERY_LEASE = timedelta(seconds=30)  # an attempt ends within 15 s
AFTER_A_BUG = timedelta(minutes=5)

DueCheck = tuple[Domain, CheckContext | None]


class StoreForLeases(DomainStore, LeaseStore, ReminderStore, WebhookStore, Protocol):
    """All that work is leased from."""


class LeaseNeeds(Protocol):
    """What leasing needs."""

    @property
    def store(self) -> StoreForLeases: ...
    @property
    def now(self) -> Clock: ...


async def claim_checks(deps: LeaseNeeds, owner: str, limit: int) -> Sequence[DueCheck]:
    """Lease due domains, each with what its check needs besides it."""
    now = deps.now()
    domains = await deps.store.claim_due(now, now + LEASE, owner, limit)
    contexts = await deps.store.load_check_contexts(domains) if domains else {}
    return [(domain, contexts.get(domain.id)) for domain in domains]


async def claim_intents(deps: LeaseNeeds, owner: str, limit: int) -> Sequence[Intent]:
    """Lease due intents."""
    now = deps.now()
    return await deps.store.claim_intents(now, now + LEASE, owner, limit)


async def claim_reminders(deps: LeaseNeeds, owner: str, limit: int) -> Sequence[DueReminder]:
    """Lease due reminders."""
    now = deps.now()
    return await deps.store.claim_reminders(now, now + LEASE, owner, limit)


async def claim_deliveries(
    deps: LeaseNeeds, owner: str, limit: int, *, failing: bool, places: int
) -> Sequence[DueDelivery]:
    """Lease due deliveries to endpoints whose last attempt failed, or to the others; `places` for each endpoint."""
    now = deps.now()
    return await deps.store.claim_deliveries(now, now + DELIVERY_LEASE, owner, limit, failing=failing, places=places)


async def recall_misdated(deps: LeaseNeeds) -> int:
    """Make due what a clock planned or leased which was ahead; return how many domains that were, 0 once none is."""
    return await deps.store.recall_misdated(deps.now())


async def back_off_check(deps: LeaseNeeds, domain: Domain) -> None:
    """Put a domain's next check off after a bug of ours, and end its lease."""
    await deps.store.back_off(domain.id, deps.now() + AFTER_A_BUG)


async def back_off_intent(deps: LeaseNeeds, intent: Intent) -> None:
    """Give an intent back for later after a bug of ours."""
    await deps.store.postpone_intent(intent.id, deps.now() + AFTER_A_BUG, "our own fault")


async def release_leases(deps: LeaseNeeds, owner: str) -> None:
    """End all leases of an owner that stops."""
    await deps.store.release_leases(owner, deps.now())

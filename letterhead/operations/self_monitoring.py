"""What the service measures of itself: the lag of its checks, its backlog, the health of the provider's account.

None of it affects a domain. It is kept for two days.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from letterhead.core.domain.domain import Domain
from letterhead.core.schedule.check_lag import SLOT, HistogramCount, slot_of, step_of
from letterhead.ports.deps import Clock
from letterhead.ports.provider import Provider, ProviderHealth
from letterhead.ports.store.leases import LeaseStore
from letterhead.ports.store.monitoring import Backlog, MonitoringStore, SharedRate

CHECKS = "checks"
ACCOUNT = "provider-account"
EVERY = timedelta(minutes=15)
KEPT = timedelta(days=2)
DAY = timedelta(days=1)

Begun = Counter[tuple[datetime, int]]  # checks by their five minutes and the step of their lag


class StoreForMonitoring(MonitoringStore, LeaseStore, Protocol):
    """The measurements, and the rate at which the provider's account is asked about."""


class MonitoringNeeds(Protocol):
    """What measuring needs."""

    @property
    def store(self) -> StoreForMonitoring: ...
    @property
    def provider(self) -> Provider: ...
    @property
    def now(self) -> Clock: ...


def count_lag(begun: Begun, domain: Domain, now: datetime) -> None:
    """Count a due check that starts now, by its lag."""
    if domain.next_check_at is not None:
        begun[slot_of(now), step_of(now - domain.next_check_at)] += 1


async def save_histogram(deps: MonitoringNeeds, begun: Begun) -> None:
    """Add what was counted to the stored histogram and clear it; it stays for the next time where storage fails."""
    if not begun:
        return
    counted = Counter(begun)
    begun.clear()
    try:
        await deps.store.add_to_histogram(CHECKS, counted)
    except Exception:
        begun.update(counted)
        raise


async def update_provider_health(deps: MonitoringNeeds) -> bool:
    """Ask the provider for the health of its account and store it, every 15 minutes for all processes together.

    False where it is not time.
    """
    now = deps.now()
    if await deps.store.take_rate_slot(ACCOUNT, now, EVERY, now) is None:
        return False
    items = await deps.provider.account_health()
    await deps.store.save_provider_health(deps.provider.name, ProviderHealth(at=deps.now(), items=tuple(items)))
    return True


class ServiceHealth(msgspec.Struct, frozen=True, kw_only=True):
    """What was measured in the last day, from `begins` on: the lag of checks, the provider's account, its rates.

    `budgets` are the shared rates of calls to a provider's account, with the slots taken in that day.
    """

    begins: datetime
    checks: Sequence[HistogramCount]
    conditions: ProviderHealth | None
    budgets: Sequence[SharedRate]


async def service_health(deps: MonitoringNeeds) -> ServiceHealth:
    """Load what was measured in the last 24 hours."""
    begins = slot_of(deps.now()) - DAY + SLOT
    rates = await deps.store.shared_rates(begins)
    return ServiceHealth(
        begins=begins,
        checks=await deps.store.load_histogram(CHECKS, begins),
        conditions=await deps.store.provider_health(deps.provider.name),
        budgets=[each for each in rates if ":" in each.name],  # such as `ses:eu-west-1`; the others are no provider's
    )


async def load_backlog(deps: MonitoringNeeds) -> Backlog:
    """Count the work that is due now."""
    return await deps.store.backlog(deps.now())

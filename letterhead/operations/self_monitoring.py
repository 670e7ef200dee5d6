"""Knows how the service watches itself: how late its checks begin, what the provider's account allows and has used.

What is written down here moves no domain and is forgotten after two days.
"""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from letterhead.core.domain.domain import Domain
from letterhead.core.schedule.check_lag import SLOT, HistogramCount, slot_of, step_of
from letterhead.ports.deps import Deps
from letterhead.ports.provider import ProviderHealth
from letterhead.ports.store.monitoring import SharedRate

CHECKS = "checks"
ACCOUNT = "provider-account"
EVERY = timedelta(minutes=15)
KEPT = timedelta(days=2)
DAY = timedelta(days=1)

Begun = Counter[tuple[datetime, int]]


def count_lag(begun: Begun, domain: Domain, now: datetime) -> None:
    """Notes that a due check begins, and how late."""
    if domain.next_check_at is not None:
        begun[slot_of(now), step_of(now - domain.next_check_at)] += 1


async def save_histogram(deps: Deps, begun: Begun) -> None:
    """Writes down what was noted and forgets it; where storage is out of reach it is kept for the next time."""
    if not begun:
        return
    noted = Counter(begun)
    begun.clear()
    try:
        await deps.store.add_to_histogram(CHECKS, noted)
    except Exception:
        begun.update(noted)
        raise


async def look_at_account(deps: Deps) -> bool:
    """Asks the provider how its account stands and keeps the answer, once in 15 minutes for all processes together."""
    now = deps.now()
    if await deps.store.take_rate_slot(ACCOUNT, now, EVERY, now) is None:
        return False
    told = await deps.provider.account_health()
    await deps.store.save_provider_health(deps.provider.name, ProviderHealth(at=deps.now(), items=tuple(told)))
    return True


class ServiceHealth(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what the service knows of itself: the checks of the last day from `begins` on, and the provider's budget.

    `budgets` are those of calls to a provider's account, with the turns taken in that day.
    """

    begins: datetime
    checks: Sequence[HistogramCount]
    conditions: ProviderHealth | None
    budgets: Sequence[SharedRate]


async def service_health(deps: Deps) -> ServiceHealth:
    """Tells what was written down in the last 24 hours."""
    begins = slot_of(deps.now()) - DAY + SLOT
    return ServiceHealth(
        begins=begins,
        checks=await deps.store.load_histogram(CHECKS, begins),
        conditions=await deps.store.provider_health(deps.provider.name),
        budgets=[
            each for each in await deps.store.shared_rates(begins) if ":" in each.name
        ],  # `ses:eu-west-1`; no round
    )

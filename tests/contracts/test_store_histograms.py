"""Numbers of five minutes, budgets and the provider's conditions are kept alike on either engine."""

import asyncio
from datetime import UTC, datetime, timedelta

from letterhead.core.schedule.check_lag import SLOT, HistogramCount
from letterhead.ports.provider import HealthItem, ProviderHealth, Quota, QuotaUse
from letterhead.ports.store import Store
from letterhead.ports.store.monitoring import SharedRate

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


async def test_numbers_add_up(store: Store) -> None:
    """What two processes count of the same five minutes is one number; other names and earlier times stay away."""
    await store.add_to_histogram("checks", {(NOON, 0): 3, (NOON, 4): 1, (NOON - SLOT, 0): 5})
    await store.add_to_histogram("checks", {(NOON + SECOND, 0): 2})
    await store.add_to_histogram("other", {(NOON, 0): 7})
    assert await store.load_histogram("checks", NOON) == [
        HistogramCount(at=NOON, step=0, number=5),
        HistogramCount(at=NOON, step=4, number=1),
    ]


async def test_old_numbers_are_forgotten(store: Store) -> None:
    """Those of before a time, and no others."""
    await store.add_to_histogram("checks", {(NOON, 0): 1, (NOON - SLOT, 0): 1})
    assert await store.prune_histograms(NOON) == 1
    assert len(await store.load_histogram("checks", NOON - timedelta(days=1))) == 1


async def test_two_processes_lose_no_number(stores: tuple[Store, Store]) -> None:
    """Counted at once from two sides, in whatever order, all are there in the end."""
    counted = {(NOON + SLOT * number, number): 1 for number in range(5)}
    await asyncio.gather(*(stores[each % 2].add_to_histogram("checks", counted) for each in range(20)))
    assert [each.number for each in await stores[0].load_histogram("checks", NOON)] == [20] * 5


async def test_a_budget_tells_its_turns(store: Store) -> None:
    """How many were taken since a time, how far apart they are, when the next is free; a refused one is not taken."""
    for _ in range(3):
        await store.take_rate_slot("ses:eu-west-1", NOON, SECOND, NOON + 60 * SECOND)
    await store.take_rate_slot("ses:eu-west-1", NOON, SECOND, NOON)
    await store.take_rate_slot("sts:eu-west-1", NOON - SLOT, SECOND, NOON)
    assert await store.shared_rates(NOON) == [
        SharedRate(name="ses:eu-west-1", every=SECOND, next_at=NOON + 3 * SECOND, taken=3),
        SharedRate(name="sts:eu-west-1", every=SECOND, next_at=NOON - SLOT + SECOND, taken=0),
    ]


async def test_conditions_take_the_place_of_older_ones(store: Store) -> None:
    """What is kept of a provider comes back whole; of one that nobody looked at there is nothing."""
    assert await store.provider_health("ses") is None
    use = QuotaUse(quota=Quota.MAILS, used=12.5, allowed=50_000)
    for said in ("before", "after"):
        told = (HealthItem(said=said, ok=False, fix="Do it.", uses=(use,)), HealthItem(said="fine"))
        await store.save_provider_health("ses", ProviderHealth(at=NOON, items=told))
    assert await store.provider_health("ses") == ProviderHealth(at=NOON, items=told)
    assert await store.provider_health("dns") is None

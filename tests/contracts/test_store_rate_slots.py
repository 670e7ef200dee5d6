"""Turns are shared by all processes: what one took, no other gets, on either engine."""

import asyncio
from datetime import UTC, datetime, timedelta

from letterhead.ports.store import Store

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


async def test_turns_are_a_spacing_apart(store: Store) -> None:
    """The first turn is now, each next one a spacing later; after a rest it is now again, with nothing saved up."""
    taken = [await store.take_rate_slot("ses:eu-west-1", NOON, SECOND, NOON + 60 * SECOND) for _ in range(3)]
    assert taken == [NOON, NOON + SECOND, NOON + 2 * SECOND]
    later = NOON + timedelta(hours=1)
    assert [await store.take_rate_slot("ses:eu-west-1", later, SECOND, later + SECOND) for _ in range(2)] == [
        later,
        later + SECOND,
    ]


async def test_a_turn_too_late_is_not_taken(store: Store) -> None:
    """Who would not wait so long gets nothing, and takes nothing from those who would."""
    for _ in range(3):
        await store.take_rate_slot("a", NOON, SECOND, NOON + 9 * SECOND)
    assert await store.take_rate_slot("a", NOON, SECOND, NOON + 2 * SECOND) is None
    assert await store.take_rate_slot("a", NOON, SECOND, NOON + 3 * SECOND) == NOON + 3 * SECOND
    assert await store.take_rate_slot("b", NOON, SECOND, NOON) == NOON


async def test_no_turn_is_given_twice(stores: tuple[Store, Store]) -> None:
    """However many ask at once, from however many processes, each gets a turn of its own and none is left out."""
    asked = [stores[each % 2].take_rate_slot("a", NOON, SECOND, NOON + timedelta(hours=1)) for each in range(40)]
    taken = [each for each in await asyncio.gather(*asked) if each is not None]
    assert sorted(taken) == [NOON + each * SECOND for each in range(40)]

"""Show that who reads events behind the last one seen misses none, whoever writes them at that moment."""

import asyncio

from msgspec.structs import replace

from letterhead.core.domain.domain import Domain, EventKind
from letterhead.ports.store import Store
from letterhead.ports.store.domains import DomainUpdate
from tests.contracts.samples import NOW, Shop, audit, event, later

Stores = tuple[Store, Store]
EACH = 25  # changes of each of four domains


async def behind(store: Store, account_id: str, seen: list[str]) -> int:
    """Read what is new, as a poller does, and say how much it was."""
    found = await store.events(account_id, None, seen[-1] if seen else None, 1000)
    seen += [each.id for each in found]
    return len(found)


async def test_a_clock_that_is_behind_hides_nothing(stores: Stores, shop: Shop) -> None:
    """Whatever two processes' clocks say, what one tells after the other is read after it."""
    made, seen = await shop.account(), list[str]()
    one = await shop.domain(made.id, "example.com")
    for number, at in enumerate((later(hours=1), NOW, later(days=-3), later(hours=2), NOW)):
        assert await behind(stores[0], made.id, seen) == 1
        assert await stores[number % 2].save(DomainUpdate(domain=one, events=(event(at=at),)))
        one = replace(one, version=one.version + 1)
    assert await behind(stores[0], made.id, seen) == 1
    assert await stores[1].delete(one, event(EventKind.DOMAIN_DELETED, NOW), (), audit())
    assert await behind(stores[0], made.id, seen) == 1
    assert seen == sorted(seen)


async def test_a_poller_misses_nothing_while_two_write(stores: Stores, shop: Shop) -> None:
    """Two processes change an account's domains at once, and one that reads all the while has seen every event."""
    made, seen = await shop.account(), list[str]()
    names = [await shop.domain(made.id, f"d{number}.example") for number in range(4)]

    async def change(store: Store, one: Domain, begin: int) -> None:
        for number in range(EACH):
            told = (event(at=later(seconds=begin + number)), event(at=later(seconds=begin + number)))
            assert await store.save(DomainUpdate(domain=one, events=told))
            one = replace(one, version=one.version + 1)

    writing = asyncio.gather(*(change(stores[number % 2], one, 40 * number) for number, one in enumerate(names)))
    while not writing.done():
        await behind(stores[0], made.id, seen)
        await asyncio.sleep(0)
    await writing
    await behind(stores[0], made.id, seen)
    assert seen == [each.id for each in await stores[1].events(made.id, None, None, 1000)]
    assert len(seen) == len(names) * (1 + 2 * EACH)

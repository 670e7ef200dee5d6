"""What people ask for is done once, kept for a while, bounded in octets and time, and shared by account."""

import asyncio
from collections.abc import Callable

import pytest

from letterhead.errors import Fault, Kind
from letterhead.operations.account_places import WAITING_EACH, AccountPlaces
from letterhead.operations.recent_results import AccountBudget, RecentResult, RecentResults

SECONDS = 30.0


class Maker:
    """Makes results when it is let, and counts them."""

    def __init__(self, octets: int = 1) -> None:
        self.made, self.octets, self.go = 0, octets, asyncio.Event()

    async def __call__(self) -> bytes:
        """Wait for `go`."""
        self.made += 1
        await self.go.wait()
        return b"x" * self.octets


def at_once(octets: int = 1) -> Maker:
    """Make a maker that need not be let."""
    maker = Maker(octets)
    maker.go.set()
    return maker


def stopped_at(now: float = 0.0) -> tuple[list[float], Callable[[], float]]:
    """Return a clock that a test turns."""
    at = [now]
    return at, lambda: at[0]


async def until(holds: Callable[[], bool]) -> None:
    """Let others run until something holds."""
    async with asyncio.timeout(SECONDS):
        while not holds():  # noqa: ASYNC110 there is nothing else to wait for
            await asyncio.sleep(0)


async def test_one_result_answers_all_who_ask_at_once_and_for_a_while() -> None:
    """Forty that ask together cost one; so does whoever asks within the time, and is told how old it is."""
    at, clock = stopped_at()
    results, maker = RecentResults(5.0, clock), Maker()
    asking = [asyncio.create_task(results.once("acme", "acme.dev", maker)) for _ in range(40)]
    await until(lambda: maker.made == 1)
    asking[0].cancel()
    maker.go.set()
    found = await asyncio.gather(*asking[1:])
    assert {each.value for each in found} == {b"x"}
    at[0] += 2
    kept = await results.once("acme", "acme.dev", maker)
    assert (kept.is_new, kept.age, kept.left, maker.made) == (False, 2.0, 3.0, 1)
    await results.once("other", "acme.dev", maker)
    assert maker.made == 2
    at[0] += 3
    assert (await results.once("acme", "acme.dev", maker)).is_new


async def test_silence_is_kept_for_a_moment_alone() -> None:
    """Whoever asks again soon gets it, with its age; who asks later has it made anew."""
    at, clock = stopped_at()
    results, maker = RecentResults(60.0, clock), Maker()
    maker.go.set()

    async def ask(name: str, silence: bool) -> RecentResult[bytes]:
        return await results.once("acme", name, maker, is_silence=lambda _: silence)

    for name, silence, later, left in (("silent.test", True, 6.0, 2.0), ("heard.test", False, 61.0, 57.0)):
        await ask(name, silence)
        at[0] += 3
        kept = await ask(name, silence)
        assert (kept.is_new, kept.age, kept.left) == (False, 3.0, left)
        at[0] += later - 3
        assert (await ask(name, silence)).is_new


async def test_what_fails_is_not_kept() -> None:
    """All who wait for it hear of the failure, and the next one who asks tries anew."""
    results, ready = RecentResults(5.0, lambda: 0.0), at_once()

    async def fail() -> bytes:
        raise Fault(Kind.PROVIDER_FAILED, "It does not answer.")

    for _ in range(2):
        with pytest.raises(Fault, match="does not answer"):
            await results.once("acme", "acme.dev", fail)
    assert (await results.once("acme", "acme.dev", ready)).value == b"x"


async def test_kept_results_are_bounded_in_octets() -> None:
    """10,000 fat results take no more than the bound, and one over a sixteenth of it is not kept at all."""
    most = 1_000_000
    results, fat = RecentResults(5.0, lambda: 0.0, octets=most), at_once(47_000)
    for number in range(10_000):
        await results.once("acme", f"x{number}.evil.test", fat)
        assert results.octets <= most
    assert 15 < len(results._kept) < 22
    await results.once("acme", "huge", at_once(most // 16))
    assert all(name != "huge" for _, name in results._kept)


async def test_kept_results_end_by_time() -> None:
    """What has ended is gone though nobody asks again."""
    results = RecentResults(0.05, asyncio.get_running_loop().time)
    for number in range(50):
        await results.once("acme", str(number), at_once())
    async with asyncio.timeout(SECONDS):
        while results._kept:  # noqa: ASYNC110 there is nothing else to wait for
            await asyncio.sleep(0.01)
    assert results.octets == 0
    assert results._underway == {}


async def test_an_account_has_a_budget_of_its_own() -> None:
    """New results cost a token each, kept ones none; another account has its own."""
    at, clock = stopped_at(100.0)
    results, maker = RecentResults(5.0, clock, AccountBudget(clock, rate=1.0, burst=3)), at_once()
    for number in range(3):
        await results.once("acme", str(number), maker)
    await results.once("acme", "0", maker)
    with pytest.raises(Fault) as refused:
        await results.once("acme", "3", maker)
    assert (refused.value.kind, refused.value.retry_after) == (Kind.TOO_MANY_REQUESTS, 1)
    await results.once("other", "3", maker)
    at[0] += 1
    await results.once("acme", "3", maker)
    assert maker.made == 5


async def test_one_account_leaves_places_for_others() -> None:
    """However many slow results one account has made, another's is made at once."""
    budget = AccountBudget(lambda: 0.0, burst=1000, places=8)
    results, slow = RecentResults(5.0, lambda: 0.0, budget), Maker()
    asking = [asyncio.create_task(results.once("greedy", str(number), slow)) for number in range(30)]
    await until(lambda: slow.made == 2)
    async with asyncio.timeout(SECONDS):
        assert (await results.once("other", "a", at_once())).is_new
    assert slow.made == 2
    slow.go.set()
    await asyncio.gather(*asking)
    assert (slow.made, budget.places.held_by_account()) == (30, {})


async def test_a_free_place_goes_to_whoever_has_fewest() -> None:
    """The account that waits with no place comes before the one that waits with some, though it came later."""
    places, served = AccountPlaces("answers", 8, 2), list[str]()
    for account in ("greedy", "greedy", *"abcdef"):
        await places.wait(account, 0)

    async def ask(account: str) -> None:
        await places.wait(account, SECONDS)
        served.append(account)

    asking = [asyncio.create_task(ask(account)) for account in ("greedy", "greedy", "late")]
    await until(lambda: places.waiting("greedy") + places.waiting("late") == 3)
    places.release("a")
    await until(lambda: bool(served))
    places.release("greedy")
    await until(lambda: len(served) == 2)
    places.release("greedy")
    await asyncio.gather(*asking)
    assert served == ["late", "greedy", "greedy"]


async def test_whoever_waits_too_long_is_told_so() -> None:
    """The refusal has a code and a time; who left, or waited in vain, leaves nothing behind."""
    places = AccountPlaces("answers", 1, 1)
    await places.wait("acme", 0)
    with pytest.raises(Fault) as refused:
        await places.wait("acme", 0.01)
    assert (refused.value.kind, refused.value.retry_after) == (Kind.TOO_MANY_REQUESTS, 5)
    left = asyncio.create_task(places.wait("acme", SECONDS))
    await until(lambda: places.waiting("acme") == 1)
    left.cancel()
    await asyncio.gather(left, return_exceptions=True)
    assert places.waiting("acme") == 0
    waiting = [asyncio.create_task(places.wait("acme", SECONDS)) for _ in range(WAITING_EACH)]
    await until(lambda: places.waiting("acme") == WAITING_EACH)
    with pytest.raises(Fault, match="Too many answers of this account"):
        await places.wait("acme", SECONDS)
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    places.release("acme")
    assert places.held_by_account() == {}

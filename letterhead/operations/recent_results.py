"""Do once what people ask for: keep each result for a while, and share it among those who ask at the same moment.

What an account asks for costs questions to systems of others (name servers, the mail provider, a mailbox), so each new
result takes a token of the account's budget and one of its places.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any, Generic, NamedTuple, TypeVar

from letterhead.operations.account_places import AccountPlaces
from letterhead.operations.token_buckets import TokenBuckets

T = TypeVar("T")

RESULTS_OCTETS = 8 * 1024 * 1024  # of the results that one instance keeps
SILENCE_SECONDS = 5.0  # for which a result is kept that says no more than that somebody did not answer
ENTRY_OCTETS = 500  # that an entry takes besides its result
BUDGET_RATE, BUDGET_BURST = 2.0, 60  # new results a second for each account, and at once after a rest
PLACES, PLACES_EACH = 16, 4  # results that are made at the same time: each may take 20 ms of CPU between two of another
PLACE_SECONDS = 10.0  # for which somebody waits for a place


class RecentResult(NamedTuple, Generic[T]):
    """A result, how many seconds old it is, and in how many a new one can be made; `is_new` where it was just made."""

    value: T
    age: float = 0.0
    left: float = 0.0
    is_new: bool = True


class AccountBudget:
    """What all results share: tokens for each account, and places for those that are being made."""

    def __init__(
        self, clock: Callable[[], float], rate: float = BUDGET_RATE, burst: int = BUDGET_BURST, places: int = PLACES
    ) -> None:
        self._tokens = TokenBuckets(rate, burst, clock)
        self.places = AccountPlaces("checks", places, max(1, min(PLACES_EACH, places // 4)))

    def take(self, account_id: str) -> None:
        """Take a token; Fault `too-many-requests`."""
        self._tokens.require(account_id, "checks, preflights and other tests asked for by this account")


class _Kept(NamedTuple):
    value: Any
    octets: int
    made: float
    until: float


class RecentResults:
    """The results of the last `seconds`, by account and name, up to a number of octets; the oldest are dropped first.

    `name` is the parsed name of what is asked about, never the text that a client sent.
    """

    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float],
        budget: AccountBudget | None = None,
        octets: int = RESULTS_OCTETS,
    ) -> None:
        self.seconds, self._clock, self._budget = seconds, clock, budget
        self.octets, self._most = 0, octets
        self._kept: OrderedDict[tuple[str, str], _Kept] = OrderedDict()  # in the order of their making
        self._underway: dict[tuple[str, str], asyncio.Task[Any]] = {}
        self._sweep: asyncio.TimerHandle | None = None

    async def once(
        self,
        account_id: str,
        name: str,
        make: Callable[[], Awaitable[T]],
        octets: Callable[[T], int] | None = None,
        is_silence: Callable[[T], bool] | None = None,
    ) -> RecentResult[T]:
        """Return the result of the last seconds, or of the making that is under way, or make it.

        `octets` is how much memory a result takes, where it is no octets. What fails is not kept, and what is silence
        only for `SILENCE_SECONDS`. Faults: those of `make`, `too-many-requests`.
        """
        key = (account_id, name)
        kept, now = self._kept.get(key), self._clock()
        if kept is not None and kept.until > now:
            return RecentResult(kept.value, max(0.0, now - kept.made), kept.until - now, is_new=False)
        task = self._underway.get(key)
        if task is not None:
            return RecentResult(await asyncio.shield(task), is_new=False, left=self.seconds)
        if self._budget is not None:
            self._budget.take(account_id)
        # A task of its own: whoever asked first may leave, and the others still get the result.
        task = self._underway[key] = asyncio.create_task(self._make(key, make, octets, is_silence))

        def forget(ended: asyncio.Task[Any]) -> None:
            del self._underway[key]
            if not ended.cancelled():
                ended.exception()  # whoever waited has it; where all have left, nobody has to be told

        task.add_done_callback(forget)
        return RecentResult(await asyncio.shield(task))

    async def _make(
        self,
        key: tuple[str, str],
        make: Callable[[], Awaitable[T]],
        octets: Callable[[T], int] | None,
        is_silence: Callable[[T], bool] | None,
    ) -> T:
        if self._budget is None:
            value = await make()
        else:
            async with self._budget.places.place(key[0], PLACE_SECONDS):
                value = await make()
        if self.seconds:
            seconds = SILENCE_SECONDS if is_silence is not None and is_silence(value) else self.seconds
            size = octets(value) if octets is not None else len(value)  # type: ignore[arg-type]
            self._keep(key, value, size, min(seconds, self.seconds))
        return value

    def _keep(self, key: tuple[str, str], value: object, octets: int, seconds: float) -> None:
        size = octets + ENTRY_OCTETS
        self._drop(key)
        if size > self._most // 16:
            return
        now = self._clock()
        self._kept[key] = _Kept(value, size, now, now + seconds)
        self.octets += size
        while self.octets > self._most:
            self._drop(next(iter(self._kept)))
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(self.seconds, self.drop_ended)

    def _drop(self, key: tuple[str, str]) -> None:
        before = self._kept.pop(key, None)
        self.octets -= before.octets if before is not None else 0

    def drop_ended(self) -> None:
        """Drop what has ended, also where nobody asks again."""
        self._sweep, now = None, self._clock()
        while self._kept and (oldest := next(iter(self._kept.items())))[1].until <= now:
            self._drop(oldest[0])
        if self._kept:
            wait = max(0.05, next(iter(self._kept.values())).until - now)
            self._sweep = asyncio.get_running_loop().call_later(wait, self.drop_ended)


class OnDemand:
    """What an account may have done at once, and what was done a moment ago."""

    def __init__(self, clock: Callable[[], float], budget: AccountBudget | None = None) -> None:
        self.budget = budget or AccountBudget(clock)
        self.checks = RecentResults(0.0, clock, self.budget)  # the store has the last check, for all processes
        self.looks = RecentResults(5.0, clock, self.budget)
        self.refreshes = RecentResults(60.0, clock, self.budget)
        self.discoveries = RecentResults(60.0, clock, self.budget)
        self.sent_proofs = RecentResults(20.0, clock)  # which are held to one in 20 s for a domain by the store

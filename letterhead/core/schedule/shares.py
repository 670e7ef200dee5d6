"""Shares of a scarce thing: how many of its places one account may hold, and whose turn is next.

The rule for whatever has a bounded number of places (checks, work at the provider, deliveries, reminders, sockets):

- A free place goes to the account that holds the fewest, then to the one that has waited longest.
- The last quarter of the places is kept for accounts that hold less than a quarter. So no account takes more than a
  quarter while another that has less waits, none holds more than three quarters when it is alone, and whoever comes
  next finds a place at once.

The statements that claim work in SQL follow the same rule; `choose_turns` is what they are tested against.
"""

from collections import Counter, OrderedDict, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Generic, TypeVar

import msgspec

T = TypeVar("T")


REMEMBERED: Final = 200  # accounts whose last turn is remembered


class PlacesHeld(msgspec.Struct, frozen=True, kw_only=True):
    """The places for one kind of work in one process, and how many of them each account holds.

    `served` numbers the last turns of the accounts that were served last; any other was served before these.
    """

    places: int
    by_account: Mapping[str, int]
    served: Mapping[str, int] = {}

    @property
    def free(self) -> int:
        """How many places are free."""
        return max(0, self.places - sum(self.by_account.values()))


class Places:
    """The places for one kind of work: taken, freed, and remembered for the accounts that were served last."""

    def __init__(self, places: int) -> None:
        self._places, self._turn = places, 0
        self._held: Counter[str] = Counter()
        self._served: OrderedDict[str, int] = OrderedDict()

    @property
    def held(self) -> PlacesHeld:
        """The places as they are now."""
        return PlacesHeld(places=self._places, by_account=dict(self._held), served=dict(self._served))

    @property
    def is_shared_out(self) -> bool:
        """Whether an account holds its quarter, so that it may have to wait though places are free."""
        return max(self._held.values(), default=0) >= quarter_of(self._places)

    def take(self, account_id: str) -> None:
        """Note that an account takes a place."""
        self._turn += 1
        self._held[account_id] += 1
        self._served[account_id] = self._turn
        self._served.move_to_end(account_id)
        if len(self._served) > REMEMBERED:
            self._served.popitem(last=False)

    def free(self, account_id: str) -> None:
        """Note that one place of an account is free again."""
        self._held[account_id] -= 1
        if self._held[account_id] <= 0:
            del self._held[account_id]


def quarter_of(places: int) -> int:
    """Return a quarter of the places, at least one: what is kept for accounts that hold less than that."""
    return max(1, places // 4)


def may_take(places: int, taken: int, held: int) -> bool:
    """Tell whether an account that holds `held` of the `taken` places may take another one."""
    free, quarter = places - taken, quarter_of(places)
    return free > 0 and (held < quarter or free > quarter)


def choose_turns(waiting: Sequence[str], held: Mapping[str, int], places: int) -> list[int]:
    """Choose which of those that wait take the free places now; return their positions, in the order of their turns.

    `waiting` are the accounts of what waits, the longest waiting first. `held` are the places that each account holds.
    """
    seen: Counter[str] = Counter(held)
    turns = []
    for position, account_id in enumerate(waiting):
        turns.append((seen[account_id], position))
        seen[account_id] += 1
    taken, chosen = sum(held.values()), []
    for rank, position in sorted(turns):
        if may_take(places, taken, rank):
            chosen.append(position)
            taken += 1
    return chosen


class AccountQueue(Generic[T]):
    """What waits for one of a number of places, by account; it holds the places that were taken until they are freed.

    Its size is the number of things that wait and of places: bound these where they are added. `most_each` bounds what
    one account may hold, where that is less than the shares allow.
    """

    def __init__(self, places: int, most_each: int | None = None) -> None:
        self.places, self._most_each = places, places if most_each is None else most_each
        self._waiting: OrderedDict[str, deque[T]] = OrderedDict()  # the account served longest ago first
        self._held: Counter[str] = Counter()

    def __len__(self) -> int:
        return sum(map(len, self._waiting.values()))

    def __iter__(self) -> Iterator[T]:
        """Yield what waits, account by account."""
        for things in self._waiting.values():
            yield from things

    def waiting(self, account_id: str) -> int:
        """Return how many things of an account wait."""
        return len(self._waiting.get(account_id, ()))

    def held(self, account_id: str) -> int:
        """Return how many places an account holds."""
        return self._held[account_id]

    def held_by_account(self) -> dict[str, int]:
        """Return how many places each account holds that holds any."""
        return dict(self._held)

    @property
    def taken(self) -> int:
        """How many places all accounts hold."""
        return self._held.total()

    def add(self, account_id: str, thing: T) -> None:
        """Let a thing wait behind the others of its account."""
        self._waiting.setdefault(account_id, deque()).append(thing)

    def remove(self, account_id: str, thing: T) -> None:
        """Let a thing wait no longer; ValueError where it does not."""
        things = self._waiting.get(account_id, deque())
        things.remove(thing)
        if not things:
            del self._waiting[account_id]

    def take(self) -> tuple[str, T] | None:
        """Give the next place to the thing whose turn it is; None where none waits, or none may take a place."""
        account_id = min(self._waiting, key=self._held.__getitem__, default=None)
        if account_id is None or self._held[account_id] >= self._most_each:
            return None
        if not may_take(self.places, self.taken, self._held[account_id]):
            return None
        things = self._waiting.pop(account_id)
        thing = things.popleft()
        if things:
            self._waiting[account_id] = things
        self._held[account_id] += 1
        return account_id, thing

    def free(self, account_id: str) -> None:
        """Free one place of an account."""
        if self._held[account_id] <= 1:
            del self._held[account_id]
        else:
            self._held[account_id] -= 1

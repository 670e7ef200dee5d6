"""Knows how to remember a bounded number of things for as long as DNS lets us; knows not what they are."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

SIZE = 4096
LONGEST = 600.0  # seconds: a customer who moves to another DNS host does not wait two days for us to notice

Value = TypeVar("Value")


class Cache(Generic[Value]):
    """Keeps the values used last, each until its time is over by `clock` (seconds)."""

    def __init__(self, clock: Callable[[], float], size: int = SIZE) -> None:
        self._clock, self._size = clock, size
        self._kept: OrderedDict[Hashable, tuple[float, Value]] = OrderedDict()

    def get(self, key: Hashable) -> Value | None:
        """Finds a value that is still good."""
        until, value = self._kept.get(key, (0.0, None))
        if value is None or self._clock() >= until:
            self._kept.pop(key, None)
            return None
        self._kept.move_to_end(key)
        return value

    def put(self, key: Hashable, value: Value, ttl: float) -> None:
        """Keeps a value for `ttl` seconds, and no longer than we find good."""
        self._kept[key] = (self._clock() + min(ttl, LONGEST), value)
        self._kept.move_to_end(key)
        if len(self._kept) > self._size:
            self._kept.popitem(last=False)

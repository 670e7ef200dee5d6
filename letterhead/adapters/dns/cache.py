"""A cache of bounded size whose values expire with their TTL."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

SIZE = 4096
LONGEST = 600.0  # seconds: a customer who moves to another DNS host does not wait two days for us to notice

Value = TypeVar("Value")


class Cache(Generic[Value]):
    """The values used last, each until its TTL has passed by `clock` (seconds)."""

    def __init__(self, clock: Callable[[], float], size: int = SIZE) -> None:
        self._clock, self._size = clock, size
        self._entries: OrderedDict[Hashable, tuple[float, Value]] = OrderedDict()

    def get(self, key: Hashable) -> Value | None:
        """Return a value that has not expired."""
        until, value = self._entries.get(key, (0.0, None))
        if value is None or self._clock() >= until:
            self._entries.pop(key, None)
            return None
        self._entries.move_to_end(key)
        return value

    def put(self, key: Hashable, value: Value, ttl: float) -> None:
        """Store a value for `ttl` seconds, and for no longer than `LONGEST`."""
        self._entries[key] = (self._clock() + min(ttl, LONGEST), value)
        self._entries.move_to_end(key)
        if len(self._entries) > self._size:
            self._entries.popitem(last=False)

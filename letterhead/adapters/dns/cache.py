"""A cache, bounded in entries and in octets, whose values expire with their TTL."""

import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import fields, is_dataclass
from typing import Generic, TypeVar

SIZE = 4096
OCTETS = 16 * 1024 * 1024  # one answer may name 64 servers by names of 127 labels each
LONGEST = 600.0  # seconds: a customer who moves to another DNS host does not wait two days for us to notice

Value = TypeVar("Value")


class Cache(Generic[Value]):
    """The values used last, each until its TTL has passed by `clock` (seconds); one over 1/16 of it is not kept."""

    def __init__(self, clock: Callable[[], float], size: int = SIZE, octets: int = OCTETS) -> None:
        self._clock, self._size, self._most = clock, size, octets
        self.octets = 0  # of the values, about
        self._entries: OrderedDict[Hashable, tuple[float, Value, int]] = OrderedDict()

    def get(self, key: Hashable) -> Value | None:
        """Return a value that has not expired."""
        until, value, _ = self._entries.get(key, (0.0, None, 0))
        if value is None or self._clock() >= until:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return value

    def put(self, key: Hashable, value: Value, ttl: float) -> None:
        """Store a value for `ttl` seconds, and for no longer than `LONGEST`."""
        self._drop(key)
        octets = octets_of(key) + octets_of(value)
        if octets > self._most // 16:
            return
        self._entries[key] = (self._clock() + min(ttl, LONGEST), value, octets)
        self.octets += octets
        while len(self._entries) > self._size or self.octets > self._most:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: Hashable) -> None:
        before = self._entries.pop(key, None)
        self.octets -= before[2] if before is not None else 0


def octets_of(value: object) -> int:
    """Return about how much memory a value takes that is made of tuples, dicts and dataclasses."""
    parts: list[object] = []
    if isinstance(value, tuple):
        if value and isinstance(value[0], bytes):  # a name: 255 octets in all, and an object for each label
            return 400 + 42 * len(value)
        parts = list(value)
    elif isinstance(value, dict):
        parts = [*value, *value.values()]
    elif is_dataclass(value):
        parts = [getattr(value, each.name) for each in fields(value)]
    return sys.getsizeof(value) + sum(map(octets_of, parts))

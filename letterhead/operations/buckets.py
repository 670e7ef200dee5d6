"""Knows how often something may happen, by token buckets in this process; knows not what it is, nor what follows."""

import math
from collections import OrderedDict
from collections.abc import Callable

BUCKETS_KEPT = 10_000  # the longest unused go first: they are full again by then


class Buckets:
    """Holds a token bucket for each name: `rate` tokens a second, `burst` at most."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float]) -> None:
        self.rate, self.burst, self._clock = rate, burst, clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def level(self, name: str) -> float:
        """Says how many tokens a name has now."""
        level, at = self._levels.get(name, (float(self.burst), 0.0))
        return min(float(self.burst), level + (self._clock() - at) * self.rate)

    def take(self, name: str) -> float:
        """Takes a token and gives how many are left; a negative number means that there was none."""
        level = self.level(name) - 1.0
        if level >= 0.0:
            self._levels[name] = (level, self._clock())
            self._levels.move_to_end(name)
            if len(self._levels) > BUCKETS_KEPT:
                self._levels.popitem(last=False)
        return level

    def wait(self, level: float) -> int:
        """Says in how many whole seconds a token is there again."""
        return max(1, math.ceil((1.0 - level) / self.rate))

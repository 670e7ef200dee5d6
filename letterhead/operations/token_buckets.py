"""Token buckets in this process: how often something may happen, by name."""

import math
from collections import OrderedDict
from collections.abc import Callable

from letterhead.errors import Fault, Kind

BUCKETS_KEPT = 10_000  # the longest unused go first: they are full again by then


class TokenBuckets:
    """A token bucket for each name: it fills by `rate` tokens a second, up to `burst`."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float]) -> None:
        self.rate, self.burst, self._clock = rate, burst, clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def level(self, name: str) -> float:
        """Return how many tokens a name has now."""
        level, at = self._levels.get(name, (float(self.burst), 0.0))
        return min(float(self.burst), level + (self._clock() - at) * self.rate)

    def take(self, name: str) -> float:
        """Take a token and return how many are left; negative where there was none."""
        level = self.level(name) - 1.0
        if level >= 0.0:
            self._levels[name] = (level, self._clock())
            self._levels.move_to_end(name)
            if len(self._levels) > BUCKETS_KEPT:
                self._levels.popitem(last=False)
        return level

    def require(self, name: str, what: str) -> None:
        """Take a token; Fault `too-many-requests`, which says that there were too many of `what`."""
        left = self.take(name)
        if left < 0.0:
            raise too_many(what, self.wait(left + 1.0))

    def drain(self, name: str) -> None:
        """Take all tokens of a name; it fills up again from now on."""
        self._levels[name] = (0.0, self._clock())
        self._levels.move_to_end(name)

    def wait(self, level: float) -> int:
        """Return in how many whole seconds there is a token again."""
        return max(1, math.ceil((1.0 - level) / self.rate))


def too_many(what: str, wait: int) -> Fault:
    """Make the Fault `too-many-requests` with its Retry-After."""
    return Fault(
        Kind.TOO_MANY_REQUESTS,
        f"Too many {what}.",
        f"Wait {wait} s, as Retry-After says, then go on more slowly.",
        retry_after=wait,
    )

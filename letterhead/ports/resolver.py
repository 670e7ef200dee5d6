"""The resolver: asks DNS."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from letterhead.core.dns.answers import Question, Reply


@dataclass(slots=True)
class Allowance:
    """Bounds what one check may send and how long it may take; counts down as it is used.

    `until` is in seconds of the event loop's clock.
    """

    packets: int
    until: float


class Resolver(Protocol):
    """Asks DNS."""

    async def ask(self, questions: Iterable[Question], allowance: Allowance) -> dict[Question, tuple[Reply, ...]]:
        """Asks all questions side by side and answers every one of them; DNS trouble is a value, never raised."""
        ...

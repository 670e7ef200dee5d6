"""The DNS resolver."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from letterhead.core.dns.answers import Question, Reply


@dataclass(slots=True)
class Allowance:
    """The packets that one check may still send, and its deadline; `packets` counts down as it is used.

    `until` is in seconds of the event loop's clock.
    """

    packets: int
    until: float


class Resolver(Protocol):
    """A resolver that answers questions with the replies of one or more servers."""

    async def ask(self, questions: Iterable[Question], allowance: Allowance) -> dict[Question, tuple[Reply, ...]]:
        """Ask all questions concurrently and return replies to every one; a DNS failure is a value, never raised."""
        ...

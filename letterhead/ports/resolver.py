"""The DNS resolver."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from letterhead.core.dns.answers import Question, Reply

CPU_SECONDS = 1.0  # for judging one domain: fifty times what the longest texts that are read cost (docs/reliability.md)


@dataclass(slots=True)
class Allowance:
    """What one check may still use: packets, its deadline, and the CPU time for judging what comes.

    `packets` and `cpu`, in seconds, count down as they are used; `until` is in seconds of the event loop's clock.
    """

    packets: int
    until: float
    cpu: float = CPU_SECONDS


class Resolver(Protocol):
    """A resolver that answers questions with the replies of one or more servers."""

    async def ask(self, questions: Iterable[Question], allowance: Allowance) -> dict[Question, tuple[Reply, ...]]:
        """Ask all questions concurrently and return replies to every one; a DNS failure is a value, never raised."""
        ...

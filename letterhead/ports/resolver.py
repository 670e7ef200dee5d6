"""The DNS resolver."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from letterhead.core.dns.answers import Question, Reply

CPU_SECONDS = 1.0  # for judging one domain: fifty times what the longest texts that are read cost (docs/reliability.md)


@dataclass(slots=True, eq=False, weakref_slot=True)
class Allowance:
    """What one check may still use: packets, its deadline, and the CPU time for judging what comes.

    `packets` and `cpu`, in seconds, count down as they are used; `until` is in seconds of the event loop's clock.
    `account_id` is whose check it is, and `proven` the registrable name at which the account has proven a claim, empty
    where the check is of one that is not proven. `has_waited` is set once a packet had to wait for our own limit of
    packets to one server, `is_limited` once questions were left out for it: what the check saw is then no result, and
    it has to come later.
    """

    packets: int
    until: float
    cpu: float = CPU_SECONDS
    account_id: str = ""
    proven: str = ""
    has_waited: bool = False
    is_limited: bool = False


class Resolver(Protocol):
    """A resolver that answers questions with the replies of one or more servers."""

    async def ask(self, questions: Iterable[Question], allowance: Allowance) -> dict[Question, tuple[Reply, ...]]:
        """Ask all questions concurrently and return replies to every one; a DNS failure is a value, never raised."""
        ...

"""Identifiers that sort by time and cannot be guessed."""

from typing import Protocol

from letterhead.ports.deps import Clock, RandomOctets


class IdNeeds(Protocol):
    """What making an identifier needs."""

    @property
    def now(self) -> Clock: ...
    @property
    def random_octets(self) -> RandomOctets: ...


def new_id(deps: IdNeeds, kind: str) -> str:
    """Make an id such as `dom_019ab…`: 48 bits of milliseconds, then 80 random bits, so that ids sort by age."""
    milliseconds = int(deps.now().timestamp() * 1000)
    return f"{kind}_{milliseconds:012x}{deps.random_octets(10).hex()}"

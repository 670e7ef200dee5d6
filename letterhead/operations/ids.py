"""Knows how identifiers are made: ordered by time, and no two alike."""

from letterhead.ports.deps import Deps


def new_id(deps: Deps, kind: str) -> str:
    """Makes an id such as `dom_019ab…`: 48 bits of milliseconds and 80 of chance, so that ids sort by age."""
    milliseconds = int(deps.now().timestamp() * 1000)
    return f"{kind}_{milliseconds:012x}{deps.random_octets(10).hex()}"

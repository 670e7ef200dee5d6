"""Knows when to look at a domain again and when to try a delivery again. Throws no dice: jitter is an argument."""

from datetime import datetime

from letterhead.core.lifecycle import Domain


def next_look(
    domain: Domain,
    now: datetime,
    jitter: float,
    setup_page_open: bool = False,
    negative_until: datetime | None = None,
) -> tuple[datetime | None, str]:
    """Says when to check the domain (as `advance` left it) again, and why; None is "on request only".

    `jitter` lies between -1 and 1; `negative_until` is when a resolver forgets that the record was missing, given
    where only resolvers can be asked.
    """
    raise NotImplementedError


def retry_at(attempt: int, now: datetime, jitter: float = 0.0) -> datetime | None:
    """Says when to make the delivery attempt after `attempt` failed ones, None when it is dead."""
    raise NotImplementedError

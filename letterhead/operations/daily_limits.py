"""How often an account may do a day what leaves a row behind, all processes together."""

from datetime import timedelta
from typing import Final, Protocol

from letterhead.errors import Fault, Kind
from letterhead.ports.deps import Clock
from letterhead.ports.store.leases import LeaseStore

DAY: Final = timedelta(days=1)
# Each leaves rows that stay: an API key and its entry in the audit for ever. More than the busiest account needs, and
# little enough that a loop fills no disk: some 10 MB a day for each account.
SESSIONS_A_DAY: Final = 1_000
KEYS_A_DAY: Final = 500  # a program that makes a key for each of its customers
LINKS_A_DAY: Final = 10_000  # set-up links: a sender who takes on thousands of customers in one day
WEBHOOK_TESTS_A_DAY: Final = 1_000


class DailyLimitNeeds(Protocol):
    """What counting needs."""

    @property
    def now(self) -> Clock: ...
    @property
    def store(self) -> LeaseStore: ...


async def count_daily(deps: DailyLimitNeeds, account_id: str, what: str, most: int) -> None:
    """Count one of the things that an account may do so often a day; Fault `too-many-requests`.

    All of them may be done at once; then they come back evenly over the day.
    """
    every = DAY / most
    now = deps.now()
    if await deps.store.take_rate_slot(f"{what} of {account_id}", now, every, now + every * (most - 1)) is not None:
        return
    wait = max(1, int(every.total_seconds()) + 1)
    raise Fault(
        Kind.TOO_MANY_REQUESTS,
        f"This account has made {most} {what} within a day, and no more are allowed.",
        f"Use those that there are: they need not be new each time. Another one may be made in {wait} s.",
        retry_after=wait,
    )

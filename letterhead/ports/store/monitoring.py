"""What the service knows of itself: backlog, lag, shared rates, and the state of the provider account."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from letterhead.core.domain.statistics import StateChange
from letterhead.core.schedule.check_lag import HistogramCount
from letterhead.ports.provider import ProviderHealth


class SharedRate(msgspec.Struct, frozen=True, kw_only=True):
    """Says how a budget that all processes share stands: one turn `every` so long, the next free one, how many went."""

    name: str
    every: timedelta | None
    next_at: datetime
    taken: int


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """Says how much work is due; `lag` is the age of the oldest due check in seconds."""

    due: int
    lag: float
    intents: int
    pooled_keys: int
    reminders: int
    deliveries: int = 0


class MonitoringStore(Protocol):
    """What the service knows of itself: backlog, lag, shared rates, and the state of the provider account."""

    async def backlog(self, now: datetime) -> Backlog:
        """Counts due work."""
        ...

    async def ready(self) -> None:
        """Answers when storage can be used; Fault `storage-unavailable` where it can't."""
        ...

    async def count_statuses(self, account_id: str) -> Mapping[str, int]:
        """Counts an account's domains by the wire's word for their state."""
        ...

    async def state_changes(self, account_id: str, limit: int) -> Sequence[StateChange]:
        """Tells the newest changes of state of an account's domains, deleted ones too, the oldest of them first."""
        ...

    async def add_to_histogram(self, name: str, counted: Mapping[tuple[datetime, int], int]) -> None:
        """Adds to the numbers of a name, each by a time in its five minutes and by its step."""
        ...

    async def load_histogram(self, name: str, since: datetime) -> list[HistogramCount]:
        """Lists the numbers of a name since a time, the oldest first; only those that are not nothing."""
        ...

    async def shared_rates(self, since: datetime) -> list[SharedRate]:
        """Lists the budgets whose turns all processes take, with how many were taken since a time."""
        ...

    async def save_provider_health(self, provider: str, conditions: ProviderHealth) -> None:
        """Keeps what a provider's account was found to be, in the place of what it was before."""
        ...

    async def provider_health(self, provider: str) -> ProviderHealth | None:
        """Tells what a provider's account was last found to be; nothing where nobody has looked."""
        ...

    async def count_overdue(self, now: datetime) -> Sequence[int]:
        """Counts the checks that are due by how long they have been: under 1 s, 10 s, 1 min, 5 min, and more."""
        ...

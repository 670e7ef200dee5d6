"""Removal of what is older than it is kept for."""

from datetime import datetime
from typing import Protocol


class RetentionStore(Protocol):
    """Removal of what is older than it is kept for."""

    async def prune_events(self, before: datetime) -> int:
        """Deletes some events of before a time that explain nothing present, and says how many."""
        ...

    async def prune_snapshots(self, before: datetime) -> int:
        """Parts some such events from the checks behind them, deletes checks that are left over, says how many."""
        ...

    async def prune_deliveries(self, before: datetime) -> int:
        """Deletes some deliveries of before a time that are not under way, with their attempts; says how many."""
        ...

    async def prune_histograms(self, before: datetime) -> int:
        """Deletes the numbers of before a time, and says how many."""
        ...

    async def prune_rate_slots(self, before: datetime) -> int:
        """Deletes some turns that are over before a time, which is as if nobody had taken them; says how many."""
        ...

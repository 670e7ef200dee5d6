"""Deletion of rows that are older than their retention period."""

from datetime import datetime
from typing import Protocol


class RetentionStore(Protocol):
    """Deletion of rows that are older than their retention period; each method returns how many it deleted."""

    async def prune_events(self, before: datetime) -> int:
        """Delete some events before a time that explain no present state."""
        ...

    async def prune_snapshots(self, before: datetime) -> int:
        """Detach some such events from the checks that they follow from, and delete checks that no event refers to."""
        ...

    async def prune_deliveries(self, before: datetime) -> int:
        """Delete some deliveries before a time that are not pending, with their attempts."""
        ...

    async def prune_account_work(self, before: datetime) -> int:
        """Delete what was counted of accounts before a time; return how many rows that were."""
        ...

    async def prune_histograms(self, before: datetime) -> int:
        """Delete the histograms' counts before a time."""
        ...

    async def prune_setup_links(self, before: datetime) -> int:
        """Delete some set-up links that ended before a time."""
        ...

    async def prune_invitations(self, before: datetime) -> int:
        """Delete some invitations that ended before a time."""
        ...

    async def prune_dns_plans(self, before: datetime) -> int:
        """Delete some plans of what to write in zones that were made before a time."""
        ...

    async def prune_rate_slots(self, before: datetime) -> int:
        """Delete some shared rates whose next slot lies before a time, which is as if nobody had taken a slot."""
        ...

    async def prune_heartbeats(self, before: datetime) -> int:
        """Forget the processes that were last seen before a time."""
        ...

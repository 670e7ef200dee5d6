"""Deletion of old rows in small batches; the statements keep what explains a present state."""

from datetime import datetime
from typing import Final

from letterhead.adapters.storage import rows
from letterhead.adapters.storage.engine import Engine

BATCH: Final = 500  # rows of one transaction, so that nobody waits long behind it


class SqlRetention:
    """The SQL implementation of `RetentionStore`. Ids of events and deliveries are UUIDv7s (RFC 9562 5.7)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def prune_events(self, before: datetime) -> int:
        """Delete some events before a time that explain no present state."""
        return await self._prune("prune_events", before)

    async def prune_snapshots(self, before: datetime) -> int:
        """Detach some such events from the checks that they follow from, and delete checks that no event refers to."""
        detached = await self._prune("detach_checks", before)
        return detached + await self._prune("prune_checks", before)

    async def prune_deliveries(self, before: datetime) -> int:
        """Delete some deliveries before a time that are not pending, with their attempts."""
        return await self._prune("prune_deliveries", before)

    async def prune_setup_links(self, before: datetime) -> int:
        """Delete some set-up links that ended before a time."""
        first = f"link_{max(rows.ms(before), 0):012x}"
        return len(await self._engine.write("prune_setup_links", first=first, before=rows.ms(before), limit=BATCH))

    async def prune_invitations(self, before: datetime) -> int:
        """Delete some invitations that ended before a time."""
        return len(await self._engine.write("prune_invitations", before=rows.ms(before), limit=BATCH))

    async def prune_dns_plans(self, before: datetime) -> int:
        """Delete some plans of what to write in zones that were made before a time."""
        return len(await self._engine.write("prune_dns_plans", before=rows.ms(before), limit=BATCH))

    async def prune_rate_slots(self, before: datetime) -> int:
        """Delete some shared rates whose next slot lies before a time, which is as if nobody had taken a slot."""
        return len(await self._engine.write("prune_rate_slots", before=rows.ms(before), limit=BATCH))

    async def _prune(self, statement: str, before: datetime) -> int:
        """Prune rows whose ids sort before every id of a time: a UUIDv7 begins with its time in hexadecimal."""
        digits = f"{max(rows.ms(before), 0):012x}"
        return len(await self._engine.write(statement, before=f"{digits[:8]}-{digits[8:]}", limit=BATCH))

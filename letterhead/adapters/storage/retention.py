"""Forgets what is old, a little at a time; what explains a present state stays, by the statements themselves."""

from datetime import datetime
from typing import Final

from letterhead.adapters.storage import rows
from letterhead.adapters.storage.engine import Engine

AT_ONCE: Final = 500  # rows of one transaction, so that nobody waits long behind it


class SqlRetention:
    """Prunes events, the checks behind them, and deliveries; their ids begin with their time (RFC 9562 5.7)."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def prune_events(self, before: datetime) -> int:
        """Deletes some events of before a time that explain nothing present, and says how many."""
        return await self._pruned("prune_events", before)

    async def prune_snapshots(self, before: datetime) -> int:
        """Parts some such events from the checks behind them, deletes checks that are left over, says how many."""
        parted = await self._pruned("part_evidence", before)
        return parted + await self._pruned("prune_evidence", before)

    async def prune_deliveries(self, before: datetime) -> int:
        """Deletes some deliveries of before a time that are not under way, with their attempts; says how many."""
        return await self._pruned("prune_deliveries", before)

    async def prune_rate_slots(self, before: datetime) -> int:
        """Deletes some turns that are over before a time, which is as if nobody had taken them; says how many."""
        return len(await self._engine.write("prune_turns", before=rows.ms(before), limit=AT_ONCE))

    async def _pruned(self, statement: str, before: datetime) -> int:
        return len(await self._engine.write(statement, before=_first_id(before), limit=AT_ONCE))


def _first_id(at: datetime) -> str:
    """Gives what no id of that time or later sorts before."""
    digits = f"{max(rows.ms(at), 0):012x}"
    return f"{digits[:8]}-{digits[8:]}"

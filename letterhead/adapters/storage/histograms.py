"""Keeps how many there were of what in each five minutes, and the provider's conditions; knows no reason to count."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from letterhead.adapters.storage import rows
from letterhead.adapters.storage.engine import DatabaseSession, Engine
from letterhead.core.schedule.check_lag import HistogramCount, slot_of
from letterhead.ports.provider import HealthItem, ProviderHealth
from letterhead.ports.store.monitoring import SharedRate


class SqlHistograms:
    """Adds up, and forgets."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def add_to_histogram(self, name: str, counted: Mapping[tuple[datetime, int], int]) -> None:
        """Adds to the numbers of a name, each by its five minutes and its step."""

        async def work(session: DatabaseSession) -> None:
            for (at, step), number in sorted(counted.items()):  # in one order, so that no two wait for each other
                await add(session, name, at, step, number)

        await self._engine.transact(work)

    async def load_histogram(self, name: str, since: datetime) -> list[HistogramCount]:
        """Lists the numbers of a name since a time, the oldest first."""
        found = await self._engine.read("tallies", name=name, since=rows.ms(since))
        return [HistogramCount(at=rows.time(row["at"]), step=row["step"], number=row["number"]) for row in found]

    async def prune_histograms(self, before: datetime) -> int:
        """Deletes the numbers of before a time, and says how many."""
        return len(await self._engine.write("prune_tallies", before=rows.ms(before)))

    async def shared_rates(self, since: datetime) -> list[SharedRate]:
        """Lists the budgets whose turns all processes take, with how many were taken since a time."""
        return [
            SharedRate(
                name=row["name"],
                every=None if row["every"] is None else timedelta(milliseconds=row["every"]),
                next_at=rows.time(row["next_at"]),
                taken=int(row["taken"]),
            )
            for row in await self._engine.read("budgets", since=rows.ms(since))
        ]

    async def save_provider_health(self, provider: str, conditions: ProviderHealth) -> None:
        """Keeps what a provider's account was last found to be."""
        body = msgspec.json.encode(conditions.told).decode()
        await self._engine.write("keep_conditions", provider=provider, at=rows.ms(conditions.at), body=body)

    async def provider_health(self, provider: str) -> ProviderHealth | None:
        """Tells what a provider's account was last found to be; nothing where nobody has looked."""
        for row in await self._engine.read("conditions", provider=provider):
            told = msgspec.json.decode(row["body"], type=tuple[HealthItem, ...])
            return ProviderHealth(at=rows.time(row["at"]), told=told)
        return None


async def add(session: DatabaseSession, name: str, at: datetime, step: int, number: int) -> None:
    """Adds to one number inside somebody's transaction."""
    await session.rows("tally", name=name, at=rows.ms(slot_of(at)), step=step, number=number)

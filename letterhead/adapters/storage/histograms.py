"""Histograms in counts of five minutes, shared rates, and the health of the provider's account, in SQL."""

from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from letterhead.adapters.storage import rows
from letterhead.adapters.storage.engine import DatabaseSession, Engine
from letterhead.core.schedule.check_lag import HistogramCount, slot_of
from letterhead.ports.provider import HealthItem, ProviderHealth
from letterhead.ports.store.monitoring import SharedRate


class SqlHistograms:
    """The SQL implementation of the part of `MonitoringStore` that is about counts and health."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def add_to_histogram(self, name: str, counted: Mapping[tuple[datetime, int], int]) -> None:
        """Add to a histogram's counts, by a time within the five minutes and by the bucket."""

        async def work(session: DatabaseSession) -> None:
            for (at, step), number in sorted(counted.items()):  # in one order, so that no two wait for each other
                await add_count(session, name, at, step, number)

        await self._engine.transact(work)

    async def load_histogram(self, name: str, since: datetime) -> list[HistogramCount]:
        """Return a histogram's counts since a time, the oldest first."""
        found = await self._engine.read("histogram", name=name, since=rows.ms(since))
        return [HistogramCount(at=rows.time(row["at"]), step=row["step"], number=row["number"]) for row in found]

    async def prune_histograms(self, before: datetime) -> int:
        """Delete the histograms' counts before a time."""
        return len(await self._engine.write("prune_histograms", before=rows.ms(before)))

    async def shared_rates(self, since: datetime) -> list[SharedRate]:
        """Return the rates that all processes share, with how many slots were taken since a time."""
        return [
            SharedRate(
                name=row["name"],
                every=None if row["every"] is None else timedelta(milliseconds=row["every"]),
                next_at=rows.time(row["next_at"]),
                taken=int(row["taken"]),
            )
            for row in await self._engine.read("shared_rates", since=rows.ms(since))
        ]

    async def save_provider_health(self, provider: str, health: ProviderHealth) -> None:
        """Store the health of a provider's account in place of the one stored before."""
        body = rows.json(health.items)
        await self._engine.write("save_provider_health", provider=provider, at=rows.ms(health.at), body=body)

    async def provider_health(self, provider: str) -> ProviderHealth | None:
        """Return the health of a provider's account that was stored last; None where there is none."""
        for row in await self._engine.read("provider_health", provider=provider):
            items = msgspec.json.decode(row["body"], type=tuple[HealthItem, ...])
            return ProviderHealth(at=rows.time(row["at"]), items=items)
        return None


async def add_count(session: DatabaseSession, name: str, at: datetime, step: int, number: int) -> None:
    """Add to one count within a transaction."""
    await session.rows("add_to_histogram", name=name, at=rows.ms(slot_of(at)), step=step, number=number)

"""Histograms in counts of five minutes, shared rates, and the health of the provider's account, in SQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from letterhead.adapters.storage import rows
from letterhead.adapters.storage.engine import DatabaseSession, Engine
from letterhead.core.schedule.check_lag import HistogramCount, slot_of
from letterhead.ports.provider import HealthItem, ProviderHealth
from letterhead.ports.store.monitoring import AccountWork, SharedRate, WorkKind


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

    async def add_account_work(self, at: datetime, work: Sequence[AccountWork]) -> None:
        """Add to what the service did for accounts in the hour that `at` lies in."""

        async def add(session: DatabaseSession) -> None:
            for each in sorted(work, key=lambda one: (one.account_id, one.kind)):  # so that no two wait for each other
                await session.rows(
                    "add_account_work",
                    at=rows.ms(_hour(at)),
                    account_id=each.account_id,
                    kind=each.kind.value,
                    number=each.number,
                    milliseconds=each.milliseconds,
                    octets=each.octets,
                )

        await self._engine.transact(add)

    async def account_work(self, since: datetime) -> list[AccountWork]:
        """Return what the service did since the hour that a time lies in: one value for each account and kind."""
        known = {kind.value for kind in WorkKind}  # a later version may write more
        return [
            AccountWork(
                account_id=row["account_id"],
                kind=WorkKind(row["kind"]),
                number=int(row["number"]),
                milliseconds=int(row["milliseconds"]),
                octets=int(row["octets"]),
                account_name=row["name"] or "",
            )
            for row in await self._engine.read("account_work", since=rows.ms(_hour(since)))
            if row["kind"] in known
        ]

    async def prune_account_work(self, before: datetime) -> int:
        """Delete what was counted of accounts before a time."""
        return len(await self._engine.write("prune_account_work", before=rows.ms(before)))

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


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)

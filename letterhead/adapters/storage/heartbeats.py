"""Heartbeats of the service's processes, in SQL."""

from datetime import datetime, timedelta

from letterhead.adapters.storage import rows
from letterhead.adapters.storage.engine import Engine
from letterhead.ports.store.monitoring import Heartbeat, ProcessIdentity, Role


class SqlHeartbeats:
    """The SQL implementation of the part of `MonitoringStore` that is about processes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def save_heartbeat(self, process: ProcessIdentity, now: datetime) -> None:
        """Note that a process was seen now."""
        await self._engine.write(
            "save_heartbeat",
            process=process.id,
            role=process.role.value,
            host=process.host,
            pid=process.pid,
            version=process.version,
            now=rows.ms(now),
        )

    async def end_heartbeat(self, process: ProcessIdentity) -> None:
        """Forget a process that stops."""
        await self._engine.write("end_heartbeat", process=process.id)

    async def heartbeats(self, now: datetime) -> list[Heartbeat]:
        """Return the processes that were seen, the latest first."""
        return [
            Heartbeat(
                process=ProcessIdentity(
                    id=row["process"],
                    role=Role(row["role"]),
                    host=row["host"],
                    pid=row["pid"],
                    version=row["version"],
                ),
                since=rows.time(row["since"]),
                at=rows.time(row["at"]),
                silent=timedelta(milliseconds=row["silent"]),
            )
            for row in await self._engine.read("heartbeats", now=rows.ms(now))
        ]

    async def prune_heartbeats(self, before: datetime) -> int:
        """Forget the processes that were last seen before a time."""
        return len(await self._engine.write("prune_heartbeats", before=rows.ms(before)))

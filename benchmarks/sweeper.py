"""Run our worker until it has checked so many domains that come due one after another; print how late each was.

LETTERHEAD_…=… python -m benchmarks.sweeper DOMAINS START EACH (due: START + number / EACH, in seconds since 1970)
"""

import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import uvloop

from benchmarks.checker import Told
from benchmarks.sweep import Swept
from letterhead import config, worker
from letterhead.cli.logs import write_logs
from letterhead.config import LogFormat
from letterhead.core.accounts.quotas import Limits
from letterhead.core.domain.domain import Domain
from letterhead.core.schedule.check_schedule import CheckQueue
from letterhead.core.schedule.shares import PlacesHeld
from letterhead.ports.store.domains import DomainUpdate
from letterhead.wiring import assemble


class Watched:
    """Notes when the checks of another store's domains were claimed and saved."""

    def __init__(self, store: Any, start: float, each: int) -> None:
        self._store, self._start, self._each = store, start, each
        self.began: dict[str, float] = {}
        self.ended: dict[str, float] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def claim_due(
        self,
        now: datetime,
        until: datetime,
        owner: str,
        limit: int,
        *,
        queues: Sequence[CheckQueue] = tuple(CheckQueue),
        held: PlacesHeld | None = None,
    ) -> list[Domain]:
        claimed: list[Domain] = await self._store.claim_due(now, until, owner, limit, queues=queues, held=held)
        for domain in claimed:
            self.began.setdefault(domain.sender, self._late(domain))
        return claimed

    async def save(self, outcome: DomainUpdate, limits: Limits | None = None) -> bool:
        saved: bool = await self._store.save(outcome, limits)
        self.ended.setdefault(outcome.domain.sender, self._late(outcome.domain))
        return saved

    def _late(self, domain: Domain) -> float:
        return time.time() - self._start - int(domain.sender[1:6]) / self._each


async def main() -> None:
    count, start, each = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
    settings = config.read(os.environ, Path())
    write_logs(LogFormat.JSON)
    async with assemble.open_deps(settings) as deps:
        told, watched = Told(deps.meter), Watched(deps.store, start, each)
        stop = told.expect(count)
        used = time.process_time()
        await worker.run(
            replace(deps, meter=told, store=watched),
            worker.WorkerSettings(checks=settings.check_concurrency, pooled_keys=0),
            stop,
        )
    swept = Swept([*watched.began.values()], [*watched.ended.values()], time.process_time() - used)
    print(msgspec.json.encode(swept).decode())


if __name__ == "__main__":
    uvloop.run(main())

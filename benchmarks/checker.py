"""Run our worker until it has checked so many domains, and print seconds, seconds of CPU, and the packets each took.

LETTERHEAD_…=… python -m benchmarks.checker DOMAINS [PASSES]

With passes, all domains are made due again by the same process, and each pass prints a line.
"""

import asyncio
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import asyncpg

from letterhead import config, worker
from letterhead.cli.logs import write_logs
from letterhead.cli.process import run_in_loop
from letterhead.config import LogFormat
from letterhead.core.dns.answers import Question, Reply
from letterhead.ports.resolver import Allowance, Resolver
from letterhead.wiring import assemble

SETTLED = 1.0  # seconds in which the last checks of a pass write what they found


class Counted:
    """Counts the packets that another resolver sends."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver, self.packets = resolver, 0

    async def ask(self, questions: Iterable[Question], allowance: Allowance) -> dict[Question, tuple[Reply, ...]]:
        before = allowance.packets
        replies = await self._resolver.ask(questions, allowance)
        self.packets += before - allowance.packets
        return replies


class Told:
    """Sets an event once so many checks are done, and keeps how they ended."""

    def __init__(self, meter: Any) -> None:
        self._meter = meter
        self.expect(0)

    def expect(self, wanted: int) -> asyncio.Event:
        """Count anew."""
        self._left, self._done = wanted, asyncio.Event()
        self.outcomes: dict[str, int] = {}
        self.ended = self.cpu = 0.0
        return self._done

    def __getattr__(self, name: str) -> Any:
        return getattr(self._meter, name)

    def count_check(self, outcome: str) -> None:
        self._meter.count_check(outcome)
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        self._left -= 1
        if self._left == 0:
            self.ended, self.cpu = time.perf_counter(), time.process_time()
            self._done.set()


async def main() -> None:
    settings = config.read(os.environ, Path())
    write_logs(LogFormat.JSON)
    async with assemble.open_deps(settings) as deps:
        stop, count, passes = asyncio.Event(), int(sys.argv[1]), int(*sys.argv[2:] or (1,))
        told, counted = Told(deps.meter), Counted(deps.resolver)
        done, began, used = told.expect(count), time.perf_counter(), time.process_time()
        measured = replace(deps, meter=told, resolver=counted)
        places = worker.WorkerSettings(checks=settings.check_concurrency, pooled_keys=0)
        working = asyncio.create_task(worker.run(measured, places, stop))
        for number in range(passes):
            if number:
                await asyncio.sleep(SETTLED)
                done, counted.packets = told.expect(count), 0
                began, used = time.perf_counter(), time.process_time()
                await _make_due(assemble.database_url(settings))
            await done.wait()
            print(told.ended - began, told.cpu - used, counted.packets / count, told.outcomes, flush=True)
        stop.set()
        await working


async def _make_due(url: str) -> None:
    """Make all domains due at once."""
    connection = await asyncpg.connect(url)
    await connection.execute("UPDATE domains SET next_check_at = 0")
    await connection.close()


if __name__ == "__main__":
    run_in_loop(main())

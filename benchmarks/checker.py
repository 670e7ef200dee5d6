"""Runs our worker until it has checked so many domains, and prints seconds, seconds of CPU, and the packets each took.

LETTERHEAD_…=… python -m benchmarks.checker DOMAINS
"""

import asyncio
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvloop

from letterhead import config, worker
from letterhead.cli.logs import write_logs
from letterhead.config import LogFormat
from letterhead.core.dns.answers import Question, Reply
from letterhead.ports.resolver import Allowance, Resolver
from letterhead.wiring import assemble


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

    def __init__(self, meter: Any, wanted: int, done: asyncio.Event) -> None:
        self._meter, self._left, self._done = meter, wanted, done
        self.outcomes: dict[str, int] = {}
        self.ended = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._meter, name)

    def count_check(self, outcome: str) -> None:
        self._meter.count_check(outcome)
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        self._left -= 1
        if self._left == 0:
            self.ended = time.perf_counter()
            self._done.set()


async def main() -> None:
    settings = config.read(os.environ, Path())
    write_logs(LogFormat.JSON)
    async with assemble.open_deps(settings) as deps:
        stop = asyncio.Event()
        told, counted = Told(deps.meter, int(sys.argv[1]), stop), Counted(deps.resolver)
        began, used = time.perf_counter(), time.process_time()
        await worker.run(
            replace(deps, meter=told, resolver=counted),
            worker.WorkerSettings(checks=settings.check_concurrency, pooled_keys=0),
            stop,
        )
        print(told.ended - began, time.process_time() - used, counted.packets / int(sys.argv[1]), told.outcomes)


if __name__ == "__main__":
    uvloop.run(main())

"""Measure POST /domains at a steady rate: in one process with its worker, and as production runs it, on Postgres."""

import asyncio
import os
import tempfile
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import httpx2

from benchmarks import load, places, seed
from benchmarks.figures import Row, at_most, row
from tests.rigs import postgres
from tests.rigs.letterhead import OPERATOR_TOKEN, Installation
from tests.rigs.processes import free_port

EACH = 20  # POST a second


PARTS = {"post-p95": ("post-p95",), "post-p95-apart": ("post-p95-apart",)}


def rows(quick: bool, parts: Collection[str]) -> Iterator[Row]:
    """Return the figures; what was added is checked meanwhile, by resolvers that nobody runs."""
    seconds = 10 if quick else 60
    if "post-p95" in parts:
        yield from _together(seconds)
    if "post-p95-apart" in parts:
        yield from _apart(seconds)


def _together(seconds: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        installation = _installation(Path(folder))
        keys = seed.seed(installation, seed.Wanted(flat=False))
        with installation.serving() as serving:
            load.pinned(serving.process.pid, load.core())
            took = _measured(serving.url, keys, seconds)
    yield _row("post-p95", "POST /domains, 20/s, SQLite", took, "worker and key making in the same process and core")


def _apart(seconds: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder, postgres.running() as server, server.database() as url:
        load.pinned(server.server.pid, load.other_core())
        installation = _installation(Path(folder), DATABASE_URL=url)
        keys = seed.seed(installation, seed.Wanted(flat=False))
        with installation.serving("--no-worker") as serving:
            worker = installation.worker()
            load.pinned(serving.process.pid, load.core())
            load.pinned(worker.process.pid, load.other_core())
            os.setpriority(os.PRIO_PROCESS, worker.process.pid, 10)  # it shares that core with Postgres and the load
            took = _measured(serving.url, keys, seconds)
            worker.stop()
    yield _row(
        "post-p95-apart",
        "the same, Postgres",
        took,
        "the worker apart, on the other core, behind Postgres",
    )


def _installation(folder: Path, **settings: str) -> Installation:
    nobody = f"127.0.0.1:{free_port('127.0.0.1')}"
    return places.installation(folder, KEY_POOL="400", DNS_RESOLVERS=nobody, **settings)


def _row(name: str, what: str, took: list[float], how: str) -> Row:
    p50, p95, p99 = (took[int(len(took) * share)] for share in (0.5, 0.95, 0.99))
    note = f"p50 {p50:.1f}, p99 {p99:.1f} ms; {len(took)} requests, {how}"
    return row(name, what, p95, "ms, p95", at_most(30), note=note)


def _measured(url: str, keys: list[seed.Keys], seconds: int) -> list[float]:
    _wait_for_keys(url)
    return sorted(asyncio.run(_posted(url, [each.full for each in keys], seconds)))


def _wait_for_keys(url: str) -> None:
    until = time.monotonic() + 90
    pooled = 0.0
    with httpx2.Client(headers={"Authorization": f"Bearer {OPERATOR_TOKEN}"}) as client:
        while pooled < 390 and time.monotonic() < until:
            told = client.get(f"{url}/metrics").text
            pooled = float(next(x for x in told.splitlines() if x.startswith("letterhead_pooled_keys ")).split()[1])
            time.sleep(0.5)


async def _posted(url: str, keys: list[str], seconds: int) -> list[float]:
    """Add a domain every 50 ms, whether the last one is answered or not, each for another of 100 accounts."""
    took: list[float] = []

    async def post(client: httpx2.AsyncClient, number: int) -> None:
        began = time.perf_counter()
        answer = await client.post(
            "/domains",
            json={"sender": f"new{number}.test"},
            headers={"Authorization": f"Bearer {keys[number % len(keys)]}"},
        )
        took.append((time.perf_counter() - began) * 1000)
        answer.raise_for_status()

    async with httpx2.AsyncClient(base_url=url, timeout=30) as client, asyncio.TaskGroup() as group:
        for number in range(EACH * seconds):
            group.create_task(post(client, number))
            await asyncio.sleep(1 / EACH)
    return took

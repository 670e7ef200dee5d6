"""Measures what a single process of the service does beside lists: POST at a steady rate, its start, its memory."""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2

from benchmarks import load, places, seed
from benchmarks.figures import Row, at_most, row
from tests.rigs.letterhead import OPERATOR_TOKEN
from tests.rigs.processes import free_port

EACH = 20  # POST a second
MANY = 10_000


def rows(quick: bool) -> Iterator[Row]:
    """Gives the figures, on SQLite with the worker in the same process, as `letterhead run` has it."""
    with tempfile.TemporaryDirectory() as folder:
        yield from _post(Path(folder), seconds=10 if quick else 60)
    with tempfile.TemporaryDirectory() as folder:
        yield from _start(Path(folder), times=3 if quick else 7)
    with tempfile.TemporaryDirectory() as folder:
        yield from _many(Path(folder), rounds=3 if quick else 9)


def _post(folder: Path, seconds: int) -> Iterator[Row]:
    """Adds a domain every 50 ms, whether the last one is answered or not, each for another of 100 accounts."""
    # Resolvers that nobody runs: checks go on beside it, and come to nothing.
    installation = places.installation(folder, KEY_POOL="400", DNS_RESOLVERS=f"127.0.0.1:{free_port('127.0.0.1')}")
    keys = seed.seed(installation, seed.Wanted(flat=False))
    with installation.serving() as serving:
        load.pinned(serving.process.pid, load.core())
        _wait_for_keys(serving.url)
        took = sorted(asyncio.run(_posted(serving.url, [each.full for each in keys], seconds)))
    p50, p95, p99 = (took[int(len(took) * share)] for share in (0.5, 0.95, 0.99))
    note = f"p50 {p50:.1f}, p99 {p99:.1f} ms; {len(took)} requests, worker and key making beside"
    yield row("post-p95", "POST /domains, 20/s, SQLite", p95, "ms, p95", at_most(30), note=note)


def _wait_for_keys(url: str) -> None:
    until = time.monotonic() + 90
    pooled = 0.0
    with httpx2.Client(headers={"Authorization": f"Bearer {OPERATOR_TOKEN}"}) as client:
        while pooled < 390 and time.monotonic() < until:
            told = client.get(f"{url}/metrics").text
            pooled = float(next(x for x in told.splitlines() if x.startswith("letterhead_pooled_keys ")).split()[1])
            time.sleep(0.5)


async def _posted(url: str, keys: list[str], seconds: int) -> list[float]:
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


def _start(folder: Path, times: int) -> Iterator[Row]:
    """Starts on a database that is there, and asks until it answers."""
    installation = places.installation(folder)
    with installation.serving():
        pass
    took, sizes = [], []
    for _ in range(times):
        began = time.perf_counter()
        with installation.serving() as serving:
            took.append(time.perf_counter() - began)
            time.sleep(1)
            sizes.append(load.memory_of(serving.process.pid))
    yield row("start", "start (warm) to the first answer", statistics.median(took), "s", at_most(1.5),
              note=f"best {min(took):.2f}; bytecode there, database there")  # fmt: skip
    yield row("idle-memory", "resident memory, idle, worker in the process", statistics.median(sizes), "MB",
              at_most(110))  # fmt: skip


def _many(folder: Path, rounds: int) -> Iterator[Row]:
    """Lists an account with 10,000 domains beside one with 100."""
    installation = places.installation(folder)
    few = seed.seed(installation, seed.Wanted(accounts=1, domains=100, flat=False))[0]
    many = seed.seed(installation, seed.Wanted(accounts=1, domains=MANY, first=1, flat=False))[0]
    with places.serving(installation, "--no-worker") as ours, httpx2.Client(timeout=60) as client:
        url = f"http://127.0.0.1:{ours.port}/domains"
        for key in (few.read, many.read):
            _list(client, url, key)
        before = load.memory_of(ours.pid)
        figures = [(_list(client, url, few.read), _list(client, url, many.read)) for _ in range(rounds)]
        grown = load.memory_of(ours.pid) - before
    ratio = statistics.median((large.last / large.count) / (small.last / small.count) for small, large in figures)
    large = statistics.median(one.last for _, one in figures)
    small = statistics.median(one.last for one, _ in figures)
    yield row("many-domains", "an account with 10 k domains: time per domain", large / MANY * 1e6, "µs",
              at_most(1.2, "ratio"), floor=small / 100 * 1e6, ratio=ratio, beside="an account with 100")  # fmt: skip
    yield row("many-first-byte", "its first byte", statistics.median(one.first for _, one in figures) * 1000, "ms",
              at_most(100))  # fmt: skip
    yield row("many-memory", "its memory, over what was there after the first", grown, "MB", at_most(50))


class Listed:
    """Holds when the first and the last byte came, in seconds, and how many domains."""

    def __init__(self, first: float, last: float, count: int) -> None:
        self.first, self.last, self.count = first, last, count


def _list(client: httpx2.Client, url: str, key: str) -> Listed:
    began = time.perf_counter()
    with client.stream("GET", url, headers={"Authorization": f"Bearer {key}"}) as answer:
        first = time.perf_counter() - began
        body = answer.read()
    last = time.perf_counter() - began
    return Listed(first, last, len(json.loads(body)))

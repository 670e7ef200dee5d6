"""Measure a single process of the service beside lists of ten: its start, its memory, an account with very many."""

import json
import statistics
import tempfile
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2

from benchmarks import load, places, seed
from benchmarks.figures import Row, at_most, row
from benchmarks.places import Peer

MANY = 10_000
PACE = 0.01  # seconds between another account's requests
INSTALLED = places.ROOT / ".venv" / "bin" / "letterhead"  # as operators have it, without what only tests need


PARTS = {
    "start": ("start", "idle-memory"),
    "many-domains": ("many-domains", "many-first-byte", "many-memory", "many-others"),
}


def rows(quick: bool, parts: Collection[str]) -> Iterator[Row]:
    """Return the figures, on SQLite with the worker in the same process, as `letterhead run` has it."""
    if "start" in parts:
        with tempfile.TemporaryDirectory() as folder:
            yield from _start(Path(folder), times=3 if quick else 7)
    if "many-domains" in parts:
        with tempfile.TemporaryDirectory() as folder:
            yield from _many(Path(folder), rounds=3 if quick else 9, seconds=3 if quick else 10)


def _start(folder: Path, times: int) -> Iterator[Row]:
    """Start on a database that is there, and ask until it answers."""
    installation = places.installation(folder)
    installation.command = INSTALLED
    with installation.serving():
        pass
    took, sizes = [], []
    for _ in range(times):
        began = time.perf_counter()
        with installation.serving() as serving:
            took.append(time.perf_counter() - began)
            time.sleep(1)
            sizes.append(load.memory_of(serving.process.pid))
    yield row("start", "start (warm) to the first answer", statistics.median(took), "s", at_most(0.7),
              note=f"best {min(took):.2f}; bytecode there, database there")  # fmt: skip
    yield row("idle-memory", "resident memory, idle, worker in the process", statistics.median(sizes), "MB",
              at_most(70))  # fmt: skip


def _many(folder: Path, rounds: int, seconds: int) -> Iterator[Row]:
    """List an account with 10,000 domains beside one with 100."""
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
        alone, beside = _others(ours, few.read, many.read, seconds)
    ratio = statistics.median((large.last / large.count) / (small.last / small.count) for small, large in figures)
    large = statistics.median(one.last for _, one in figures)
    small = statistics.median(one.last for one, _ in figures)
    yield row("many-domains", "an account with 10 k domains: time per domain", large / MANY * 1e6, "µs",
              at_most(1.2, "ratio"), floor=small / 100 * 1e6, ratio=ratio, beside="an account with 100")  # fmt: skip
    yield row("many-first-byte", "its first byte", statistics.median(one.first for _, one in figures) * 1000, "ms",
              at_most(100))  # fmt: skip
    yield row("many-memory", "its memory, over what was there after the first", grown, "MB", at_most(50))
    yield row("many-others", "p99 of another account's list of 100, while the long list is sent over and over", beside,
              "ms, p99", at_most(15), floor=alone, ratio=beside / alone, beside="while it is not")  # fmt: skip


def _others(ours: Peer, few: str, many: str, seconds: int) -> tuple[float, float]:
    """Ask for a short list again and again, alone and while the long one is asked for again and again; p99 in ms."""
    alone = _p99(ours, few, seconds)
    with load.listed([many]) as keys, ThreadPoolExecutor(1) as beside:
        loaded = beside.submit(load.loaded, ours.port, keys, pid=ours.pid, seconds=seconds + 1, connections=1)
        told = _p99(ours, few, seconds)
        loaded.result()
    return alone, told


def _p99(ours: Peer, key: str, seconds: int) -> float:
    took = []
    with httpx2.Client(base_url=f"http://127.0.0.1:{ours.port}", headers={"Authorization": f"Bearer {key}"}) as client:
        until = time.perf_counter() + seconds
        while (began := time.perf_counter()) < until:
            client.get("/domains").raise_for_status()
            took.append((time.perf_counter() - began) * 1000)
            time.sleep(PACE)
    return sorted(took)[int(len(took) * 0.99)]


class Listed:
    """When the first and the last byte came, in seconds, and how many domains."""

    def __init__(self, first: float, last: float, count: int) -> None:
        self.first, self.last, self.count = first, last, count


def _list(client: httpx2.Client, url: str, key: str) -> Listed:
    began = time.perf_counter()
    with client.stream("GET", url, headers={"Authorization": f"Bearer {key}"}) as answer:
        first = time.perf_counter() - began
        body = answer.read()
    last = time.perf_counter() - began
    return Listed(first, last, len(json.loads(body)))

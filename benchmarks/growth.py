"""Measures what grows with the installation: a list and a claim on Postgres, with a thousand domains and many more."""

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg

from benchmarks import floor, load, places, seed
from benchmarks.figures import Row, at_most, row
from letterhead import config, wiring
from letterhead.cli.logs import write_logs
from letterhead.config import LogFormat
from letterhead.ports import Deps
from letterhead.web.app import create_app
from letterhead.web.settings import WebSettings
from tests.rigs import postgres
from tests.rigs.letterhead import Installation

FEW, MANY, MANY_QUICK = 100, 100_000, 2_000  # accounts of ten domains
CLAIMED = 50
Ask = Callable[[str], Awaitable[None]]


class Size(NamedTuple):
    """Holds medians in ms: our list, the floor's list, one claim of 50 due domains."""

    ours: float
    floor: float
    claim: float


def rows(quick: bool) -> Iterator[Row]:
    """Gives the figures; every domain is due, so that a claim chooses among all of them."""
    times = 500 if quick else 3000
    with tempfile.TemporaryDirectory() as folder, postgres.running() as server, server.database() as url:
        load.pinned(server.server.pid, load.other_core())
        installation = places.installation(Path(folder), DATABASE_URL=url)
        keys = seed.seed(installation, seed.Wanted(accounts=FEW, due=seed.BORN))
        small = asyncio.run(_measured(installation, url, keys, times))
        more = (MANY_QUICK if quick else MANY) - FEW
        keys += seed.seed(installation, seed.Wanted(accounts=more, first=FEW, due=seed.BORN))
        large = asyncio.run(_measured(installation, url, keys, times))
    many = f"{len(keys) * 10:,} domains in {len(keys):,} accounts"
    ours, bare = large.ours / small.ours, large.floor / small.floor
    yield row(
        "growth-list", f"GET /domains with {many}, p50, one at a time", large.ours, "ms",
        at_most(1.1, "ratio"), floor=large.floor, ratio=ours / bare, beside="the floor's p50 at this size",
        note=f"from 1,000 domains ours grew {ours:.2f} ×, the floor {bare:.2f} ×; the ratio is of these two; "
        "random accounts, callers not remembered and lists not kept, servers called in the process",
    )  # fmt: skip
    yield row(
        "growth-claim", f"a claim of {CLAIMED} with {many} due", large.claim, "ms", at_most(1.3, "ratio"),
        floor=small.claim, ratio=large.claim / small.claim, beside="with 1,000 due",
    )  # fmt: skip


async def _measured(installation: Installation, url: str, keys: list[seed.Keys], times: int) -> Size:
    """Asks random accounts one at a time, ours and the floor in turns."""
    write_logs(LogFormat.JSON, quiet=True)
    pepper, chosen = await asyncio.to_thread(places.pepper_of, installation), random.Random(7)
    async with (
        wiring.assembled(config.read(installation.settings, Path())) as deps,
        asyncpg.create_pool(url, min_size=1, max_size=1) as pool,
    ):
        sides = [_ours(deps), _floor(pool, bytes.fromhex(pepper))]
        took: list[list[float]] = [[], []]
        for number in range(times):
            key = keys[chosen.randrange(len(keys))].read
            for place in (0, 1) if number % 2 else (1, 0):  # whoever comes second finds the pages in memory
                began = time.perf_counter()
                await sides[place](key)
                took[place].append(time.perf_counter() - began)
        claim = await _claims(deps)
    ours, bare = (statistics.median(each) * 1000 for each in took)
    return Size(ours, bare, claim)


def _ours(deps: Deps) -> Ask:
    app = create_app(
        deps, WebSettings(public_url="http://bench", rate=1e6, burst=10**6, remember_callers=0, kept_lists=0)
    )
    return _asked(app)


def _floor(pool: Any, pepper: bytes) -> Ask:
    """Calls the floor's app, with the installation's pepper."""
    statement = floor.SQL.format(mark="$1")
    floor_app = floor.app(lambda digest: pool.fetch(statement, digest), pepper)
    return _asked(floor_app)


def _asked(app: Any) -> Ask:
    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def ask(key: str) -> None:
        got: list[dict[str, Any]] = []

        async def send(message: dict[str, Any]) -> None:
            got.append(message)

        await app(_scope(key), receive, send)
        if got[0]["status"] != 200 or len(got[1]["body"]) < 5000:
            raise RuntimeError(f"not the list: {got}")

    return ask


def _scope(key: str) -> dict[str, Any]:
    return {
        "type": "http", "http_version": "1.1", "method": "GET", "path": "/domains", "raw_path": b"/domains",
        "query_string": b"", "root_path": "", "scheme": "http", "server": ("127.0.0.1", 80),
        "headers": [(b"host", b"bench"), (b"authorization", f"Bearer {key}".encode())],
        "client": ("127.0.0.1", 1), "state": {},
    }  # fmt: skip


async def _claims(deps: Deps) -> float:
    """Claims and hands back, and gives the median of the claims alone."""
    took = []
    for _ in range(40):
        now = deps.now()
        began = time.perf_counter()
        claimed = await deps.store.claim_due(now, now + timedelta(seconds=90), "bench", CLAIMED)
        took.append((time.perf_counter() - began) * 1000)
        assert len(claimed) == CLAIMED
        await deps.store.hand_back("bench")
    return statistics.median(took)

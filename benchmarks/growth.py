"""Measure what grows with the installation: a list, a claim and the sweep on Postgres, with a thousand domains and
many more."""

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import asyncpg

from benchmarks import asking, floor, load, places, seed, sweep
from benchmarks.figures import Row, at_most, row
from letterhead import config
from letterhead.cli.logs import write_logs
from letterhead.config import LogFormat
from letterhead.ports.deps import Deps
from letterhead.wiring import assemble
from tests.rigs import postgres
from tests.rigs.letterhead import Installation

FEW, MANY, MANY_QUICK = 100, 100_000, 2_000  # accounts of ten domains
CLAIMED = 50
IN_PEACE, DAY = timedelta(hours=1), timedelta(days=1)  # nothing is due while we measure, and all of it a day later


class Size(NamedTuple):
    """Medians in ms: our list, the floor's list, one claim of 50 due domains."""

    ours: float
    floor: float
    claim: float


PARTS = {"growth": ("growth-list", "growth-claim"), "sweep": ("sweep-lag",)}


def rows(quick: bool, parts: Collection[str]) -> Iterator[Row]:
    """Return the figures; claim are made a day later, when every domain is due: they choose among all of them."""
    times = 500 if quick else 3000
    later = datetime.now(UTC) + IN_PEACE
    with tempfile.TemporaryDirectory() as folder, postgres.running() as server, server.database() as url:
        load.pinned(server.server.pid, load.other_core())
        installation = places.installation(Path(folder), DATABASE_URL=url)
        keys = seed.seed(installation, seed.Wanted(accounts=FEW, due=later, spread=DAY))
        small = asyncio.run(_measured(installation, url, keys, times)) if "growth" in parts else None
        more = (MANY_QUICK if quick else MANY) - FEW
        keys += seed.seed(installation, seed.Wanted(accounts=more, first=FEW, due=later, spread=DAY))
        if small is not None:
            yield from _grown(small, asyncio.run(_measured(installation, url, keys, times)), len(keys))
        if "sweep" in parts:
            yield from sweep.rows(Path(folder), url, len(keys) * 10, 20 if quick else 120)


def _grown(small: Size, large: Size, accounts: int) -> Iterator[Row]:
    many = f"{accounts * 10:,} domains in {accounts:,} accounts"
    ours, bare = large.ours / small.ours, large.floor / small.floor
    yield row(
        "growth-list", f"GET /domains with {many}, p50, one at a time", large.ours, "ms",
        at_most(1.1, "ratio"), floor=large.floor, ratio=ours / bare, beside="the floor's p50 at this size",
        note=f"from 1,000 domains ours grew {ours:.2f} ×, the floor {bare:.2f} ×; the ratio is of these two; "
        "random accounts, callers not remembered and lists not kept, servers called in the process",
    )  # fmt: skip
    yield row(
        "growth-claim", f"a claim of {CLAIMED} with {many} due", large.claim, "ms", at_most(1.2, "ratio"),
        floor=small.claim, ratio=large.claim / small.claim, beside="with 1,000 due",
    )  # fmt: skip


async def _measured(installation: Installation, url: str, keys: list[seed.Keys], times: int) -> Size:
    """Ask random accounts one at a time, ours and the floor in turns."""
    write_logs(LogFormat.JSON, quiet=True)
    chosen = random.Random(7)
    async with (
        assemble.open_deps(config.read(installation.settings, Path())) as deps,
        asyncpg.create_pool(url, min_size=1, max_size=1) as pool,
    ):
        pepper = await places.pepper(deps)
        bare = floor.app(lambda digest: pool.fetch(floor.SQL.format(mark="$1"), digest), pepper)
        sides = [asking.ours(deps, remember_callers=0, kept_lists=0), asking.asked(bare)]
        took: list[list[float]] = [[], []]
        for number in range(times):
            key = keys[chosen.randrange(len(keys))].read
            for place in (0, 1) if number % 2 else (1, 0):  # whoever comes second finds the pages in memory
                began = time.perf_counter()
                await sides[place](key)
                took[place].append(time.perf_counter() - began)
        claim = await _claims(deps)
    ours, of_floor = (statistics.median(each) * 1000 for each in took)
    return Size(ours, of_floor, claim)


async def _claims(deps: Deps) -> float:
    """Claim and hand back, and return the median of the claims alone."""
    took = []
    for _ in range(40):
        now = deps.now() + IN_PEACE + DAY
        began = time.perf_counter()
        claimed = await deps.store.claim_due(now, now + timedelta(seconds=90), "bench", CLAIMED)
        took.append((time.perf_counter() - began) * 1000)
        assert len(claimed) == CLAIMED
        await deps.store.release_leases("bench", now)
    return statistics.median(took)

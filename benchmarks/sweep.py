"""Measure the sweep: how late checks begin where a million domains are looked at once a day, 12 each second.

The table holds a million rows, as many due in each second of the day as in any other; what is run is a few minutes of
it, by one worker on one core, with DNS on loopback. The domains of these minutes are real in DNS, the others wait.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import asyncpg
import msgspec

from benchmarks import checking, load, places, zones
from benchmarks.figures import Row, at_most, row
from letterhead.adapters.keyring import EnvelopeKeyring
from letterhead.adapters.keyring_settings import KeyEncryptionKey
from letterhead.core.secret import Secret
from tests.rigs import dns_lab
from tests.rigs.processes import program

EACH = 12  # a second: a million in a day
AHEAD = 8.0  # seconds for the worker to start


class Swept(msgspec.Struct, frozen=True):
    """How late each check began and ended, in seconds, and the seconds of CPU that all took."""

    began: list[float]
    ended: list[float]
    cpu: float


def rows(folder: Path, url: str, others: int, seconds: int) -> Iterator[Row]:
    """Return the lag's p99, in a database where so many others are due in the day after."""
    count = EACH * seconds
    public_key = EnvelopeKeyring([KeyEncryptionKey("bench", Secret(bytes(32)))]).make_pair().public_key
    with dns_lab.running() as lab:
        for process in (lab.ns1.server, lab.ns2.server, lab.resolver):
            load.pinned(process.pid, load.other_core())
        zones.publish(lab, count, public_key)
        asyncio.run(checking.seeded(url, count, public_key))
        settings = checking.installation(folder, url, lab, lab.resolver_port).settings
        start = time.time() + AHEAD
        asyncio.run(_due(url, start))
        lab.flush()
        swept = _run(count, start, settings)
    began, ended = sorted(swept.began), sorted(swept.ended)
    p99 = began[int(len(began) * 0.99)]
    note = (
        f"{seconds} s of the day: {count} checks due at {EACH}/s, {count + others:,} rows; begun p50 "
        f"{statistics.median(began):.2f}, worst {began[-1]:.2f}; ended p99 {ended[int(len(ended) * 0.99)]:.2f} s late; "
        f"{swept.cpu / (ended[-1] + seconds):.0%} of a core"
    )
    yield row("sweep-lag", "a million domains due over a day: how late checks begin", p99, "s, p99", at_most(60),
              note=note)  # fmt: skip


async def _due(url: str, start: float) -> None:
    """Spread the checks of the real domains evenly from a moment on."""
    connection = await asyncpg.connect(url)
    await connection.execute(
        "UPDATE domains SET next_check_at = $1 + CAST(substr(id, 6, 5) AS BIGINT) * 1000 / $2 "
        "WHERE account_id = 'acc'", int(start * 1000), EACH,
    )  # fmt: skip
    await connection.close()


def _run(count: int, start: float, settings: Mapping[str, str]) -> Swept:
    """Run one worker on the core of what is measured until all are checked."""
    words = [sys.executable, "-m", "benchmarks.sweeper", str(count), str(start), str(EACH)]
    done = subprocess.run(
        [program("taskset"), "-c", load.core(), *words],
        cwd=places.ROOT, env={**os.environ, **settings}, capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"the sweep failed:\n{done.stderr[-2000:].decode()}")
    return msgspec.json.decode(done.stdout.splitlines()[-1], type=Swept)

"""A worker that is killed is missed within a minute, with processes of their own on PostgreSQL."""

from pathlib import Path

import asyncpg
import httpx2

from tests.rigs.letterhead import Installation, Serving
from tests.rigs.postgres import Postgres
from tests.rigs.waiting import until


async def test_a_killed_worker_is_missed(tmp_path: Path, postgres: Postgres) -> None:
    """Its last heartbeat stays and grows old, with nothing due at all; the next worker is seen in its place."""
    with postgres.database() as url:
        installation = Installation(tmp_path, DATABASE_URL=url, DNS_RESOLVERS="127.0.0.1:9", KEY_POOL="1")
        assert installation.run("migrate").returncode == 0
        with installation.serving("--no-worker") as serving:
            assert worker_of(serving) == (False, "no worker runs: start one")
            first = installation.worker()
            until_worker(serving, "1 worker runs")
            first.kill()
            assert worker_of(serving)[0] is True
            connection = await asyncpg.connect(url)
            try:  # in place of forty seconds
                await connection.execute("UPDATE heartbeats SET at = at - 41000")
            finally:
                await connection.close()
            until_worker(serving, "no worker seen for 4")
            assert "no worker seen for 4" in installation.run("doctor").stdout
            second = installation.worker()
            until_worker(serving, "1 worker runs")
            second.stop()
            until_worker(serving, "no worker seen for")


def worker_of(serving: Serving) -> tuple[bool, str]:
    """Ask how the worker is."""
    part = httpx2.get(f"{serving.url}/readyz", timeout=20, trust_env=False).json()["worker"]
    return part["ok"], part["detail"]


def until_worker(serving: Serving, words: str) -> None:
    """Wait until these words are said of the worker."""
    until(lambda: words in worker_of(serving)[1])

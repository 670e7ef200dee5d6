"""P22: what one account asks for over HTTP costs no other: lists, pages and first checks stay quick, memory bounded.

Each abuser is one of those that stopped the whole service once; all work at the same time. `size` is the share of the
full attack in percent.
"""

import asyncio
import itertools
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from benchmarks import seed
from tests.faults import promises
from tests.faults.conftest import Figures
from tests.rigs import hostile_dns
from tests.rigs.abuser import REFRESHERS, UNREAD, times
from tests.rigs.hostile_dns import RESOLVER, HostileDns
from tests.rigs.letterhead import Installation, Serving
from tests.rigs.postgres import Postgres
from tests.rigs.waiting import is_within

DOMAINS = 10_000
SECONDS, MEGABYTES = 2.0, 150  # another's request takes no longer; the process takes no more than it did before
CHECK_SECONDS = 30.0  # what a first check may take at the small size; test_p22_abusers.py holds it to 2 s
LOOKS = 60  # of the other account, while the abusers work


async def look(serving: Serving, key: str, looks: int) -> dict[str, list[float]]:
    """Do as another account does, and take the times."""
    took: dict[str, list[float]] = {"list": [], "page": [], "first check": []}
    headers = {"Authorization": f"Bearer {key}"}
    api = httpx2.AsyncClient(base_url=serving.url, headers=headers, timeout=120, trust_env=False)
    pages = httpx2.AsyncClient(base_url=serving.url, timeout=120, trust_env=False)
    async with api, pages:
        form = (await pages.get("/sign-in")).text
        token = re.search('name="csrf" value="([^"]+)"', form)
        fields = {"key": key, "csrf": token[1] if token else ""}
        assert (await pages.post("/sign-in", data=fields)).status_code == 303
        for number in itertools.count():
            for name, client, path in (("list", api, "/domains"), ("page", pages, "/dashboard")):
                began = time.perf_counter()
                assert (await client.get(path)).status_code == 200
                took[name].append(time.perf_counter() - began)
            if number % 10 == 0:
                sender = f"v{number}.nodata.test"
                began = time.perf_counter()
                assert (await api.post("/domains", json={"sender": sender})).status_code == 200
                assert (await api.post(f"/domains/{sender}/check")).status_code == 200
                took["first check"].append(time.perf_counter() - began)
            if number >= looks:
                return took
            await asyncio.sleep(0.05)  # within the rate of an account
    raise AssertionError("unreachable")


@contextmanager
def abused(serving: Serving, keys: seed.Keys, size: int) -> Iterator[dict[str, dict[str, int]]]:
    """Run the abusers of one account while the block runs; then return what they were answered."""
    words = [sys.executable, "-m", "tests.rigs.abuser", serving.url, keys.read, keys.full, str(size)]
    answers: dict[str, dict[str, int]] = {}
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=promises.ROOT) as process:
        try:
            yield answers
        finally:
            told, _ = process.communicate(timeout=300)
    assert process.returncode == 0
    answers |= json.loads(told)


def memory(serving: Serving) -> float:
    """Return the resident memory of the serving process, in MB."""
    status = Path(f"/proc/{serving.process.pid}/status").read_text("ascii")
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


def descriptors(serving: Serving) -> int:
    """Count the open descriptors of the serving process."""
    return len(list(Path(f"/proc/{serving.process.pid}/fd").iterdir()))


@pytest.fixture(scope="module")
def hostile() -> Iterator[HostileDns]:
    """Run servers that answer with records as large as they may be, and honest ones."""
    with hostile_dns.running() as servers:
        yield servers


@pytest.mark.timeout(600)
@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_what_one_account_asks_for_costs_no_other(
    engine: str, hostile: HostileDns, postgres: Postgres, tmp_path: Path, figures: Figures
) -> None:
    """All abusers at once: the other's p99 is within 2 s, memory within 150 MB, streams within their share."""
    size = promises.size("P22-answers")
    with postgres.database() as url:
        more = {"DATABASE_URL": url} if engine == "postgresql" else {}
        dns = {"DNS_RESOLVERS": f"{RESOLVER}:{hostile.port}", "DNS_AUTHORITATIVE_PORT": f"{hostile.port}"}
        installation = Installation(tmp_path, **dns, **more)
        assert installation.run("migrate").returncode == 0
        due = datetime.now(UTC) + timedelta(hours=2)  # so that the worker does nothing but what is asked for
        wanted = seed.Wanted(accounts=1, domains=DOMAINS * size // 100, flat=False, due=due)
        keys = seed.seed(installation, wanted)[0]
        installation.stock(50)
        with installation.serving() as serving:
            other = serving.open_account()
            with serving.client(keys.read) as client:
                assert len(client.get("/domains").json()) == DOMAINS * size // 100
            idle, held = memory(serving), descriptors(serving)
            with abused(serving, keys, size) as answers:
                took = asyncio.run(look(serving, other, LOOKS * max(1, size // 20)))
                most, open_ones = memory(serving), descriptors(serving)
    worst = {name: round(p99(each), 2) for name, each in took.items()}
    streams = answers["stream"].get("200", 0)
    figures(engine=engine, p99=worst, memory=round(most - idle), streams=streams, answers=answers)
    # In CI the abusers, their name servers and the database have the same cores as the service.
    first_check = SECONDS if size >= 100 else CHECK_SECONDS
    assert is_within(worst["list"], SECONDS), worst
    assert is_within(worst["page"], SECONDS), worst
    assert is_within(worst["first check"], first_check), worst
    assert most - idle <= MEGABYTES
    assert answers["stream"].get("429", 0) > 0  # links that end make room for others, but only so many are open at once
    assert open_ones - held <= 40 + times(UNREAD, size) + times(REFRESHERS, size) + 80
    assert not any(status >= "500" for counted in answers.values() for status in counted)


def p99(took: list[float]) -> float:
    """Return the time within which 99 of 100 were answered."""
    return statistics.quantiles(took, n=100, method="inclusive")[98]

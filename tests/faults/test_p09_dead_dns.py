"""P9: trouble in DNS does not reach the API: three installations are asked in turn, a share of whose DNS is dead."""

import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.faults.conftest import Figures
from tests.rigs import hostile_dns
from tests.rigs.hostile_dns import RESOLVER, HostileDns
from tests.rigs.letterhead import Installation, Serving

DOMAINS = 40
DEAD = (0.0, 0.1, 0.5)
ROUNDS = 5
# Of one installation to another that is asked in turn, on a machine that does other work: the promise is 10 %, held by
# a soak on a quiet one. What waits for dead servers takes seconds, so that it would show here too.
MOST = 3.0


@pytest.fixture(scope="module")
def hostile() -> Iterator[HostileDns]:
    """Run servers of which those of `drop.test` never answer, and those of `nodata.test` do."""
    with hostile_dns.running() as servers:
        yield servers


def filled(serving: Serving, dead: float) -> str:
    """Add domains that are looked at every 6 s, that share of them with dead servers; return the account's key."""
    key = serving.open_account()
    with serving.client(key) as client:
        for number in range(DOMAINS):
            zone = "drop" if number < dead * DOMAINS else "nodata"
            assert client.post("/domains", json={"sender": f"d{number}.{zone}.test"}).status_code == 200
    return key


def times(serving: Serving, key: str, requests: int) -> list[float]:
    """Ask for the list so many times, while the worker of the same process checks."""
    took = []
    with serving.client(key) as client:
        for _ in range(requests):
            began = time.perf_counter()
            assert client.get("/domains").status_code == 200
            took.append(time.perf_counter() - began)
    return took


def p99(took: list[float]) -> float:
    """Return the time within which 99 of 100 were answered."""
    return statistics.quantiles(took, n=100)[98]


@pytest.mark.timeout(600)
def test_dead_servers_slow_no_request(hostile: HostileDns, tmp_path: Path, size: int, figures: Figures) -> None:
    """With a tenth and with half of the domains' servers dead, lists are answered as fast as with none."""
    with ExitStack() as stack:
        asked = {}
        for dead in DEAD:
            folder = tmp_path / f"dead{dead * 100:.0f}"
            folder.mkdir()
            port = f"{hostile.port}"
            installation = Installation(
                folder, DNS_RESOLVERS=f"{RESOLVER}:{port}", DNS_AUTHORITATIVE_PORT=port, RATE_LIMIT="5000/s burst 5000"
            )
            assert installation.run("migrate").returncode == 0
            serving = stack.enter_context(installation.serving())
            asked[dead] = serving, filled(serving, dead)
        rounds = [{dead: times(*asked[dead], size // ROUNDS) for dead in DEAD} for _ in range(ROUNDS)]
    silent = hostile.packets["drop.test"]
    worst = {dead: statistics.median(p99(each[dead]) / p99(each[0.0]) for each in rounds) for dead in DEAD[1:]}
    figures(requests=size * len(DEAD), p99_beside_none_dead={f"{dead:.0%}": round(worst[dead], 2) for dead in worst})
    assert silent > DOMAINS  # they were looked at meanwhile, in vain
    assert max(worst.values()) < MOST

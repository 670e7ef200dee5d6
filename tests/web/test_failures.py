"""Hold that failed sign-ins are counted together by all processes, at little cost to the store they share."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from letterhead.errors import Fault, Kind
from letterhead.operations.sign_in_throttle import WRITES_BURST, SignInThrottle, network_of
from letterhead.web import WebSettings
from letterhead.wiring.assemble import Overrides
from tests.operations.world import Clock, World, noon, opened

SETTINGS = WebSettings(public_url="", failure_rate=1.0, failure_burst=5, share_failures=True)
GUESSER, OTHER = "192.0.2.1", "192.0.2.2"


@pytest.fixture
def clock() -> Clock:
    """Return a clock to turn."""
    return Clock(noon())


@pytest.fixture
async def world(tmp_path: Path, clock: Clock) -> AsyncIterator[World]:
    """Open an installation."""
    async with opened(tmp_path, Overrides(now=clock)) as installation:
        yield installation


def process(world: World, clock: Clock) -> SignInThrottle:
    """Count as one process of several does."""
    return SignInThrottle(world.deps, SETTINGS, lambda: clock.at.timestamp())


async def failed(failures: SignInThrottle, times: int, address: str = GUESSER) -> list[int]:
    """Fail so many times, and list what each was told to wait: 0 where it was let fail."""
    waits = []
    for _ in range(times):
        try:
            await failures.count(address)
            waits.append(0)
        except Fault as fault:
            assert fault.kind is Kind.TOO_MANY_REQUESTS
            waits.append(fault.retry_after or -1)
    return waits


async def test_processes_count_together(world: World, clock: Clock) -> None:
    """What one process let fail is no longer let fail by another; a second later one more is, by all together."""
    one, two = process(world, clock), process(world, clock)
    assert await failed(one, 5) == [0] * 5
    assert await failed(two, 3) == [1] * 3
    assert await failed(two, 2, OTHER) == [0] * 2
    clock.turn(seconds=1)
    assert await failed(two, 2) + await failed(one, 2) == [0, 1, 1, 1]


async def test_a_process_whose_store_is_in_trouble_counts_alone(world: World, tmp_path: Path, clock: Clock) -> None:
    """Where the store can't be written to, the process goes on with its own count."""
    alone = process(world, clock)
    with closing(sqlite3.connect(tmp_path / "letterhead.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert await failed(alone, 1) == [0]
    assert await failed(alone, 6) == [0] * 4 + [1] * 2


async def test_guesses_from_everywhere_do_not_fill_the_store(world: World, clock: Clock) -> None:
    """However many addresses guess, a process writes a bounded number of rows, and they go when they are over."""
    failures = process(world, clock)
    for number in range(3 * WRITES_BURST):
        assert await failed(failures, 1, f"10.0.{number // 256}.{number % 256}") == [0]
    assert await world.deps.store.prune_rate_slots(clock.at) == 0
    assert await world.deps.store.prune_rate_slots(clock.turn(hours=1)) == WRITES_BURST


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
        ("x" * 5000, "x" * 64),
    ],
)
def test_one_host_has_one_count(address: str, counted: str) -> None:
    """An IPv6 host that has 2^64 addresses is counted as one."""
    assert network_of(address) == counted

"""Simulates installations that no machine here can hold, from the unit costs that a run has measured.

Checks come due at random, 1 in 86,400 of the domains each second; each takes a worker's core for as long as one was
measured to take, at half speed, since DNS and the database answer later there than on loopback.
"""

import heapq
import random
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks.figures import Row

SIZES = (10_000, 1_000_000, 10_000_000, 100_000_000)
DAY, HOUR = 86_400, 3_600
PART = 0.5  # of the measured speed
FULL = 0.7  # of a core's time may be used, so that a rush does not become a queue
QUESTIONS = (4, 10)  # for a check: seen, and at most
OCTETS = 6_000  # of a domain with its last check, its sealed key, its events of a year and the indexes
ACCOUNT, POLLED = 10, 60  # domains of an account, and seconds between its lists
CHECKS = 100_000  # simulated
HEAD = (
    "| domains | checks | DNS questions | data and indexes | worker cores | begun late, p99 | caught up after an hour "
    "without workers | lists, each account once a minute | cores for these |\n|---|---|---|---|---|---|---|---|---|"
)


class Costs(NamedTuple):
    """What one core does in a second, as measured."""

    checks: float
    lists: float


def costs(rows: Sequence[Row]) -> Costs | None:
    """Take the unit costs out of a run, where it measured them."""
    value = {row.name: row.value for row in rows}
    return (
        Costs(value["check-rate"], value["list-postgres"]) if {"check-rate", "list-postgres"} <= value.keys() else None
    )


def table(costs: Costs) -> str:
    """Write a line for each size."""
    return "\n".join([HEAD, *(_line(size, costs) for size in SIZES), ""])


def _line(domains: int, costs: Costs) -> str:
    rate, speed = domains / DAY, costs.checks * PART
    cores = max(1, -int(-rate // (speed * FULL)))
    back = HOUR * rate / (cores * speed - rate)
    few, most = (rate * each for each in QUESTIONS)
    lists = domains / ACCOUNT / POLLED
    cells = (
        f"{domains:,}", f"{rate:,.1f}/s", f"{few:,.0f}–{most:,.0f}/s", f"{domains * OCTETS / 1e9:,.1f} GB", f"{cores}",
        f"{lag(rate, cores, 1 / speed) * 1000:,.0f} ms", f"{back / 60:,.1f} min", f"{lists:,.0f}/s",
        f"{lists / (costs.lists * PART):,.1f}",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def lag(rate: float, cores: int, each: float) -> float:
    """Return how late checks begin, p99 in seconds, where so many come each second and a core takes so long for one."""
    chance, now, late = random.Random(7), 0.0, []
    free = [0.0] * cores
    for _ in range(CHECKS):
        now += chance.expovariate(rate)
        begun = max(now, heapq.heappop(free))
        late.append(begun - now)
        heapq.heappush(free, begun + each)
    return sorted(late)[int(CHECKS * 0.99)]

"""Hold that an answer goes out at once, whatever event loop serves it."""

import statistics
import time

import httpx2

from tests.rigs.waiting import is_within


async def test_no_answer_waits_for_a_receipt(acme: httpx2.AsyncClient) -> None:
    """Head and body leave together: on a kept connection no answer is held back 40 ms by Nagle's algorithm."""
    times = []
    for _ in range(15):
        began = time.perf_counter()
        await acme.get("/account")
        times.append(time.perf_counter() - began)
    assert is_within(statistics.median(times), 0.030)

"""Wait until something holds that another task, thread or process brings about; judge how long something took.

The time limits of waits only end a test that would wait for ever: they are far longer than what is waited for takes.
"""

import asyncio
import time
from collections.abc import Callable

CEILING = 45.0  # seconds, on a machine that is busy with other things


def eventually(holds: Callable[[], object], seconds: float = CEILING) -> bool:
    """Wait until something holds, and return whether it came to."""
    end = time.monotonic() + seconds
    while not (held := holds()) and time.monotonic() < end:
        time.sleep(0.05)
    return bool(held)


def until(holds: Callable[[], object], seconds: float = CEILING) -> None:
    """Wait until something holds."""
    assert eventually(holds, seconds), f"it did not come to hold within {seconds} s"


async def until_async(holds: Callable[[], object], seconds: float = CEILING) -> None:
    """Wait until something holds that a task of this loop brings about."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, f"it did not come to hold within {seconds} s"
        await asyncio.sleep(0.02)


def slowness() -> float:
    """Return how much longer a computation takes here than the CPU time that it needs: 1.0 where nobody else works."""
    began, used = time.perf_counter(), time.thread_time()
    while time.thread_time() - used < 0.2:
        pass
    return max(1.0, (time.perf_counter() - began) / (time.thread_time() - used))


def is_within(took: float, seconds: float) -> bool:
    """Return whether something took no longer than it may, or than it may on a machine that is as busy as this one."""
    return took <= seconds or took <= seconds * slowness()

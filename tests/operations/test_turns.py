"""How checks share the event loop with everything else in the process."""

import asyncio
import contextlib

from letterhead.worker import FairScheduler
from tests.rigs.waiting import CEILING

CHECKS = 30


async def test_one_check_at_most_runs_between_two_turns_of_the_loop() -> None:
    """Of many checks that are ready at once one runs in each turn, so that a request never waits for two."""
    turns, happened = FairScheduler(), list[str]()

    async def check(number: int) -> None:
        await turns.next()
        happened.append(f"check {number}")

    async def request() -> None:
        while len(happened) < 2 * CHECKS:
            happened.append("request")
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for number in range(CHECKS):
            group.create_task(check(number))
        group.create_task(request())
    between = "|".join(happened).split("request")
    assert max(part.count("check") for part in between) == 1
    assert [each for each in happened if each != "request"] == [f"check {number}" for number in range(CHECKS)]


async def test_one_that_gives_up_leaves_its_turn_to_the_next() -> None:
    """A check that is cancelled while it waits stops nobody behind it, and turns are given again after a rest."""
    turns = FairScheduler()
    waiting = [asyncio.create_task(turns.next()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting[0]
    await asyncio.wait_for(asyncio.gather(*waiting[1:]), CEILING)
    await asyncio.wait_for(turns.next(), CEILING)
    assert [each.cancelled() for each in waiting] == [True, False, False]

"""Places in this process for what takes long or stays open, shared by account; whoever waits, waits a bounded time."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from letterhead.core.schedule.shares import AccountQueue
from letterhead.errors import Fault, Kind

WAITING_EACH = 100  # that wait for a place of one account; a further one is refused at once


class AccountPlaces:
    """`places` in all, at most `most_each` of one account; `what` takes a place, as messages name it."""

    def __init__(self, what: str, places: int, most_each: int) -> None:
        self.what = what
        self._queue = AccountQueue[asyncio.Future[None]](places, most_each)

    def held_by_account(self) -> dict[str, int]:
        """Return how many places each account holds that holds any."""
        return self._queue.held_by_account()

    def waiting(self, account_id: str) -> int:
        """Return how many wait for a place of an account."""
        return self._queue.waiting(account_id)

    def take(self, account_id: str) -> bool:
        """Take a place without waiting; false where there is none for this account."""
        turn = self._add(account_id)
        if turn.done():
            return True
        self._queue.remove(account_id, turn)
        return False

    def _add(self, account_id: str) -> asyncio.Future[None]:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.add(account_id, turn)
        self._hand_out()
        return turn

    def _hand_out(self) -> None:
        while (taken := self._queue.take()) is not None:
            taken[1].set_result(None)

    def release(self, account_id: str) -> None:
        """Give a place back, and pass it on to whoever waits for one."""
        self._queue.free(account_id)
        self._hand_out()

    async def wait(self, account_id: str, seconds: float) -> None:
        """Take a place, if need be after some seconds; Fault `too-many-requests` where there is none by then."""
        if self.waiting(account_id) >= WAITING_EACH:
            raise self._fault()
        turn = self._add(account_id)
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(turn)
        except BaseException as ended:
            if turn.done():  # it came at the same moment
                self.release(account_id)
            else:
                self._queue.remove(account_id, turn)
            if isinstance(ended, TimeoutError):
                raise self._fault() from ended
            raise

    @asynccontextmanager
    async def place(self, account_id: str, seconds: float) -> AsyncIterator[None]:
        """Hold a place while the block runs; Fault `too-many-requests`."""
        await self.wait(account_id, seconds)
        try:
            yield
        finally:
            self.release(account_id)

    def _fault(self) -> Fault:
        return Fault(
            Kind.TOO_MANY_REQUESTS,
            f"Too many {self.what} of this account are under way.",
            "Wait until one of them has ended, then ask again; one after the other is quicker.",
            retry_after=5,
        )

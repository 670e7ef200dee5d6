"""The deliveries from the queue: when each is due, whose turn it is, the pause while the smart host is unreachable.

Messages that are due wait by account (`AccountQueue`): one account's thousands, or its slow recipients, do not stand
before another's message.
"""

import asyncio
import heapq
from datetime import datetime, timedelta
from functools import partial

import structlog
from msgspec.structs import replace

from letterhead.core.relay.queue import QueuedMessage
from letterhead.core.schedule.shares import AccountQueue
from letterhead.errors import Fault
from letterhead.operations import relay as operation
from letterhead.operations.relay import RelayOutcome
from letterhead.ports.deps import Deps
from letterhead.ports.relay import RelayDeps

log = structlog.get_logger()
PAUSE = (1.0, 60.0)  # seconds while the smart host is unreachable: the first, and the longest
AFTER_A_FAULT = timedelta(seconds=5)  # of ours: the database or the disk
AFTER_A_BUG = timedelta(minutes=5)
STOP_WITHIN = 25.0  # seconds in which deliveries under way may end
LONGEST = 1.0  # seconds between two checks of what is due: the clock may be set, or the machine sleep


class DeliveryLoop:
    """The queue in memory, by time, and the deliveries under way."""

    def __init__(self, deps: Deps, relaying: RelayDeps, places: int) -> None:
        self._deps, self._relaying = deps, relaying
        self._later: list[tuple[float, str, QueuedMessage]] = []  # a heap, by the time when each is due
        self._due = AccountQueue[QueuedMessage](places)
        self._running: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._unreached = 0  # attempts in a row that did not reach the smart host
        self._pause_until = 0.0
        deps.meter.watch_queue(self._describe_queue)

    @property
    def waiting(self) -> int:
        """The number of messages that are not delivered."""
        return len(self._later) + len(self._due) + len(self._running)

    def _describe_queue(self) -> tuple[int, datetime | None]:
        """Return how many messages are not delivered, and when the oldest of those that wait was accepted."""
        waiting = [*(queued for _, _, queued in self._later), *self._due]
        accepted = (queued.envelope.accepted_at for queued in waiting)
        return self.waiting, min(accepted, default=None)

    async def load(self) -> None:
        """Load the queue that an earlier process left."""
        for queued in await self._relaying.queue.list_queued():
            self._relaying.usage.add(queued.envelope.account_id, queued.octets)
            self.add(queued)

    def add(self, queued: QueuedMessage) -> None:
        """Add a message that is counted in the account's usage; it is delivered when it is due."""
        heapq.heappush(self._later, (queued.progress.due_at.timestamp(), queued.envelope.id, queued))
        self._changed.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver messages until `stop` is set, then let the deliveries under way end."""
        stopping = asyncio.ensure_future(stop.wait())
        while not stop.is_set():
            self._changed.clear()
            wait = self._pause_until - asyncio.get_running_loop().time()
            if wait <= 0:
                now = self._deps.now().timestamp()
                while self._later and self._later[0][0] <= now:
                    _, _, queued = heapq.heappop(self._later)
                    self._due.add(queued.envelope.account_id, queued)
                while (turn := self._due.take()) is not None:
                    account_id, queued = turn
                    self._running.add(task := asyncio.ensure_future(self._deliver(queued)))
                    task.add_done_callback(partial(self._remove, account_id))
                wait = min(LONGEST, max(0.01, self._later[0][0] - now)) if self._later else LONGEST
            changed = asyncio.ensure_future(self._changed.wait())
            await asyncio.wait({changed, stopping}, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            changed.cancel()
        if self._running:
            _, left = await asyncio.wait(self._running, timeout=STOP_WITHIN)
            for task in left:  # it is on the disk
                task.cancel()

    def _remove(self, account_id: str, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._due.free(account_id)
        self._changed.set()

    async def _deliver(self, queued: QueuedMessage) -> None:
        """Make one attempt; whatever fails, the message stays in the queue."""
        with structlog.contextvars.bound_contextvars(message=queued.envelope.id):
            try:
                attempt = await operation.hand_over(self._deps, self._relaying, queued)
            except Fault as fault:
                log.warning("message.interrupted", kind=fault.kind, detail=fault.detail)
                self._add_later(queued, AFTER_A_FAULT)
                return
            except Exception:
                log.exception("message.broken")
                self._add_later(queued, AFTER_A_BUG)
                return
            usage, account_id = self._relaying.usage, queued.envelope.account_id
            usage.remove(account_id, queued.octets)
            for each in attempt.pending:
                usage.add(account_id, each.octets)
                self.add(each)
            if attempt.outcome is not RelayOutcome.UNREACHED:
                self._unreached = 0
                self._deps.meter.count_relayed(attempt.outcome)
                return
            time = asyncio.get_running_loop().time()
            if time >= self._pause_until:  # of several attempts at once the first one counts
                pause = min(PAUSE[1], PAUSE[0] * 2 ** min(self._unreached, 10))
                self._unreached += 1
                self._pause_until = time + pause
                log.warning("smarthost.unreached", said=operation.without_locals(attempt.said), rest_seconds=pause)

    def _add_later(self, queued: QueuedMessage, by: timedelta) -> None:
        self.add(replace(queued, progress=replace(queued.progress, due_at=self._deps.now() + by)))

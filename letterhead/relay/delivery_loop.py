"""Knows when each waiting message is handed on, how many at once, and to wait while the smart host is out of reach."""

import asyncio
import heapq
from datetime import timedelta

import structlog
from msgspec.structs import replace

from letterhead.core.relay.queue import QueuedMessage
from letterhead.errors import Fault
from letterhead.operations import relay as operation
from letterhead.operations.relay import RelayOutcome
from letterhead.ports.deps import Deps
from letterhead.ports.relay import RelayDeps

log = structlog.get_logger()
REST = (1.0, 60.0)  # seconds while the smart host is out of reach: the first, and the longest
AFTER_TROUBLE = timedelta(seconds=5)  # of ours: the database or the disk
AFTER_A_BUG = timedelta(minutes=5)
STOP_WITHIN = 25.0  # seconds in which handovers under way may end
LONGEST = 1.0  # seconds without a look at what is due: the clock may be set, or the machine sleep


class DeliveryLoop:
    """Holds what waits, and hands it on as it comes due."""

    def __init__(self, deps: Deps, relaying: RelayDeps, places: int) -> None:
        self._deps, self._relaying, self._places = deps, relaying, places
        self._waiting: list[tuple[float, str, QueuedMessage]] = []
        self._running: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        self._unreached = 0  # tries in a row that did not come to the smart host
        self._rest_until = 0.0

    @property
    def waiting(self) -> int:
        """Counts the messages that are not handed on."""
        return len(self._waiting) + len(self._running)

    async def load(self) -> None:
        """Takes up what an earlier process left."""
        for queued in await self._relaying.queue.list_queued():
            self.add(queued)

    def add(self, queued: QueuedMessage) -> None:
        """Lets a message wait for its time."""
        heapq.heappush(self._waiting, (queued.progress.due_at.timestamp(), queued.envelope.id, queued))
        self._deps.meter.set_queue_size(self.waiting)
        self._news.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Hands messages on until `stop` is set, then lets those under way end."""
        stopping = asyncio.ensure_future(stop.wait())
        while not stop.is_set():
            self._news.clear()
            wait = self._start_due()
            news = asyncio.ensure_future(self._news.wait())
            await asyncio.wait({news, stopping}, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            news.cancel()
        if self._running:
            _, left = await asyncio.wait(self._running, timeout=STOP_WITHIN)
            for task in left:  # it is on the disk
                task.cancel()

    def _start_due(self) -> float:
        """Begins what is due while places are free, and says for how many seconds there is nothing to do."""
        rest = self._rest_until - asyncio.get_running_loop().time()
        if rest > 0:
            return rest
        now = self._deps.now().timestamp()
        while self._waiting and self._waiting[0][0] <= now and len(self._running) < self._places:
            _, _, queued = heapq.heappop(self._waiting)
            self._running.add(task := asyncio.ensure_future(self._hand_over(queued)))
            task.add_done_callback(self._ended)
        if len(self._running) >= self._places or not self._waiting:
            return LONGEST
        return min(LONGEST, max(0.01, self._waiting[0][0] - now))

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._deps.meter.set_queue_size(self.waiting)
        self._news.set()

    async def _hand_over(self, queued: QueuedMessage) -> None:
        """Makes one try; whatever goes wrong, the message waits on."""
        with structlog.contextvars.bound_contextvars(message=queued.envelope.id):
            try:
                tried = await operation.hand_over(self._deps, self._relaying, queued)
            except Fault as fault:
                log.warning("message.interrupted", kind=fault.kind, detail=fault.detail)
                self.add(self._later(queued, AFTER_TROUBLE))
            except Exception:
                log.exception("message.broken")
                self.add(self._later(queued, AFTER_A_BUG))
            else:
                for each in tried.pending:
                    self.add(each)
                self._reached(tried.outcome, tried.said)

    def _later(self, queued: QueuedMessage, by: timedelta) -> QueuedMessage:
        return replace(queued, progress=replace(queued.progress, due_at=self._deps.now() + by))

    def _reached(self, outcome: RelayOutcome, said: str) -> None:
        """Notes whether the smart host is there; while it is not, nobody's message is tried in vain."""
        if outcome is not RelayOutcome.UNREACHED:
            self._unreached = 0
            self._deps.meter.count_relayed(outcome)
            return
        time = asyncio.get_running_loop().time()
        if time >= self._rest_until:  # of several tries at once the first one counts
            rest = min(REST[1], REST[0] * 2 ** min(self._unreached, 10))
            self._unreached += 1
            self._rest_until = time + rest
            log.warning("smarthost.unreached", said=operation.without_locals(said), rest_seconds=rest)

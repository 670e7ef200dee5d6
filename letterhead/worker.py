"""Knows how due work is claimed and done: checks, work at the provider, messages out, keys made ahead. Decides nothing.

Any number of workers run beside each other on one Postgres: each claim leases its rows to one of them. A worker that
stops hands its leases back; one that is killed lets them run out.
"""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TypeVar

import structlog

from letterhead.core.domain.domain import Domain
from letterhead.errors import Fault
from letterhead.operations import (
    checks,
    deliveries,
    key_pool,
    provider_work,
    reconcile,
    reminders,
    retention,
    rotations,
    self_monitoring,
)
from letterhead.ports.deps import Deps
from letterhead.ports.store.domains import CheckContext
from letterhead.ports.store.leases import Intent
from letterhead.ports.store.reminders import DueReminder
from letterhead.ports.store.webhooks import DueDelivery

POLL = 0.5  # seconds between looks at the queue when there was nothing to do
GATHER = 0.01  # seconds for more places to become free, so that one claim fills several
REMINDERS_POLL = 5.0
LEASE = timedelta(seconds=90)  # far more than a check's deadline and a provider's answer take together
ROUND_POLL = 600.0  # seconds between looks whether the daily round is due
DELIVERY_LEASE = timedelta(seconds=30)  # an attempt ends within 15 s
PRUNE_EVERY = 3600.0  # seconds
WRITE_DOWN_EVERY = 60.0  # seconds
REST = 5.0  # seconds to wait when storage is out of reach
AFTER_A_BUG = timedelta(minutes=5)
STOP_WITHIN = 25.0  # seconds in which the work under way may end

Job = TypeVar("Job")
Due = tuple[Domain, CheckContext | None]
log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """Says how much is done side by side, and how many keys are kept ahead."""

    checks: int = 50
    intents: int = 4
    reminders: int = 2
    deliveries: int = 32  # and as many again to endpoints whose last attempt failed, so that these delay nobody
    deliveries_each: int = 2
    pooled_keys: int = 64


class FairScheduler:
    """Lets one check take the CPU in each turn of the event loop, in the order of asking.

    Answers to many checks come at the same moment. What else the loop has to do, requests above all, runs between
    them; where nothing else does, the next turn follows at once.
    """

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._giving = False

    async def next(self) -> None:
        """Waits for a turn."""
        loop = asyncio.get_running_loop()
        mine: asyncio.Future[None] = loop.create_future()
        self._waiting.append(mine)
        if not self._giving:
            self._giving = True
            loop.call_soon(self._give)
        await mine

    def _give(self) -> None:
        if not (first := self._waiting.popleft()).done():  # it may have been cancelled
            first.set_result(None)
        self._giving = bool(self._waiting)
        if self._giving:
            asyncio.get_running_loop().call_soon(self._give)


async def run(deps: Deps, settings: WorkerSettings, stop: asyncio.Event) -> None:
    """Works until `stop` is set, then lets the work under way end and hands back what was only claimed."""
    owner = f"worker-{deps.random_octets(6).hex()}"
    log.info("worker.started", worker=owner)

    def claim_checks(free: int) -> Awaitable[Sequence[Due]]:
        return _claim_checks(deps, owner, free)

    def claim_intents(free: int) -> Awaitable[Sequence[Intent]]:
        return deps.store.claim_intents(deps.now(), deps.now() + LEASE, owner, free)

    def claim_reminders(free: int) -> Awaitable[Sequence[DueReminder]]:
        return deps.store.claim_reminders(deps.now(), deps.now() + LEASE, owner, free)

    def claim_deliveries(free: int, *, failing: bool) -> Awaitable[Sequence[DueDelivery]]:
        now, each = deps.now(), settings.deliveries_each
        return deps.store.claim_deliveries(now, now + DELIVERY_LEASE, owner, free, failing=failing, places=each)

    begun: self_monitoring.Begun = Counter()
    turns = FairScheduler()

    def check(due: Due) -> Awaitable[None]:
        self_monitoring.count_lag(begun, due[0], deps.now())
        return _check(deps, due, turns)

    def deliver(owed: DueDelivery) -> Awaitable[None]:
        return _deliver(deps, owed)

    def remind(owed: DueReminder) -> Awaitable[None]:
        return _remind(deps, owed, owner)

    async with asyncio.TaskGroup() as group:
        group.create_task(_drain(claim_checks, check, settings.checks, stop))
        group.create_task(_drain(claim_intents, lambda intent: _perform(deps, intent), settings.intents, stop))
        group.create_task(_drain(claim_reminders, remind, settings.reminders, stop, REMINDERS_POLL))
        for failing in (False, True):
            claim = partial(claim_deliveries, failing=failing)
            group.create_task(_drain(claim, deliver, settings.deliveries, stop))
        group.create_task(_keep_history_short(deps, stop))
        group.create_task(_keep_pool(deps, settings.pooled_keys, stop))
        group.create_task(_keep_round(deps, stop))
        group.create_task(_keep_watch(deps, begun, stop))
        group.create_task(_keep_account(deps, stop))
    with contextlib.suppress(Fault):  # storage is gone: the leases run out by themselves
        await deps.store.release_leases(owner, deps.now())
    log.info("worker.stopped", worker=owner)


async def _drain(
    claim: Callable[[int], Awaitable[Sequence[Job]]],
    work: Callable[[Job], Awaitable[None]],
    places: int,
    stop: asyncio.Event,
    poll: float = POLL,
) -> None:
    """Claims as many jobs as there are free places, does them side by side, and ends with the last one."""
    running: set[asyncio.Task[None]] = set()
    while not stop.is_set():
        jobs = await _claimed(claim, places - len(running), stop)
        for job in jobs:
            running.add(task := asyncio.ensure_future(work(job)))
            task.add_done_callback(running.discard)
        if len(running) >= places:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(GATHER)
        elif not jobs:
            await _pause(stop, poll)
    if running:
        await asyncio.wait(running, timeout=STOP_WITHIN)


async def _claimed(claim: Callable[[int], Awaitable[Sequence[Job]]], free: int, stop: asyncio.Event) -> Sequence[Job]:
    try:
        return await claim(free)
    except Fault as fault:
        log.warning("queue.unreachable", kind=fault.kind, detail=fault.detail)
        await _pause(stop, REST)
        return ()


async def _claim_checks(deps: Deps, owner: str, free: int) -> Sequence[Due]:
    """Claims due domains, with what their checks want to know beside them."""
    domains = await deps.store.claim_due(deps.now(), deps.now() + LEASE, owner, free)
    contexts = await deps.store.load_check_contexts(domains) if domains else {}
    return [(domain, contexts.get(domain.id)) for domain in domains]


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


async def _check(deps: Deps, due: Due, turns: FairScheduler) -> None:
    """Checks one domain; a bug in it backs this one domain off and leaves the rest alone."""
    domain, context = due
    with structlog.contextvars.bound_contextvars(domain=domain.sender, domain_id=domain.id):
        try:
            await turns.next()
            saved = await checks.check(deps, domain, context=context, next_turn=turns.next)
            await rotations.start_if_due(deps, domain)
            log.info("check.done" if saved else "check.overtaken", version=domain.version)
        except Fault as fault:
            log.warning("check.interrupted", kind=fault.kind, detail=fault.detail)
        except Exception:
            log.exception("check.broken")
            with contextlib.suppress(Fault):
                await deps.store.back_off(domain.id, deps.now() + AFTER_A_BUG)


async def _perform(deps: Deps, intent: Intent) -> None:
    """Does one piece of work at the provider; a bug in it gives it back for later."""
    with structlog.contextvars.bound_contextvars(domain=intent.sender, domain_id=intent.domain_id):
        try:
            await provider_work.perform_intent(deps, intent)
        except Fault as fault:
            log.warning("intent.interrupted", effect=intent.effect, kind=fault.kind, detail=fault.detail)
        except Exception:
            log.exception("intent.broken", effect=intent.effect)
            with contextlib.suppress(Fault):
                await deps.store.postpone_intent(intent.id, deps.now() + AFTER_A_BUG, "our own fault")


async def _remind(deps: Deps, owed: DueReminder, owner: str) -> None:
    """Sends one reminder; after a bug its lease runs out, and it is tried again unless it was handed over."""
    with structlog.contextvars.bound_contextvars(domain_id=owed.domain_id, reminder=owed.id):
        try:
            await reminders.send(deps, owed, owner)
        except Fault as fault:
            log.warning("reminder.interrupted", kind=fault.kind, detail=fault.detail)
        except Exception:
            log.exception("reminder.broken")


async def _deliver(deps: Deps, owed: DueDelivery) -> None:
    """Makes one attempt; after a bug its lease runs out, and it is made again."""
    with structlog.contextvars.bound_contextvars(webhook=owed.stored.webhook.id, delivery=owed.id):
        try:
            await deliveries.deliver(deps, owed)
        except Fault as fault:
            log.warning("delivery.interrupted", kind=fault.kind, detail=fault.detail)
        except Exception:
            log.exception("delivery.broken")


async def _keep_history_short(deps: Deps, stop: asyncio.Event) -> None:
    """Forgets old history each hour, a little at a time until nothing is left to forget."""
    while not stop.is_set():
        more = False
        try:
            more = await retention.prune(deps)
        except Fault as fault:
            log.warning("history.interrupted", kind=fault.kind, detail=fault.detail)
        except Exception:
            log.exception("history.broken")
        await _pause(stop, REST if more else PRUNE_EVERY)


async def _keep_pool(deps: Deps, wanted: int, stop: asyncio.Event) -> None:
    """Makes keys ahead, one at a time, while there are fewer than wanted."""
    while not stop.is_set():
        try:
            full = await key_pool.fill(deps, wanted)
        except Fault as fault:
            log.warning("pool.interrupted", kind=fault.kind, detail=fault.detail)
            full = True
        if full:
            await _pause(stop, REST if wanted else 3600)


async def _keep_round(deps: Deps, stop: asyncio.Event) -> None:
    """Compares the provider's list with ours once a day; trouble there waits for the next day."""
    while not stop.is_set():
        try:
            differing = await reconcile.daily_round(deps)
            if differing is not None:
                log.info("round.done", differing=differing)
        except Fault as fault:
            log.warning("round.interrupted", kind=fault.kind, detail=fault.detail)
        except Exception:
            log.exception("round.broken")
        await _pause(stop, ROUND_POLL)


async def _keep_watch(deps: Deps, begun: self_monitoring.Begun, stop: asyncio.Event) -> None:
    """Writes down each minute how late checks began, and once more on stopping."""
    stopping = False
    while not stopping:
        await _pause(stop, WRITE_DOWN_EVERY)
        stopping = stop.is_set()
        try:
            await self_monitoring.save_histogram(deps, begun)
        except Fault as fault:
            log.warning("watch.interrupted", kind=fault.kind, detail=fault.detail)


async def _keep_account(deps: Deps, stop: asyncio.Event) -> None:
    """Looks how the provider's account is, now and then; nobody who stops waits for a look under way."""
    looking = asyncio.create_task(_look_at_account(deps))
    await stop.wait()
    looking.cancel()
    await asyncio.wait({looking})


async def _look_at_account(deps: Deps) -> None:
    while True:
        try:
            await self_monitoring.look_at_account(deps)
        except Fault as fault:
            log.warning("account.interrupted", kind=fault.kind, detail=fault.detail)
        except Exception:
            log.exception("account.broken")
        await asyncio.sleep(WRITE_DOWN_EVERY)

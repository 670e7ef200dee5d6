"""The worker: claims due work and does it: checks, work at the provider, deliveries, reminders, keys made ahead.

Any number of workers share one Postgres: each claim leases its rows to one of them. A worker that stops releases its
leases; those of a killed one run out.
"""

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Generic, TypeVar

import structlog

from letterhead.core.schedule.check_schedule import CheckQueue, queue_of
from letterhead.core.schedule.shares import Places, PlacesHeld
from letterhead.core.zone.resolver_outage import ResolverOutage
from letterhead.errors import Fault, Kind
from letterhead.operations import (
    account_work,
    alerts,
    checks,
    deliveries,
    health,
    heartbeats,
    key_pool,
    leases,
    provider_work,
    reconcile,
    record_upkeep,
    reminders,
    retention,
    rotations,
    self_monitoring,
)
from letterhead.ports.deps import Deps
from letterhead.ports.store.alerts import DueAlert
from letterhead.ports.store.dns_credentials import StoredDnsCredential
from letterhead.ports.store.leases import Intent, IntentPlace
from letterhead.ports.store.monitoring import Role, WorkKind
from letterhead.ports.store.reminders import DueReminder
from letterhead.ports.store.webhooks import DueDelivery

POLL = 0.5  # seconds between two claims where nothing was due
GATHER = 0.01  # seconds for more places to become free, so that one claim fills several
GATHER_SHARED = 0.05  # the same while an account waits that has its share: whoever comes next has a place already
REMINDERS_POLL = ZONES_POLL = 5.0
ROUND_POLL = 600.0  # seconds between two attempts to start the daily round
PRUNE_EVERY = 3600.0  # seconds
WRITE_EVERY = 60.0  # seconds between two writes of the lag of checks
RECALL_EVERY = 10.0  # seconds between two looks for what a clock planned that was ahead
REST = 5.0  # seconds to wait when storage is out of reach
STOP_WITHIN = 25.0  # seconds in which the work under way may end

Job = TypeVar("Job")
_ACCOUNT = attrgetter("account_id")
log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """How much is done at the same time, and how many keys are made ahead."""

    checks: int = 50  # a quarter of them for zones that are slow to answer
    intents: int = 4  # at the provider, and as many in our own zone
    zones: int = 4  # at DNS hosts
    reminders: int = 4
    alerts: int = 8
    deliveries: int = 32  # and as many again to endpoints that fail or are slow, so that these delay nobody
    deliveries_each: int = 2
    pooled_keys: int = 64


class FairScheduler:
    """Let one check use the CPU in each iteration of the event loop, first come, first served.

    Answers to many checks arrive at the same moment. Whatever else the loop has to do, requests above all, runs between
    them; where there is nothing else, the next check follows at once.
    """

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._scheduled = False

    async def next(self) -> None:
        """Wait for a turn."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[None] = loop.create_future()
        self._waiting.append(turn)
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._run_next)
        await turn

    def _run_next(self) -> None:
        if not (first := self._waiting.popleft()).done():  # it may have been cancelled
            first.set_result(None)
        self._scheduled = bool(self._waiting)
        if self._scheduled:
            asyncio.get_running_loop().call_soon(self._run_next)


async def run(deps: Deps, settings: WorkerSettings, stop: asyncio.Event) -> None:
    """Work until `stop` is set, then let the work under way end and release what was only claimed."""
    process = heartbeats.new_process(deps, Role.WORKER)
    owner = process.id
    log.info("worker.started", worker=owner, version=process.version)
    begun: self_monitoring.Begun = Counter()
    counter = account_work.WorkCounter()
    async with asyncio.TaskGroup() as group:
        group.create_task(heartbeats.beat_until(deps, process, stop))
        for queue in _check_queues(deps, owner, settings, begun):
            group.create_task(_drain(queue, counter, stop))
        for place, kind in ((IntentPlace.PROVIDER, WorkKind.PROVIDER), (IntentPlace.KEY_ZONE, WorkKind.KEY_ZONE)):
            claim_intents = partial(leases.claim_intents, deps, owner, where=place)
            perform = partial(_perform, deps)
            intents = WorkQueue(kind, settings.intents, claim_intents, perform, _ACCOUNT)
            group.create_task(_drain(intents, counter, stop))
        look_after, claim_zones = partial(_look_after, deps), partial(record_upkeep.claim_zones, deps)
        zone_account = attrgetter("credential.account_id")
        zones = WorkQueue(WorkKind.DNS_HOST, settings.zones, claim_zones, look_after, zone_account, ZONES_POLL)
        group.create_task(_drain(zones, counter, stop))
        claim_reminders, remind = partial(leases.claim_reminders, deps, owner), partial(_remind, deps, owner)
        reminding = WorkQueue(WorkKind.REMINDER, settings.reminders, claim_reminders, remind, _ACCOUNT, REMINDERS_POLL)
        group.create_task(_drain(reminding, counter, stop))
        claim_alerts, alert = partial(alerts.claim_alerts, deps, owner), partial(_alert, deps, owner)
        alerting = WorkQueue(WorkKind.ALERT, settings.alerts, claim_alerts, alert, _ACCOUNT, REMINDERS_POLL)
        group.create_task(_drain(alerting, counter, stop))
        for late in (False, True):
            claim = partial(leases.claim_deliveries, deps, owner, late=late, places=settings.deliveries_each)
            deliver = partial(_deliver, deps)
            delivering = WorkQueue(
                WorkKind.DELIVERY, settings.deliveries, claim, deliver, lambda due: due.stored.webhook.account_id
            )
            group.create_task(_drain(delivering, counter, stop))
        group.create_task(_recall_misdated(deps, stop))
        group.create_task(_watch_resolvers(deps, stop))
        group.create_task(_prune_history(deps, stop))
        group.create_task(_fill_pool(deps, settings.pooled_keys, stop))
        group.create_task(_reconcile_daily(deps, stop))
        group.create_task(_save_figures(deps, begun, counter, stop))
        group.create_task(_watch_provider_account(deps, stop))
    with contextlib.suppress(Fault):  # storage is gone: the leases run out by themselves
        await leases.release_leases(deps, owner)
    await heartbeats.end(deps, process)
    log.info("worker.stopped", worker=owner)


def _check_queues(
    deps: Deps, owner: str, settings: WorkerSettings, begun: self_monitoring.Begun
) -> Iterator["WorkQueue[leases.DueCheck]"]:
    """Return the two queues of checks: of zones that were slow to answer, which hold a quarter, and of all others."""
    turns, being_set_up = FairScheduler(), set[str]()

    async def claim(held: PlacesHeld) -> Sequence[leases.DueCheck]:
        claimed = await leases.claim_checks(deps, owner, held, len(being_set_up))
        being_set_up.update(domain.id for domain, _ in claimed if queue_of(domain) is CheckQueue.ONBOARDING)
        return claimed

    async def check(due: leases.DueCheck) -> None:
        self_monitoring.count_lag(begun, due[0], deps.now())
        try:
            await _check(deps, due, turns)
        finally:
            being_set_up.discard(due[0].id)

    slow = max(1, settings.checks // 4)
    claim_slow = partial(leases.claim_checks, deps, owner, slow=True)
    for places, claiming in ((max(1, settings.checks - slow), claim), (slow, claim_slow)):
        yield WorkQueue(WorkKind.CHECK, places, claiming, check, lambda due: due[0].account_id)


@dataclass(frozen=True, slots=True)
class WorkQueue(Generic[Job]):
    """One kind of work: how many pieces at the same time, how they are claimed and done, and for which account."""

    kind: WorkKind
    places: int
    claim: Callable[[PlacesHeld], Awaitable[Sequence[Job]]]
    work: Callable[[Job], Awaitable[None]]
    account_of: Callable[[Job], str]
    poll: float = POLL


async def _drain(queue: WorkQueue[Job], counter: account_work.WorkCounter, stop: asyncio.Event) -> None:
    """Claim jobs for the free places, do them at the same time, and end with the last one."""
    places, running = Places(queue.places), set[asyncio.Task[None]]()

    async def do(job: Job, account_id: str) -> None:
        began = time.monotonic()
        try:
            await queue.work(job)
        finally:
            places.free(account_id)
            counter.add(account_id, queue.kind, milliseconds=int((time.monotonic() - began) * 1000))

    while not stop.is_set():
        jobs: Sequence[Job] = ()
        try:
            jobs = await queue.claim(places.held)
        except Fault as fault:
            _log_fault("queue.unreachable", fault)
            await _pause(stop, REST)
        for job in jobs:
            places.take(account_id := queue.account_of(job))
            running.add(task := asyncio.ensure_future(do(job, account_id)))
            task.add_done_callback(running.discard)
        if len(running) >= queue.places:
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(GATHER)
        elif not jobs and places.is_shared_out:
            await asyncio.wait(running, timeout=queue.poll, return_when=asyncio.FIRST_COMPLETED)
            await _wait_until_half(running)
        elif not jobs:
            await _pause(stop, queue.poll)
    if running:
        await asyncio.wait(running, timeout=STOP_WITHIN)


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)


async def _wait_until_half(running: set[asyncio.Task[None]]) -> None:
    """Wait until half of the tasks have ended, for GATHER_SHARED at most: a claim is for several places, or is late."""
    half = len(running) // 2
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GATHER_SHARED):
            while len(running) > half:
                await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)


async def _check(deps: Deps, due: leases.DueCheck, turns: FairScheduler) -> None:
    """Check one domain; a bug in it backs this one domain off and leaves the rest alone."""
    domain, context = due
    with structlog.contextvars.bound_contextvars(domain=domain.sender, domain_id=domain.id):
        try:
            await turns.next()
            await checks.check(deps, domain, context=context, next_turn=turns.next)
            await rotations.start_if_due(deps, domain)
        except Fault as fault:
            if fault.kind is not Kind.TOO_MANY_REQUESTS:
                _log_fault("check.interrupted", fault)
                return
            log.info("check.postponed", seconds=fault.retry_after)
            deps.meter.count_check("postponed")
            with contextlib.suppress(Fault):
                await leases.postpone_check(deps, domain)
        except Exception:
            log.exception("check.broken")
            with contextlib.suppress(Fault):
                await leases.back_off_check(deps, domain)


async def _look_after(deps: Deps, stored: StoredDnsCredential) -> None:
    """Look after one zone; a bug in it leaves the zone alone until its lease has run out."""
    with structlog.contextvars.bound_contextvars(zone=stored.credential.zone):
        try:
            await record_upkeep.look_after_zone(deps, stored)
        except Fault as fault:
            _log_fault("zone.interrupted", fault)
        except Exception:
            log.exception("zone.broken")


async def _perform(deps: Deps, intent: Intent) -> None:
    """Do one piece of work at the provider; a bug in it gives it back for later."""
    with structlog.contextvars.bound_contextvars(domain=intent.sender, domain_id=intent.domain_id):
        try:
            await provider_work.perform_intent(deps, intent)
        except Fault as fault:
            _log_fault("intent.interrupted", fault, effect=intent.effect)
        except Exception:
            log.exception("intent.broken", effect=intent.effect)
            with contextlib.suppress(Fault):
                await leases.back_off_intent(deps, intent)


def _log_fault(event: str, fault: Fault, **values: object) -> None:
    getattr(log, fault.log_level)(event, kind=fault.kind, detail=fault.detail, **values)


@contextmanager
def _logged(event: str) -> Iterator[None]:
    """Log a Fault as `<event>.interrupted` and a bug as `<event>.broken`, and go on."""
    try:
        yield
    except Fault as fault:
        _log_fault(f"{event}.interrupted", fault)
    except Exception:
        log.exception(f"{event}.broken")


async def _remind(deps: Deps, owner: str, due: DueReminder) -> None:
    """Send one reminder; after a bug its lease runs out, and it is tried again unless it was handed over."""
    with structlog.contextvars.bound_contextvars(domain_id=due.domain_id, reminder=due.id), _logged("reminder"):
        await reminders.send(deps, due, owner)


async def _alert(deps: Deps, owner: str, due: DueAlert) -> None:
    """Send one alert; after a bug its lease runs out, and it is tried again unless it was handed over."""
    with structlog.contextvars.bound_contextvars(domain_id=due.domain_id, alert=due.id), _logged("alert"):
        await alerts.send_alert(deps, due, owner)


async def _deliver(deps: Deps, due: DueDelivery) -> None:
    """Make one attempt; after a bug its lease runs out, and it is made again."""
    with structlog.contextvars.bound_contextvars(webhook=due.stored.webhook.id, delivery=due.id), _logged("delivery"):
        await deliveries.deliver(deps, due)


async def _prune_history(deps: Deps, stop: asyncio.Event) -> None:
    """Delete old history each hour, a little at a time until nothing is left to delete."""
    while not stop.is_set():
        more = False
        with _logged("history"):
            more = await retention.prune(deps)
        await _pause(stop, REST if more else PRUNE_EVERY)


async def _recall_misdated(deps: Deps, stop: asyncio.Event) -> None:
    """Bring back what a clock planned that was ahead, as long as there is any."""
    while not stop.is_set():
        recalled = 0
        with _logged("recall"):
            recalled = await leases.recall_misdated(deps)
            if recalled:
                log.warning("recall.done", domains=recalled)
        if not recalled:
            await _pause(stop, RECALL_EVERY)


async def _watch_resolvers(deps: Deps, stop: asyncio.Event) -> None:
    """Log when our own resolvers or network go out, and when they are back, as the checks of all workers see it."""
    began: ResolverOutage | None = None
    while not stop.is_set():
        with _logged("outage"):
            began = await health.log_outage(deps, began)
        await _pause(stop, RECALL_EVERY)


async def _fill_pool(deps: Deps, wanted: int, stop: asyncio.Event) -> None:
    """Make keys ahead, a few at a time, while there are fewer than wanted."""
    while not stop.is_set():
        try:
            full = await key_pool.fill(deps, wanted)
        except Fault as fault:
            _log_fault("pool.interrupted", fault)
            full = True
        if full:
            await _pause(stop, REST if wanted else 3600)


async def _reconcile_daily(deps: Deps, stop: asyncio.Event) -> None:
    """Compare the provider's list with ours once a day; after trouble wait for the next day."""
    while not stop.is_set():
        with _logged("round"):
            differing = await reconcile.daily_round(deps)
            if differing is not None:
                log.info("round.done", differing=differing)
        await _pause(stop, ROUND_POLL)


async def _save_figures(
    deps: Deps, begun: self_monitoring.Begun, counter: account_work.WorkCounter, stop: asyncio.Event
) -> None:
    """Write the lag of checks, and what was done for each account, each minute and once more when stopping."""
    stopping = False
    while not stopping:
        await _pause(stop, WRITE_EVERY)
        stopping = stop.is_set()
        try:
            await self_monitoring.save_histogram(deps, begun)
            await counter.save(deps)
        except Fault as fault:
            _log_fault("watch.interrupted", fault)


async def _watch_provider_account(deps: Deps, stop: asyncio.Event) -> None:
    """Ask for the health of the provider's account, now and then; stopping does not wait for a call under way."""

    async def repeat() -> None:
        while True:
            with _logged("account"):
                await self_monitoring.update_provider_health(deps)
            await asyncio.sleep(WRITE_EVERY)

    asking = asyncio.create_task(repeat())
    await stop.wait()
    asking.cancel()
    await asyncio.wait({asking})

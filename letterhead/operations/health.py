"""Health of the service: its store, its worker and relay (by heartbeats and by what waits), the resolvers; metrics."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Generic, Protocol, TypeVar

import msgspec
import structlog

from letterhead.core.dns.answers import Question, Unanswered, View
from letterhead.core.zone import resolver_outage
from letterhead.core.zone.resolver_outage import ResolverOutage
from letterhead.errors import Fault, Kind
from letterhead.operations import heartbeats
from letterhead.ports.deps import Clock, Machine, RandomOctets
from letterhead.ports.disk import FreeSpace, FreeSpaces
from letterhead.ports.meter import Meter, ProcessCount, StoreFigures
from letterhead.ports.resolver import Allowance, Resolver
from letterhead.ports.store.domains import DomainStore
from letterhead.ports.store.monitoring import Backlog, DomainCondition, Heartbeat, MonitoringStore, Role

log = structlog.get_logger()

LATE = 300.0  # seconds: a check that is due so long means that the workers do not keep up
ROOT = Question(name=".", rdtype="NS", view=View.RECURSIVE)
PROBE_EVERY, PROBE_SECONDS, PROBE_PACKETS = 10.0, 1.5, 4
ASK_EVERY, WRITE_EVERY = 1.0, 5.0  # seconds between two questions to the store, and between two writes
ASK_AGAIN = 0.5  # where it was in trouble
LONGEST = 1.5  # seconds that anybody waits for the store: who asks for the health gives up soon
FAILING_FOR = timedelta(hours=1)  # a shorter failure of a domain mostly ends by itself
COUNT_EVERY = 30.0  # seconds between two counts of all domains
FULL = 1_000_000  # octets: with less, a request that writes may find no room

T = TypeVar("T")


class ProbeNeeds(Protocol):
    """What probing the resolvers needs."""

    @property
    def resolver(self) -> Resolver: ...


class StoreForHealth(DomainStore, MonitoringStore, Protocol):
    """The backlog, and the zones that stopped answering."""


class HealthNeeds(ProbeNeeds, Protocol):
    """What the health of the service follows from, and where its metrics are."""

    @property
    def store(self) -> StoreForHealth: ...
    @property
    def meter(self) -> Meter: ...
    @property
    def now(self) -> Clock: ...
    @property
    def free_spaces(self) -> FreeSpaces: ...
    @property
    def machine(self) -> Machine: ...
    @property
    def random_octets(self) -> RandomOctets: ...


class PartHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How one part of the service is; `is_missing` where no process does its work."""

    is_ok: bool
    detail: str
    is_missing: bool = False


class ServiceReadiness(msgspec.Struct, frozen=True, kw_only=True):
    """How all parts are; requests can be answered where the store is."""

    store: PartHealth
    worker: PartHealth
    resolvers: PartHealth
    disk: PartHealth | None = None  # None where nothing is kept on this machine
    relay: PartHealth | None = None  # None where none was seen in the last day, nor said that it stops


class ResolverProbe:
    """Ask the resolvers for the name servers of the root, at most every 10 s, since anybody may ask for the health."""

    def __init__(self, deps: ProbeNeeds) -> None:
        self._deps = deps
        self._asked_at, self._last = -PROBE_EVERY, PartHealth(is_ok=False, detail="not asked yet")

    async def ask(self) -> PartHealth:
        """Return how many resolvers answer, or answered within the last 10 s."""
        now = time.monotonic()
        if now - self._asked_at < PROBE_EVERY:
            return self._last
        allowance = Allowance(packets=PROBE_PACKETS, until=asyncio.get_running_loop().time() + PROBE_SECONDS)
        replies = (await self._deps.resolver.ask([ROOT], allowance)).get(ROOT, ())
        unanswered = [reply.answer.why for reply in replies if isinstance(reply.answer, Unanswered)]
        answered = len(replies) - len(unanswered)
        detail = f"{answered} of {len(replies)} answer" if answered else ", ".join(unanswered) or "none is set"
        self._asked_at, self._last = now, PartHealth(is_ok=answered > 0, detail=detail)
        return self._last


class StoreProbe(Generic[T]):
    """Ask the store for one thing at a bounded rate, since anybody may ask for the health."""

    def __init__(
        self,
        load: Callable[[], Awaitable[T]],
        clock: Callable[[], float] = time.monotonic,
        every: float = ASK_EVERY,
    ) -> None:
        self._load, self._clock, self._every = load, clock, every
        self._asking: asyncio.Task[None] | None = None
        self._asked_at = -math.inf
        self._last: T | Kind = Kind.STORAGE_UNAVAILABLE

    async def ask(self) -> T | Kind:
        """Return what the store said now or a moment ago; the kind of its trouble where it has any.

        A store that does not answer within LONGEST is out of reach; the question goes on, and the next who asks joins.
        """
        every = ASK_AGAIN if isinstance(self._last, Kind) else self._every
        if self._asking is None and self._clock() - self._asked_at >= every:
            self._asking = asyncio.create_task(self._ask_store())
        if (asking := self._asking) is not None:
            done, _ = await asyncio.wait({asking}, timeout=LONGEST)
            if not done:
                return Kind.STORAGE_UNAVAILABLE
            asking.result()
        return self._last

    async def _ask_store(self) -> None:
        try:
            self._last = await self._load()
        except Fault as fault:
            self._last = fault.kind
        finally:
            self._asked_at, self._asking = self._clock(), None

    def stop(self) -> None:
        """Wait for no answer any more."""
        if self._asking is not None:
            self._asking.cancel()

    @property
    def was_asked(self) -> bool:
        """Whether the store was asked at all."""
        return self._asked_at > -math.inf


class HealthProbes:
    """The questions that the health follows from, each asked at a bounded rate."""

    def __init__(self, deps: HealthNeeds, clock: Callable[[], float] = time.monotonic) -> None:
        self._deps, self._process = deps, heartbeats.new_process(deps, Role.API)
        self.resolvers = ResolverProbe(deps)
        self.writes: StoreProbe[None] = StoreProbe(self._write, clock, WRITE_EVERY)
        self.backlog: StoreProbe[Backlog] = StoreProbe(lambda: deps.store.backlog(deps.now()), clock)
        self.processes: StoreProbe[Sequence[Heartbeat]] = StoreProbe(lambda: deps.store.heartbeats(deps.now()), clock)
        # Of all accounts: where there are many domains, counting them takes the store a while.
        self.statuses: StoreProbe[Mapping[str, int]] = StoreProbe(deps.store.count_all_statuses, clock, COUNT_EVERY)
        self.conditions: StoreProbe[Mapping[DomainCondition, int]] = StoreProbe(
            lambda: deps.store.count_conditions(deps.now() - FAILING_FOR), clock, COUNT_EVERY
        )
        self.outage: StoreProbe[ResolverOutage | None] = StoreProbe(lambda: deps.store.resolver_outage(), clock)

    async def _write(self) -> None:
        """Write one row, which is this process's own heartbeat."""
        await self._deps.store.save_heartbeat(self._process, self._deps.now())

    async def close(self) -> None:
        """Remove what was written."""
        for probe in (self.writes, self.backlog, self.processes, self.outage, self.statuses, self.conditions):
            probe.stop()
        if self.writes.was_asked:
            await heartbeats.end(self._deps, self._process)

    async def is_worker_missing(self) -> bool:
        """Whether no worker was seen for 40 s; False where nobody can tell, since the store does not answer."""
        seen = await self.processes.ask()
        return not isinstance(seen, Kind) and not heartbeats.count_processes(seen, Role.WORKER).alive


async def check_health(deps: HealthNeeds, probes: HealthProbes) -> ServiceReadiness:
    """Return the health of each part; trouble with the store is part of the result, never raised."""
    spaces = await asyncio.to_thread(deps.free_spaces)
    backlog, seen, written, resolvers = await asyncio.gather(
        probes.backlog.ask(), probes.processes.ask(), probes.writes.ask(), _check_resolvers(probes)
    )
    disk = disk_health(spaces)
    if isinstance(backlog, Kind) or isinstance(seen, Kind):
        kind = backlog if isinstance(backlog, Kind) else Kind.STORAGE_UNAVAILABLE
        unknown = PartHealth(is_ok=False, detail="unknown while the store is out of reach")
        store = PartHealth(is_ok=False, detail=f"the database does not answer ({kind}): requests get 503 until it does")
        return ServiceReadiness(store=store, worker=unknown, resolvers=resolvers, disk=disk)
    return ServiceReadiness(
        store=_store_health(written, spaces),
        worker=worker_health(backlog, seen),
        resolvers=resolvers,
        disk=disk,
        relay=relay_health(seen),
    )


def _store_health(written: Kind | None, spaces: Sequence[FreeSpace]) -> PartHealth:
    """Return how the store is that answers: whether it takes writes, and has room for those to come."""
    if any(each.use == "database" and each.octets < FULL for each in spaces):
        return PartHealth(is_ok=False, detail="the disk of the database is full: make room on it")
    if written is not None:
        refused = f"it can be read, and refuses writes ({written}): is its disk full, or is it a standby?"
        return PartHealth(is_ok=False, detail=refused)
    return PartHealth(is_ok=True, detail="answers and takes writes")


def disk_health(spaces: Sequence[FreeSpace]) -> PartHealth | None:
    """Return whether enough space is free for what is kept on this machine; None where nothing is."""
    if not spaces:
        return None
    said = ", ".join(f"{size_text(each.octets)} free for the {each.use}" for each in spaces)
    short = [each for each in spaces if each.octets < each.reserve]
    if not short:
        return PartHealth(is_ok=True, detail=said)
    return PartHealth(is_ok=False, detail=f"{said}; less than {size_text(short[0].reserve)} should never be: make room")


def size_text(octets: int) -> str:
    """Return a size for people."""
    for unit, size in (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)):
        if octets >= size:
            number = octets / size
            return f"{number:.1f} {unit}" if number < 10 else f"{number:.0f} {unit}"
    return f"{octets} octets"


def worker_health(backlog: Backlog, seen: Sequence[Heartbeat]) -> PartHealth:
    """Return how the workers are: by the clocks that planned their work, by their heartbeats, and by what waits."""
    if backlog.misdated:
        return PartHealth(is_ok=False, detail=misdated_text(backlog.misdated))
    workers = heartbeats.count_processes(seen, Role.WORKER)
    if not workers.alive:
        return PartHealth(is_ok=False, detail=_missing_text(workers), is_missing=True)
    if backlog.lag > LATE:
        late = f"a check has been due for {backlog.lag:.0f} s, though {_running_text(workers)}"
        return PartHealth(is_ok=False, detail=f"{late}: start another one, or look into its log")
    age = f" (the oldest for {backlog.intents_age:.0f} s)" if backlog.intents else ""
    owed = f"{backlog.intents} pieces of work owed at the provider{age}"
    return PartHealth(is_ok=True, detail=f"{backlog.due} checks due, {owed}, {_running_text(workers)}")


def _missing_text(count: ProcessCount) -> str:
    if count.silent is None:
        return f"no {count.role} runs: start one"
    return f"no {count.role} seen for {count.silent:.0f} s: start one, and look why the last one ended"


def _running_text(count: ProcessCount) -> str:
    return f"1 {count.role} runs" if count.alive == 1 else f"{count.alive} {count.role}s run"


def relay_health(seen: Sequence[Heartbeat]) -> PartHealth | None:
    """Return how the relays are, by their heartbeats; None where none was seen, or the last one stopped in order."""
    relays = heartbeats.count_processes(seen, Role.RELAY)
    if not relays.alive and relays.silent is None:
        return None
    if relays.alive:
        return PartHealth(is_ok=True, detail=_running_text(relays))
    return PartHealth(is_ok=False, detail=_missing_text(relays), is_missing=True)


def misdated_text(checks: int) -> str:
    """Return a sentence on checks that were planned or made in the future."""
    return (
        f"checks dated in the future: {checks}; the clock of this machine is behind, or one that wrote them was ahead: "
        "a worker makes them anew"
    )


async def _check_resolvers(probes: HealthProbes) -> PartHealth:
    """Return an outage that the checks met, in whatever process; else whether the resolvers answer now."""
    outage, answer = await asyncio.gather(probes.outage.ask(), probes.resolvers.ask())
    if isinstance(outage, Kind):  # what the checks met is not known, what the resolvers answer is
        return answer
    if outage is not None and resolver_outage.is_resolver_outage(outage):
        return PartHealth(is_ok=False, detail=f"degraded: {resolver_outage.outage_text(outage)}")
    return answer


async def log_outage(deps: HealthNeeds, before: ResolverOutage | None) -> ResolverOutage | None:
    """Log that a resolver outage began or ended since the last look, and return the one that lasts."""
    found = await deps.store.resolver_outage()
    now = found if resolver_outage.is_resolver_outage(found) else None
    if now is not None and before is None:
        log.error("resolver.outage.began", since=now.since.isoformat(), zones=now.zones)
    elif now is None and before is not None:
        log.info("resolver.outage.ended", began=before.since.isoformat())
    return now


async def read_metrics(deps: HealthNeeds, probes: HealthProbes) -> bytes:
    """Return the service's metrics as text; without those of the store where it is out of reach."""
    return deps.meter.text(await load_figures(deps, probes))


async def load_figures(deps: HealthNeeds, probes: HealthProbes) -> StoreFigures | None:
    """Load what the store says of the whole service; None where it is out of reach.

    The domains are those of half a minute ago at most, and left out while they are being counted.
    """
    statuses, conditions = await asyncio.gather(probes.statuses.ask(), probes.conditions.ask())
    try:
        seen = await deps.store.heartbeats(deps.now())
        return StoreFigures(
            backlog=await deps.store.backlog(deps.now()),
            outage=await deps.store.resolver_outage(),
            processes=[heartbeats.count_processes(seen, role) for role in (Role.WORKER, Role.RELAY)],
            statuses={} if isinstance(statuses, Kind) else statuses,
            conditions={} if isinstance(conditions, Kind) else conditions,
        )
    except Fault:
        return None

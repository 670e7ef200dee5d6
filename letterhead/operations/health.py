"""Health of the service: its store, its worker and relay (by heartbeats and by what waits), the resolvers; metrics."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, Protocol, TypeVar

import msgspec

from letterhead.core.dns.answers import Question, Unanswered, View
from letterhead.core.zone import resolver_outage
from letterhead.errors import Fault, Kind
from letterhead.operations import heartbeats
from letterhead.ports.deps import Clock
from letterhead.ports.meter import Meter, ProcessCount, StoreFigures
from letterhead.ports.resolver import Allowance, Resolver
from letterhead.ports.store.domains import DomainStore
from letterhead.ports.store.monitoring import Backlog, Heartbeat, MonitoringStore, Role

LATE = 300.0  # seconds: a check that is due so long means that the workers do not keep up
ROOT = Question(name=".", rdtype="NS", view=View.RECURSIVE)
PROBE_EVERY, PROBE_SECONDS, PROBE_PACKETS = 10.0, 2.0, 4
ASK_EVERY = 1.0

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


class PartHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How one part of the service is."""

    is_ok: bool
    detail: str


class ServiceReadiness(msgspec.Struct, frozen=True, kw_only=True):
    """How all parts are; requests can be answered where the store is."""

    store: PartHealth
    worker: PartHealth
    resolvers: PartHealth
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
    """Ask the store for one thing at most once a second, since anybody may ask for the health."""

    def __init__(self, load: Callable[[], Awaitable[T]], clock: Callable[[], float] = time.monotonic) -> None:
        self._load, self._clock = load, clock
        self._asking, self._asked_at = asyncio.Lock(), 0.0
        self._last: T | Kind = Kind.STORAGE_UNAVAILABLE

    async def ask(self) -> T | Kind:
        """Return what the store said now or within the last second; the kind of its trouble where it has any."""
        async with self._asking:
            if isinstance(self._last, Kind) or self._clock() - self._asked_at >= ASK_EVERY:
                try:
                    self._last = await self._load()
                except Fault as fault:
                    self._last = fault.kind
                self._asked_at = self._clock()
            return self._last


class HealthProbes:
    """The questions that the health follows from, each asked at a bounded rate."""

    def __init__(self, deps: HealthNeeds, clock: Callable[[], float] = time.monotonic) -> None:
        self.resolvers = ResolverProbe(deps)
        self.backlog: StoreProbe[Backlog] = StoreProbe(lambda: deps.store.backlog(deps.now()), clock)
        self.processes: StoreProbe[Sequence[Heartbeat]] = StoreProbe(lambda: deps.store.heartbeats(deps.now()), clock)

    async def is_worker_missing(self) -> bool:
        """Whether no worker was seen for 40 s; False where nobody can tell, since the store does not answer."""
        seen = await self.processes.ask()
        return not isinstance(seen, Kind) and not heartbeats.count_processes(seen, Role.WORKER).alive


async def check_health(deps: HealthNeeds, probes: HealthProbes) -> ServiceReadiness:
    """Return the health of each part; trouble with the store is part of the result, never raised."""
    backlog, seen, resolvers = await asyncio.gather(
        probes.backlog.ask(), probes.processes.ask(), _check_resolvers(deps, probes.resolvers)
    )
    if isinstance(backlog, Kind) or isinstance(seen, Kind):
        kind = backlog if isinstance(backlog, Kind) else Kind.STORAGE_UNAVAILABLE
        unknown = PartHealth(is_ok=False, detail="unknown while the store is out of reach")
        return ServiceReadiness(store=PartHealth(is_ok=False, detail=kind), worker=unknown, resolvers=resolvers)
    return ServiceReadiness(
        store=PartHealth(is_ok=True, detail="answers"),
        worker=worker_health(backlog, seen),
        resolvers=resolvers,
        relay=relay_health(seen),
    )


def worker_health(backlog: Backlog, seen: Sequence[Heartbeat]) -> PartHealth:
    """Return how the workers are: by the clocks that planned their work, by their heartbeats, and by what waits."""
    if backlog.misdated:
        return PartHealth(is_ok=False, detail=misdated_text(backlog.misdated))
    workers = heartbeats.count_processes(seen, Role.WORKER)
    if not workers.alive:
        return PartHealth(is_ok=False, detail=_missing_text(workers))
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
    return PartHealth(is_ok=relays.alive > 0, detail=_running_text(relays) if relays.alive else _missing_text(relays))


def misdated_text(checks: int) -> str:
    """Return a sentence on checks that were planned or made in the future."""
    return (
        f"checks dated in the future: {checks}; the clock of this machine is behind, or one that wrote them was ahead: "
        "a worker makes them anew"
    )


async def _check_resolvers(deps: HealthNeeds, probe: ResolverProbe) -> PartHealth:
    """Return an outage that the checks met, in whatever process; else whether the resolvers answer now."""
    try:
        outage = await deps.store.resolver_outage()
    except Fault as fault:
        return PartHealth(is_ok=False, detail=fault.kind)
    if outage is not None and resolver_outage.is_resolver_outage(outage):
        return PartHealth(is_ok=False, detail=f"degraded: {resolver_outage.outage_text(outage)}")
    return await probe.ask()


async def read_metrics(deps: HealthNeeds) -> bytes:
    """Return the service's metrics as text; without those of the store where it is out of reach."""
    try:
        seen = await deps.store.heartbeats(deps.now())
        figures = StoreFigures(
            backlog=await deps.store.backlog(deps.now()),
            outage=await deps.store.resolver_outage(),
            processes=[heartbeats.count_processes(seen, role) for role in (Role.WORKER, Role.RELAY)],
        )
    except Fault:
        return deps.meter.text(None)
    return deps.meter.text(figures)

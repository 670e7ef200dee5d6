"""Health of the service: its store, its worker (by the work that waits), the resolvers; and its metrics."""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

import msgspec

from letterhead.core.dns.answers import Question, Unanswered, View
from letterhead.core.zone import resolver_outage
from letterhead.errors import Fault, Kind
from letterhead.ports.deps import Clock
from letterhead.ports.meter import Meter
from letterhead.ports.resolver import Allowance, Resolver
from letterhead.ports.store.domains import DomainStore
from letterhead.ports.store.monitoring import Backlog, MonitoringStore

LATE = 300.0  # seconds: a check that is due so long means that no worker works
ROOT = Question(name=".", rdtype="NS", view=View.RECURSIVE)
PROBE_EVERY, PROBE_SECONDS, PROBE_PACKETS = 10.0, 2.0, 4
COUNT_EVERY = 1.0


class ProbeNeeds(Protocol):
    """What probing the resolvers needs."""

    @property
    def resolver(self) -> Resolver: ...


class StoreForHealth(DomainStore, MonitoringStore, Protocol):
    """The backlog, and the zones that stopped answering."""


class HealthNeeds(Protocol):
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


class BacklogProbe:
    """Count the work that waits once a second, since anybody may ask for the health, and the store counts rows."""

    def __init__(self, deps: HealthNeeds, clock: Callable[[], float] = time.monotonic) -> None:
        self._deps, self._clock = deps, clock
        self._counting, self._counted_at = asyncio.Lock(), 0.0
        self._last: Backlog | Kind = Kind.STORAGE_UNAVAILABLE

    async def ask(self) -> Backlog | Kind:
        """Return the work that waits, counted now or within the last second; the kind of the store's trouble."""
        async with self._counting:
            if isinstance(self._last, Kind) or self._clock() - self._counted_at >= COUNT_EVERY:
                self._last = await _load_backlog(self._deps)
                self._counted_at = self._clock()
            return self._last


async def check_health(
    deps: HealthNeeds, probe: ResolverProbe, counter: BacklogProbe | None = None
) -> ServiceReadiness:
    """Return the health of each part; trouble with the store is part of the result, never raised."""
    counting = _load_backlog(deps) if counter is None else counter.ask()
    backlog, resolvers = await asyncio.gather(counting, _check_resolvers(deps, probe))
    if isinstance(backlog, Kind):
        unknown = PartHealth(is_ok=False, detail="unknown while the store is out of reach")
        return ServiceReadiness(store=PartHealth(is_ok=False, detail=backlog), worker=unknown, resolvers=resolvers)
    # The worker is judged by its work: in whatever process it runs, due checks do not wait long.
    late = f"a check has been due for {backlog.lag:.0f} s: does a worker run?"
    work = f"{backlog.due} checks due, {backlog.intents} pieces of work at the provider"
    if backlog.misdated:
        worker = PartHealth(is_ok=False, detail=misdated_text(backlog.misdated))
    else:
        is_late = backlog.lag > LATE
        worker = PartHealth(is_ok=not is_late, detail=late if is_late else work)
    return ServiceReadiness(
        store=PartHealth(is_ok=True, detail="answers"),
        worker=worker,
        resolvers=resolvers,
    )


def misdated_text(checks: int) -> str:
    """Return a sentence on checks that were planned or made in the future."""
    return (
        f"checks dated in the future: {checks}; the clock of this machine is behind, or one that wrote them was ahead: "
        "a worker makes them anew"
    )


async def _load_backlog(deps: HealthNeeds) -> Backlog | Kind:
    try:
        return await deps.store.backlog(deps.now())
    except Fault as fault:
        return fault.kind


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
    backlog = await _load_backlog(deps)
    if isinstance(backlog, Kind):
        return deps.meter.text(None, None)
    return deps.meter.text(backlog, await deps.store.resolver_outage())

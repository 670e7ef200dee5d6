"""How the parts of the service are: its store, its worker by the work that waits, the resolvers."""

import asyncio
import time

import msgspec

from letterhead.core.dns.answers import Question, Unanswered, View
from letterhead.core.zone import resolver_outage
from letterhead.errors import Fault, Kind
from letterhead.ports.deps import Deps
from letterhead.ports.resolver import Allowance
from letterhead.ports.store.monitoring import Backlog

LATE = 300.0  # seconds: a check that is due so long means that no worker works
ROOT = Question(name=".", rdtype="NS", view=View.RECURSIVE)
PROBE_EVERY, PROBE_SECONDS, PROBE_PACKETS = 10.0, 2.0, 4


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
    """Ask the resolvers for the root's servers; anybody may ask us, so that only every 10 s."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._asked_at, self._last = -PROBE_EVERY, PartHealth(is_ok=False, detail="not asked yet")

    async def ask(self) -> PartHealth:
        """Return how many resolvers answer, or answered lately."""
        now = time.monotonic()
        if now - self._asked_at >= PROBE_EVERY:
            self._last = await self._ask_now()
            self._asked_at = now
        return self._last

    async def _ask_now(self) -> PartHealth:
        allowance = Allowance(packets=PROBE_PACKETS, until=asyncio.get_running_loop().time() + PROBE_SECONDS)
        replies = (await self._deps.resolver.ask([ROOT], allowance)).get(ROOT, ())
        unanswered = [reply.answer.why for reply in replies if isinstance(reply.answer, Unanswered)]
        if replies and len(unanswered) < len(replies):
            return PartHealth(is_ok=True, detail=f"{len(replies) - len(unanswered)} of {len(replies)} answer")
        return PartHealth(is_ok=False, detail=", ".join(unanswered) or "none is set")


async def check_health(deps: Deps, probe: ResolverProbe) -> ServiceReadiness:
    """Return how the parts of the service are; trouble with the store is told, never raised."""
    backlog, resolvers = await asyncio.gather(_load_backlog(deps), _check_resolvers(deps, probe))
    if isinstance(backlog, Kind):
        unknown = PartHealth(is_ok=False, detail="unknown while the store is out of reach")
        return ServiceReadiness(store=PartHealth(is_ok=False, detail=backlog), worker=unknown, resolvers=resolvers)
    return ServiceReadiness(
        store=PartHealth(is_ok=True, detail="answers"), worker=_judge_worker(backlog), resolvers=resolvers
    )


async def _load_backlog(deps: Deps) -> Backlog | Kind:
    try:
        return await deps.store.backlog(deps.now())
    except Fault as fault:
        return fault.kind


def _judge_worker(backlog: Backlog) -> PartHealth:
    """Judge the worker by its work: in whatever process it runs, due checks do not wait long."""
    if backlog.lag > LATE:
        return PartHealth(is_ok=False, detail=f"a check has been due for {backlog.lag:.0f} s: does a worker run?")
    work = f"{backlog.due} checks due, {backlog.intents} pieces of work at the provider"
    return PartHealth(is_ok=True, detail=work)


async def _check_resolvers(deps: Deps, probe: ResolverProbe) -> PartHealth:
    """Tell an outage by what the checks met, in whatever process; else whether the resolvers answer."""
    try:
        silence = await deps.store.resolver_outage()
    except Fault as fault:
        return PartHealth(is_ok=False, detail=fault.kind)
    if silence is not None and resolver_outage.is_resolver_outage(silence):
        return PartHealth(is_ok=False, detail=f"degraded: {resolver_outage.outage_text(silence)}")
    return await probe.ask()


async def read_metrics(deps: Deps) -> bytes:
    """Return the service's numbers as the meter writes them; without those of the store where it is out of reach."""
    backlog = await _load_backlog(deps)
    if isinstance(backlog, Kind):
        return deps.meter.text(None, None)
    return deps.meter.text(backlog, await deps.store.resolver_outage())

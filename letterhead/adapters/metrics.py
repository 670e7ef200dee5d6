"""Metrics in the Prometheus text format."""

import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
    start_http_server,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from letterhead.core.domain.provider_identity import (
    IdentityReport,
    IdentityUnknown,
    IdentityWish,
    KeyLimits,
    ProviderHolding,
    ProviderStatus,
    ReturnPath,
)
from letterhead.core.secret import Secret
from letterhead.core.zone import resolver_outage
from letterhead.errors import Fault, Kind
from letterhead.ports.meter import StoreFigures
from letterhead.ports.provider import HealthItem, Provider
from letterhead.ports.store.monitoring import Role

log = structlog.get_logger()

T = TypeVar("T")

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class PrometheusMeter:
    """The implementation of `Meter`, with a registry of its own in this process.

    A gauge is there only where its process knows the value: the queue in the process of the relay, what the store says
    while it answers. A 0 from a process that does not know would hide the truth in a sum or a minimum.
    """

    media_type = CONTENT_TYPE_LATEST

    def __init__(self) -> None:
        self._registry = own = CollectorRegistry()
        # Kept, since finding a label costs more than counting.
        self._by_response: dict[tuple[str, str, int], tuple[Counter, Histogram]] = {}
        self._requests = Counter("letterhead_requests", "Requests.", ("method", "route", "status"), registry=own)
        self._seconds = Histogram(
            "letterhead_request_seconds", "Time to the answer.", ("route",), buckets=_SECONDS, registry=own
        )
        self._checks = Counter("letterhead_checks", "Checks, by the status they left.", ("outcome",), registry=own)
        self._calls = Counter("letterhead_provider_calls", "Calls.", ("provider", "call", "outcome"), registry=own)
        self._relayed = Counter("letterhead_relay_messages", "Messages of the relay.", ("outcome",), registry=own)
        self._queued: tuple[Gauge, Gauge] | None = None
        ProcessCollector(registry=own)

    def count_response(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one request; `route` is a template, never a path."""
        metrics = self._by_response.get((method, route, status))
        if metrics is None:
            metrics = self._requests.labels(method, route, str(status)), self._seconds.labels(route)
            self._by_response[method, route, status] = metrics
        metrics[0].inc()
        metrics[1].observe(seconds)

    def count_check(self, outcome: str) -> None:
        """Count one check by its outcome."""
        self._checks.labels(outcome).inc()

    def count_call(self, provider: str, call: str, outcome: str) -> None:
        """Count one call of a provider."""
        self._calls.labels(provider, call, outcome).inc()

    def count_relayed(self, outcome: str) -> None:
        """Count one message of the relay."""
        self._relayed.labels(outcome).inc()

    def watch_queue(self, read: Callable[[], tuple[int, datetime | None]]) -> None:
        """Ask at each reading how many messages wait in the relay, and when the oldest of them was accepted."""
        if self._queued is None:
            self._queued = (
                Gauge("letterhead_relay_queue", "Messages taken and not handed over.", registry=self._registry),
                Gauge(
                    "letterhead_relay_oldest_timestamp_seconds",
                    "When the oldest message that waits was taken; 0 where none waits.",
                    registry=self._registry,
                ),
            )

        def oldest() -> float:
            accepted_at = read()[1]
            return 0.0 if accepted_at is None else accepted_at.timestamp()

        self._queued[0].set_function(lambda: read()[0])
        self._queued[1].set_function(oldest)

    def serve_metrics(self, host: str, port: int) -> None:
        """Serve the metrics over HTTP, in a thread of its own that ends with the process.

        Raise Fault `config-invalid` where the address is in use.
        """
        try:
            start_http_server(port, host, self._registry)
        except OSError as error:
            raise Fault(
                Kind.CONFIG_INVALID,
                f"Cannot listen on {host}:{port} for this process's numbers: {error.strerror}.",
                "Stop what listens there, or choose another port: LETTERHEAD_WORKER_METRICS_BIND of a worker, "
                "LETTERHEAD_RELAY_METRICS_BIND of a relay.",
            ) from error

    def text(self, figures: StoreFigures | None) -> bytes:
        """Return all metrics, with what the store says where it answers."""
        own = generate_latest(self._registry)
        return own if figures is None else own + generate_latest(_registry_of(figures))


def _registry_of(figures: StoreFigures) -> CollectorRegistry:
    """Return the gauges of what the store says now."""
    registry, backlog, outage = CollectorRegistry(), figures.backlog, figures.outage
    values: tuple[tuple[str, str, float], ...] = (
        ("letterhead_checks_due", "Checks that are due and not yet claimed.", backlog.due),
        ("letterhead_checks_lag_seconds", "Age of the oldest due check.", backlog.lag),
        ("letterhead_checks_misdated", "Checks dated in the future, by a clock that was ahead.", backlog.misdated),
        ("letterhead_intents", "Pieces of work owed at the provider or in the key zone, due or not.", backlog.intents),
        (
            "letterhead_intents_age_seconds",
            "Age of the oldest piece of work owed; 0 where none is.",
            backlog.intents_age,
        ),
        ("letterhead_pooled_keys", "Keys made ahead.", backlog.pooled_keys),
        ("letterhead_reminders_due", "Reminders due and not yet claimed.", backlog.reminders),
        ("letterhead_deliveries_due", "Webhooks due and not yet claimed.", backlog.deliveries),
        ("letterhead_silent_zones", "Zones silent since anybody was heard.", outage.zones if outage else 0),
        (
            "letterhead_resolver_outage",
            "1 while several zones are silent at once: it is us.",
            resolver_outage.is_resolver_outage(outage),
        ),
    )
    for name, what, value in values:
        Gauge(name, what, registry=registry).set(value)
    for each in figures.processes:
        if each.silent is None and each.role is not Role.WORKER:
            continue  # there need not be one
        age = Gauge(
            f"letterhead_{each.role}_heartbeat_age_seconds",
            f"Time since the last heartbeat of any {each.role}; +Inf where none was seen.",
            registry=registry,
        )
        age.set(math.inf if each.silent is None else each.silent)
        Gauge(f"letterhead_{each.role}s", f"Each {each.role} seen within 40 s.", registry=registry).set(each.alive)
    return registry


class MeteredProvider:
    """A `Provider` that counts the calls of another one, and logs each that was refused."""

    def __init__(self, provider: Provider, meter: PrometheusMeter) -> None:
        self._provider, self._meter = provider, meter

    @property
    def name(self) -> str:
        """The provider's name."""
        return self._provider.name

    @property
    def return_path(self) -> ReturnPath | None:
        """What a MAIL FROM domain must point at."""
        return self._provider.return_path

    @property
    def key_limits(self) -> KeyLimits:
        """What it takes of the keys that customers bring."""
        return self._provider.key_limits

    async def identity_report(self, sender: str, owner: str) -> IdentityReport:
        """Return the provider's status of a domain."""
        report = await self._provider.identity_report(sender, owner)
        if isinstance(report, IdentityUnknown):
            self._meter.count_call(self.name, "look", "unknown")
            self._log_refusal("look", "unknown", report.provider_code, report.detail)
        else:
            self._meter.count_call(self.name, "look", "ok")
        return report

    async def register(self, wish: IdentityWish, private_key: Secret) -> IdentityReport:
        """Create or update the identity as wished."""
        return await self._counted("register", self._provider.register(wish, private_key))

    async def restart(self, wish: IdentityWish, private_key: Secret) -> IdentityReport:
        """Start the provider's own verification again."""
        return await self._counted("restart", self._provider.restart(wish, private_key))

    async def withdraw(self, sender: str, owner: str) -> None:
        """Delete our identity."""
        await self._counted("withdraw", self._provider.withdraw(sender, owner))

    async def list_identities(self) -> Mapping[str, ProviderStatus] | None:
        """Return every identity at the provider."""
        return await self._counted("listed", self._provider.list_identities())

    async def find_holding(self, sender: str) -> ProviderHolding | None:
        """Return what the provider holds under a name."""
        return await self._counted("holding", self._provider.find_holding(sender))

    async def adopt(self, sender: str, owner: str) -> None:
        """Put our owner tag on an existing identity."""
        await self._counted("adopt", self._provider.adopt(sender, owner))

    async def account_health(self) -> Sequence[HealthItem]:
        """Return who we are at the provider, its quotas and their use."""
        return await self._counted("account", self._provider.account_health())

    async def full_health(self) -> Sequence[HealthItem]:
        """Return the account's health and try each permission."""
        return await self._provider.full_health()

    async def _counted(self, call: str, pending: Awaitable[T]) -> T:
        try:
            result = await pending
        except Fault as fault:
            self._meter.count_call(self.name, call, fault.kind)
            self._log_refusal(call, fault.kind, fault.provider_code, fault.detail)
            raise
        self._meter.count_call(self.name, call, "ok")
        return result

    def _log_refusal(self, call: str, outcome: str, code: str | None, detail: str) -> None:
        log.warning("provider.refused", provider=self.name, call=call, outcome=outcome, code=code, detail=detail)

"""Metrics in the Prometheus text format."""

import math
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TypeVar

import structlog
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    ProcessCollector,
    generate_latest,
    start_http_server,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

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
from letterhead.ports.disk import FreeSpaces
from letterhead.ports.meter import StoreFigures
from letterhead.ports.provider import HealthItem, IdentityPage, Provider
from letterhead.ports.store.monitoring import DomainCondition, Role
from letterhead.ports.tracing import SpanKind, Tracer, TraceSpan

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
        self._checks = Counter(
            "letterhead_checks",
            "Checks, by the status that they left.",
            ("outcome",),
            registry=own,
        )
        self._calls = Counter(
            "letterhead_provider_calls",
            "Calls of the provider.",
            ("provider", "call", "outcome"),
            registry=own,
        )
        self._relayed = Counter(
            "letterhead_relay_messages",
            "Messages of the relay, by fate.",
            ("outcome",),
            registry=own,
        )
        self._deliveries = Counter(
            "letterhead_deliveries", "Attempts to deliver a webhook, by what follows.", ("outcome",), registry=own
        )
        self.load_figures: Callable[[], Coroutine[None, None, StoreFigures | None]] | None = None
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

    def count_delivery(self, outcome: str) -> None:
        """Count one attempt to deliver a webhook."""
        self._deliveries.labels(outcome).inc()

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

    def watch_certificate(self, read: Callable[[], datetime]) -> None:
        """Ask at each reading until when the relay's certificate holds; NaN where it can't be read just now."""

        def end() -> float:
            try:
                return read().timestamp()
            except (OSError, ValueError):  # a file that is gone, unreadable, or half written
                return math.nan

        Gauge(
            "letterhead_relay_certificate_expiry_timestamp_seconds",
            "Until when the relay's TLS certificate holds.",
            registry=self._registry,
        ).set_function(end)

    def watch_disks(self, read: FreeSpaces) -> None:
        """Ask at each reading how much is free on the disks that this process writes to."""
        self._registry.register(DiskCollector(read))

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
        """Return all metrics, with what the store says where it answers, and whether it does."""
        return generate_latest(self._registry) + generate_latest(_registry_of(figures))

    def watch_store(self, load: Callable[[], Coroutine[None, None, StoreFigures | None]]) -> None:
        """Ask `load` at each reading that is sent to a collector."""
        self.load_figures = load

    def collect(self, figures: StoreFigures | None) -> list[Metric]:
        """Return what `text` writes, as values; of the store only where this process was told to watch it."""
        own = list(self._registry.collect())
        return own if self.load_figures is None else own + list(_registry_of(figures).collect())


class DiskCollector(Collector):
    """The free space of each disk, read when it is asked for; a disk that can't be read has no line."""

    def __init__(self, read: FreeSpaces) -> None:
        self._read = read

    def collect(self) -> Iterator[Metric]:
        """Return the two gauges."""
        free = GaugeMetricFamily("letterhead_disk_free_bytes", "Free space on the disk of a use.", labels=["use"])
        reserve = GaugeMetricFamily(
            "letterhead_disk_reserve_bytes", "Free space that should never be less.", labels=["use"]
        )
        for each in self._read():
            free.add_metric([each.use], each.octets)
            reserve.add_metric([each.use], each.reserve)
        if free.samples:
            yield from (free, reserve)


def _registry_of(figures: StoreFigures | None) -> CollectorRegistry:
    """Return the gauges of what the store says now; that it does not answer, where it does not."""
    registry = CollectorRegistry()
    up = Gauge("letterhead_store_up", "1 while the database answers, 0 while it does not.", registry=registry)
    up.set(figures is not None)
    if figures is None:
        return registry
    backlog, outage = figures.backlog, figures.outage
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
        ("letterhead_alerts_due", "Alerts due to chats and on-call services and not yet claimed.", backlog.alerts),
        ("letterhead_deliveries_due", "Webhooks due and not yet claimed.", backlog.deliveries),
        ("letterhead_silent_zones", "Zones that fell silent since any zone was heard.", outage.zones if outage else 0),
        (
            "letterhead_resolver_outage",
            "1 while several zones are silent at once: our own resolvers or network are out.",
            resolver_outage.is_resolver_outage(outage),
        ),
    )
    for name, what, value in values:
        Gauge(name, what, registry=registry).set(value)
    _add_domains(registry, figures)
    for each in figures.processes:
        if each.silent is None and each.role is not Role.WORKER:
            continue  # there need not be one
        age = Gauge(
            f"letterhead_{each.role}_heartbeat_age_seconds",
            f"Time since the last heartbeat of any {each.role}; +Inf where none was seen.",
            registry=registry,
        )
        age.set(math.inf if each.silent is None else each.silent)
        Gauge(f"letterhead_{each.role}s", f"Each {each.role} that was seen within 40 s.", registry=registry).set(
            each.alive
        )
    return registry


def _add_domains(registry: CollectorRegistry, figures: StoreFigures) -> None:
    """Add the gauges of all domains, once they have been counted."""
    if figures.statuses:
        domains = Gauge("letterhead_domains", "Domains of all accounts, by status.", ("status",), registry=registry)
        for status, number in figures.statuses.items():
            domains.labels(status).set(number)
    if figures.conditions:
        failing = Gauge("letterhead_domains_failing", "Domains with a fault for over an hour.", registry=registry)
        failing.set(figures.conditions[DomainCondition.FAILING])
        refused = Gauge("letterhead_domains_refused", "Domains that the provider refuses.", registry=registry)
        refused.set(figures.conditions[DomainCondition.REFUSED])


class MeteredProvider:
    """A `Provider` that counts and traces the calls of another one, and logs each that was refused."""

    def __init__(self, provider: Provider, meter: PrometheusMeter, tracer: Tracer) -> None:
        self._provider, self._meter, self._tracer = provider, meter, tracer

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
        with self._span("look") as span:
            report = await self._provider.identity_report(sender, owner)
            if isinstance(report, IdentityUnknown):
                span.fail(report.kind)
        if isinstance(report, IdentityUnknown):
            self._meter.count_call(self.name, "look", report.kind)
            self._log_refusal("look", report.kind, report.provider_code, report.detail)
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

    async def identity_page(self, after: str, limit: int) -> IdentityPage | None:
        """Return some of the names at the provider."""
        return await self._counted("listed", self._provider.identity_page(after, limit))

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
            with self._span(call):
                result = await pending
        except Fault as fault:
            self._meter.count_call(self.name, call, fault.kind)
            self._log_refusal(call, fault.kind, fault.provider_code, fault.detail)
            raise
        self._meter.count_call(self.name, call, "ok")
        return result

    def _span(self, call: str) -> AbstractContextManager[TraceSpan]:
        attributes = {"letterhead.provider": self.name, "letterhead.call": call}
        return self._tracer.span(f"{self.name} {call}", SpanKind.CLIENT, attributes)

    def _log_refusal(self, call: str, outcome: str, code: str | None, detail: str) -> None:
        log.warning("provider.refused", provider=self.name, call=call, outcome=outcome, code=code, detail=detail)

"""Knows what the web face measures; the registry is given, so that the worker's numbers can stand beside ours."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from letterhead.core import outage
from letterhead.core.outage import Silence
from letterhead.ports import Backlog

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Meters:
    """Counts requests by route and status, and tells how much work waits."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "letterhead_requests", "Requests answered.", ("method", "route", "status"), registry=registry
        )
        self._seconds = Histogram(
            "letterhead_request_seconds", "Time to the answer.", ("route",), buckets=_SECONDS, registry=registry
        )
        self._due = Gauge("letterhead_checks_due", "Checks that are due and not yet claimed.", registry=registry)
        self._lag = Gauge("letterhead_checks_lag_seconds", "Age of the oldest due check.", registry=registry)
        self._intents = Gauge("letterhead_intents", "Pieces of work owed at the provider.", registry=registry)
        self._reminders = Gauge("letterhead_reminders_due", "Reminders due and not yet claimed.", registry=registry)
        self._outage = Gauge(
            "letterhead_resolver_outage",
            "1 while several zones are silent at once, so that it is us.",
            registry=registry,
        )
        self._silent = Gauge("letterhead_silent_zones", "Zones silent since anybody was heard.", registry=registry)
        self._pool = Gauge("letterhead_pooled_keys", "Keys made ahead.", registry=registry)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts one request; `route` is a template, never a path, so that clients can't make series."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def backlog(self, backlog: Backlog) -> None:
        """Notes how much work waits."""
        self._due.set(backlog.due)
        self._lag.set(backlog.lag)
        self._intents.set(backlog.intents)
        self._pool.set(backlog.pooled_keys)
        self._reminders.set(backlog.reminders)

    def silence(self, silence: Silence | None) -> None:
        """Notes who fell silent, and whether that is our own outage."""
        self._silent.set(silence.zones if silence else 0)
        self._outage.set(outage.ours(silence))

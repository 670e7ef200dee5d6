"""Spans and metrics by OTLP over HTTP, with OpenTelemetry's SDK, whose variables (`OTEL_…`) set where they go.

Nothing waits for the collector: threads of their own send spans, from the SDK's bounded queue, and metrics, one reading
at a time. What does not fit, or is not taken in time, is lost.
"""

import math
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise

import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import export as otlp
from opentelemetry.sdk.metrics.export import MetricsData
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import Metric

from letterhead.errors import Fault
from letterhead.ports.deps import Machine
from letterhead.ports.tracing import SpanKind, TraceSpan, traceparent

log = structlog.get_logger()

SCOPE = "letterhead"
STOP_SECONDS = 2.0  # that the last spans and metrics may take at the stop
_KINDS = {
    SpanKind.SERVER: trace.SpanKind.SERVER,
    SpanKind.CLIENT: trace.SpanKind.CLIENT,
    SpanKind.CONSUMER: trace.SpanKind.CONSUMER,
    SpanKind.INTERNAL: trace.SpanKind.INTERNAL,
}
_propagator = TraceContextTextMapPropagator()


def new_resource(machine: Machine) -> Resource:
    """Return what describes this process; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES add to it."""
    own = Resource.create({"service.version": machine.version, "service.instance.id": f"{machine.host}:{machine.pid}"})
    if str(own.attributes[SERVICE_NAME]).startswith("unknown_service"):
        own = own.merge(Resource({SERVICE_NAME: SCOPE}))
    return own


def is_exported(signal: str) -> bool:
    """Whether a signal is exported, by OTEL_TRACES_EXPORTER and OTEL_METRICS_EXPORTER; `otlp` where not set."""
    chosen = os.environ.get(f"OTEL_{signal.upper()}_EXPORTER", "otlp").split(",")
    return "otlp" in [each.strip() for each in chosen]


class OpenTelemetrySpan:
    """The implementation of `TraceSpan`."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def set(self, attributes: Mapping[str, str | int]) -> None:
        """Add attributes."""
        self._span.set_attributes(attributes)

    def fail(self, error_type: str) -> None:
        """Mark the work as failed, with the kind of the error and without its text."""
        self._span.set_attribute("error.type", error_type)
        self._span.set_status(Status(StatusCode.ERROR))

    def rename(self, name: str) -> None:
        """Replace the name."""
        self._span.update_name(name)


class OpenTelemetryTracer:
    """The implementation of `Tracer`. Each log line within a span has its `trace_id`."""

    is_on = True

    def __init__(self, resource: Resource) -> None:
        # Not at the exit of the interpreter: `close` has a limit of time.
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer(SCOPE)

    @contextmanager
    def span(
        self,
        name: str,
        kind: SpanKind,
        attributes: Mapping[str, str | int],
        *,
        parent: str | None = None,
        link: str | None = None,
    ) -> Iterator[TraceSpan]:
        """Open a span within the one under way, or within `parent`; `link` is a traceparent that called for the work.

        An exception's text may hold what nobody but its reader should see: only its kind is recorded.
        """
        called_for = _span_context(link)
        with self._tracer.start_as_current_span(
            name,
            context=None if parent is None else _propagator.extract({"traceparent": parent}),
            kind=_KINDS[kind],
            attributes=attributes,
            links=() if called_for is None else (Link(called_for),),
            record_exception=False,
            set_status_on_exception=False,
        ) as started:
            own, span = started.get_span_context(), OpenTelemetrySpan(started)
            trace_id = trace.format_trace_id(own.trace_id)
            under_way = traceparent.set(f"00-{trace_id}-{trace.format_span_id(own.span_id)}-{own.trace_flags:02x}")
            try:
                with structlog.contextvars.bound_contextvars(trace_id=trace_id):
                    yield span
            except Exception as error:
                span.fail(error.kind if isinstance(error, Fault) else type(error).__name__)
                raise
            finally:
                traceparent.reset(under_way)

    def close(self) -> None:
        """Send what waits, for STOP_SECONDS at most."""
        # It may wait for a collector that is gone, and is then left behind.
        closing = threading.Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(STOP_SECONDS)


class MetricSender:
    """A thread that sends a reading of the metrics every OTEL_METRIC_EXPORT_INTERVAL (60 s); one that fails is lost."""

    def __init__(self, resource: Resource, read: Callable[[], Iterable[Metric]]) -> None:
        self._resource, self._read, self._began = resource, read, time.time_ns()
        self._exporter = OTLPMetricExporter()
        self._every = int(os.environ.get("OTEL_METRIC_EXPORT_INTERVAL", "60000")) / 1000
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="otlp-metrics", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._stopping.wait(self._every)
            try:
                self._exporter.export(metrics_data(self._read(), self._resource, self._began))
            except Exception as error:  # whatever it was, the next reading may be whole
                log.warning("metrics.not_sent", error=type(error).__name__)

    def close(self) -> None:
        """Send a last reading, for STOP_SECONDS at most."""
        self._stopping.set()
        self._thread.join(STOP_SECONDS)


def metrics_data(families: Iterable[Metric], resource: Resource, began: int) -> MetricsData:
    """Return Prometheus' metrics, counted since a time in nanoseconds, as OpenTelemetry's, under the same names."""
    times = (began, time.time_ns())
    metrics = [otlp.Metric(each.name, each.documentation, "", _data_of(each, times)) for each in families]
    scope = otlp.ScopeMetrics(InstrumentationScope(SCOPE), metrics, "")
    return MetricsData([otlp.ResourceMetrics(resource, [scope], "")])


def _data_of(family: Metric, times: tuple[int, int]) -> otlp.Sum | otlp.Gauge | otlp.Histogram:
    if family.type == "histogram":
        return otlp.Histogram(_histogram_points(family, times), otlp.AggregationTemporality.CUMULATIVE)
    suffix = "_total" if family.type == "counter" else ""
    points = [
        otlp.NumberDataPoint(each.labels, *times, each.value)
        for each in family.samples
        if each.name == family.name + suffix  # without `_created`
    ]
    if family.type == "counter":
        return otlp.Sum(points, otlp.AggregationTemporality.CUMULATIVE, is_monotonic=True)
    return otlp.Gauge(points)


def _histogram_points(family: Metric, times: tuple[int, int]) -> list[otlp.HistogramDataPoint]:
    """Return a point for each set of labels; Prometheus counts into each bucket what is in the smaller ones too."""
    buckets: dict[tuple[tuple[str, str], ...], list[tuple[float, int]]] = {}
    sums: dict[tuple[tuple[str, str], ...], float] = {}
    for each in family.samples:
        labels = tuple(sorted((name, value) for name, value in each.labels.items() if name != "le"))
        if each.name.endswith("_bucket"):
            buckets.setdefault(labels, []).append((float(each.labels["le"]), int(each.value)))
        elif each.name.endswith("_sum"):
            sums[labels] = each.value
    points = []
    for labels, counted in buckets.items():
        below = [0, *(count for _, count in counted)]
        points.append(
            otlp.HistogramDataPoint(
                dict(labels),
                *times,
                count=below[-1],
                sum=sums[labels],
                bucket_counts=[after - before for before, after in pairwise(below)],
                explicit_bounds=[bound for bound, _ in counted if bound != math.inf],
                min=None,  # type: ignore[arg-type] # optional in OTLP, and not known
                max=None,  # type: ignore[arg-type]
            )
        )
    return points


def _span_context(text: str | None) -> SpanContext | None:
    """Read a traceparent; None where there is none, or where it can't be read."""
    if text is None:
        return None
    found = trace.get_current_span(_propagator.extract({"traceparent": text})).get_span_context()
    return found if found.is_valid else None

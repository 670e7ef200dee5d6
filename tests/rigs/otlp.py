"""Run a real collector of OTLP over HTTP, which takes and keeps spans and metrics, or refuses them."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span


class CollectorMood(StrEnum):
    """Says how the collector answers."""

    OK = "ok"
    BROKEN = "broken"  # 503
    HANGS = "hangs"  # takes the request and says nothing


@dataclass(slots=True)
class Collector:
    """All that reached the collector."""

    url: str
    mood: CollectorMood = CollectorMood.OK
    spans: list[Span] = field(default_factory=list)
    metrics: dict[str, Metric] = field(default_factory=dict)  # the last reading of each
    resources: list[dict[str, str]] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    knocks: int = 0
    closing: threading.Event = field(default_factory=threading.Event)

    def named(self, name: str) -> list[Span]:
        """Return the spans of a name."""
        return [each for each in self.spans if each.name == name]

    def take(self, path: str, body: bytes) -> None:
        """Keep one request."""
        self.raw.append(body)
        if path == "/v1/traces":
            for group in ExportTraceServiceRequest.FromString(body).resource_spans:
                self.resources.append({each.key: each.value.string_value for each in group.resource.attributes})
                self.spans += [span for scope in group.scope_spans for span in scope.spans]
        elif path == "/v1/metrics":
            for each in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                self.metrics |= {metric.name: metric for scope in each.scope_metrics for metric in scope.metrics}


def attributes(span: Span) -> dict[str, str | int]:
    """Return a span's attributes."""
    return {
        each.key: each.value.string_value if each.value.HasField("string_value") else each.value.int_value
        for each in span.attributes
    }


@contextmanager
def collector() -> Iterator[Collector]:
    """Run a collector until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            own.knocks += 1
            if own.mood is CollectorMood.HANGS:
                own.closing.wait(60)
                return
            if own.mood is CollectorMood.OK:
                own.take(self.path, gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(200 if own.mood is CollectorMood.OK else 503)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        own = Collector(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield own
        finally:
            own.closing.set()
            server.shutdown()

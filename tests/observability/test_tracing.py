"""Traces and metrics by OTLP: what is sent, that it is linked, and that nothing waits for a collector that is gone."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from letterhead.adapters.metrics import PrometheusMeter
from letterhead.adapters.opentelemetry import MetricSender, new_resource
from letterhead.ports.deps import Machine
from letterhead.ports.tracing import traceparent
from letterhead.wiring.assemble import Overrides
from tests.operations.world import WrittenDns, opened
from tests.rigs import webhook_receiver
from tests.rigs.letterhead import Installation
from tests.rigs.otlp import Collector, CollectorMood, attributes, collector
from tests.rigs.waiting import until

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
FAST = {"OTEL_BSP_SCHEDULE_DELAY": "100", "OTEL_METRIC_EXPORT_INTERVAL": "500"}


@pytest.fixture
def traces() -> Iterator[Collector]:
    """Run a collector."""
    with collector() as running:
        yield running


def installed(folder: Path, traces: Collector, **settings: str) -> Installation:
    """Set up an installation that sends to the collector, with DNS that does not answer."""
    made = Installation(
        folder, DNS_RESOLVERS="127.0.0.1:9", OPENTELEMETRY="true", WEBHOOKS_ALLOW_HTTP="true",
        WEBHOOKS_ALLOW_PRIVATE="true", **settings,
    )  # fmt: skip
    made.settings |= {"OTEL_EXPORTER_OTLP_ENDPOINT": traces.url, **FAST}
    assert made.run("migrate").returncode == 0
    return made


def test_a_request_and_what_it_calls_for(tmp_path: Path, traces: Collector) -> None:
    """A span a request, by its template; the delivery is a trace of its own, linked to the request, and told outside.

    Nobody but a trusted proxy names the span that a request is part of. The log lines have the trace's id.
    """
    own = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
    installation = installed(tmp_path, traces)
    with webhook_receiver.running() as receiver, installation.serving() as serving:
        key = serving.open_account()
        with serving.client(key) as client:
            assert client.post("/domains", json={"sender": "traced.test"}, headers=own).status_code == 200
            made = client.post("/webhooks", json={"webhook": receiver.url, "events": ["*"]}).json()
            assert client.post(f"/webhooks/{made['id']}/test").status_code < 300
            assert client.get("/readyz").status_code == 200
        until(lambda: receiver.received and traces.named("webhook delivery"))
        until(lambda: traces.named("check") and "letterhead_checks" in traces.metrics)
        (asked,) = [
            each for each in traces.spans if each.name.startswith("POST /webhooks/") and each.name.endswith("/test")
        ]
        with serving.operator() as operator:
            scraped = operator.get("/metrics").text
    (delivery,) = traces.named("webhook delivery")
    assert delivery.trace_id != asked.trace_id
    assert [(each.trace_id, each.span_id) for each in delivery.links] == [(asked.trace_id, asked.span_id)]
    told = receiver.received[0].headers["traceparent"]
    assert told.startswith(f"00-{delivery.trace_id.hex()}-{delivery.span_id.hex()}-0")
    (added,) = traces.named("POST /domains")
    known = attributes(added)
    assert (known["http.route"], known["http.response.status_code"], added.kind) == (
        "/domains",
        200,
        Span.SPAN_KIND_SERVER,
    )
    assert added.trace_id.hex() != TRACE, "it came from no proxy"
    checked = sorted(traces.named("check"), key=lambda each: each.start_time_unix_nano)
    assert [(each.trace_id, each.span_id) for each in checked[0].links] == [(added.trace_id, added.span_id)]
    assert not [each for later in checked[1:] for each in later.links], "only the first one"
    line = next(each for each in map(json.loads, installation.logs().splitlines()) if each.get("path") == "/domains")
    assert (line["trace_id"], line["tracking_id"]) == (added.trace_id.hex(), known["letterhead.tracking_id"])
    assert not [each for each in traces.spans if "readyz" in each.name]
    assert traces.resources[0]["service.name"] == "letterhead"
    assert b"traced.test" not in b"".join(traces.raw), "a name is nobody's business"
    families = text_string_to_metric_families(scraped)
    names = {each.name for each in families if not each.name.endswith("_created")}
    assert names == set(traces.metrics), "one table of metrics, two ways out"
    seconds = traces.metrics["letterhead_request_seconds"].histogram.data_points[0]
    assert sum(seconds.bucket_counts) == seconds.count > 0
    assert len(seconds.bucket_counts) == len(seconds.explicit_bounds) + 1


def test_a_trusted_proxy_names_the_parent(tmp_path: Path, traces: Collector) -> None:
    """What comes from a trusted proxy goes on in its trace; what can't be read begins one."""
    with installed(tmp_path, traces, TRUSTED_PROXIES="127.0.0.1").serving("--no-worker") as serving:
        for given in (f"00-{TRACE}-{PARENT}-01", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"):
            httpx2.get(f"{serving.url}/domains", headers={"traceparent": given}, trust_env=False)
        until(lambda: len(traces.named("GET /domains")) == 3)
    spans = traces.named("GET /domains")
    assert [each.trace_id.hex() == TRACE for each in spans] == [True, False, False]
    assert spans[0].parent_span_id.hex() == PARENT


def test_a_proxy_that_passes_everything_on_names_no_parent(tmp_path: Path, traces: Collector) -> None:
    """Where the operator says that the proxy's `traceparent` may be anybody's, a trace of our own begins."""
    own = {"TRUSTED_PROXIES": "127.0.0.1", "OPENTELEMETRY_PARENT": "false"}
    with installed(tmp_path, traces, **own).serving("--no-worker") as serving:
        given = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
        httpx2.get(f"{serving.url}/domains", headers=given, trust_env=False)
        until(lambda: traces.named("GET /domains"))
    (span,) = traces.named("GET /domains")
    assert span.trace_id.hex() != TRACE
    assert span.parent_span_id == b""


async def test_an_intent_is_linked_and_a_call_is_within(
    tmp_path: Path, traces: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check that proves a domain calls for its registration: the intent's span links to it, and holds the call."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", traces.url)
    dns = WrittenDns("acme.test")
    async with opened(tmp_path, Overrides(resolver=dns), PROVIDER="simulated", OPENTELEMETRY="true") as world:
        await world.add("acme.test")
        dns.publish(await world.dkim("acme.test"))
        await world.look("acme.test")
        assert traceparent.get() is None
    (intent,) = traces.named("intent register")
    checked = {each.span_id for each in traces.named("check")}
    assert {each.span_id for each in intent.links} <= checked
    assert len(intent.links) == 1
    (call,) = traces.named("simulated register")
    assert (call.parent_span_id, call.trace_id, call.kind) == (intent.span_id, intent.trace_id, Span.SPAN_KIND_CLIENT)
    assert attributes(call) == {"letterhead.provider": "simulated", "letterhead.call": "register"}
    assert "letterhead.outcome" in attributes(traces.named("check")[0])


def test_one_failed_reading_is_lost_alone(traces: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    """What can't be read now is sent with the next reading, as long as the process lives."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", traces.url)
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "50")
    readings = iter([OSError("gone"), ValueError("half"), []])

    def read() -> list[Metric]:
        reading = next(readings, [])
        if isinstance(reading, Exception):
            raise reading
        return list(PrometheusMeter().collect(None))

    sender = MetricSender(new_resource(Machine(host="h", pid=1, version="1")), read)
    try:
        until(lambda: "process_open_fds" in traces.metrics)
    finally:
        sender.close()


async def test_what_fails_is_marked_by_its_kind_alone(
    tmp_path: Path, traces: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure's text may hold anything: the span has its kind, and no event with the text."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", traces.url)
    async with opened(tmp_path, None, OPENTELEMETRY="true") as world:
        with pytest.raises(ValueError, match="a secret"), world.deps.tracer.span("broken", "internal", {}):  # type: ignore[arg-type]
            raise ValueError("a secret")
    (broken,) = traces.named("broken")
    assert (broken.status.code, attributes(broken)) == (Status.STATUS_CODE_ERROR, {"error.type": "ValueError"})
    assert not broken.events
    assert b"a secret" not in b"".join(traces.raw)


@pytest.mark.parametrize("mood", [CollectorMood.HANGS, CollectorMood.BROKEN])
def test_nothing_waits_for_a_collector(tmp_path: Path, traces: Collector, mood: CollectorMood) -> None:
    """Requests are answered as ever, the queue of spans is bounded, and a stop takes seconds."""
    traces.mood = mood
    installation = installed(tmp_path, traces, RATE_LIMIT="10000/s burst 10000")
    installation.settings["OTEL_BSP_MAX_QUEUE_SIZE"] = "600"
    serving = installation.serve("--no-worker")
    with serving.client(serving.open_account()) as client:
        until(lambda: traces.knocks >= 1)
        slowest = 0.0
        for _ in range(1000):
            began = time.perf_counter()
            assert client.get("/account").status_code == 200
            slowest = max(slowest, time.perf_counter() - began)
    assert slowest < 5, "the exporter's own limit is 10 s"
    began = time.monotonic()
    assert serving.stop() == 0
    assert time.monotonic() - began < 20


def test_without_the_extra_the_setting_is_refused(tmp_path: Path) -> None:
    """Who turns it on and lacks the packages is told what to install."""
    installation = Installation(tmp_path, OPENTELEMETRY="true")
    hidden = tmp_path / "hidden" / "opentelemetry"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ImportError('not here', name='opentelemetry')")
    installation.settings["PYTHONPATH"] = str(hidden.parent)
    ended = installation.run("serve")
    assert ended.returncode == 2
    assert "the extra `otel`" in ended.stderr


def test_off_it_is_not_even_loaded() -> None:
    """Without the setting no module of OpenTelemetry is loaded by a server, and no middleware is installed."""
    modules = "letterhead.web.app, letterhead.worker, letterhead.wiring.assemble"
    code = f"import sys, {modules}; print('opentelemetry' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert ended.stdout.strip() == "False"

"""What goes out has a span of its own: a reminder, a message handed over by the relay, a zone at a DNS host."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from letterhead.wiring.assemble import Overrides
from tests.operations.conftest import opened_at_lab
from tests.operations.test_dns_plans import apply, plan
from tests.operations.test_reminders import NAME, at_risk, mail_settings, remind, verified
from tests.operations.world import Clock, World, WrittenDns, opened
from tests.relay.world import running as relaying
from tests.rigs import smtp
from tests.rigs.dns_lab import DnsLab
from tests.rigs.hosted_zones import HOST, TOKEN, LabHost
from tests.rigs.otlp import Collector, attributes, collector
from tests.rigs.smtp import Ledger
from tests.rigs.waiting import until_async


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    """Run a collector that this process sends to."""
    with collector() as running:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", running.url)
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        yield running


@pytest.fixture
async def writing(lab: DnsLab, tmp_path: Path, clock: Clock, host: LabHost, traces: Collector) -> AsyncIterator[World]:
    """Open an installation that writes at a DNS host, and send traces."""
    stand = Overrides(now=clock, hosted_zones=host)
    async with opened_at_lab(tmp_path, lab, stand, DNS_PACKETS_PER_SECOND="1000", OPENTELEMETRY="true") as world:
        yield world


async def test_a_reminder(tmp_path: Path, clock: Clock, ledger: Ledger, traces: Collector) -> None:
    """One for each mail, with how it ended; neither the name nor the address is in it."""
    dns = WrittenDns(NAME)
    settings = mail_settings(ledger) | {"OPENTELEMETRY": "true"}
    async with opened(tmp_path, Overrides(resolver=dns, now=clock), **settings) as world:
        await verified(world, dns, clock)
        await at_risk(world, dns, clock)
        assert await remind(world)
        domain = await world.domain(NAME)
        sent = len(ledger.messages())
        assert sent
    spans = [each for each in traces.spans if each.name.startswith("reminder ")]
    assert len(spans) == sent
    known = attributes(spans[0])
    assert (known["letterhead.domain_id"], known["letterhead.outcome"]) == (domain.id, "accepted")
    assert spans[0].kind == Span.SPAN_KIND_CLIENT
    assert NAME.encode() not in b"".join(traces.raw)
    assert b"example.com" not in b"".join(traces.raw)


async def test_a_message_that_the_relay_hands_over(tmp_path: Path, traces: Collector) -> None:
    """One for each attempt, with the id that the log has; neither sender nor recipient is in it."""
    with smtp.running(None, sign_in=False) as smart_host:
        async with relaying(tmp_path, smart_host, OPENTELEMETRY="true") as relay:
            assert (await relay.send())[-1][0] == 250
            await until_async(lambda: smart_host.taken and not relay.waiting())
            account = relay.world.account.id
    (span,) = traces.named("relay hand-over")
    known = attributes(span)
    assert (known["letterhead.account_id"], known["letterhead.attempts"]) == (account, 0)
    assert known["letterhead.message_id"]
    assert span.kind == Span.SPAN_KIND_CLIENT
    assert b"receiver.test" not in b"".join(traces.raw)


async def test_a_zone_that_is_written(zone: str, writing: World, traces: Collector) -> None:
    """One for each reading and writing; neither the zone nor the credential is in it."""
    await writing.add(zone)
    await apply(writing, zone, await plan(writing, zone))
    await until_async(lambda: traces.named("dns host write"))
    (written,) = traces.named("dns host write")
    assert attributes(written) == {"letterhead.dns_host": HOST, "letterhead.call": "write"}
    assert len(traces.named("dns host read")) >= 2
    sent = b"".join(traces.raw)
    assert (zone.encode() in sent, TOKEN.encode() in sent) == (False, False)

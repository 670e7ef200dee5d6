"""A process tells only the numbers that it knows; one that does not know a number has no line for it, not a 0."""

import math
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from letterhead.adapters.certificate import read_certificate
from letterhead.adapters.metrics import PrometheusMeter
from letterhead.ports.meter import ProcessCount, StoreFigures
from letterhead.ports.store.monitoring import Backlog, Role

BACKLOG = Backlog(due=3, lag=1.5, intents=4, pooled_keys=64, reminders=0, deliveries=2, misdated=1, intents_age=90.0)
NO_WORKER = ProcessCount(role=Role.WORKER, alive=0, silent=None)
NO_RELAY = ProcessCount(role=Role.RELAY, alive=0, silent=None)
FIGURES = StoreFigures(backlog=BACKLOG, outage=None, processes=[NO_WORKER, NO_RELAY], statuses={}, conditions={})


def gauges(meter: PrometheusMeter, figures: StoreFigures | None = None) -> dict[str, float]:
    """Read the samples without labels, as Prometheus does."""
    families = text_string_to_metric_families(meter.text(figures).decode())
    return {each.name: each.value for family in families for each in family.samples if not each.labels}


def test_a_worker_says_nothing_of_backlog_and_queue() -> None:
    """Without a store to ask and without a relay there is neither backlog nor queue, but the process itself."""
    told = gauges(PrometheusMeter())
    assert {name for name in told if name.startswith("letterhead_")} == {"letterhead_store_up"}
    assert told["process_resident_memory_bytes"] > 1_000_000
    assert told["process_open_fds"] > 0


def test_the_backlog_is_told_while_the_store_answers() -> None:
    """What was read is told; once the store is out of reach, nothing is, rather than the last values."""
    meter = PrometheusMeter()
    told = gauges(meter, FIGURES)
    assert (told["letterhead_checks_due"], told["letterhead_checks_lag_seconds"]) == (3.0, 1.5)
    assert (told["letterhead_pooled_keys"], told["letterhead_checks_misdated"]) == (64.0, 1.0)
    assert (told["letterhead_intents"], told["letterhead_intents_age_seconds"]) == (4.0, 90.0)
    assert "letterhead_relay_queue" not in told
    assert told["letterhead_store_up"] == 1.0
    assert {name: value for name, value in gauges(meter).items() if "letter" in name} == {"letterhead_store_up": 0.0}


def test_a_relay_tells_its_queue() -> None:
    """The queue is read anew each time; an empty one is 0, since the relay knows it."""
    queue: list[datetime] = []
    meter = PrometheusMeter()
    at = datetime(2026, 11, 23, tzinfo=UTC)
    meter.watch_queue(lambda: (len(queue), min(queue, default=None)))
    assert gauges(meter)["letterhead_relay_queue"] == 0.0
    assert gauges(meter)["letterhead_relay_oldest_timestamp_seconds"] == 0.0
    queue.append(at)
    assert gauges(meter)["letterhead_relay_queue"] == 1.0
    assert gauges(meter)["letterhead_relay_oldest_timestamp_seconds"] == at.timestamp()


def test_a_certificate_that_cannot_be_read_is_no_number(tmp_path: Path) -> None:
    """A file that is gone, or half written while it is renewed, leaves every other number readable."""
    file = tmp_path / "certificate.pem"
    meter = PrometheusMeter()
    meter.watch_certificate(lambda: read_certificate(file).ends)
    for text in (None, "", "-----BEGIN CERTIFICATE-----\nMIIB"):
        if text is not None:
            file.write_text(text)
        told = gauges(meter, FIGURES)
        assert math.isnan(told["letterhead_relay_certificate_expiry_timestamp_seconds"])
        assert told["letterhead_checks_due"] == 3.0


def test_heartbeats_are_told_by_role() -> None:
    """No worker at all is an infinite age, which every alert on the age sees; no relay is none that is missed."""
    told = gauges(PrometheusMeter(), FIGURES)
    assert (told["letterhead_worker_heartbeat_age_seconds"], told["letterhead_workers"]) == (math.inf, 0.0)
    assert "letterhead_relays" not in told
    processes = [
        ProcessCount(role=Role.WORKER, alive=2, silent=3.5),
        ProcessCount(role=Role.RELAY, alive=0, silent=600.0),
    ]
    told = gauges(
        PrometheusMeter(), StoreFigures(backlog=BACKLOG, outage=None, processes=processes, statuses={}, conditions={})
    )
    assert (told["letterhead_worker_heartbeat_age_seconds"], told["letterhead_workers"]) == (3.5, 2.0)
    assert (told["letterhead_relay_heartbeat_age_seconds"], told["letterhead_relays"]) == (600.0, 0.0)

"""A process tells only the numbers that it knows; one that does not know a number has no line for it, not a 0."""

from datetime import UTC, datetime

from prometheus_client.parser import text_string_to_metric_families

from letterhead.adapters.metrics import PrometheusMeter
from letterhead.ports.store.monitoring import Backlog

BACKLOG = Backlog(due=3, lag=1.5, intents=0, pooled_keys=64, reminders=0, deliveries=2, misdated=1)


def gauges(meter: PrometheusMeter, backlog: Backlog | None = None) -> dict[str, float]:
    """Reads the samples without labels, as Prometheus does."""
    families = text_string_to_metric_families(meter.text(backlog, None).decode())
    return {each.name: each.value for family in families for each in family.samples if not each.labels}


def test_a_worker_says_nothing_of_backlog_and_queue() -> None:
    """Without a store to ask and without a relay there is neither backlog nor queue, but the process itself."""
    told = gauges(PrometheusMeter())
    assert {name for name in told if name.startswith("letterhead_")} == set()
    assert told["process_resident_memory_bytes"] > 1_000_000
    assert told["process_open_fds"] > 0


def test_the_backlog_is_told_while_the_store_answers() -> None:
    """What was read is told; once the store is out of reach, nothing is, rather than the last values."""
    meter = PrometheusMeter()
    told = gauges(meter, BACKLOG)
    assert (told["letterhead_checks_due"], told["letterhead_checks_lag_seconds"]) == (3.0, 1.5)
    assert (told["letterhead_pooled_keys"], told["letterhead_checks_misdated"]) == (64.0, 1.0)
    assert "letterhead_relay_queue" not in told
    assert not {name for name in gauges(meter) if name.startswith("letterhead_")}


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

"""Make docs/metrics.md from what a process exports: every metric with its type, its labels and its meaning."""

from collections.abc import Iterable
from datetime import UTC, datetime

from prometheus_client import Metric

from letterhead.adapters.metrics import PrometheusMeter
from letterhead.core.zone.resolver_outage import ResolverOutage
from letterhead.ports.disk import FreeSpace
from letterhead.ports.meter import ProcessCount, StoreFigures
from letterhead.ports.store.monitoring import Backlog, DomainCondition, Role

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
FIGURES = StoreFigures(
    backlog=Backlog(due=0, lag=0.0, intents=0, pooled_keys=0, reminders=0),
    outage=ResolverOutage(zones=0, since=NOON),
    processes=[ProcessCount(role=role, alive=1, silent=1.0) for role in (Role.WORKER, Role.RELAY)],
    statuses={"SUCCESS": 1},
    conditions=dict.fromkeys(DomainCondition, 0),
)
HEAD = """# Metrics

Every metric, as Prometheus reads it and as OTLP sends it, under one name. [observability.md](observability.md) says
where each process has them. Made from the code by `./dev docs`.

A process has only what it knows, so that a sum, a minimum or a maximum over all of them is right, and a missing series
means that nobody knows.
"""


def page() -> str:
    """Make the page."""
    own = PrometheusMeter()
    before = {each.name for each in own.collect(None)}
    own.watch_disks(lambda: [FreeSpace(use="database", folder="/", octets=1, reserve=1)])
    disks = {each.name for each in own.collect(None)} - before
    own.watch_queue(lambda: (0, None))
    own.watch_certificate(lambda: NOON)
    relay = {each.name for each in own.collect(None)} - before - disks

    async def load() -> StoreFigures:
        return FIGURES

    own.watch_store(load)
    _count_once(own)
    families = {each.name: each for each in own.collect(FIGURES) if not each.name.endswith("_created")}
    groups = (
        ("Every process", before),
        ("Where a disk is written to", disks),
        ("The server, while the database answers", set(families) - before - disks - relay),
        ("The relay", relay),
    )
    return HEAD + "".join(
        _table(title, (each for each in families.values() if each.name in names)) for title, names in groups
    )


def _count_once(meter: PrometheusMeter) -> None:
    """Count everything once, so that each family has a sample with its labels."""
    meter.count_response("GET", "/domains", 200, 0.01)
    meter.count_check("SUCCESS")
    meter.count_call("ses", "look", "ok")
    meter.count_relayed("sent")
    meter.count_delivery("delivered")


def _table(title: str, families: Iterable[Metric]) -> str:
    rows = []
    for each in sorted(families, key=lambda each: each.name):
        labels = {label for sample in each.samples for label in sample.labels} - {"le"}
        name = f"{each.name}_total" if each.type == "counter" else each.name
        shown = ", ".join(f"`{label}`" for label in sorted(labels))
        rows.append(f"| `{name}` | {each.type} | {shown} | {each.documentation} |\n")
    return f"\n## {title}\n\n| metric | type | labels | meaning |\n|---|---|---|---|\n{''.join(rows)}"

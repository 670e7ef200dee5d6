"""Delete old history, by the settings; the store keeps what explains a present state."""

from datetime import timedelta
from typing import Protocol

import structlog

from letterhead.operations.self_monitoring import KEPT
from letterhead.ports.deps import Clock, OperationSettings
from letterhead.ports.store.retention import RetentionStore

log = structlog.get_logger()

ENDED_LINKS_KEPT = timedelta(days=30)  # until then whoever opens one reads that it has ended
TURNS_KEPT = timedelta(hours=1)  # of the shared rates: two clocks that differ by an hour do no harm
SILENT_KEPT = timedelta(days=1)  # a process that ended without a word is told of for so long


class RetentionNeeds(Protocol):
    """What deleting history needs."""

    @property
    def store(self) -> RetentionStore: ...
    @property
    def policy(self) -> OperationSettings: ...
    @property
    def now(self) -> Clock: ...


async def prune(deps: RetentionNeeds) -> bool:
    """Delete a part of what is past its retention period; false where nothing is left to delete."""
    now, periods, store = deps.now(), deps.policy.retention, deps.store
    # An event that goes leaves its check behind until the next time.
    gone = {
        "deliveries": await store.prune_deliveries(now - periods.deliveries),
        "snapshots": await store.prune_snapshots(now - min(periods.snapshots, periods.events)),
        "events": await store.prune_events(now - periods.events),
        "tallies": await store.prune_histograms(now - KEPT),
        "links": await store.prune_setup_links(now - ENDED_LINKS_KEPT),
        "invitations": await store.prune_invitations(now - ENDED_LINKS_KEPT),
        "dns_plans": await store.prune_dns_plans(now - periods.events),
        "account_work": await store.prune_account_work(now - KEPT),
        "turns": await store.prune_rate_slots(now - TURNS_KEPT),
        "heartbeats": await store.prune_heartbeats(now - SILENT_KEPT),
    }
    if any(gone.values()):
        log.info("history.pruned", **gone)
    return any(gone.values())

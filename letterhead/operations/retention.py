"""Knows how old history is forgotten, by the settings; what explains a present state is never asked to go."""

from datetime import timedelta

import structlog

from letterhead.operations.self_monitoring import KEPT
from letterhead.ports.deps import Deps

log = structlog.get_logger()

TURNS_KEPT = timedelta(hours=1)  # an hour's difference between two clocks does no harm


async def prune(deps: Deps) -> bool:
    """Forgets some of what is older than it is kept; false where there was nothing left to forget."""
    now, kept, store = deps.now(), deps.policy.retention, deps.store
    # An event that goes leaves its check behind until the next time.
    gone = {
        "deliveries": await store.prune_deliveries(now - kept.deliveries),
        "snapshots": await store.prune_snapshots(now - min(kept.snapshots, kept.events)),
        "events": await store.prune_events(now - kept.events),
        "tallies": await store.prune_histograms(now - KEPT),
        "turns": await store.prune_rate_slots(now - TURNS_KEPT),
    }
    if any(gone.values()):
        log.info("history.pruned", **gone)
    return any(gone.values())

"""Knows how old history is forgotten, by the settings; what explains a present state is never asked to go."""

import structlog

from letterhead.operations.watching import KEPT
from letterhead.ports import Deps

log = structlog.get_logger()


async def prune(deps: Deps) -> bool:
    """Forgets some of what is older than it is kept; false where there was nothing left to forget."""
    now, kept, store = deps.now(), deps.policy.kept, deps.store
    # An event that goes leaves its check behind until the next time.
    gone = {
        "deliveries": await store.prune_deliveries(now - kept.deliveries),
        "snapshots": await store.prune_snapshots(now - min(kept.snapshots, kept.events)),
        "events": await store.prune_events(now - kept.events),
        "tallies": await store.prune_tallies(now - KEPT),
    }
    if any(gone.values()):
        log.info("history.pruned", **gone)
    return any(gone.values())

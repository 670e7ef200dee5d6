"""A plan of changes as it is kept, and the table of its states."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

from letterhead.core.zone_changes.changes import WRITTEN, PlannedChange

MOST_KEPT: Final = 20  # plans of one domain: one more ends the oldest
WORK: Final = timedelta(seconds=120)  # for reading and writing a zone; whoever takes longer was killed


class PlanState(StrEnum):
    """How far a plan has come; each state is stored before what it names is done."""

    PLANNED = "planned"
    REFUSED = "refused"  # nothing can be written, and something should be
    APPLYING = "applying"  # killed here, the zone shows what was written
    WRITTEN = "written"  # the DNS host has it; not all of the zone's nameservers answer with it yet
    SERVED = "served"  # every nameserver does
    UNDOING = "undoing"
    UNDONE = "undone"
    FAILED = "failed"  # `said` is why, and the zone shows what was written before


MAY_APPLY: Final = frozenset(
    {PlanState.PLANNED, PlanState.APPLYING, PlanState.FAILED, PlanState.WRITTEN, PlanState.SERVED}
)
MAY_UNDO: Final = frozenset(
    {PlanState.APPLYING, PlanState.FAILED, PlanState.WRITTEN, PlanState.SERVED, PlanState.UNDOING}
)
AT_WORK: Final = frozenset({PlanState.APPLYING, PlanState.UNDOING})
CUT_OFF: Final = AT_WORK | {PlanState.FAILED}  # a writing may have ended in the middle of an RRset


class DnsPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written in a zone at a DNS host for one domain, and how far that has come.

    `changed_at` is when the state last changed; while work is under way, another has to wait until `busy_until`.
    `said` says what happened, `missing_at` names the nameservers that do not answer with it yet. `undone` is what an
    undo does, record by record, stored before it is done. `automatic` plans were made by the worker. `version` belongs
    to storage.
    """

    id: str
    account_id: str
    domain_id: str
    host: str
    zone: str
    state: PlanState
    changes: tuple[PlannedChange, ...]
    created_at: datetime
    changed_at: datetime
    busy_until: datetime | None = None
    said: str = ""
    missing_at: tuple[str, ...] = ()
    undone: tuple[PlannedChange, ...] = ()
    automatic: bool = False
    version: int = 0

    @property
    def writes(self) -> tuple[PlannedChange, ...]:
        """The changes that are written."""
        return tuple(each for each in self.changes if each.action in WRITTEN)

    def is_busy(self, now: datetime) -> bool:
        """Tell whether somebody is at work on it."""
        return self.state in AT_WORK and self.busy_until is not None and now < self.busy_until

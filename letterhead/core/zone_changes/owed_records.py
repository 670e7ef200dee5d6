"""Which records of a domain are written in its zone without anybody asking, where a credential is kept for that."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from letterhead.core.dns.records import RRset
from letterhead.core.domain.domain import Domain
from letterhead.core.plan.plan import RecordId, Verdict
from letterhead.core.zone_changes.changes import Action, PlannedChange, is_same
from letterhead.core.zone_changes.dns_plan import DnsPlan, PlanState
from letterhead.core.zone_changes.plan_changes import changes_left, find_drift

ONCE_IN: Final = timedelta(days=1)  # for each record: whoever takes one out again means it
RETRY_AFTER: Final = timedelta(minutes=15)  # at first; then as long as a plan has failed already, up to a day
NEXT_KEYS: Final = frozenset({RecordId.DKIM_NEXT, RecordId.DKIM_ED25519_NEXT})
_HAS_IT: Final = frozenset({PlanState.WRITTEN, PlanState.SERVED})
_UNFINISHED: Final = frozenset({PlanState.PLANNED, PlanState.APPLYING, PlanState.FAILED})


def owed_records(domain: Domain, *, put_back: bool) -> frozenset[RecordId]:
    """Return the records to write: the next key of a rotation, and with `put_back` what checks found and then lost."""
    verdicts = dict(domain.verdicts)
    owed: set[RecordId] = set()
    if domain.rotation is not None and domain.key_delegation is None:
        keys = NEXT_KEYS if domain.rotation.ed25519 is not None else {RecordId.DKIM_NEXT}
        owed |= {each for each in keys if verdicts.get(each) is not Verdict.PRESENT}
    if put_back:
        owed |= {each for each in domain.published if verdicts.get(each) is Verdict.ABSENT}
    return frozenset(owed)


def names_held_back(plans: Iterable[DnsPlan], now: datetime) -> frozenset[tuple[str, str]]:
    """Return the names and types where nothing is written by itself now; the newest plan comes first.

    It was written so within the last day, or an undo took it out and no plan has written it since.
    """
    held: set[tuple[str, str]] = set()
    rewritten: set[tuple[str, str]] = set()
    for plan in plans:
        undone = {each.key for each in plan.undone if each.action is not Action.REFUSE}
        held |= undone - rewritten
        if plan.state in _HAS_IT or plan.is_busy(now):
            written = {each.key for each in plan.writes}
            rewritten |= written
            held |= written if plan.automatic and now - plan.created_at < ONCE_IN else set()
    return frozenset(held)


def find_unfinished(plans: Iterable[DnsPlan]) -> DnsPlan | None:
    """Return the newest automatic plan where it was not written to its end, and nobody has undone it."""
    newest = next((plan for plan in plans if plan.automatic), None)
    return newest if newest is not None and newest.state in _UNFINISHED and not newest.undone else None


def is_put_off(plan: DnsPlan, owed: Iterable[tuple[str, str]], now: datetime) -> bool:
    """Tell whether an unfinished plan is to be applied again only later, and nothing is owed besides."""
    pause = min(max(plan.changed_at - plan.created_at, RETRY_AFTER), ONCE_IN)
    is_all = {each.key for each in plan.writes}.issuperset(owed)
    return plan.is_busy(now) or (is_all and plan.state is not PlanState.PLANNED and now < plan.changed_at + pause)


def may_resume(plan: DnsPlan, changes: Sequence[PlannedChange], zone: Sequence[RRset]) -> bool:
    """Tell whether an unfinished plan still says what is to be written in a zone as it is now."""

    def covers(some: Iterable[PlannedChange], others: Sequence[PlannedChange]) -> bool:
        return all(any(one.id is other.id and is_same(one.after, other.after) for other in others) for one in some)

    left = changes_left(plan.changes, zone)
    return not find_drift(plan.changes, zone) and covers(left, changes) and covers(changes, left)

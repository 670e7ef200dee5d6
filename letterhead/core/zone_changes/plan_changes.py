"""What to change in a zone for a domain's plan; what has changed since; and what undoes it."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from letterhead.core.dns.answers import Question, Seen
from letterhead.core.dns.records import RRset
from letterhead.core.plan.dns_hosts import DnsHost
from letterhead.core.plan.plan import Plan, RecordId
from letterhead.core.zone_changes.changes import WRITTEN, Action, PlannedChange, contents, is_same, rrset_changes
from letterhead.core.zone_changes.record_rules import RecordRule, change_record, check_written
from letterhead.core.zone_changes.zone_state import ZoneState


class ZoneContext(msgspec.Struct, frozen=True, kw_only=True):
    """What a plan of changes follows from, besides the zone.

    `zone` is the name of the zone where it is another than the plan's, such as that of a subdomain. `outside` are
    answers of other zones. `own_keys` are keys of ours in base64, besides those of the plan. `hosts` is the table of
    DNS hosts.
    """

    zone: str | None = None
    outside: Seen = {}
    own_keys: tuple[str, ...] = ()
    hosts: tuple[DnsHost, ...] = ()


NO_CONTEXT: Final = ZoneContext()


def plan_changes(plan: Plan, zone: Iterable[RRset], context: ZoneContext = NO_CONTEXT) -> tuple[PlannedChange, ...]:
    """Return what to do about each planned record, so that it stands in the zone and all of others stays as it is."""
    state = _state(plan, zone, context)
    changes = [change_record(RecordRule(state=state, record=each, own_keys=context.own_keys)) for each in plan.records]
    failing: set[RecordId] = set()
    for _ in range(2 * len(changes)):  # until nothing changes: what is written for one record may matter to another
        after = state.after(rrset_changes(changes))
        checked = []
        for change, record in zip(changes, plan.records, strict=True):
            rule = RecordRule(state=after, record=record, own_keys=context.own_keys)
            again = check_written(change, rule) if change.action in WRITTEN else change_record(rule)
            if change.action in WRITTEN and again.action is Action.REFUSE:
                failing.add(change.id)
            checked.append(change if change.id in failing and change.action is Action.REFUSE else again)
        checked = _refuse_beside_other_mx(checked)
        if checked == changes:
            break
        changes = checked
    return tuple(changes)


def outside_questions(plan: Plan, zone: Iterable[RRset], context: ZoneContext = NO_CONTEXT) -> tuple[Question, ...]:
    """Return what other zones must still be asked, on which the plan depends; ask again with the answers."""
    rrsets = tuple(zone)
    state = _state(plan, rrsets, context)
    after = state.after(rrset_changes(plan_changes(plan, rrsets, context)))
    return tuple(dict.fromkeys((*state.wanted, *after.wanted)))


def _state(plan: Plan, zone: Iterable[RRset], context: ZoneContext) -> ZoneState:
    return ZoneState(
        plan=replace(plan, zone=context.zone or plan.zone),
        registrable=plan.zone,
        rrsets=tuple(zone),
        outside=context.outside,
        hosts=context.hosts,
    )


def _refuse_beside_other_mx(changes: Sequence[PlannedChange]) -> list[PlannedChange]:
    """Refuse the SPF record of a MAIL FROM name whose MX is refused: the name is somebody else's."""
    by_id = {each.id: each for each in changes}
    mx, spf = by_id.get(RecordId.MAIL_FROM_MX), by_id.get(RecordId.MAIL_FROM_SPF)
    if mx is None or spf is None or mx.action is not Action.REFUSE or spf.action not in WRITTEN:
        return list(changes)
    reason = f"Its MX is refused, and without that an SPF record at {spf.owner} has no use."
    refused = replace(spf, action=Action.REFUSE, after=spf.before, reason=reason, code=mx.code, fix=mx.fix)
    return [refused if each is spf else each for each in changes]


def find_drift(changes: Iterable[PlannedChange], zone: Iterable[RRset]) -> tuple[PlannedChange, ...]:
    """Return the planned records whose RRset is neither as the plan saw it nor as it is to be."""
    there = {each.key: each for each in zone}
    return tuple(
        each for each in changes if not any(is_same(there.get(each.key), side) for side in (each.before, each.after))
    )


def changes_left(changes: Iterable[PlannedChange], zone: Iterable[RRset]) -> tuple[PlannedChange, ...]:
    """Return the changes that are still to be written: those that the zone does not show yet."""
    there = {each.key: each for each in zone}
    return tuple(each for each in changes if each.action in WRITTEN and not is_same(there.get(each.key), each.after))


def keep_standing(changes: Iterable[PlannedChange], zone: Iterable[RRset]) -> tuple[PlannedChange, ...]:
    """Return the changes, those kept that the zone shows before anything is written: no undo takes others' records."""
    planned = tuple(changes)
    left = changes_left(planned, zone)
    reason = "It stood there already when the plan was applied, so an undo leaves it."
    return tuple(
        replace(each, action=Action.KEEP, before=each.after, reason=reason)
        if each.action in WRITTEN and each not in left
        else each
        for each in planned
    )


def zone_before(changes: Iterable[PlannedChange], zone: Iterable[RRset]) -> tuple[RRset, ...]:
    """Return the zone with each RRset as the plan saw it that a writing was cut off in the middle of."""
    there = {each.key: each for each in zone}
    cut = {each.key: each for each in changes if _is_cut_off(each, there.get(each.key))}
    kept = tuple(each for key, each in there.items() if key not in cut)
    return (*kept, *(each.before for each in cut.values() if each.before is not None))


def from_zone(changes: Iterable[PlannedChange], zone: Iterable[RRset]) -> tuple[PlannedChange, ...]:
    """Return changes that begin with what the zone holds now."""
    there = {each.key: each for each in zone}
    return tuple(replace(each, before=there.get(each.key)) for each in changes)


def _is_cut_off(change: PlannedChange, current: RRset | None) -> bool:
    """Tell whether an RRset holds some of before and after and nothing else: hosts write one record after the other."""
    if change.action not in WRITTEN or any(is_same(current, side) for side in (change.before, change.after)):
        return False
    known = {content for side in (change.before, change.after) if side is not None for content in contents(side)}
    return current is None or contents(current) <= known


def plan_undo(
    changes: Iterable[PlannedChange], zone: Iterable[RRset], *, cut_off: bool = False
) -> tuple[PlannedChange, ...]:
    """Return what puts back what a plan changed; refused for each RRset that somebody has changed since.

    With `cut_off`, an RRset that a writing was cut off in the middle of is put back, too.
    """
    there = {each.key: each for each in zone}
    written = [(each, there.get(each.key)) for each in changes if each.action in WRITTEN]
    return tuple(_undo(each, now, is_ours=cut_off and _is_cut_off(each, now)) for each, now in written)


def _undo(change: PlannedChange, current: RRset | None, *, is_ours: bool) -> PlannedChange:
    undone = replace(change, before=current, after=current, code=None, fix=None)
    if is_same(current, change.before):
        return replace(undone, action=Action.KEEP, reason="It is as it was before.")
    if not is_ours and not is_same(current, change.after):
        reason = f"The {change.rdtype} at {change.owner} has been changed since, so it is not touched."
        fix = "Compare it with what stood there before, then change it by hand or leave it."
        return replace(undone, action=Action.REFUSE, reason=reason, code="zone-changed", fix=fix)
    action = Action.DELETE if change.before is None else Action.CHANGE
    reason = "It was not there before." if change.before is None else "What stood there before is put back."
    return replace(undone, action=action, after=change.before, reason=reason)

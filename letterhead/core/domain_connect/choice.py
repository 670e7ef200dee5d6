"""Which records of a plan a link sets: all that the template can set, but those that must stay as they are.

What is there already is set again: a host that replaces what the template set before would take it away otherwise.
"""

import msgspec

from letterhead.core.dmarc.tree_walk import is_without_policy, texts_at
from letterhead.core.dns.answers import Seen
from letterhead.core.domain_connect.apply_link import ApplyLinkReason
from letterhead.core.domain_connect.collisions import (
    Collision,
    ExaminedZone,
    find_collision,
    is_left_alone,
    wildcard_collision,
)
from letterhead.core.domain_connect.template import AppliedRecord, ServiceProvider, apply_record
from letterhead.core.plan.plan import Plan, RecordId, RecordResult, Verdict


class RecordChoice(msgspec.Struct, frozen=True, kw_only=True):
    """The records that a link sets, those of them that are `missing`, and those that it can't set and are missing too.

    `collision` is why there must be no link: that of a required record, or of all that is missing.
    """

    applied: tuple[AppliedRecord, ...]
    missing: tuple[RecordId, ...]
    left: tuple[RecordId, ...]
    collision: Collision | None


def choose_records(provider: ServiceProvider, plan: Plan, zone: ExaminedZone) -> RecordChoice:
    """Choose the records that a link sets."""
    results = {result.record.id: result for result in zone.results}
    applied: list[AppliedRecord] = []
    missing: list[RecordId] = []
    left: list[RecordId] = []
    collisions: list[Collision] = []
    for record in plan.records:
        result = results.get(record.id)
        if result is None or is_left_alone(zone, result):
            continue
        if record.id is RecordId.DMARC and not may_set_dmarc(plan.sender, zone.seen, result):
            continue
        is_missing = result.verdict is not Verdict.PRESENT
        found, collision = apply_record(provider, plan.sender, record), find_collision(zone, result)
        if found is None or (collision is not None and not record.required):
            left += [record.id] if is_missing else []
        if found is not None and collision is not None:
            collisions.append(collision)
        elif found is not None:
            applied.append(found)
            missing += [record.id] if is_missing else []
    if missing and (ended := wildcard_collision(plan.sender, zone)) is not None:
        collisions.append(ended)
    # Those that are known come before those where DNS did not answer.
    collisions.sort(key=lambda each: each.reason is ApplyLinkReason.DNS_UNANSWERED)
    required = {record.id for record in plan.records if record.required}
    forbidding = [each for each in collisions if each.id in required or not missing]
    return RecordChoice(
        applied=tuple(applied),
        missing=tuple(missing),
        left=tuple(left),
        collision=forbidding[0] if forbidding else None,
    )


def may_set_dmarc(sender: str, seen: Seen, result: RecordResult) -> bool:
    """Return whether the first DMARC record may be set: the domain has none, and for certain it inherits none.

    A record that is exactly the template's is set again.
    """
    if result.verdict is Verdict.PRESENT:
        return result.observed == (result.record.value,)
    return result.verdict is Verdict.ABSENT and texts_at(sender, seen) == () and is_without_policy(sender, seen)

"""DKIM keys that the operator's own zone serves, at the targets of two CNAMEs that the customer publishes once.

A selector that no key needs has a revoked one, so that what resolvers remember of it ends with our own TTL, whatever
the zone says of missing records.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from msgspec.structs import replace

from letterhead.core.dkim import topic
from letterhead.core.domain.domain import Domain, Effect, KeyDelegation, Rotation
from letterhead.core.plan.plan import PlannedRecord, RecordId

FIRST, SECOND = "lh1", "lh2"
TTL: Final = timedelta(minutes=5)  # a new key is seen for longer before it signs: no cache has the old value then
REVOKED: Final = "v=DKIM1; p="  # RFC 6376 3.6.1


def other_selector(selector: str) -> str:
    """Return the other one of the two selectors."""
    return FIRST if selector == SECOND else SECOND


def cname_target(slots: KeyDelegation, selector: str) -> str:
    """Return the name in the operator's zone to which the CNAME at a selector leads."""
    return f"{selector}.{slots.token}.{slots.zone}"


def planned_cnames(sender: str, selector: str, slots: KeyDelegation) -> tuple[PlannedRecord, PlannedRecord]:
    """Return the two CNAMEs to publish, once: that of the selector which signs, and that of the next one."""
    following = other_selector(selector)
    return (
        _planned_cname(RecordId.DKIM, sender, selector, slots),
        _planned_cname(RecordId.DKIM_NEXT, sender, following, slots),
    )


def _planned_cname(record_id: RecordId, sender: str, selector: str, slots: KeyDelegation) -> PlannedRecord:
    return PlannedRecord(
        id=record_id,
        host=f"{selector}._domainkey.{sender}",
        rdtype="CNAME",
        value=cname_target(slots, selector),
        required=record_id is RecordId.DKIM,
    )


def served_keys(
    slots: KeyDelegation, selector: str, public_key: str, coming: Rotation | None
) -> tuple[PlannedRecord, ...]:
    """Return the keys that the operator's zone must serve, at the targets of the CNAMEs."""
    keys = [(selector, public_key, False)]
    if coming is not None:
        keys.append((coming.selector, coming.public_key, True))
    return tuple(
        replace(topic.planned_record(slots.zone, at, key, ahead=ahead), host=cname_target(slots, at))
        for at, key, ahead in keys
    )


def zone_texts(domain: Domain) -> dict[str, str]:
    """Return the TXT that the zone must have for a claim, by name: a key that mail may depend on, or a revoked one."""
    slots = domain.key_delegation
    if slots is None:
        return {}
    old = {each.selector: each.public_key for each in domain.old_keys if not each.safe}
    coming = {domain.rotation.selector: domain.rotation.public_key} if domain.rotation else {}
    keys = {**old, **coming, domain.selector: domain.public_key}
    values = {selector: topic.planned_record("", "", key).value for selector, key in keys.items() if key}
    return {cname_target(slots, each): values.get(each, REVOKED) for each in (FIRST, SECOND)}


def no_texts(slots: KeyDelegation) -> Mapping[str, None]:
    """Return the names that the zone must not have any more for a claim that is gone."""
    return dict.fromkeys(cname_target(slots, each) for each in (FIRST, SECOND))


def pending_effects(before: Domain, after: Domain) -> tuple[Effect, ...]:
    """Return the effect that writes the zone, where this change alters what it must have."""
    return (Effect.PUBLISH,) if zone_texts(before) != zone_texts(after) else ()


def is_selector_free(domain: Domain) -> bool:
    """Tell whether there is a selector for a new key: always, unless two CNAMEs are published and both are needed."""
    return domain.key_delegation is None or not domain.old_keys

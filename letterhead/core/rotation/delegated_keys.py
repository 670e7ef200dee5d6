"""Knows the two slots of a domain whose DKIM keys the operator's own zone serves: two CNAMEs lead there, for ever.

A slot that no key needs holds a revoked one, so that what resolvers remember of it ends with our own TTL, whatever the
zone says of missing records. Knows nothing of when one key follows another, or of how the zone is written.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from msgspec.structs import replace

from letterhead.core.dkim import topic
from letterhead.core.domain.domain import Domain, Effect, KeyDelegation, Rotation
from letterhead.core.plan.plan import PlannedRecord, RecordId

FIRST, SECOND = "lh1", "lh2"
TTL: Final = timedelta(minutes=5)  # a new key is seen for longer before it signs: nobody remembers what was there
REVOKED: Final = "v=DKIM1; p="  # RFC 6376 3.6.1


def other_selector(selector: str) -> str:
    """Names the slot beside this one."""
    return FIRST if selector == SECOND else SECOND


def cname_target(slots: KeyDelegation, selector: str) -> str:
    """Names where a slot lies in the operator's zone."""
    return f"{selector}.{slots.token}.{slots.zone}"


def planned_cnames(sender: str, selector: str, slots: KeyDelegation) -> tuple[PlannedRecord, PlannedRecord]:
    """Says the two CNAMEs to publish, once: that of the slot which signs, and that of the one which comes next."""
    return _alias(RecordId.DKIM, sender, selector, slots), _alias(
        RecordId.DKIM_NEXT, sender, other_selector(selector), slots
    )


def _alias(record_id: RecordId, sender: str, selector: str, slots: KeyDelegation) -> PlannedRecord:
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
    """Says which keys the operator's zone must serve, at the targets of the CNAMEs."""
    keys = [_key(slots, selector, public_key, ahead=False)]
    if coming is not None:
        keys.append(_key(slots, coming.selector, coming.public_key, ahead=True))
    return tuple(keys)


def _key(slots: KeyDelegation, selector: str, public_key: str, *, ahead: bool) -> PlannedRecord:
    host = cname_target(slots, selector)
    return replace(topic.planned_record(slots.zone, selector, public_key, ahead=ahead), host=host)


def zone_texts(domain: Domain) -> dict[str, str]:
    """Says what the zone must hold for a claim, by name: each key that mail may still depend on, else a revoked one."""
    slots = domain.key_delegation
    if slots is None:
        return {}
    old = {each.selector: each.public_key for each in domain.old_keys if not each.safe}
    coming = {domain.rotation.selector: domain.rotation.public_key} if domain.rotation else {}
    keys = {**old, **coming, domain.selector: domain.public_key}
    return {cname_target(slots, each): _text(keys.get(each)) for each in (FIRST, SECOND)}


def _text(public_key: str | None) -> str:
    return topic.planned_record("", "", public_key).value if public_key else REVOKED


def no_texts(slots: KeyDelegation) -> Mapping[str, None]:
    """Says what the zone must hold for a claim that is gone."""
    return dict.fromkeys(cname_target(slots, each) for each in (FIRST, SECOND))


def pending_effects(before: Domain, after: Domain) -> tuple[Effect, ...]:
    """Says that the zone must be written, where this change alters what it shall hold."""
    return (Effect.PUBLISH,) if zone_texts(before) != zone_texts(after) else ()


def is_selector_free(domain: Domain) -> bool:
    """Says whether a new key finds a place: always, but for two slots of which the other is still needed."""
    return domain.key_delegation is None or not domain.old_keys

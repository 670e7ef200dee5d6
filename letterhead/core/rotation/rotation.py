"""The change from one DKIM key to another without a lost message; `RULES` is the table of its steps.

The new key signs nothing until every authoritative server serves it; one that never appears never takes over. What the
provider is told of it follows in `lifecycle`, which finds that it has an old key.
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec
from msgspec.structs import replace

from letterhead.core.dkim import topic
from letterhead.core.dns.answers import Seen
from letterhead.core.domain.domain import Domain, Effect, Event, EventKind, OldKey, Rotation, Transition
from letterhead.core.domain.evidence import RecordState
from letterhead.core.domain.health import HealthState
from letterhead.core.plan.plan import ANY_KEYS, RecordId, Verdict
from letterhead.core.rotation import delegated_keys
from letterhead.core.rotation.propagation import NOT_ASKED, Propagation, old_record_state

SETTLES: Final = timedelta(minutes=10)  # of checks that all found it everywhere: one name may have many servers
SETTLES_BY_RESOLVERS: Final = timedelta(hours=24)  # where the servers can't be asked: longer than caches remember
OLD_KEPT: Final = timedelta(days=7)  # mail signed with the old key may be under way for so long (RFC 5321 4.5.4.1)
MAY_START: Final = frozenset({HealthState.VERIFIED, HealthState.AT_RISK})


_NEXT_KEYS: Final = frozenset({RecordId.DKIM_NEXT, RecordId.DKIM_ED25519_NEXT})


class Stage(StrEnum):
    """The stage of a change of keys."""

    NONE = "none"
    WAITING = "waiting"  # for the new key's record at every authoritative server
    SEEN = "seen"  # everywhere; for some minutes more
    SWITCHED = "switched"  # mail is signed with the new key; the old record is still needed
    REMOVABLE = "removable"  # the old record can go
    RETIRED = "retired"  # it went


class RotationInput(msgspec.Struct, frozen=True, kw_only=True):
    """The input of a rule: since when the stage lasts, and what this check saw of the new key and of the old one."""

    since: datetime
    now: datetime
    propagation: Propagation = Propagation(unreachable=NOT_ASKED)
    old: RecordState = RecordState.UNANSWERED
    held_elsewhere: bool = False


def is_everywhere(given: RotationInput) -> bool:
    """Tell whether every server has the new key."""
    return given.propagation.is_everywhere


def is_missing_somewhere(given: RotationInput) -> bool:
    """Tell whether some server, or a resolver, is without the new key; no answer proves nothing."""
    return bool(given.propagation.missing_at)


def is_settled(given: RotationInput) -> bool:
    """Tell whether every check for long enough, this one too, found the new key everywhere."""
    settles = SETTLES_BY_RESOLVERS if given.propagation.by_resolvers else SETTLES
    return given.propagation.is_everywhere and given.now - given.since >= settles and not given.held_elsewhere


def is_new_key_alone(given: RotationInput) -> bool:
    """Tell whether every server has the new key and none the old one: mail fails until the new one signs."""
    return given.propagation.is_everywhere and given.old is RecordState.MISSING and not given.held_elsewhere


def is_old_key_aged(given: RotationInput) -> bool:
    """Tell whether no mail signed with the old key is under way any more."""
    return given.now - given.since >= OLD_KEPT


def is_old_key_gone(given: RotationInput) -> bool:
    """Tell whether the old key's record is gone or has no key in it."""
    return given.old is RecordState.MISSING


class RotationRule(msgspec.Struct, frozen=True, kw_only=True):
    """One step: from which stage, on what condition, to which, and why."""

    origin: Stage
    when: Callable[[RotationInput], bool]
    to: Stage
    why: str


def _rule(origin: Stage, when: Callable[[RotationInput], bool], to: Stage, why: str) -> RotationRule:
    return RotationRule(origin=origin, when=when, to=to, why=why)


_ALONE: Final = "every server serves the new key and none the old one, so waiting would only lose mail"

# The first row whose condition holds is the step; where none holds, nothing changes.
RULES: Final = (
    _rule(Stage.WAITING, is_new_key_alone, Stage.SWITCHED, _ALONE),
    _rule(Stage.WAITING, is_everywhere, Stage.SEEN, "every authoritative server, and every resolver, has the new key"),
    _rule(Stage.SEEN, is_new_key_alone, Stage.SWITCHED, _ALONE),
    _rule(Stage.SEEN, is_missing_somewhere, Stage.WAITING, "a server, or a resolver, is without the new key"),
    _rule(Stage.SEEN, is_settled, Stage.SWITCHED, "every look for 10 min found the new key everywhere"),
    _rule(
        Stage.SWITCHED,
        is_old_key_aged,
        Stage.REMOVABLE,
        "7 days after the switch no mail with the old key is under way",
    ),
    _rule(Stage.REMOVABLE, is_old_key_gone, Stage.RETIRED, "the old key's record is gone, or holds no key any more"),
)
# The steps that follow from a request instead of a check.
WISHES: Final = (
    (Stage.NONE, "asked for, or due by LETTERHEAD_ROTATE_DKIM_DAYS, while verified or at risk", Stage.WAITING),
    (Stage.WAITING, "abandoned", Stage.NONE),
    (Stage.SEEN, "abandoned", Stage.NONE),
)


def stage(domain: Domain) -> Stage:
    """Return the stage of the domain's change of keys: that of a new key first, then of the oldest of the old keys."""
    if domain.rotation is not None:
        return Stage.WAITING if domain.rotation.seen_since is None else Stage.SEEN
    if not domain.old_keys:
        return Stage.NONE
    # What lies in our own zone is removed by itself: there is no stage at which a customer can remove it.
    needed = domain.key_delegation is not None or any(not old.safe for old in domain.old_keys)
    return Stage.SWITCHED if needed else Stage.REMOVABLE


def is_due(domain: Domain, now: datetime, every: timedelta | None) -> bool:
    """Tell whether a new key is due: the one in use is older than `every`, and nothing is wrong or under way."""
    busy = domain.rotation is not None or not delegated_keys.is_selector_free(domain)
    if every is None or busy or domain.dkim.state is not HealthState.VERIFIED:
        return False
    return now - (domain.rotated_at or domain.verified_at or domain.created_at) >= every


def start(domain: Domain, selector: str, public_key: str, now: datetime, why: str) -> Transition:
    """Start a rotation; the key that signs, and all that is judged by it, stays as it is."""
    coming = Rotation(selector=selector, public_key=public_key, started_at=now)
    after = replace(_without_next(domain), rotation=coming)
    host = topic.planned_record(domain.sender, selector, public_key).host
    until = (
        f"every server serves it by way of {host}" if domain.key_delegation else f"the TXT record {host} is published"
    )
    words = f"a new DKIM key was made ({why}); it takes over once {until}"
    return Transition(domain=after, events=(Event(kind=EventKind.RECORD_CHANGED, at=now, detail=words),))


def abandon(domain: Domain, now: datetime) -> Transition:
    """End a rotation before its switch; where there is none, change nothing."""
    if domain.rotation is None:
        return Transition(domain=domain)
    after = "it is taken out of our zone" if domain.key_delegation else "its record can be removed"
    words = f"the new DKIM key at the selector {domain.rotation.selector} was abandoned; {after}"
    event = Event(kind=EventKind.RECORD_CHANGED, at=now, detail=words)
    return Transition(domain=replace(_without_next(domain), rotation=None), events=(event,))


def _without_next(domain: Domain) -> Domain:
    """Return the domain without what is known of the next key's record: the one after it is another record."""
    verdicts = tuple(each for each in domain.verdicts if each[0] not in _NEXT_KEYS)
    return replace(
        domain, verdicts=verdicts, published=tuple(each for each in domain.published if each not in _NEXT_KEYS)
    )


class KeyObservation(msgspec.Struct, frozen=True, kw_only=True):
    """What one check saw of the domain's keys: the active one, the new one, those before."""

    active: RecordState
    propagation: Propagation | None = None
    old: Mapping[str, RecordState] = {}
    held_elsewhere: bool = False


def advance(step: Transition, keys: KeyObservation, now: datetime) -> Transition:
    """Return what follows from what one check saw of the keys; `step` is what followed for the domain itself."""
    domain, seen = replace(step.domain, old_keys=_age_old_keys(step.domain, keys, now)), keys.propagation
    if domain.rotation is None or seen is None:
        return replace(step, domain=domain)
    noted = replace(
        domain.rotation,
        checked_at=now,
        missing_at=seen.missing_at,
        unreachable=seen.unreachable,
        by_resolvers=seen.by_resolvers,
    )
    given = RotationInput(
        since=noted.seen_since or noted.started_at,
        now=now,
        propagation=seen,
        old=keys.active,
        held_elsewhere=keys.held_elsewhere,
    )
    rule = _first_rule(stage(domain), given)
    if rule is None:
        return replace(step, domain=replace(domain, rotation=noted))
    if rule.to is Stage.SWITCHED:
        return _switch_keys(replace(step, domain=domain), noted, rule, now)
    seen_since = now if rule.to is Stage.SEEN else None
    return replace(step, domain=replace(domain, rotation=replace(noted, seen_since=seen_since)))


def _first_rule(origin: Stage, given: RotationInput) -> RotationRule | None:
    return next((rule for rule in RULES if rule.origin is origin and rule.when(given)), None)


def _switch_keys(step: Transition, rotation: Rotation, rule: RotationRule, now: datetime) -> Transition:
    """Make the new key the one that signs; where the provider has the identity, it must be registered anew."""
    domain = step.domain
    others = tuple(each for each in domain.verdicts if each[0] not in ANY_KEYS)
    published = tuple(each for each in domain.published if each not in ANY_KEYS)
    after = replace(
        domain,
        selector=rotation.selector,
        public_key=rotation.public_key,
        rotation=None,
        rotated_at=now,
        verdicts=((RecordId.DKIM, Verdict.PRESENT), *others),
        published=(RecordId.DKIM, *published),
        old_keys=(
            *domain.old_keys,
            OldKey(selector=domain.selector, replaced_at=now, public_key=domain.public_key),
        ),
        registered_at=now if domain.is_holder and domain.registered_at is not None else domain.registered_at,
    )
    words = f"mail is signed with the key at the selector {after.selector} instead of {domain.selector}, as {rule.why}"
    event = Event(kind=EventKind.DKIM_ROTATED, at=now, detail=words)
    register = (Effect.REGISTER,) if domain.is_holder and domain.registered_at is not None else ()
    return Transition(
        domain=after,
        events=(*step.events, event),
        effects=tuple(dict.fromkeys((*step.effects, *register))),
    )


def _age_old_keys(domain: Domain, keys: KeyObservation, now: datetime) -> tuple[OldKey, ...]:
    """Return the old keys after this check: safe to remove after a week, forgotten once the record is gone.

    The week begins when the provider, by its own last report, does not sign with the key any more.
    """
    kept = []
    signs_with = domain.identity.selector if domain.identity else None
    for each in domain.old_keys:
        old = replace(each, replaced_at=now) if each.selector == signs_with and not each.safe else each
        given = RotationInput(since=old.replaced_at, now=now, old=keys.old.get(old.selector, RecordState.UNANSWERED))
        rule = _first_rule(Stage.REMOVABLE if old.safe else Stage.SWITCHED, given)
        if rule is None or rule.to is not Stage.RETIRED:
            kept.append(replace(old, safe=old.safe or rule is not None))
    return tuple(kept)


def held_keys(domain: Domain) -> frozenset[str]:
    """Return the selectors whose private keys are still needed; the old ones until they are safe to remove."""
    old = [each.selector for each in domain.old_keys if not each.safe]
    coming = [domain.rotation, domain.rotation.ed25519] if domain.rotation else []
    return frozenset([domain.selector, *old, *(each.selector for each in (domain.ed25519, *coming) if each)])


def keys_to_destroy(before: Domain, after: Domain) -> tuple[str, ...]:
    """Return the selectors whose private keys must be destroyed with this change."""
    return tuple(sorted(held_keys(before) - held_keys(after)))


def selectors_leaving(domain: Domain) -> tuple[str, ...]:
    """Return the old selectors that nothing needs any more, and whose records may still be there."""
    return tuple(old.selector for old in domain.old_keys if old.safe)


def removable_selectors(domain: Domain) -> tuple[str, ...]:
    """Return the old selectors whose records the customer can delete: those that `dkim.old-selector-live` is about."""
    return selectors_leaving(domain) if domain.key_delegation is None else ()


def old_record_states(domain: Domain, seen: Seen) -> dict[str, RecordState]:
    """Return for each old selector that nothing needs any more whether its record still has a key in it."""
    return {each: old_record_state(f"{each}._domainkey.{domain.sender}", seen) for each in selectors_leaving(domain)}


def wants_all(domain: Domain) -> bool:
    """Tell whether a check must ask the authoritative servers, since a key is to come or one to go."""
    return domain.rotation is not None or bool(selectors_leaving(domain))


# --- for people -----------------------------------------------------------------------------------------------------


def switches_at(domain: Domain) -> datetime | None:
    """Return when the new key takes over at the earliest; None while its record is missing somewhere."""
    coming = domain.rotation
    if coming is None or coming.seen_since is None:
        return None
    return coming.seen_since + (SETTLES_BY_RESOLVERS if coming.by_resolvers else SETTLES)


def safe_at(old: OldKey) -> datetime:
    """Return when an old key's record can be removed."""
    return old.replaced_at + OLD_KEPT


def waits_for(domain: Domain) -> str:
    """Return sentences on how far the change of keys is and what it waits for."""
    match stage(domain), domain.rotation:
        case Stage.WAITING, Rotation() as coming:
            return _waits_for_record(domain, coming)
        case Stage.SEEN, Rotation():
            return "Every server serves the new key. It takes over once every look for a while has found it there."
        case Stage.SWITCHED, _ if domain.key_delegation is not None:
            return "Mail is signed with the new key. Leave both CNAMEs in place: the old key is taken away by itself."
        case Stage.SWITCHED, _:
            return "Mail is signed with the new key. Leave the old record in place: mail signed with it is under way."
        case Stage.REMOVABLE, _:
            names = ", ".join(f"{selector}._domainkey.{domain.sender}" for selector in removable_selectors(domain))
            return f"Mail is signed with the new key. Delete the TXT record {names}: nothing needs it any more."
        case _:
            return "No change of keys is under way."


def _waits_for_record(domain: Domain, coming: Rotation) -> str:
    host = topic.planned_record(domain.sender, coming.selector, coming.public_key).host
    text = f"Publish the TXT record {host} beside the old one, which stays. Until then mail is signed with the old key."
    if domain.key_delegation is not None:
        text = (
            f"The new key is published for you, and waited for by way of the CNAME {host}, which must stay. "
            "Until then mail is signed with the old key."
        )
    if coming.checked_at is None:
        return text
    without = f" Without it: {', '.join(coming.missing_at)}." if coming.missing_at else ""
    silent = f" Not answering: {', '.join(coming.unreachable)}." if coming.unreachable else ""
    return text + without + silent


def page() -> str:
    """Return the part of docs/lifecycle.md that is about keys, from the tables above."""
    arrows = [f"    {rule.origin} --> {rule.to}: {rule.why}" for rule in RULES]
    arrows += [f"    {origin} --> {to}: {why}" for origin, why, to in WISHES]
    rows = [f"| {rule.origin} | {rule.why} | {rule.to} |" for rule in RULES]
    wishes = [f"| {origin} | {why} | {to} |" for origin, why, to in WISHES]
    return _PAGE.format(arrows="\n".join(arrows), rows="\n".join([*wishes, *rows]))


_PAGE: Final = """
## DKIM key rotation

Generated from the table in `letterhead/core/rotation/rotation.py`. The domain's status follows the key that signs,
whatever happens to the new one. A new key whose record never appears never signs, and requesting a rotation never makes
anything worse.

```mermaid
stateDiagram-v2
    [*] --> none
{arrows}
    retired --> [*]
```

| from | because | to |
|---|---|---|
{rows}

The event of the switch is `dkim.rotated`. `selector` and `privateDKIMKey` change with it, and the new key is registered
with the provider then and not before. "Everywhere" means every server that the zone is delegated to (up to eight), at
one of its addresses at least, and every resolver that answers; if the servers cannot be reached, all resolvers for 24
hours. The rotation waits for a server that does not answer. The old private key is destroyed when its record can be
removed; until the record is removed, checks report `dkim.old-selector-live`. Deleting the domain destroys all its keys;
abandoning a rotation destroys the new one. While the provider last reported that it signs with an old key, that key's
week does not start.

With delegated keys, in the operator's own zone, "everywhere" means every server of the customer's zone for the CNAME
and every server of the operator's zone for the key. The old key is removed from the zone instead of being shown as
removable, and the next rotation can start once it is removed.
"""

"""Knows how one DKIM key follows another without a lost message: `RULES` says when each step is taken.

The new key signs nothing until every authoritative server serves it; one that never appears never takes over. Knows
nothing of private keys, of how DNS is asked, or of what the provider is told (lifecycle.py finds that it holds an old
key, and owes it the new one).
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
from letterhead.core.rotation.propagation import NOBODY, Propagation, old_record_state

SETTLES: Final = timedelta(minutes=10)  # of looks that all found it everywhere: some servers are many behind one name
SETTLES_BY_RESOLVERS: Final = timedelta(hours=24)  # where nobody can ask the servers: longer than caches remember
OLD_KEPT: Final = timedelta(days=7)  # mail signed with the old key may be under way for so long (RFC 5321 4.5.4.1)
MAY_START: Final = frozenset({HealthState.VERIFIED, HealthState.AT_RISK})


Verdicts = tuple[tuple[RecordId, Verdict], ...]


class Stage(StrEnum):
    """Says how far a change of keys is."""

    NONE = "none"
    WAITING = "waiting"  # for the new key's record at every authoritative server
    SEEN = "seen"  # everywhere; for some minutes more
    SWITCHED = "switched"  # mail is signed with the new key; the old record is still needed
    REMOVABLE = "removable"  # the old record can go
    RETIRED = "retired"  # it went


class RotationInput(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what a rule may look at: since when the stage lasts, this look at the new key, and at the old one."""

    since: datetime
    now: datetime
    propagation: Propagation = Propagation(unreachable=NOBODY)
    old: RecordState = RecordState.UNANSWERED
    held_elsewhere: bool = False


def is_everywhere(turn: RotationInput) -> bool:
    """Holds where every server has the new key."""
    return turn.propagation.is_everywhere


def is_missing_somewhere(turn: RotationInput) -> bool:
    """Holds where some server, or a resolver, is without the new key; silence proves nothing."""
    return bool(turn.propagation.missing_at)


def is_settled(turn: RotationInput) -> bool:
    """Holds where every look for long enough, this one too, found the new key everywhere."""
    settles = SETTLES_BY_RESOLVERS if turn.propagation.by_resolvers else SETTLES
    return turn.propagation.is_everywhere and turn.now - turn.since >= settles and not turn.held_elsewhere


def is_new_key_alone(turn: RotationInput) -> bool:
    """Holds where every server has the new key and none the old one: mail fails until the new one signs."""
    return turn.propagation.is_everywhere and turn.old is RecordState.MISSING and not turn.held_elsewhere


def is_old_key_aged(turn: RotationInput) -> bool:
    """Holds once no mail signed with the old key is under way."""
    return turn.now - turn.since >= OLD_KEPT


def is_old_key_gone(turn: RotationInput) -> bool:
    """Holds where the old key's record is gone or holds no key."""
    return turn.old is RecordState.MISSING


class RotationRule(msgspec.Struct, frozen=True, kw_only=True):
    """Says one step: from which stage, on what evidence, to which, and why."""

    origin: Stage
    when: Callable[[RotationInput], bool]
    to: Stage
    why: str


def _rule(origin: Stage, when: Callable[[RotationInput], bool], to: Stage, why: str) -> RotationRule:
    return RotationRule(origin=origin, when=when, to=to, why=why)


_ALONE: Final = "every server serves the new key and none the old one, so waiting would only lose mail"

# The first row that holds takes the step; where none holds, nothing changes.
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
# What somebody asks for, beside what the rules see.
WISHES: Final = (
    (Stage.NONE, "asked for, or due by LETTERHEAD_ROTATE_DKIM_DAYS, while verified or at risk", Stage.WAITING),
    (Stage.WAITING, "abandoned", Stage.NONE),
    (Stage.SEEN, "abandoned", Stage.NONE),
)


def stage(domain: Domain) -> Stage:
    """Says how far the domain's change of keys is: a new one first, then the oldest of the keys before."""
    if domain.rotation is not None:
        return Stage.WAITING if domain.rotation.seen_since is None else Stage.SEEN
    if not domain.old_keys:
        return Stage.NONE
    # What lies in our own zone we take away ourselves: there is no stage at which a customer can.
    needed = domain.key_delegation is not None or any(not old.safe for old in domain.old_keys)
    return Stage.SWITCHED if needed else Stage.REMOVABLE


def is_due(domain: Domain, now: datetime, every: timedelta | None) -> bool:
    """Says whether the policy wants a new key: the one in use is older than `every`, and all is well."""
    busy = domain.rotation is not None or not delegated_keys.is_selector_free(domain)
    if every is None or busy or domain.dkim.state is not HealthState.VERIFIED:
        return False
    return now - (domain.rotated_at or domain.verified_at or domain.created_at) >= every


def start(domain: Domain, selector: str, public_key: str, now: datetime, why: str) -> Transition:
    """Begins a rotation; the key that signs, and all that is judged by it, stays as it is."""
    coming = Rotation(selector=selector, public_key=public_key, started_at=now)
    after = replace(domain, rotation=coming, verdicts=_without_next(domain.verdicts))
    host = topic.planned_record(domain.sender, selector, public_key).host
    until = (
        f"every server serves it by way of {host}" if domain.key_delegation else f"the TXT record {host} is published"
    )
    words = f"a new DKIM key was made ({why}); it takes over once {until}"
    return Transition(domain=after, events=(Event(kind=EventKind.RECORD_CHANGED, at=now, detail=words),))


def abandon(domain: Domain, now: datetime) -> Transition:
    """Ends a rotation before its switch; nothing where there is none."""
    if domain.rotation is None:
        return Transition(domain=domain)
    after = "it is taken out of our zone" if domain.key_delegation else "its record can be removed"
    words = f"the new DKIM key at the selector {domain.rotation.selector} was abandoned; {after}"
    event = Event(kind=EventKind.RECORD_CHANGED, at=now, detail=words)
    return Transition(domain=replace(domain, rotation=None, verdicts=_without_next(domain.verdicts)), events=(event,))


def _without_next(verdicts: Verdicts) -> Verdicts:
    """Forgets how the next key's record stood: the one after it is another record."""
    return tuple(each for each in verdicts if each[0] not in (RecordId.DKIM_NEXT, RecordId.DKIM_ED25519_NEXT))


class KeyObservation(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what one check saw of the domain's keys: the new one, the active one, those before."""

    active: RecordState
    propagation: Propagation | None = None
    old: Mapping[str, RecordState] = {}
    held_elsewhere: bool = False


def advance(step: Transition, look: KeyObservation, now: datetime) -> Transition:
    """Takes in what one check saw of the keys, after the domain itself has moved: the switch, and what follows."""
    domain = replace(step.domain, old_keys=_aged(step.domain, look, now))
    if domain.rotation is None or look.propagation is None:
        return replace(step, domain=domain)
    noted = _noted(domain.rotation, look.propagation, now)
    turn = RotationInput(
        since=noted.seen_since or noted.started_at,
        now=now,
        propagation=look.propagation,
        old=look.active,
        held_elsewhere=look.held_elsewhere,
    )
    rule = _first(stage(domain), turn)
    if rule is None:
        return replace(step, domain=replace(domain, rotation=noted))
    if rule.to is Stage.SWITCHED:
        return _switched(replace(step, domain=domain), noted, rule, now)
    seen_since = now if rule.to is Stage.SEEN else None
    return replace(step, domain=replace(domain, rotation=replace(noted, seen_since=seen_since)))


def _noted(rotation: Rotation, spread: Propagation, now: datetime) -> Rotation:
    return replace(
        rotation,
        checked_at=now,
        missing_at=spread.missing_at,
        unreachable=spread.unreachable,
        by_resolvers=spread.by_resolvers,
    )


def _first(origin: Stage, turn: RotationInput) -> RotationRule | None:
    return next((rule for rule in RULES if rule.origin is origin and rule.when(turn)), None)


def _switched(step: Transition, rotation: Rotation, rule: RotationRule, now: datetime) -> Transition:
    """Makes the new key the one that signs; the provider, where it knows the domain, is owed it at once."""
    domain = step.domain
    after = replace(
        domain,
        selector=rotation.selector,
        public_key=rotation.public_key,
        rotation=None,
        rotated_at=now,
        verdicts=((RecordId.DKIM, Verdict.PRESENT), *_others(domain.verdicts)),
        old_keys=(
            *domain.old_keys,
            OldKey(selector=domain.selector, replaced_at=now, public_key=domain.public_key),
        ),
        registered_at=now if domain.is_holder and domain.registered_at is not None else domain.registered_at,
    )
    words = f"mail is signed with the key at the selector {after.selector} instead of {domain.selector}, as {rule.why}"
    event = Event(kind=EventKind.DKIM_ROTATED, at=now, detail=words)
    owed = (Effect.REGISTER,) if domain.is_holder and domain.registered_at is not None else ()
    return Transition(
        domain=after,
        events=(*step.events, event),
        effects=tuple(dict.fromkeys((*step.effects, *owed))),
    )


def _others(verdicts: Verdicts) -> Verdicts:
    return tuple(each for each in verdicts if each[0] not in ANY_KEYS)


def _aged(domain: Domain, look: KeyObservation, now: datetime) -> tuple[OldKey, ...]:
    """Lets each old key go on: safe to remove after a week, forgotten once its record is gone.

    The week begins when the provider, by its own last word, does not sign with the key any more.
    """
    kept = []
    signs_with = domain.identity.selector if domain.identity else None
    for each in domain.old_keys:
        old = replace(each, replaced_at=now) if each.selector == signs_with and not each.safe else each
        turn = RotationInput(since=old.replaced_at, now=now, old=look.old.get(old.selector, RecordState.UNANSWERED))
        rule = _first(Stage.REMOVABLE if old.safe else Stage.SWITCHED, turn)
        if rule is None or rule.to is not Stage.RETIRED:
            kept.append(replace(old, safe=old.safe or rule is not None))
    return tuple(kept)


def held_keys(domain: Domain) -> frozenset[str]:
    """Names the selectors whose private keys are still wanted; the old ones until they are safe to remove."""
    old = [each.selector for each in domain.old_keys if not each.safe]
    coming = [domain.rotation, domain.rotation.ed25519] if domain.rotation else []
    return frozenset([domain.selector, *old, *(each.selector for each in (domain.ed25519, *coming) if each)])


def keys_to_destroy(before: Domain, after: Domain) -> tuple[str, ...]:
    """Names the selectors whose private keys must be destroyed with this change."""
    return tuple(sorted(held_keys(before) - held_keys(after)))


def selectors_leaving(domain: Domain) -> tuple[str, ...]:
    """Names the old selectors that nothing needs any more, and whose records may still be there."""
    return tuple(old.selector for old in domain.old_keys if old.safe)


def removable_selectors(domain: Domain) -> tuple[str, ...]:
    """Names the old selectors whose records the customer can delete: those that `dkim.old-selector-live` is about."""
    return selectors_leaving(domain) if domain.key_delegation is None else ()


def old_record_states(domain: Domain, seen: Seen) -> dict[str, RecordState]:
    """Says of each old selector that was asked for whether its record still holds a key."""
    return {each: old_record_state(f"{each}._domainkey.{domain.sender}", seen) for each in selectors_leaving(domain)}


def wants_all(domain: Domain) -> bool:
    """Says whether a check must ask the authoritative servers, since a key comes or one should go."""
    return domain.rotation is not None or bool(selectors_leaving(domain))


# --- what is told ---------------------------------------------------------------------------------------------------


def switches_at(domain: Domain) -> datetime | None:
    """Says when the new key takes over at the earliest; nothing while its record is waited for."""
    coming = domain.rotation
    if coming is None or coming.seen_since is None:
        return None
    return coming.seen_since + (SETTLES_BY_RESOLVERS if coming.by_resolvers else SETTLES)


def safe_at(old: OldKey) -> datetime:
    """Says when an old key's record can be removed."""
    return old.replaced_at + OLD_KEPT


def waits_for(domain: Domain) -> str:
    """Says in a sentence how far the change of keys is and what is waited for."""
    match stage(domain), domain.rotation:
        case Stage.WAITING, Rotation() as coming:
            return _missing(domain, coming)
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


def _missing(domain: Domain, coming: Rotation) -> str:
    host = topic.planned_record(domain.sender, coming.selector, coming.public_key).host
    told = f"Publish the TXT record {host} beside the old one, which stays. Until then mail is signed with the old key."
    if domain.key_delegation is not None:
        there = f"The new key is published for you, and waited for by way of the CNAME {host}, which must stay."
        told = f"{there} Until then mail is signed with the old key."
    if coming.checked_at is None:
        return told
    without = f" Without it: {', '.join(coming.missing_at)}." if coming.missing_at else ""
    silent = f" Not answering: {', '.join(coming.unreachable)}." if coming.unreachable else ""
    return told + without + silent


def page() -> str:
    """Writes the part of docs/lifecycle.md that is about keys, from the tables above."""
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

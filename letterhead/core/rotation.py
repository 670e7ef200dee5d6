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

from letterhead.core import dkim
from letterhead.core.answers import Answer, Found, Question, Reply, Seen, Unanswered, View, answered
from letterhead.core.domain import Domain, Effect, Event, EventKind, OldKey, Rotation, Step
from letterhead.core.evidence import Sight
from letterhead.core.keyrecord import parse_key_record
from letterhead.core.plan import ANY_KEYS, PlannedRecord, RecordId, Verdict, follow, rejected
from letterhead.core.records import Txt
from letterhead.core.watch import State

SETTLES: Final = timedelta(minutes=10)  # of looks that all found it everywhere: some servers are many behind one name
SETTLES_BY_RESOLVERS: Final = timedelta(hours=24)  # where nobody can ask the servers: longer than caches remember
OLD_KEPT: Final = timedelta(days=7)  # mail signed with the old key may be under way for so long (RFC 5321 4.5.4.1)
MAY_START: Final = frozenset({State.VERIFIED, State.AT_RISK})


Verdicts = tuple[tuple[RecordId, Verdict], ...]


class Stage(StrEnum):
    """Says how far a change of keys is."""

    NONE = "none"
    WAITING = "waiting"  # for the new key's record at every authoritative server
    SEEN = "seen"  # everywhere; for some minutes more
    SWITCHED = "switched"  # mail is signed with the new key; the old record is still needed
    REMOVABLE = "removable"  # the old record can go
    RETIRED = "retired"  # it went


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Says where one look found the new key missing, and who did not answer; servers by name, resolvers by address."""

    lacking: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    by_resolvers: bool = False

    @property
    def everywhere(self) -> bool:
        """Says whether everybody answered and has it."""
        return not self.lacking and not self.silent


NOBODY: Final = ("nobody was asked",)


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what a rule may look at: since when the stage lasts, this look at the new key, and at the old one."""

    since: datetime
    now: datetime
    spread: Spread = Spread(silent=NOBODY)
    old: Sight = Sight.UNANSWERED
    held_elsewhere: bool = False


def everywhere(turn: Turn) -> bool:
    """Holds where every server has the new key."""
    return turn.spread.everywhere


def lacking(turn: Turn) -> bool:
    """Holds where some server, or a resolver, is without the new key; silence proves nothing."""
    return bool(turn.spread.lacking)


def settled(turn: Turn) -> bool:
    """Holds where every look for long enough, this one too, found the new key everywhere."""
    settles = SETTLES_BY_RESOLVERS if turn.spread.by_resolvers else SETTLES
    return turn.spread.everywhere and turn.now - turn.since >= settles and not turn.held_elsewhere


def alone(turn: Turn) -> bool:
    """Holds where every server has the new key and none the old one: mail fails until the new one signs."""
    return turn.spread.everywhere and turn.old is Sight.MISSING and not turn.held_elsewhere


def aged(turn: Turn) -> bool:
    """Holds once no mail signed with the old key is under way."""
    return turn.now - turn.since >= OLD_KEPT


def gone(turn: Turn) -> bool:
    """Holds where the old key's record is gone or holds no key."""
    return turn.old is Sight.MISSING


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """Says one step: from which stage, on what evidence, to which, and why."""

    origin: Stage
    when: Callable[[Turn], bool]
    to: Stage
    why: str


def _rule(origin: Stage, when: Callable[[Turn], bool], to: Stage, why: str) -> Rule:
    return Rule(origin=origin, when=when, to=to, why=why)


_ALONE: Final = "every server serves the new key and none the old one, so waiting would only lose mail"

# The first row that holds takes the step; where none holds, nothing changes.
RULES: Final = (
    _rule(Stage.WAITING, alone, Stage.SWITCHED, _ALONE),
    _rule(Stage.WAITING, everywhere, Stage.SEEN, "every authoritative server, and every resolver, has the new key"),
    _rule(Stage.SEEN, alone, Stage.SWITCHED, _ALONE),
    _rule(Stage.SEEN, lacking, Stage.WAITING, "a server, or a resolver, is without the new key"),
    _rule(Stage.SEEN, settled, Stage.SWITCHED, "every look for 10 min found the new key everywhere"),
    _rule(Stage.SWITCHED, aged, Stage.REMOVABLE, "7 days after the switch no mail with the old key is under way"),
    _rule(Stage.REMOVABLE, gone, Stage.RETIRED, "the old key's record is gone, or holds no key any more"),
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
    return Stage.SWITCHED if any(not old.safe for old in domain.old_keys) else Stage.REMOVABLE


def due(domain: Domain, now: datetime, every: timedelta | None) -> bool:
    """Says whether the policy wants a new key: the one in use is older than `every`, and all is well."""
    if every is None or domain.rotation is not None or domain.dkim.state is not State.VERIFIED:
        return False
    return now - (domain.rotated_at or domain.verified_at or domain.created_at) >= every


def start(domain: Domain, selector: str, public_key: str, now: datetime, why: str) -> Step:
    """Begins a rotation; the key that signs, and all that is judged by it, stays as it is."""
    coming = Rotation(selector=selector, public_key=public_key, started_at=now)
    after = replace(domain, rotation=coming, verdicts=_without_next(domain.verdicts))
    host = dkim.planned(domain.sender, selector, public_key).host
    words = f"a new DKIM key was made ({why}); it takes over once the TXT record {host} is published"
    return Step(domain=after, events=(Event(kind=EventKind.RECORD_CHANGED, at=now, detail=words),))


def abandon(domain: Domain, now: datetime) -> Step:
    """Ends a rotation before its switch; nothing where there is none."""
    if domain.rotation is None:
        return Step(domain=domain)
    words = f"the new DKIM key at the selector {domain.rotation.selector} was abandoned; its record can be removed"
    event = Event(kind=EventKind.RECORD_CHANGED, at=now, detail=words)
    return Step(domain=replace(domain, rotation=None, verdicts=_without_next(domain.verdicts)), events=(event,))


def _without_next(verdicts: Verdicts) -> Verdicts:
    """Forgets how the next key's record stood: the one after it is another record."""
    return tuple(each for each in verdicts if each[0] not in (RecordId.DKIM_NEXT, RecordId.DKIM_ED25519_NEXT))


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what one check saw of the domain's keys: the new one, the active one, those before."""

    active: Sight
    spread: Spread | None = None
    old: Mapping[str, Sight] = {}
    held_elsewhere: bool = False


def advance(step: Step, look: Look, now: datetime) -> Step:
    """Takes in what one check saw of the keys, after the domain itself has moved: the switch, and what follows."""
    domain = replace(step.domain, old_keys=_aged(step.domain.old_keys, look, now))
    if domain.rotation is None or look.spread is None:
        return replace(step, domain=domain)
    noted = _noted(domain.rotation, look.spread, now)
    turn = Turn(
        since=noted.seen_since or noted.started_at,
        now=now,
        spread=look.spread,
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


def _noted(rotation: Rotation, spread: Spread, now: datetime) -> Rotation:
    return replace(
        rotation, looked_at=now, lacking=spread.lacking, silent=spread.silent, by_resolvers=spread.by_resolvers
    )


def _first(origin: Stage, turn: Turn) -> Rule | None:
    return next((rule for rule in RULES if rule.origin is origin and rule.when(turn)), None)


def _switched(step: Step, rotation: Rotation, rule: Rule, now: datetime) -> Step:
    """Makes the new key the one that signs; the provider, where it knows the domain, is owed it at once."""
    domain = step.domain
    after = replace(
        domain,
        selector=rotation.selector,
        public_key=rotation.public_key,
        rotation=None,
        rotated_at=now,
        verdicts=((RecordId.DKIM, Verdict.PRESENT), *_others(domain.verdicts)),
        old_keys=(*domain.old_keys, OldKey(selector=domain.selector, replaced_at=now)),
        told_at=now if domain.held and domain.told_at is not None else domain.told_at,
    )
    words = f"mail is signed with the key at the selector {after.selector} instead of {domain.selector}, as {rule.why}"
    event = Event(kind=EventKind.DKIM_ROTATED, at=now, detail=words)
    owed = (Effect.REGISTER,) if domain.held and domain.told_at is not None else ()
    return Step(
        domain=after,
        events=(*step.events, event),
        effects=tuple(dict.fromkeys((*step.effects, *owed))),
    )


def _others(verdicts: Verdicts) -> Verdicts:
    return tuple(each for each in verdicts if each[0] not in ANY_KEYS)


def _aged(old_keys: tuple[OldKey, ...], look: Look, now: datetime) -> tuple[OldKey, ...]:
    """Lets each old key go on: safe to remove after a week, forgotten once its record is gone."""
    kept = []
    for old in old_keys:
        turn = Turn(since=old.replaced_at, now=now, old=look.old.get(old.selector, Sight.UNANSWERED))
        rule = _first(Stage.REMOVABLE if old.safe else Stage.SWITCHED, turn)
        if rule is None or rule.to is not Stage.RETIRED:
            kept.append(replace(old, safe=old.safe or rule is not None))
    return tuple(kept)


def held_keys(domain: Domain) -> frozenset[str]:
    """Names the selectors whose private keys are still wanted; the old ones until they are safe to remove."""
    old = [each.selector for each in domain.old_keys if not each.safe]
    coming = [domain.rotation, domain.rotation.ed25519] if domain.rotation else []
    return frozenset([domain.selector, *old, *(each.selector for each in (domain.ed25519, *coming) if each)])


def shed(before: Domain, after: Domain) -> tuple[str, ...]:
    """Names the selectors whose private keys must be destroyed with this change."""
    return tuple(sorted(held_keys(before) - held_keys(after)))


def removable(domain: Domain) -> tuple[str, ...]:
    """Names the old selectors whose records can go: those that `dkim.old-selector-live` is about."""
    return tuple(old.selector for old in domain.old_keys if old.safe)


def wants_all(domain: Domain) -> bool:
    """Says whether a check must ask the authoritative servers, since a key comes or one should go."""
    return domain.rotation is not None or bool(removable(domain))


# --- what a look shows ----------------------------------------------------------------------------------------------


def spread_of(record: PlannedRecord, seen: Seen) -> Spread:
    """Says who serves the new key: each server by at least one of its addresses, and no resolver denies it.

    What resolvers hold otherwise, or reject for its signatures, counts as lacking: receivers ask the like of them.
    """
    at_servers = follow(seen, Question(name=record.host, rdtype=record.rdtype, view=View.EVERY_SERVER))
    at_resolvers = follow(seen, Question(name=record.host, rdtype=record.rdtype, view=View.RECURSIVE))
    by_resolvers = bool(at_servers) and all(each.perspective.view is View.RECURSIVE for each in at_servers)
    told: dict[str, list[Answer]] = {}
    for reply in at_servers:
        told.setdefault(reply.perspective.server, []).append(reply.answer)
    conclusive = {server: [each for each in said if not isinstance(each, Unanswered)] for server, said in told.items()}
    without = [server for server, said in conclusive.items() if not all(_holds(record, each) for each in said)]
    doubtful = [*rejected(record, seen), *(each for each in answered(at_resolvers) if not _has(record, each))]
    return Spread(
        lacking=tuple(dict.fromkeys([*without, *(each.perspective.server for each in doubtful)])),
        silent=tuple(server for server, said in conclusive.items() if not said) if told else NOBODY,
        by_resolvers=by_resolvers,
    )


def _has(record: PlannedRecord, reply: Reply) -> bool:
    return _holds(record, reply.answer)


def _holds(record: PlannedRecord, answer: Answer) -> bool:
    return isinstance(answer, Found) and dkim.accepts(record, answer.rrset.rdatas)


def old_sights(domain: Domain, seen: Seen) -> dict[str, Sight]:
    """Says of each old selector that was asked for whether its record still holds a key."""
    return {selector: _old_sight(f"{selector}._domainkey.{domain.sender}", seen) for selector in removable(domain)}


def _old_sight(host: str, seen: Seen) -> Sight:
    told = answered(follow(seen, Question(name=host, rdtype="TXT", view=View.ONE_SERVER)))
    if not told:
        return Sight.UNANSWERED
    return Sight.PRESENT if any(_live(reply.answer) for reply in told) else Sight.MISSING


def _live(answer: Answer) -> bool:
    """Says whether an answer holds a key; an empty `p=` is a revoked one (RFC 6376 3.6.1)."""
    texts = [each.text for each in answer.rrset.rdatas if isinstance(each, Txt)] if isinstance(answer, Found) else []
    return any((record := parse_key_record(text)) is not None and bool(record.get("p")) for text in texts)


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
            return _missing(domain.sender, coming)
        case Stage.SEEN, Rotation():
            return "Every server serves the new key. It takes over once every look for a while has found it there."
        case Stage.SWITCHED, _:
            return "Mail is signed with the new key. Leave the old record in place: mail signed with it is under way."
        case Stage.REMOVABLE, _:
            names = ", ".join(f"{selector}._domainkey.{domain.sender}" for selector in removable(domain))
            return f"Mail is signed with the new key. Delete the TXT record {names}: nothing needs it any more."
        case _:
            return "No change of keys is under way."


def _missing(sender: str, coming: Rotation) -> str:
    host = dkim.planned(sender, coming.selector, coming.public_key).host
    told = f"Publish the TXT record {host} beside the old one, which stays. Until then mail is signed with the old key."
    if coming.looked_at is None:
        return told
    without = f" Without it: {', '.join(coming.lacking)}." if coming.lacking else ""
    silent = f" Not answering: {', '.join(coming.silent)}." if coming.silent else ""
    return told + without + silent


def page() -> str:
    """Writes the part of docs/lifecycle.md that is about keys, from the tables above."""
    arrows = [f"    {rule.origin} --> {rule.to}: {rule.why}" for rule in RULES]
    arrows += [f"    {origin} --> {to}: {why}" for origin, why, to in WISHES]
    rows = [f"| {rule.origin} | {rule.why} | {rule.to} |" for rule in RULES]
    wishes = [f"| {origin} | {why} | {to} |" for origin, why, to in WISHES]
    return _PAGE.format(arrows="\n".join(arrows), rows="\n".join([*wishes, *rows]))


_PAGE: Final = """
## Change of DKIM keys

Made from the table in `letterhead/core/rotation.py`. The domain's status follows the key that signs, whatever becomes
of the new one. A new key that never appears never takes over, and asking never makes anything worse.

```mermaid
stateDiagram-v2
    [*] --> none
{arrows}
    retired --> [*]
```

| from | because | to |
|---|---|---|
{rows}

The switch is told as `dkim.rotated`; `selector` and `privateDKIMKey` change with it, and the provider is told then and
not before. "Everywhere" is every server that the zone is delegated to (up to eight), each by one of its addresses at
least, and every resolver that answers; where nobody can ask the servers, all resolvers for 24 hours. A server that does
not answer is waited for. The old private key is destroyed when its record can go; until that is gone,
`dkim.old-selector-live` says so. Deleting the domain destroys all its keys; so does abandoning with the new one.
"""

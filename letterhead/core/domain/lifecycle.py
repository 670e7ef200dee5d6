"""Knows a sender domain's life: its states, what moves it between them, and what the provider is owed.

The rules are two tables, `RULES` (moves) and `DUTIES` (work at the provider); `docs/lifecycle.md` is made from them.
Knows nothing of how DNS was asked, of other accounts' claims beyond "somebody else holds the name", or of storage.
"""
# Long because it is the one place that says what moves a domain: two tables and the rules that they name.

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final, assert_never

import msgspec
from msgspec.structs import replace

from letterhead.core.domain.domain import Domain, Effect, Event, EventKind, RecordChange, Transition
from letterhead.core.domain.evidence import (
    LOST,
    Evidence,
    ProviderOpinion,
    RecordState,
    is_inconclusive,
    opinion_on_key,
    opinion_on_mail_from,
)
from letterhead.core.domain.health import (
    APART,
    SETTLED_AFTER,
    WIRE_STATUS,
    HealthState,
    RecordHealth,
    apply_provider,
    enter,
    missed_at,
    new_health,
    observe,
    present_for,
)
from letterhead.core.domain.provider_identity import Identity, Presence

PENDING_FOR: Final = timedelta(hours=72)  # then an unproven claim rests as failed
RESTART_EVERY: Final = timedelta(days=1)
MISSES_TO_LOSE: Final = 6


class LifecycleInput(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what a rule may look at: one watch, with this look taken in, and this look."""

    health: RecordHealth
    seen: RecordState
    opinion: ProviderOpinion
    held_elsewhere: bool
    told: bool
    now: datetime


def is_refused(case: LifecycleInput) -> bool:
    """Holds where the provider refuses for good what it was told."""
    return case.told and case.opinion is ProviderOpinion.REFUSED


def is_proven_and_agreed(case: LifecycleInput) -> bool:
    """Holds where our evidence and the provider agree, and nobody else holds the name."""
    return case.seen is RecordState.PRESENT and not case.held_elsewhere and case.opinion is ProviderOpinion.AGREES


def has_run_out(case: LifecycleInput) -> bool:
    """Holds after 72 h without proof; who only waits for the provider waits on, and no answer ends nothing."""
    if case.now - case.health.since < PENDING_FOR or case.seen is RecordState.UNANSWERED:
        return False
    return case.seen is not RecordState.PRESENT or case.held_elsewhere or case.opinion is ProviderOpinion.FOREIGN


def is_missed_often(case: LifecycleInput) -> bool:
    """Holds where 2 of the last 3 looks missed, the first and the last of these 10 min apart."""
    times = missed_at(case.health)
    return case.seen is RecordState.MISSING and len(times) >= 2 and times[-1] - times[0] >= APART


def is_lost_at_provider(case: LifecycleInput) -> bool:
    """Holds where DNS is right and two looks 10 min apart found that the provider lost it."""
    return case.seen is RecordState.PRESENT and case.opinion in LOST and case.health.provider_lost


def is_still_missing(case: LifecycleInput) -> bool:
    """Holds where the grace is over, this look misses as well, and at least 6 did."""
    stops = case.health.stops_sending_at
    over = stops is not None and case.now >= stops
    return over and case.seen is RecordState.MISSING and case.health.misses >= MISSES_TO_LOSE


def is_settled(case: LifecycleInput) -> bool:
    """Holds where every look for 1 h found it, and the provider has it too."""
    here = case.seen is RecordState.PRESENT and present_for(case.health, case.now) >= SETTLED_AFTER
    return here and not case.health.provider_lost and case.opinion not in LOST


class LifecycleRule(msgspec.Struct, frozen=True, kw_only=True):
    """Says one move: from where, on what evidence, to where, and the event that tells it (of DKIM)."""

    origin: HealthState
    when: Callable[[LifecycleInput], bool]
    to: HealthState
    event: EventKind
    why: str


def _rule(
    origin: HealthState, when: Callable[[LifecycleInput], bool], to: HealthState, event: EventKind, why: str
) -> LifecycleRule:
    return LifecycleRule(origin=origin, when=when, to=to, event=event, why=why)


# The first row that holds moves the watch; where none holds, nothing moves.
RULES: Final = (
    _rule(
        HealthState.PENDING, is_refused, HealthState.FAILED, EventKind.DOMAIN_FAILED, "the provider refuses it for good"
    ),
    _rule(
        HealthState.PENDING,
        is_proven_and_agreed,
        HealthState.VERIFIED,
        EventKind.DOMAIN_VERIFIED,
        "the records are published and the provider agrees",
    ),
    _rule(
        HealthState.PENDING, has_run_out, HealthState.FAILED, EventKind.DOMAIN_FAILED, "72 h passed without the records"
    ),
    _rule(
        HealthState.VERIFIED,
        is_missed_often,
        HealthState.AT_RISK,
        EventKind.DOMAIN_AT_RISK,
        "2 of the last 3 checks missed the records, at least 10 min apart",
    ),
    _rule(
        HealthState.VERIFIED,
        is_lost_at_provider,
        HealthState.AT_RISK,
        EventKind.DOMAIN_AT_RISK,
        "the records are right, but the provider lost it on two looks 10 min apart",
    ),
    _rule(
        HealthState.AT_RISK,
        is_still_missing,
        HealthState.FAILED,
        EventKind.DOMAIN_LOST,
        "72 h after the first miss the records are still missing, on at least 6 checks",
    ),
    _rule(
        HealthState.AT_RISK,
        is_settled,
        HealthState.VERIFIED,
        EventKind.DOMAIN_RESTORED,
        "every check for 1 h found the records",
    ),
    _rule(
        HealthState.FAILED,
        is_proven_and_agreed,
        HealthState.VERIFIED,
        EventKind.DOMAIN_VERIFIED,
        "the records are there again, the provider agrees and nobody else holds the name",
    ),
)
ASKED: Final = {
    HealthState.DRAFT: "verification was asked for",
    HealthState.FAILED: "verification was asked for again",
}


def needs_telling(domain: Domain, evidence: Evidence, _now: datetime) -> bool:
    """Holds where the provider lacks what our evidence has proven; a loss is looked at twice before it is mended."""
    dkim = opinion_on_key(evidence.provider, domain.selector)
    if not _may_write(domain, evidence):
        return False
    if domain.registered_at is None or dkim is ProviderOpinion.OTHERWISE:
        return True
    if dkim is ProviderOpinion.MISSING or domain.mail_from_health is None:
        return dkim is ProviderOpinion.MISSING and domain.dkim.state is not HealthState.VERIFIED
    mail_from = opinion_on_mail_from(evidence.provider, domain.mail_from)
    lacking = mail_from is ProviderOpinion.MISSING and domain.mail_from_health.state is not HealthState.VERIFIED
    return lacking or mail_from is ProviderOpinion.OTHERWISE


def needs_restart(domain: Domain, evidence: Evidence, now: datetime) -> bool:
    """Holds where the records are right and the provider had given up, at most daily."""
    rested = domain.restarted_at is None or now - domain.restarted_at >= RESTART_EVERY
    if not rested or not _may_write(domain, evidence):
        return False
    dkim = opinion_on_key(evidence.provider, domain.selector)
    if dkim is ProviderOpinion.REFUSED:
        return domain.dkim.state is HealthState.AT_RISK
    if dkim is ProviderOpinion.GAVE_UP:
        return domain.dkim.state is not HealthState.VERIFIED
    gave_up = opinion_on_mail_from(evidence.provider, domain.mail_from) is ProviderOpinion.GAVE_UP
    watch = domain.mail_from_health
    return (
        gave_up
        and evidence.mail_from is RecordState.PRESENT
        and watch is not None
        and watch.state is not HealthState.VERIFIED
    )


def _may_write(domain: Domain, evidence: Evidence) -> bool:
    """Keeps unproven claims, and identities that are not ours, away from the provider."""
    ours = opinion_on_key(evidence.provider, domain.selector) is not ProviderOpinion.FOREIGN
    return ours and domain.is_holder and evidence.dkim is RecordState.PRESENT


class ProviderDuty(msgspec.Struct, frozen=True, kw_only=True):
    """Says one piece of work that the provider is owed, and when; asked of the domain after its move."""

    effect: Effect
    when: Callable[[Domain, Evidence, datetime], bool]
    why: str


DUTIES: Final = (
    ProviderDuty(
        effect=Effect.REGISTER,
        when=needs_telling,
        why="DKIM is proven, and the provider does not have the domain, or has another key or MAIL FROM domain",
    ),
    ProviderDuty(
        effect=Effect.RESTART,
        when=needs_restart,
        why="the records are right and the provider had given up; at most once a day",
    ),
)


def ask_verification(domain: Domain, now: datetime) -> Transition:
    """Starts verification of a draft, or again of a failed domain, with new 72 h; any other stays as it is.

    The provider is told again once DKIM is seen: what it refused may have been mended since.
    """
    moves, watch = domain.dkim.state in ASKED, domain.mail_from_health
    events = []
    if moves:
        events.append(Event(kind=EventKind.DOMAIN_PENDING, at=now, detail=ASKED[domain.dkim.state]))
    if watch is not None and watch.state is HealthState.FAILED:
        events.append(_changed(watch.state, HealthState.PENDING, ASKED[watch.state], now))
    after = replace(
        domain,
        dkim=_asked(domain.dkim, now),
        mail_from_health=watch and _asked(watch, now),
        registered_at=None if moves else domain.registered_at,
    )
    return Transition(domain=after, events=tuple(events))


def _asked(watch: RecordHealth, now: datetime) -> RecordHealth:
    return new_health(HealthState.PENDING, now) if watch.state in ASKED else watch


def delete(domain: Domain, now: datetime) -> Transition:
    """Ends a claim: the identity is withdrawn, and what our zone serves; keys and rows are the caller's to shred."""
    event = Event(kind=EventKind.DOMAIN_DELETED, at=now, detail="the domain was deleted")
    effects = (Effect.WITHDRAW, Effect.PUBLISH) if domain.key_delegation else (Effect.WITHDRAW,)
    return Transition(domain=replace(domain, is_holder=False), events=(event,), effects=effects)


def advance(domain: Domain, evidence: Evidence, now: datetime) -> Transition:
    """Takes in what one check learnt: moves each watch by the first rule that holds, then finds what is owed."""
    dkim, rule = _moved(_dkim_case(domain, evidence, now))
    mail_from, mail_rule = domain.mail_from_health, None
    if mail_from is not None:
        mail_from, mail_rule = _moved(_mail_from_case(domain, mail_from, evidence, now))
    after = replace(
        _noted(domain, evidence, now),
        dkim=dkim,
        mail_from_health=mail_from,
        is_holder=_holds(domain, evidence, dkim.state),
        verified_at=now if rule and rule.event is EventKind.DOMAIN_VERIFIED else domain.verified_at,
    )
    events = [Event(kind=rule.event, at=now, detail=rule.why)] if rule else []
    events += [_changed(mail_rule.origin, mail_rule.to, mail_rule.why, now)] if mail_rule else []
    if domain.is_holder and not after.is_holder and domain.registered_at is not None:
        return Transition(domain=replace(after, registered_at=None), events=tuple(events), effects=(Effect.WITHDRAW,))
    effects = tuple(duty.effect for duty in DUTIES if duty.when(after, evidence, now))
    return Transition(domain=_marked(after, effects, now), events=tuple(events), effects=effects)


def _changed(origin: HealthState, to: HealthState, why: str, now: datetime) -> Event:
    """Tells a move of MAIL FROM, which has no event of its own since it never touches `status`."""
    was, is_now = WIRE_STATUS[origin], WIRE_STATUS[to]
    words = f"MAIL FROM domain: {was} to {is_now}, as {why}"
    change = RecordChange(record="mail_from", was=was, now=is_now)
    return Event(kind=EventKind.RECORD_CHANGED, at=now, detail=words, change=change)


def _dkim_case(domain: Domain, evidence: Evidence, now: datetime) -> LifecycleInput:
    return LifecycleInput(
        health=domain.dkim,
        seen=evidence.dkim,
        opinion=opinion_on_key(evidence.provider, domain.selector),
        held_elsewhere=evidence.is_held_elsewhere,
        told=domain.registered_at is not None,
        now=now,
    )


def _mail_from_case(domain: Domain, watch: RecordHealth, evidence: Evidence, now: datetime) -> LifecycleInput:
    return replace(
        _dkim_case(domain, evidence, now),
        health=watch,
        seen=evidence.mail_from or RecordState.UNANSWERED,
        opinion=opinion_on_mail_from(evidence.provider, domain.mail_from),
    )


def _moved(case: LifecycleInput) -> tuple[RecordHealth, LifecycleRule | None]:
    """Takes the look in, then follows the first rule that holds."""
    watch = apply_provider(observe(case.health, case.seen, case.now), case.opinion, case.now)
    case = replace(case, health=watch)
    rule = next((rule for rule in RULES if rule.origin is watch.state and rule.when(case)), None)
    return (enter(watch, rule.to, case.seen, case.now), rule) if rule else (watch, None)


def _holds(domain: Domain, evidence: Evidence, to: HealthState) -> bool:
    """Says whether the claim holds the name: while verified or at risk, else while DKIM is proven."""
    if to is HealthState.VERIFIED or to is HealthState.AT_RISK:
        return True
    match evidence.dkim:
        case RecordState.PRESENT:
            return to is not HealthState.DRAFT and not evidence.is_held_elsewhere
        case RecordState.MISSING:
            return False
        case RecordState.DIVIDED | RecordState.UNANSWERED:
            return domain.is_holder
        case _:
            assert_never(evidence.dkim)


def _noted(domain: Domain, evidence: Evidence, now: datetime) -> Domain:
    """Notes what was learnt beside the states: the provider's word, the time, how often we could not look."""
    provider = evidence.provider
    known = provider if isinstance(provider, Identity) else None
    learnt = {evidence.dkim, evidence.mail_from} - {RecordState.UNANSWERED, None}
    return replace(
        domain,
        last_sync=now if learnt or known else domain.last_sync,
        identity=known or domain.identity,
        tokens=known.tokens if known and known.presence is Presence.OURS and known.tokens else domain.tokens,
        attempts=domain.attempts + 1 if is_inconclusive(evidence) else 0,
    )


def _marked(domain: Domain, effects: tuple[Effect, ...], now: datetime) -> Domain:
    """Writes down what was asked of the provider, in the same breath as the state that calls for it."""
    return replace(
        domain,
        registered_at=now if Effect.REGISTER in effects else domain.registered_at,
        restarted_at=now if Effect.RESTART in effects else domain.restarted_at,
    )


def may_send(domain: Domain, now: datetime) -> bool:
    """Says whether mail may leave under the domain at this time."""
    watch = domain.dkim
    if watch.state is not HealthState.AT_RISK:
        return watch.state is HealthState.VERIFIED
    return not watch.provider_lost and (watch.stops_sending_at is None or now < watch.stops_sending_at)


def diagram() -> str:
    """Writes docs/lifecycle.md from the tables above: a Mermaid diagram, the rules, the work at the provider."""
    asks = [(origin, HealthState.PENDING, EventKind.DOMAIN_PENDING, why) for origin, why in ASKED.items()]
    moves = asks + [(rule.origin, rule.to, rule.event, rule.why) for rule in RULES]
    arrows = [f"    {origin} --> {to}: {event}" for origin, to, event in dict.fromkeys(move[:3] for move in moves)]
    rows = [f"| {origin} | {why} | {to} | `{WIRE_STATUS[to]}` | `{event}` |" for origin, to, event, why in moves]
    duties = [f"| {duty.effect} | {duty.why} |" for duty in DUTIES]
    return _PAGE.format(arrows="\n".join(arrows), rows="\n".join(rows), duties="\n".join(duties))


_PAGE: Final = """# Life of a sender domain

Generated from the tables in `letterhead/core/domain/lifecycle.py`: change those, then run `./dev docs`.

```mermaid
stateDiagram-v2
    [*] --> draft
{arrows}
```

The first row whose condition is true changes the state; if none is, the state stays. An unanswered question, or an
error of the provider, matches no row. MAIL FROM follows the same rows separately: it changes `mailFromDomainStatus`,
never `status`, and its changes are reported as `record.changed`.

| from | because | to | `status` | event |
|---|---|---|---|---|
{rows}

## Work at the provider

Only a check of the claim that holds the name, and only one that saw its DKIM record, requests work at the provider. If
the work is interrupted, the next check requests it again. When a domain is deleted, or no longer holds its name, its
identity is withdrawn.

| work | when |
|---|---|
{duties}
"""

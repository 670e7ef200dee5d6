"""The life cycle of a sender domain: its states, what changes them, and the work to do at the provider.

The rules are two tables, `RULES` (state changes) and `DUTIES` (work at the provider); `docs/lifecycle.md` is made from
them. Of other accounts' claims nothing is known here but that one of them holds the name.
"""

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

PENDING_FOR: Final = timedelta(hours=72)  # then an unproven claim is failed
RESTART_EVERY: Final = timedelta(days=1)
MISSES_TO_LOSE: Final = 6


class LifecycleInput(msgspec.Struct, frozen=True, kw_only=True):
    """The input of a rule: the health of one watched thing, with this check's observation in it, and this check."""

    health: RecordHealth
    records: RecordState
    opinion: ProviderOpinion
    is_barred: bool
    is_registered: bool
    now: datetime


def is_refused(given: LifecycleInput) -> bool:
    """Tell whether the provider refuses for good what was registered there."""
    return given.is_registered and given.opinion is ProviderOpinion.REFUSED


def is_proven_and_agreed(given: LifecycleInput) -> bool:
    """Tell whether DNS and the provider agree, and no other account's claim bars this one."""
    return given.records is RecordState.PRESENT and not given.is_barred and given.opinion is ProviderOpinion.AGREES


def has_run_out(given: LifecycleInput) -> bool:
    """Tell whether 72 h passed without proof; who only waits for the provider waits on, and no answer ends nothing."""
    if given.now - given.health.since < PENDING_FOR or given.records is RecordState.UNANSWERED:
        return False
    return given.records is not RecordState.PRESENT or given.is_barred or given.opinion is ProviderOpinion.FOREIGN


def is_missed_often(given: LifecycleInput) -> bool:
    """Tell whether 2 of the last 3 observations missed, the first and the last of these 10 min apart."""
    times = missed_at(given.health)
    return given.records is RecordState.MISSING and len(times) >= 2 and times[-1] - times[0] >= APART


def is_lost_at_provider(given: LifecycleInput) -> bool:
    """Tell whether DNS is right and two checks 10 min apart found that the provider lost it."""
    return given.records is RecordState.PRESENT and given.opinion in LOST and given.health.provider_lost


def is_still_missing(given: LifecycleInput) -> bool:
    """Tell whether the grace is over, this check misses as well, and at least 6 did."""
    stops = given.health.stops_sending_at
    over = stops is not None and given.now >= stops
    return over and given.records is RecordState.MISSING and given.health.misses >= MISSES_TO_LOSE


def is_settled(given: LifecycleInput) -> bool:
    """Tell whether every check for 1 h found it, and the provider has it too."""
    here = given.records is RecordState.PRESENT and present_for(given.health, given.now) >= SETTLED_AFTER
    return here and not given.health.provider_lost and given.opinion not in LOST


class LifecycleRule(msgspec.Struct, frozen=True, kw_only=True):
    """One state change: from where, on what condition, to where, and the event that reports it (of DKIM)."""

    origin: HealthState
    when: Callable[[LifecycleInput], bool]
    to: HealthState
    event: EventKind
    why: str


def _rule(
    origin: HealthState, when: Callable[[LifecycleInput], bool], to: HealthState, event: EventKind, why: str
) -> LifecycleRule:
    return LifecycleRule(origin=origin, when=when, to=to, event=event, why=why)


# The first row whose condition holds changes the state; where none holds, nothing changes.
RULES: Final = (
    _rule(
        HealthState.PENDING, is_refused, HealthState.FAILED, EventKind.DOMAIN_FAILED, "the provider refuses it for good"
    ),
    _rule(
        HealthState.PENDING,
        is_proven_and_agreed,
        HealthState.VERIFIED,
        EventKind.DOMAIN_VERIFIED,
        "the DKIM record is published and the provider agrees",
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


def needs_registration(domain: Domain, evidence: Evidence, _now: datetime) -> bool:
    """Tell whether the provider lacks what DNS has proven; a loss is checked twice before it is repaired."""
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
    """Tell whether the records are right and the provider had given up, at most daily."""
    rested = domain.restarted_at is None or now - domain.restarted_at >= RESTART_EVERY
    if not rested or not _may_write(domain, evidence):
        return False
    dkim = opinion_on_key(evidence.provider, domain.selector)
    if dkim is ProviderOpinion.REFUSED:
        return domain.dkim.state is HealthState.AT_RISK
    if dkim is ProviderOpinion.GAVE_UP:
        return domain.dkim.state is not HealthState.VERIFIED
    gave_up = opinion_on_mail_from(evidence.provider, domain.mail_from) is ProviderOpinion.GAVE_UP
    health = domain.mail_from_health
    return (
        gave_up
        and evidence.mail_from is RecordState.PRESENT
        and health is not None
        and health.state is not HealthState.VERIFIED
    )


def _may_write(domain: Domain, evidence: Evidence) -> bool:
    """Tell whether the provider may be written to: never for an unproven claim, or to an identity that is not ours."""
    ours = opinion_on_key(evidence.provider, domain.selector) is not ProviderOpinion.FOREIGN
    return ours and domain.is_holder and evidence.dkim is RecordState.PRESENT


class ProviderDuty(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of work at the provider, and its condition, which is tested on the domain after its state change."""

    effect: Effect
    when: Callable[[Domain, Evidence, datetime], bool]
    why: str


DUTIES: Final = (
    ProviderDuty(
        effect=Effect.REGISTER,
        when=needs_registration,
        why="DKIM is proven, and the provider does not have the domain, or has another key or MAIL FROM domain",
    ),
    ProviderDuty(
        effect=Effect.RESTART,
        when=needs_restart,
        why="the records are right and the provider had given up; at most once a day",
    ),
)


def ask_verification(domain: Domain, now: datetime) -> Transition:
    """Start verification of a draft, or again of a failed domain, with new 72 h; any other stays as it is.

    The identity is registered again once DKIM is seen: what the provider refused may have been repaired since.
    """
    starts, mail_from = domain.dkim.state in ASKED, domain.mail_from_health
    events = []
    if starts:
        events.append(Event(kind=EventKind.DOMAIN_PENDING, at=now, detail=ASKED[domain.dkim.state]))
    if mail_from is not None and mail_from.state is HealthState.FAILED:
        events.append(_mail_from_event(mail_from.state, HealthState.PENDING, ASKED[mail_from.state], now))
    pending = new_health(HealthState.PENDING, now)
    after = replace(
        domain,
        dkim=pending if starts else domain.dkim,
        mail_from_health=pending if mail_from is not None and mail_from.state in ASKED else mail_from,
        registered_at=None if starts else domain.registered_at,
    )
    return Transition(domain=after, events=tuple(events))


def delete(domain: Domain, now: datetime) -> Transition:
    """End a claim: withdraw the identity, and what our zone serves; the caller destroys keys and rows.

    A claim that the provider was never told of owes nothing there.
    """
    event = Event(kind=EventKind.DOMAIN_DELETED, at=now, detail="the domain was deleted")
    # `registered_at` starts anew where verification is asked for again: what the provider said of it stays.
    is_known = domain.registered_at is not None or domain.identity is not None or domain.verified_at is not None
    effects = (Effect.WITHDRAW,) if is_known else ()
    if domain.key_delegation is not None:  # what our zone serves was published when the claim was made
        effects = (*effects, Effect.PUBLISH)
    return Transition(domain=replace(domain, is_holder=False), events=(event,), effects=effects)


def advance(domain: Domain, evidence: Evidence, now: datetime) -> Transition:
    """Return what follows from one check: each state change by the first rule that holds, then the work to do."""
    dkim_input = LifecycleInput(
        health=domain.dkim,
        records=evidence.dkim,
        opinion=opinion_on_key(evidence.provider, domain.selector),
        is_barred=evidence.is_barred,
        is_registered=domain.registered_at is not None,
        now=now,
    )
    dkim, rule = _apply_rules(dkim_input)
    mail_from, mail_rule = domain.mail_from_health, None
    if mail_from is not None:
        records = evidence.mail_from or RecordState.UNANSWERED
        opinion = opinion_on_mail_from(evidence.provider, domain.mail_from)
        mail_from, mail_rule = _apply_rules(replace(dkim_input, health=mail_from, records=records, opinion=opinion))
    after = replace(
        _note_report(domain, evidence, now),
        dkim=dkim,
        mail_from_health=mail_from,
        is_holder=_is_holder(domain, evidence, dkim.state),
        verified_at=now if rule and rule.event is EventKind.DOMAIN_VERIFIED else domain.verified_at,
    )
    events = [Event(kind=rule.event, at=now, detail=rule.why)] if rule else []
    events += [_mail_from_event(mail_rule.origin, mail_rule.to, mail_rule.why, now)] if mail_rule else []
    if domain.is_holder and not after.is_holder and domain.registered_at is not None:
        return Transition(domain=replace(after, registered_at=None), events=tuple(events), effects=(Effect.WITHDRAW,))
    effects = tuple(duty.effect for duty in DUTIES if duty.when(after, evidence, now))
    # The times are stored together with the effects, so that neither is ever there without the other.
    after = replace(
        after,
        registered_at=now if Effect.REGISTER in effects else after.registered_at,
        restarted_at=now if Effect.RESTART in effects else after.restarted_at,
    )
    return Transition(domain=after, events=tuple(events), effects=effects)


def _mail_from_event(origin: HealthState, to: HealthState, why: str, now: datetime) -> Event:
    """Return the event for a state change of MAIL FROM, which has no kind of its own: it never touches `status`."""
    was, is_now = WIRE_STATUS[origin], WIRE_STATUS[to]
    words = f"MAIL FROM domain: {was} to {is_now}, as {why}"
    change = RecordChange(record="mail_from", was=was, now=is_now)
    return Event(kind=EventKind.RECORD_CHANGED, at=now, detail=words, change=change)


def _apply_rules(given: LifecycleInput) -> tuple[RecordHealth, LifecycleRule | None]:
    """Add the check's observation to the health, then change its state by the first rule that holds."""
    health = apply_provider(observe(given.health, given.records, given.now), given.opinion, given.now)
    given = replace(given, health=health)
    rule = next((rule for rule in RULES if rule.origin is health.state and rule.when(given)), None)
    return (enter(health, rule.to, given.records, given.now), rule) if rule else (health, None)


def _is_holder(domain: Domain, evidence: Evidence, to: HealthState) -> bool:
    """Tell whether the claim holds the name: while verified or at risk, else while DKIM is proven."""
    if to is HealthState.VERIFIED or to is HealthState.AT_RISK:
        return True
    match evidence.dkim:
        case RecordState.PRESENT:
            return to is not HealthState.DRAFT and not evidence.is_barred
        case RecordState.MISSING:
            return False
        case RecordState.DIVIDED | RecordState.UNANSWERED:
            return domain.is_holder
        case _:
            assert_never(evidence.dkim)


def _note_report(domain: Domain, evidence: Evidence, now: datetime) -> Domain:
    """Note what was learnt besides the states: the provider's report, the time, the checks left unanswered."""
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


def may_send(domain: Domain, now: datetime) -> bool:
    """Tell whether mail may leave under the domain at this time."""
    health = domain.dkim
    if health.state is not HealthState.AT_RISK:
        return health.state is HealthState.VERIFIED
    return not health.provider_lost and (health.stops_sending_at is None or now < health.stops_sending_at)


def diagram() -> str:
    """Return the text of docs/lifecycle.md from the tables above: a Mermaid diagram, the rules, the provider's work."""
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

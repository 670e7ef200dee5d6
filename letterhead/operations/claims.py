"""Knows what happens when several accounts claim one name: look at both records, warn the holder, move the hold."""

from datetime import datetime

import msgspec
from msgspec.structs import replace

from letterhead.core.check import check
from letterhead.core.domain import claims
from letterhead.core.domain.domain import Domain, EventKind, Transition
from letterhead.core.domain.evidence import Evidence, RecordState, record_state
from letterhead.core.domain.provider_identity import Identity, Presence
from letterhead.core.plan.plan import DKIM_KEYS, RecordId
from letterhead.core.rotation import delegated_keys, rotation
from letterhead.operations.audit import WORKER, audit_row
from letterhead.operations.dns_questions import allowance, ask_until_answered
from letterhead.operations.domains import plan_of
from letterhead.ports.deps import Deps
from letterhead.ports.store.domains import DomainUpdate, RelatedEvent

# Of a holder's two keys: what is there keeps the name, and only what is known to be missing loses it.
HOLDS = (RecordState.PRESENT, RecordState.UNANSWERED, RecordState.DIVIDED, RecordState.MISSING)


class ClaimContest(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what a check of a challenger found: the challenger as it is after it, and whom it takes the name from."""

    challenger: Domain
    taken_from: Domain | None = None


async def contest(deps: Deps, challenger: Domain, evidence: Evidence, now: datetime) -> ClaimContest:
    """Looks at the holder's record beside the challenger's, where the latter is proven."""
    holder = await deps.store.holder(challenger.sender)
    incumbent = await deps.store.domain_by_id(holder) if holder is not None else None
    if incumbent is None or evidence.dkim is not RecordState.PRESENT:
        sight = RecordState.UNANSWERED if incumbent is None else RecordState.PRESENT
        return ClaimContest(challenger=claims.note_challenge(challenger, evidence, sight, now))
    sight = await _sight(deps, incumbent)
    if claims.is_transferred(challenger, evidence, sight, now):
        return ClaimContest(challenger=claims.take_hold(challenger, now).domain, taken_from=incumbent)
    warning = claims.warn_holder(incumbent, now) if sight is RecordState.PRESENT else None
    if warning is not None:  # a lost race warns at the next check
        await deps.store.save(DomainUpdate(domain=warning.domain, events=warning.events))
    return ClaimContest(challenger=claims.note_challenge(challenger, evidence, sight, now))


async def _sight(deps: Deps, incumbent: Domain) -> RecordState:
    """Looks at the holder's DKIM records alone, at every server; either key of a rotation keeps the name.

    An alias to our own zone keeps it whatever that zone serves: its lack would be ours, and the holder's is none.
    """
    plan = plan_of(deps, incumbent)
    keys = DKIM_KEYS if incumbent.rotation is not None else (RecordId.DKIM,)
    alone = replace(plan, records=tuple(each for each in plan.records if each.id in keys), served=())
    seen = await ask_until_answered(
        deps.resolver, alone, check.NO_HISTORY, thorough=True, allowed=allowance(deps.policy.check_seconds)
    )
    sights = {record_state([check.judge_record(record, seen)]) for record in alone.records}
    return next(each for each in HOLDS if each in sights)


async def notices(deps: Deps, step: Transition, now: datetime) -> tuple[RelatedEvent, ...]:
    """Gathers what other accounts' holders of names above and below learn from a step: that this name verified."""
    if not any(event.kind is EventKind.DOMAIN_VERIFIED for event in step.events):
        return ()
    neighbours = await deps.store.held_around(step.domain)
    return tuple(
        RelatedEvent(domain=each, event=claims.nested_claim_event(each, step.domain, now)) for each in neighbours
    )


def after_transfer(evidence: Evidence) -> Evidence:
    """Gives the evidence as it is once the name has moved: what the provider holds is the loser's, and goes."""
    word = evidence.provider
    foreign = isinstance(word, Identity) and word.presence is Presence.FOREIGN
    return replace(evidence, is_held_elsewhere=False, provider=None if foreign else word)


async def settle(deps: Deps, contest: ClaimContest, outcome: DomainUpdate) -> bool:
    """Writes a challenger's check; where it takes the name, the loser's end with it in one transaction."""
    loser = contest.taken_from
    if loser is None:
        return await deps.store.save(outcome)
    now = deps.now()
    yielded, won = claims.release_hold(loser, now), claims.take_hold(contest.challenger, now)
    rows = [
        replace(audit_row(deps, WORKER, "claim.transfer", loser.sender), account_id=account)
        for account in (loser.account_id, contest.challenger.account_id)
    ]
    return await deps.store.transfer(
        DomainUpdate(
            domain=replace(yielded.domain, next_check_at=now),
            events=yielded.events,
            effects=(*yielded.effects, *delegated_keys.pending_effects(loser, yielded.domain)),
            keys_to_destroy=rotation.keys_to_destroy(loser, yielded.domain),
        ),
        replace(outcome, events=(*won.events, *outcome.events)),
        rows,
    )

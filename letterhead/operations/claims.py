"""Several accounts claim one name: compare their records in DNS, warn the holder, move the hold."""

from datetime import datetime
from typing import Protocol

import msgspec
from msgspec.structs import replace

from letterhead.core.check import check
from letterhead.core.domain import claims
from letterhead.core.domain.domain import Domain, EventKind, Transition
from letterhead.core.domain.evidence import Evidence, RecordState, record_state
from letterhead.core.domain.provider_identity import Identity, Presence
from letterhead.core.plan.plan import DKIM_KEYS, RecordId
from letterhead.core.rotation import delegated_keys, rotation
from letterhead.operations.audit import WORKER, AuditNeeds, audit_row
from letterhead.operations.check_log import log_status_change
from letterhead.operations.dns_questions import DnsRequest, allowance, ask_until_answered
from letterhead.operations.domains import PlanNeeds, plan_of
from letterhead.ports.deps import OperationSettings
from letterhead.ports.resolver import Resolver
from letterhead.ports.store.domains import DomainStore, DomainUpdate, RelatedEvent

# Of a holder's two keys, the better one counts: only what is known to be missing loses the name.
BEST_FIRST = (RecordState.PRESENT, RecordState.UNANSWERED, RecordState.DIVIDED, RecordState.MISSING)


class ClaimNeeds(PlanNeeds, AuditNeeds, Protocol):
    """What deciding between claims needs."""

    @property
    def store(self) -> DomainStore: ...
    @property
    def resolver(self) -> Resolver: ...
    @property
    def policy(self) -> OperationSettings: ...


class ClaimContest(msgspec.Struct, frozen=True, kw_only=True):
    """What a check of a challenger decided: the challenger after it, and the holder that loses the name, if any."""

    challenger: Domain
    taken_from: Domain | None = None


async def judge_contest(deps: ClaimNeeds, challenger: Domain, evidence: Evidence, now: datetime) -> ClaimContest:
    """Compare the holder's DKIM records with the challenger's, where the challenger has proven its claim.

    The holder's are asked for at every server. Either key of a rotation keeps the name. A CNAME to our own zone keeps
    it whatever that zone serves: a missing key there would be our fault, not the holder's.
    """
    holder = await deps.store.holder(challenger.sender)
    incumbent = await deps.store.domain_by_id(holder) if holder is not None else None
    if incumbent is None or evidence.dkim is not RecordState.PRESENT:
        state = RecordState.UNANSWERED if incumbent is None else RecordState.PRESENT
        return ClaimContest(challenger=claims.note_challenge(challenger, evidence, state, now))
    plan = plan_of(deps, incumbent)
    keys = DKIM_KEYS if incumbent.rotation is not None else (RecordId.DKIM,)
    plan = replace(plan, records=tuple(each for each in plan.records if each.id in keys), served=())
    request = DnsRequest(plan=plan, history=check.NO_HISTORY)
    allowed = allowance(deps.policy.check_seconds, account_id=challenger.account_id)
    seen = await ask_until_answered(deps.resolver, request, allowed=allowed)
    states = {record_state([check.judge_record(record, seen)]) for record in plan.records}
    state = next(each for each in BEST_FIRST if each in states)
    if claims.is_transferred(challenger, evidence, state, now):
        return ClaimContest(challenger=claims.take_hold(challenger, now).domain, taken_from=incumbent)
    warning = claims.warn_holder(incumbent, now) if state is RecordState.PRESENT else None
    if warning is not None:  # where this loses a race, the next check warns
        await deps.store.save(DomainUpdate(domain=warning.domain, events=warning.events))
    return ClaimContest(challenger=claims.note_challenge(challenger, evidence, state, now))


async def related_events(deps: ClaimNeeds, transition: Transition, now: datetime) -> tuple[RelatedEvent, ...]:
    """Return what other accounts' holders of names above and below learn: that this name was verified."""
    if not any(event.kind is EventKind.DOMAIN_VERIFIED for event in transition.events):
        return ()
    verified = transition.domain
    return tuple(
        RelatedEvent(domain=each, event=claims.nested_claim_event(each, verified, now))
        for each in await deps.store.held_around(verified)
    )


def evidence_after_transfer(evidence: Evidence) -> Evidence:
    """Return the evidence once the name has moved: an identity at the provider is the loser's, and is withdrawn."""
    report = evidence.provider
    is_foreign = isinstance(report, Identity) and report.presence is Presence.FOREIGN
    return replace(evidence, is_held_elsewhere=False, provider=None if is_foreign else report)


async def save_contest(deps: ClaimNeeds, contest: ClaimContest, update: DomainUpdate) -> bool:
    """Write the check of a challenger; where it takes the name, the loser's part in the same transaction.

    False, with nothing written, where either domain has changed since it was read.
    """
    loser = contest.taken_from
    if loser is None:
        return await deps.store.save(update)
    now = deps.now()
    released, taken = claims.release_hold(loser, now), claims.take_hold(contest.challenger, now)
    rows = [
        replace(audit_row(deps, WORKER, "claim.transfer", loser.sender), account_id=account)
        for account in (loser.account_id, contest.challenger.account_id)
    ]
    saved = await deps.store.transfer(
        DomainUpdate(
            domain=replace(released.domain, next_check_at=now),
            events=released.events,
            effects=(*released.effects, *delegated_keys.pending_effects(loser, released.domain)),
            keys_to_destroy=rotation.keys_to_destroy(loser, released.domain),
        ),
        replace(update, events=(*taken.events, *update.events)),
        rows,
    )
    if saved:
        log_status_change(loser, released.domain)
    return saved

"""Knows the work owed outside: each piece an intent that was written with the state that calls for it."""

from datetime import timedelta

from letterhead.core.domain.domain import Domain, Effect
from letterhead.core.domain.provider_identity import IdentityWish
from letterhead.errors import Fault
from letterhead.operations import key_zone
from letterhead.operations.domains import private_key
from letterhead.ports.deps import Deps
from letterhead.ports.store.leases import Intent

FIRST_RETRY = timedelta(seconds=5)
LONGEST_RETRY = timedelta(minutes=15)
SOON = timedelta(seconds=2)


def owner_tag(deps: Deps, domain: Domain) -> str:
    """Names the owner of an identity: installation, account, domain."""
    return f"{deps.policy.installation}/{domain.account_id}/{domain.id}"


async def perform_intent(deps: Deps, intent: Intent) -> None:
    """Does one piece of work; trouble there gives the intent back for a later attempt."""
    try:
        await _perform(deps, intent)
    except Fault as fault:
        wait = min(FIRST_RETRY * 2 ** min(intent.attempts, 10), LONGEST_RETRY)
        due = deps.now() + max(wait, timedelta(seconds=fault.retry_after or 0))
        await deps.store.postpone_intent(intent.id, due, f"{fault.provider_code or fault.kind}: {fault.detail}")
    else:
        await deps.store.finish_intent(intent.id)
        domain = await deps.store.domain_by_id(intent.domain_id)
        if domain is not None and domain.next_check_at is not None:  # a draft is looked at on request
            await deps.store.check_sooner(domain.id, deps.now() + SOON)


async def _perform(deps: Deps, intent: Intent) -> None:
    if intent.effect is Effect.PUBLISH:
        await key_zone.publish(deps, intent)
        return
    owner = f"{deps.policy.installation}/{intent.account_id}/{intent.domain_id}"
    if intent.effect is Effect.WITHDRAW:
        await deps.provider.withdraw(intent.sender, owner)
        return
    domain = await deps.store.domain_by_id(intent.domain_id)
    sealed = await deps.store.sealed_key(domain.id, domain.selector) if domain is not None else None
    if domain is None or sealed is None:  # deleted meanwhile: a later intent withdraws what there is
        return
    wish = IdentityWish(
        sender=domain.sender,
        owner=owner,
        selector=domain.selector,
        public_key=domain.public_key,
        mail_from=domain.mail_from,
    )
    act = deps.provider.register if intent.effect is Effect.REGISTER else deps.provider.restart
    await act(wish, private_key(deps, domain, sealed))

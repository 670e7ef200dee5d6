"""Work at the provider and in our own zone: each piece an intent that was written with the state that calls for it."""

from datetime import timedelta
from typing import Protocol

from letterhead.core.domain.domain import Domain, Effect
from letterhead.core.domain.provider_identity import IdentityWish
from letterhead.errors import Fault
from letterhead.operations import key_zone
from letterhead.operations.domain_keys import key_purpose
from letterhead.operations.key_zone import KeyZoneNeeds
from letterhead.ports.deps import Clock, OperationSettings
from letterhead.ports.keyring import Keyring
from letterhead.ports.provider import Provider
from letterhead.ports.store.domains import DomainStore
from letterhead.ports.store.leases import Intent, LeaseStore
from letterhead.ports.tracing import SpanKind, Tracer

FIRST_RETRY = timedelta(seconds=5)
LONGEST_RETRY = timedelta(minutes=15)
SOON = timedelta(seconds=2)


class OwnerTagNeeds(Protocol):
    """What the owner tag needs: the name of the installation."""

    @property
    def policy(self) -> OperationSettings: ...


class StoreForProviderWork(DomainStore, LeaseStore, Protocol):
    """Domains with their sealed keys, and the intents."""


class ProviderWorkNeeds(OwnerTagNeeds, KeyZoneNeeds, Protocol):
    """What performing an intent needs."""

    @property
    def store(self) -> StoreForProviderWork: ...
    @property
    def provider(self) -> Provider: ...
    @property
    def keyring(self) -> Keyring: ...
    @property
    def tracer(self) -> Tracer: ...
    @property
    def now(self) -> Clock: ...


def owner_tag(deps: OwnerTagNeeds, domain: Domain) -> str:
    """Return the tag that names the owner of an identity: installation, account, domain."""
    return f"{deps.policy.installation}/{domain.account_id}/{domain.id}"


async def perform_intent(deps: ProviderWorkNeeds, intent: Intent) -> None:
    """Do one piece of work; where it fails with a Fault, give the intent back for a later attempt.

    Its span is linked to that of the request or check which called for the work.
    """
    known: dict[str, str | int] = {
        "letterhead.domain_id": intent.domain_id,
        "letterhead.account_id": intent.account_id,
        "letterhead.attempts": intent.attempts,
    }
    try:
        with deps.tracer.span(f"intent {intent.effect}", SpanKind.CONSUMER, known, link=intent.traceparent):
            if intent.effect is Effect.PUBLISH:
                await key_zone.publish(deps, intent)
            else:
                await _call_provider(deps, intent)
    except Fault as fault:
        wait = min(FIRST_RETRY * 2 ** min(intent.attempts, 10), LONGEST_RETRY)
        due = deps.now() + max(wait, timedelta(seconds=fault.retry_after or 0))
        await deps.store.postpone_intent(intent.id, due, f"{fault.provider_code or fault.kind}: {fault.detail}")
    else:
        await deps.store.finish_intent(intent.id)
        domain = await deps.store.domain_by_id(intent.domain_id)
        if domain is not None and domain.next_check_at is not None:  # a draft is checked on request only
            await deps.store.check_sooner(domain.id, deps.now() + SOON)


async def _call_provider(deps: ProviderWorkNeeds, intent: Intent) -> None:
    owner = f"{deps.policy.installation}/{intent.account_id}/{intent.domain_id}"  # the domain may be gone
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
    await act(wish, deps.keyring.unseal(sealed, key_purpose(domain)))

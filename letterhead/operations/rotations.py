"""Start, show and abandon a change of DKIM keys; `core/rotation/rotation.py` decides what follows from each check."""

import asyncio
from typing import Protocol

import msgspec
from msgspec.structs import replace

from letterhead.core.domain.domain import Domain, Transition
from letterhead.core.names.domain_names import DomainName, parse_selector
from letterhead.core.rotation import delegated_keys, rotation
from letterhead.core.rotation.rotation import Stage
from letterhead.errors import Fault, Kind
from letterhead.operations.audit import WORKER, Actor, audit_row
from letterhead.operations.domain_keys import (
    check_key_limits,
    key_purpose,
    new_second_key,
    new_selector,
    read_own_key,
    seal_second_key,
)
from letterhead.operations.domains import RACES, DomainNeeds, find_domain, new_busy_fault
from letterhead.operations.key_pool import new_pooled_key
from letterhead.ports.keyring import PooledKey
from letterhead.ports.store.domains import DomainUpdate, NewDomainKey


class RotationNeeds(DomainNeeds, Protocol):
    """What the operations on rotations need."""


class RotationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The new key as somebody asks for it, not validated yet; what is None is made by us."""

    selector: object = None
    private_key: str | None = None


NOTHING = RotationRequest()


async def start(deps: RotationNeeds, account_id: str, raw: str, request: RotationRequest, actor: Actor) -> Domain:
    """Start a rotation, to a selector never used before at this name; one that is under way stays as it is.

    Faults: `not-found`, `selector-invalid`, `selector-used`, `key-invalid`, `conflict` where the domain has no proven
    key to follow, or another key is asked for than the one under way.
    """
    key: PooledKey | None = None
    for _ in range(RACES):
        domain = await find_domain(deps, account_id, raw)
        if domain.rotation is not None:
            if request.selector in (None, domain.rotation.selector) and request.private_key is None:
                return domain
            raise Fault(
                Kind.CONFLICT,
                f"A change of keys is under way for {domain.sender} already, to another selector or key than you ask "
                "for.",
                "Wait until it is done, or abandon it with DELETE /domains/{sender}/dkim-rotation and start again.",
            )
        if domain.dkim.state not in rotation.MAY_START:
            raise Fault(
                Kind.CONFLICT,
                f"{domain.sender} has no proven DKIM key yet that another one could follow.",
                "Publish its records first (GET /domains/{sender}); for another key right away, delete it and add it "
                "again.",
            )
        if domain.key_delegation is not None:
            _check_delegated_start(deps, domain, request)
        selector = _selector(deps, domain, request)
        check_key_limits(deps, selector, None)  # before a key is taken from the pool
        key = key or await _key(deps, request)
        check_key_limits(deps, selector, key)
        if await _save_start(deps, domain, selector, key, "asked for"):
            await deps.store.audit(audit_row(deps, actor, "rotation.start", domain.sender))
            return await find_domain(deps, account_id, raw)
    raise new_busy_fault(raw)


async def start_if_due(deps: RotationNeeds, domain: Domain) -> None:
    """Start the rotation that the operator's policy wants, if any; a lost race is run again after the next check.

    `domain` may be as it was before the check.
    """
    if not rotation.is_due(domain, deps.now(), deps.policy.rotate_after):
        return
    fresh = await deps.store.domain_by_id(domain.id)
    if fresh is None or not rotation.is_due(fresh, deps.now(), deps.policy.rotate_after):
        return
    if fresh.key_delegation is not None and deps.publisher is None:  # nobody could publish the new key
        return
    selector = _selector(deps, fresh, NOTHING)
    if await _save_start(deps, fresh, selector, await _key(deps, NOTHING), "due by the operator's policy"):
        actor = replace(WORKER, account_id=fresh.account_id)
        await deps.store.audit(audit_row(deps, actor, "rotation.start", fresh.sender))


async def abandon(deps: RotationNeeds, account_id: str, raw: str, actor: Actor) -> Domain:
    """End a rotation before its switch and destroy the new key; no change where none is under way.

    Faults: `not-found`, `conflict` where the new key signs already.
    """
    for _ in range(RACES):
        domain = await find_domain(deps, account_id, raw)
        if domain.rotation is None:
            if rotation.stage(domain) is Stage.NONE:
                return domain
            raise Fault(
                Kind.CONFLICT,
                f"The change of keys for {domain.sender} is done: mail is signed with the selector {domain.selector} "
                "already.",
                "Start another one with POST /domains/{sender}/dkim-rotation if this key shall not stay.",
            )
        transition = rotation.abandon(domain, deps.now())
        if await deps.store.save(_update_of(deps, domain, transition)):
            await deps.store.audit(audit_row(deps, actor, "rotation.abandon", domain.sender))
            return await find_domain(deps, account_id, raw)
    raise new_busy_fault(raw)


async def _save_start(deps: RotationNeeds, domain: Domain, selector: str, key: PooledKey, why: str) -> bool:
    transition = rotation.start(domain, selector, key.public_key, deps.now(), why)
    second = new_second_key(deps) if domain.key_delegation is None else None
    if second is not None and transition.domain.rotation is not None:
        coming = replace(transition.domain.rotation, ed25519=second[0])
        transition = replace(transition, domain=replace(transition.domain, rotation=coming))
    secret = deps.keyring.unseal(key.sealed, f"pool|{key.id}")
    sealed = deps.keyring.seal(secret, key_purpose(domain, selector))
    update = replace(
        _update_of(deps, domain, transition),
        new_key=NewDomainKey(selector=selector, sealed=sealed),
        second_key=seal_second_key(deps, domain, second),
    )
    return await deps.store.save(update)


def _update_of(deps: RotationNeeds, before: Domain, transition: Transition) -> DomainUpdate:
    after = replace(transition.domain, next_check_at=deps.now(), check_reason="rotation: asked for")
    return DomainUpdate(
        domain=after,
        events=transition.events,
        effects=delegated_keys.pending_effects(before, after),
        keys_to_destroy=rotation.keys_to_destroy(before, after),
    )


def _selector(deps: RotationNeeds, domain: Domain, request: RotationRequest) -> str:
    if domain.key_delegation is not None:
        return delegated_keys.other_selector(domain.selector)
    if request.selector is None:
        return new_selector(deps)
    return parse_selector(request.selector, DomainName(domain.sender))


async def _key(deps: RotationNeeds, request: RotationRequest) -> PooledKey:
    """Return the customer's own key, else one made ahead, else a new one."""
    key = await read_own_key(deps, request.private_key) or await deps.store.take_key()
    return key or new_pooled_key(deps, await asyncio.to_thread(deps.keyring.make_pair))


def _check_delegated_start(deps: RotationNeeds, domain: Domain, request: RotationRequest) -> None:
    """Raise a Fault where delegated keys can't be rotated now.

    `selector-invalid` for another selector than the free one, `conflict` without a zone to publish in or a free
    selector.
    """
    if request.selector not in (None, delegated_keys.other_selector(domain.selector)):
        raise Fault(
            Kind.SELECTOR_INVALID,
            f"The DKIM keys of {domain.sender} take turns at {delegated_keys.FIRST} and "
            f"{delegated_keys.SECOND}: none can be chosen.",
            "Leave selector away.",
        )
    if deps.publisher is None:
        raise Fault(
            Kind.CONFLICT,
            f"The new DKIM key of {domain.sender} can't be published: LETTERHEAD_DKIM_ZONE is not set any more.",
            "Have the operator set LETTERHEAD_DKIM_ZONE, LETTERHEAD_DKIM_ZONE_SERVER and LETTERHEAD_DKIM_ZONE_TSIG.",
        )
    if not delegated_keys.is_selector_free(domain):
        old = domain.old_keys[-1]
        still = f"mail signed with it may be under way until {rotation.safe_at(old):%Y-%m-%d %H:%M} UTC"
        raise Fault(
            Kind.CONFLICT,
            f"The DKIM key before this one still has the other slot of {domain.sender}, {old.selector}: "
            f"{'it is being taken out of our zone' if old.safe else still}.",
            "Ask again in some minutes." if old.safe else "Ask again after that.",
        )

"""Start, show and abandon a change of DKIM keys; `core/rotation/rotation.py` decides what follows from each check."""

import asyncio

import msgspec
from msgspec.structs import replace

from letterhead.core.domain.domain import Domain, Transition
from letterhead.core.names.domain_names import DomainName, parse_selector
from letterhead.core.rotation import delegated_keys, rotation
from letterhead.core.rotation.rotation import Stage
from letterhead.errors import Fault, Kind
from letterhead.operations.audit import WORKER, Actor, audit_row
from letterhead.operations.domains import (
    RACES,
    find_domain,
    is_busy,
    key_purpose,
    new_selector,
    read_own_key,
    seal_second_key,
    second_key,
)
from letterhead.operations.key_pool import new_pooled_key
from letterhead.ports.deps import Deps
from letterhead.ports.keyring import PooledKey
from letterhead.ports.store.domains import DomainUpdate, NewDomainKey


class RotationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what somebody asks of the new key, as it came; all of it is made by us otherwise."""

    selector: object = None
    private_key: str | None = None


NOTHING = RotationRequest()


async def start(deps: Deps, account_id: str, raw: str, wish: RotationRequest, actor: Actor) -> Domain:
    """Begins a rotation with a selector never used before at this name; one that is under way stays as it is.

    Faults: `not-found`, `selector-invalid`, `selector-used`, `key-invalid`, `conflict` where the domain has no proven
    key to follow, or another key is wished for than the one under way.
    """
    key: PooledKey | None = None
    for _ in range(RACES):
        domain = await find_domain(deps, account_id, raw)
        if domain.rotation is not None:
            return _as_wished(domain, wish)
        if domain.dkim.state not in rotation.MAY_START:
            raise _too_early(domain)
        if domain.key_delegation is not None:
            _refuse_slots(deps, domain, wish)
        selector = _selector(deps, domain, wish)
        key = key or await _key(deps, wish)
        if await _started(deps, domain, selector, key, "asked for"):
            await deps.store.audit(audit_row(deps, actor, "rotation.start", domain.sender))
            return await find_domain(deps, account_id, raw)
    raise is_busy(raw)


async def start_if_due(deps: Deps, domain: Domain) -> None:
    """Begins the rotation that the policy wants, if any; a race that is lost is run again after the next check.

    `domain` may be as it was before the check.
    """
    if not rotation.is_due(domain, deps.now(), deps.policy.rotate_after):
        return
    fresh = await deps.store.domain_by_id(domain.id)
    if fresh is None or not rotation.is_due(fresh, deps.now(), deps.policy.rotate_after):
        return
    await _start_due(deps, fresh)


async def _start_due(deps: Deps, domain: Domain) -> None:
    if domain.key_delegation is not None and deps.publisher is None:  # nobody could publish the new key
        return
    selector = _selector(deps, domain, NOTHING)
    if await _started(deps, domain, selector, await _key(deps, NOTHING), "due by the operator's policy"):
        actor = replace(WORKER, account_id=domain.account_id)
        await deps.store.audit(audit_row(deps, actor, "rotation.start", domain.sender))


async def abandon(deps: Deps, account_id: str, raw: str, actor: Actor) -> Domain:
    """Ends a rotation before its switch and destroys the new key; nothing where none is under way."""
    for _ in range(RACES):
        domain = await find_domain(deps, account_id, raw)
        if domain.rotation is None:
            return _nothing_to_abandon(domain)
        step = rotation.abandon(domain, deps.now())
        if await deps.store.save(_outcome(deps, domain, step)):
            await deps.store.audit(audit_row(deps, actor, "rotation.abandon", domain.sender))
            return await find_domain(deps, account_id, raw)
    raise is_busy(raw)


async def _started(deps: Deps, domain: Domain, selector: str, key: PooledKey, why: str) -> bool:
    step = rotation.start(domain, selector, key.public_key, deps.now(), why)
    second = second_key(deps) if domain.key_delegation is None else None
    if second is not None and step.domain.rotation is not None:
        coming = replace(step.domain.rotation, ed25519=second[0])
        step = replace(step, domain=replace(step.domain, rotation=coming))
    secret = deps.keyring.unseal(key.sealed, f"pool|{key.id}")
    sealed = deps.keyring.seal(secret, key_purpose(domain, selector))
    outcome = _outcome(deps, domain, step, NewDomainKey(selector=selector, sealed=sealed))
    return await deps.store.save(replace(outcome, second_key=seal_second_key(deps, domain, second)))


def _outcome(deps: Deps, before: Domain, step: Transition, new_key: NewDomainKey | None = None) -> DomainUpdate:
    after = replace(step.domain, next_check_at=deps.now(), check_reason="rotation: asked for")
    return DomainUpdate(
        domain=after,
        events=step.events,
        effects=delegated_keys.pending_effects(before, after),
        new_key=new_key,
        keys_to_destroy=rotation.keys_to_destroy(before, after),
    )


def _selector(deps: Deps, domain: Domain, wish: RotationRequest) -> str:
    if domain.key_delegation is not None:
        return delegated_keys.other_selector(domain.selector)
    if wish.selector is None:
        return new_selector(deps)
    return parse_selector(wish.selector, DomainName(domain.sender))


async def _key(deps: Deps, wish: RotationRequest) -> PooledKey:
    """Gives the customer's own key, else one made ahead, else a new one."""
    key = await read_own_key(deps, wish.private_key) or await deps.store.take_key()
    return key or new_pooled_key(deps, await asyncio.to_thread(deps.keyring.make_pair))


def _as_wished(domain: Domain, wish: RotationRequest) -> Domain:
    """Gives the domain whose rotation is under way, unless another one is wished for."""
    same = wish.selector is None or (domain.rotation and wish.selector == domain.rotation.selector)
    if same and wish.private_key is None:
        return domain
    raise Fault(
        Kind.CONFLICT,
        f"A change of keys is under way for {domain.sender} already, to another selector or key than you ask for.",
        "Wait until it is done, or abandon it with DELETE /domains/{sender}/dkim-rotation and start again.",
    )


def _too_early(domain: Domain) -> Fault:
    return Fault(
        Kind.CONFLICT,
        f"{domain.sender} has no proven DKIM key yet that another one could follow.",
        "Publish its records first (GET /domains/{sender}); for another key right away, delete it and add it again.",
    )


def _refuse_slots(deps: Deps, domain: Domain, wish: RotationRequest) -> None:
    """Refuses a change for which there is no free slot, no zone to publish in, or another selector wished for."""
    if wish.selector not in (None, delegated_keys.other_selector(domain.selector)):
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
        raise _slot_in_use(domain)


def _slot_in_use(domain: Domain) -> Fault:
    old = domain.old_keys[-1]
    still = f"mail signed with it may be under way until {rotation.safe_at(old):%Y-%m-%d %H:%M} UTC"
    return Fault(
        Kind.CONFLICT,
        f"The DKIM key before this one still has the other slot of {domain.sender}, {old.selector}: "
        f"{'it is being taken out of our zone' if old.safe else still}.",
        "Ask again in some minutes." if old.safe else "Ask again after that.",
    )


def _nothing_to_abandon(domain: Domain) -> Domain:
    if rotation.stage(domain) is Stage.NONE:
        return domain
    raise Fault(
        Kind.CONFLICT,
        f"The change of keys for {domain.sender} is done: mail is signed with the selector {domain.selector} already.",
        "Start another one with POST /domains/{sender}/dkim-rotation if this key shall not stay.",
    )

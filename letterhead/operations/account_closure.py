"""Close an account, with its domains where that is asked for, and return a receipt of what was destroyed."""

import base64
import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from letterhead.core.domain import lifecycle
from letterhead.core.domain.domain import Domain, Effect
from letterhead.errors import Fault, Kind
from letterhead.operations.accounts import AccountNeeds, find_account
from letterhead.operations.audit import Actor, audit_row
from letterhead.operations.domains import RACES, new_busy_fault
from letterhead.operations.sealed_rows import public_keys
from letterhead.operations.self_monitoring import KEPT
from letterhead.ports.store.domains import DomainQuery

AT_ONCE: Final = 100  # domains of one call, which takes some seconds at most
ED25519_OCTETS: Final = 32
AUDIT: Final = "until its month is moved out (letterhead accounts detach-audit)"
BACKUPS: Final = "as long as you keep them; private keys and secrets in them are sealed"


class DestroyedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A private key that was destroyed: where its record is, and the SHA-256 of its public key, in hex.

    The digest is that of the octets of `p=`, which are an RSA key's SPKI or the 32 octets of an Ed25519 key.
    """

    sender: str
    selector: str
    key_type: str
    public_key_sha256: str


class RemainingData(msgspec.Struct, frozen=True, kw_only=True):
    """What stays of an account after it was closed, and until when."""

    what: str
    until: str


class ClosureReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """What was destroyed with an account, and what stays.

    `deleted` counts the rows of each table. `identities` are the names that the mail provider removes the identity of,
    `key_zone` those whose keys the operator's own zone stops to serve: workers do that next. Where `has_more`, this is
    a part, and the account is still open: the next call goes on.
    """

    account_id: str
    closed_at: datetime
    closed_by: str
    deleted: Mapping[str, int]
    keys: tuple[DestroyedKey, ...]
    identities: tuple[str, ...]
    key_zone: tuple[str, ...]
    remains: tuple[RemainingData, ...]
    has_more: bool = False


async def close_account(deps: AccountNeeds, account_id: str, actor: Actor, *, with_domains: bool) -> ClosureReceipt:
    """Close an account and delete all that belongs to it.

    Faults: `not-found`, `conflict` where it has domains and these are not to be deleted. Of many domains a call deletes
    some, and the next one goes on; after one that was cut off, the receipt has what was left.
    """
    await find_account(deps, account_id)
    listed = await deps.store.domains(account_id, DomainQuery(limit=1))
    if listed and not with_domains:
        raise Fault(
            Kind.CONFLICT,
            f"The account {account_id} still has sender domains, {listed[0].sender} among them.",
            "Delete its domains first, with DELETE /domains/{sender} under its own key, then close the account; "
            "or close it with them: 'withDomains' of DELETE /accounts/{accountId} is for that.",
        )
    before = await deps.store.count_account_rows(account_id)
    keys: list[DestroyedKey] = []
    effects: dict[Effect, list[str]] = {Effect.WITHDRAW: [], Effect.PUBLISH: []}
    for domain in await deps.store.domains(account_id, DomainQuery(limit=AT_ONCE)):
        for effect in await _delete(deps, domain, actor):
            effects[effect].append(domain.sender)
        keys += destroyed_keys(domain)
    left: Mapping[str, int] = await deps.store.count_account_rows(account_id)
    deleted = {name: number - left.get(name, 0) for name, number in before.items()}
    has_more = bool(left["domains"])
    if not has_more:
        more = await deps.store.delete_account(account_id, audit_row(deps, actor, "account.close", account_id))
        if more is None:
            detail = f"The account {account_id[:80]!r} was closed by somebody else at the same moment."
            raise Fault(Kind.NOT_FOUND, detail)
        deleted = {**before, **more}
    return ClosureReceipt(
        account_id=account_id,
        closed_at=deps.now(),
        closed_by=actor.name,
        deleted={name: number for name, number in deleted.items() if number > 0},
        keys=tuple(keys),
        identities=tuple(effects[Effect.WITHDRAW]),
        key_zone=tuple(effects[Effect.PUBLISH]),
        remains=_remains(effects, has_domains=bool(keys)),
        has_more=has_more,
    )


async def _delete(deps: AccountNeeds, domain: Domain, actor: Actor) -> tuple[Effect, ...]:
    """Delete one domain as its account would, and return the work outside that follows."""
    for _ in range(RACES):
        transition = lifecycle.delete(domain, deps.now())
        row = audit_row(deps, actor, "domain.delete", domain.sender)
        if await deps.store.delete(domain, transition.events[0], transition.effects, row):
            return transition.effects
        found = await deps.store.domain_by_id(domain.id)
        if found is None:  # its owner has deleted it meanwhile
            return ()
        domain = found
    raise new_busy_fault(domain.sender)


def destroyed_keys(domain: Domain) -> list[DestroyedKey]:
    """Return the keys that go with a domain; of those that were rotated out long ago the public key is not known."""
    return [
        DestroyedKey(
            sender=domain.sender,
            selector=selector,
            key_type="ed25519" if len(octets := base64.b64decode(public)) == ED25519_OCTETS else "rsa",
            public_key_sha256=hashlib.sha256(octets).hexdigest(),
        )
        for selector, public in public_keys(domain).items()
        if public
    ]


def _remains(effects: Mapping[Effect, list[str]], *, has_domains: bool) -> tuple[RemainingData, ...]:
    remains = [
        RemainingData(what="rows of the audit log, with its id and the names of its domains", until=AUDIT),
        RemainingData(what="figures of the work that was under way for its id", until=f"{KEPT.days} days"),
        RemainingData(what="backups of the database", until=BACKUPS),
        RemainingData(what="messages in the relay's queue", until="handed on, or given up"),
    ]
    if any(effects.values()):
        until = "workers have done it, within minutes while the other side answers"
        remains.append(RemainingData(what="orders to remove identities and records that it had", until=until))
    if has_domains:
        what = "names that it held, with their selectors and without its id"
        until = "ever: with a record that is still in DNS nobody else can prove a claim"
        remains.append(RemainingData(what=what, until=until))
    return tuple(remains)

"""Private keys of domains in clear, for those who may see them: each time they are read, the audit says so first."""

import base64
from collections.abc import Sequence
from typing import Protocol

import msgspec
import structlog

from letterhead.core.domain.domain import Domain
from letterhead.core.secret import reveal
from letterhead.errors import Fault
from letterhead.operations.audit import Actor, AuditNeeds, audit_row
from letterhead.operations.domain_keys import key_purpose
from letterhead.ports.deps import OperationSettings
from letterhead.ports.keyring import Keyring
from letterhead.ports.store.accounts import AccountStore
from letterhead.ports.store.domains import DomainStore, SealedKeys

log = structlog.get_logger()


class StoreForPrivateKeys(DomainStore, AccountStore, Protocol):
    """The sealed keys, and the audit."""


class PrivateKeyNeeds(AuditNeeds, Protocol):
    """What showing private keys needs."""

    @property
    def store(self) -> StoreForPrivateKeys: ...
    @property
    def keyring(self) -> Keyring: ...
    @property
    def policy(self) -> OperationSettings: ...


class PrivateKeys(msgspec.Struct, frozen=True, kw_only=True):
    """A domain's private keys in clear, base64 of the PKCS#8 DER; the second one while it is live."""

    dkim: str
    ed25519: str | None = None


async def private_keys(
    deps: PrivateKeyNeeds,
    account_id: str,
    domains: Sequence[Domain],
    actor: Actor,
    sealed: SealedKeys | None = None,
) -> dict[str, PrivateKeys]:
    """Return the private keys of these domains by domain id, and write one audit row; `sealed` was read with them.

    Empty where the installation never shows private keys, or where the audit can't be written (a full disk): the
    caller goes on without them, and no key is shown without a row.
    """
    if not domains:
        return {}
    subject = domains[0].sender if len(domains) == 1 else f"{len(domains)} domains"
    return await open_keys(deps, account_id, domains, sealed) if await may_open(deps, subject, actor) else {}


async def list_with_sealed_keys(deps: PrivateKeyNeeds, account_id: str, limit: int) -> tuple[list[Domain], SealedKeys]:
    """List an account's first domains with their sealed keys, as they were at one moment."""
    return await deps.store.domains_with_sealed_keys(account_id, limit)


async def may_open(deps: PrivateKeyNeeds, subject: str, actor: Actor) -> bool:
    """Return whether private keys may be shown, and write the audit row of their being read."""
    if not deps.policy.expose_private_dkim:
        return False
    try:
        await deps.store.audit(audit_row(deps, actor, "private-key.read", subject))
    except Fault as fault:
        log.warning("private-key.withheld", kind=fault.kind, detail=fault.detail)
        return False
    return True


async def open_keys(
    deps: PrivateKeyNeeds, account_id: str, domains: Sequence[Domain], sealed: SealedKeys | None = None
) -> dict[str, PrivateKeys]:
    """Return the private keys of domains, which are in the order of their names; only after `may_open`.

    A key that does not open is left out and logged.
    """
    if not domains:
        return {}
    if sealed is None:
        sealed = await deps.store.sealed_keys(account_id, domains[0].sender, domains[-1].sender)
    opened = {}
    for each in domains:
        second = each.ed25519 if each.ed25519 and each.ed25519.live else None
        dkim = _open_key(deps, each, each.selector, sealed)
        if dkim is not None:
            ed25519 = _open_key(deps, each, second.selector, sealed) if second else None
            opened[each.id] = PrivateKeys(dkim=dkim, ed25519=ed25519)
    return opened


def _open_key(deps: PrivateKeyNeeds, domain: Domain, selector: str, sealed: SealedKeys) -> str | None:
    # By selector: after a switch between the two reads, the new key must not be shown with the old selector.
    found = sealed.get((domain.id, selector))
    if found is None:
        return None
    try:
        opened = deps.keyring.unseal(found, key_purpose(domain, selector))
    except Fault as fault:  # one damaged row hides no other domain of the account
        log.error(
            "private-key.unreadable", domain=domain.sender, domain_id=domain.id, selector=selector, detail=fault.detail
        )
        return None
    return base64.b64encode(reveal(opened)).decode()

"""Rewrap all secrets with the first key-encryption key while the service runs, a few at a time.

No progress is stored: whether a secret is done can be seen in the secret itself, so a killed run is simply run again.
"""

from typing import Protocol

import msgspec

from letterhead.errors import Fault, Kind
from letterhead.operations.audit import Actor, AuditNeeds, audit_row
from letterhead.ports.keyring import Keyring
from letterhead.ports.store.accounts import AccountStore
from letterhead.ports.store.secrets import SecretStore

MOST = 500


class StoreForRewrap(SecretStore, AccountStore, Protocol):
    """Sealed secrets, and the audit."""


class RewrapNeeds(AuditNeeds, Protocol):
    """What rewrapping needs."""

    @property
    def store(self) -> StoreForRewrap: ...
    @property
    def keyring(self) -> Keyring: ...


class RewrapProgress(msgspec.Struct, frozen=True, kw_only=True):
    """What one run did; `after` is where the next one continues, None where this was the last."""

    looked_at: int
    rewrapped: int
    after: str | None = None


async def rewrap(deps: RewrapNeeds, after: str, limit: int, actor: Actor) -> RewrapProgress:
    """Rewrap up to `limit` secrets after `after`; Fault `keyring-wrong` where no key opens one of them.

    A secret that changes meanwhile is left as it is: it was sealed again, with the first key.
    """
    place, _, key = after.partition(" ")
    secrets = await deps.store.sealed_secrets((place, key), limit)
    done = 0
    for each in secrets:
        try:
            fresh = deps.keyring.rewrap(each.sealed)
        except Fault as fault:
            where = f"The secret {each.key} in {each.place} can't be wrapped anew: {fault.detail}"
            raise Fault(Kind.KEYRING_WRONG, where, fault.fix) from fault
        if fresh is not None and await deps.store.reseal(each, fresh):
            done += 1
    if done:
        await deps.store.audit(audit_row(deps, actor, "secrets.rewrap", f"{done} secrets"))
    last = f"{secrets[-1].place} {secrets[-1].key}" if len(secrets) == limit else None
    return RewrapProgress(looked_at=len(secrets), rewrapped=done, after=last)

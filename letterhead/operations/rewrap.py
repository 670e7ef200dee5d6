"""Knows how all secrets come under the first key-encryption key while the service runs, a few at a time.

Nothing is remembered between two runs: what is done is seen in the secret itself, so a killed run is run again.
"""

import msgspec

from letterhead.errors import Fault, Kind
from letterhead.operations.audit import Actor, audit_row
from letterhead.ports.deps import Deps

MOST = 500


class RewrapProgress(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what one run did; `after` is where the next one goes on, nothing where it was the last."""

    looked_at: int
    rewrapped: int
    after: str | None = None


async def rewrap(deps: Deps, after: str, limit: int, actor: Actor) -> RewrapProgress:
    """Wraps up to `limit` secrets behind `after` with the first key; Fault `keyring-wrong` for one that none opens.

    A secret that changes meanwhile is left as it is: whoever wrote it used the first key.
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

"""The quotas of domains without proof, counted in the transaction that adds one."""

from letterhead.adapters.storage import rows
from letterhead.adapters.storage.engine import DatabaseSession
from letterhead.core.accounts import quotas
from letterhead.core.accounts.quotas import Limits
from letterhead.ports.store.domains import NewClaim


async def refuse_unproven(session: DatabaseSession, account_id: str, limits: Limits, *, counted: int) -> None:
    """Raise Fault `usage-limit-exceeded` where one more unverified domain is too many.

    `counted` is 1 where the domain is among the account's already.
    """
    used = (await session.rows("count_unproven", account_id=account_id))[0]["used"]
    over = quotas.over_pending(limits, used - counted)
    if over is not None:
        raise over.fault()


async def refuse_unproven_below(session: DatabaseSession, claim: NewClaim, limits: Limits) -> None:
    """Raise Fault `usage-limit-exceeded` where one more unverified name below a registrable domain is too many.

    The domain itself may always be added. Whoever has proven it, or a name above the new one, may add any number.
    """
    allowed = quotas.unproven_below_allowed(limits, claim.unproven_below)
    if allowed is None or claim.sender == claim.zone:  # whoever is told to prove the domain can always add it
        return
    low, account_id = rows.path(claim.zone), claim.account_id
    found = await session.rows("unproven_below", account_id=account_id, low=low, high=low[:-1] + b"/", limit=allowed)
    if len(found) < allowed:
        return
    labels, below = claim.sender.split("."), claim.sender.count(".") - claim.zone.count(".")
    above = rows.json([".".join(labels[at:]) for at in range(below + 1)])
    if not await session.rows("own_held_above", account_id=account_id, senders=above):
        raise quotas.over_unproven_below(claim.zone, len(found), allowed)

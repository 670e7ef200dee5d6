"""The selectors that are used up: by an account at a name, and for all others once the account has held the name."""

from letterhead.adapters.storage.engine import DatabaseSession
from letterhead.core.domain.domain import Domain
from letterhead.errors import Fault, Kind


async def use_selector(session: DatabaseSession, domain: Domain, selector: str) -> None:
    """Mark a selector as used by the account at this name for ever.

    Other accounts are not asked: the answer would tell who has the name, and a stranger's claim would use selectors up.
    Delegated selectors repeat, with a new token in the claim.
    """
    if domain.key_delegation is not None:
        return
    if not await session.rows("use_selector", sender=domain.sender, selector=selector, account_id=domain.account_id):
        raise Fault(
            Kind.SELECTOR_USED,
            f"Your account used the selector {selector} for {domain.sender} before.",
            "Choose another selector: one is never used twice, so that an old key can't come back.",
        )


async def hold_selectors(session: DatabaseSession, holder: Domain) -> None:
    """Mark all selectors of a holder as its own at this name for ever; those of delegated keys repeat."""
    if holder.key_delegation is None:
        await session.rows("hold_selectors", sender=holder.sender, account_id=holder.account_id)

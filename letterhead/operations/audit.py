"""Knows how a deed becomes a row of the audit."""

from collections.abc import Sequence

import msgspec

from letterhead.ports.deps import Deps
from letterhead.ports.store.accounts import AuditRow, StoredAuditRow


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Says who acts: a key's id, "operator" or "worker"; with the account, address and tracking id where known."""

    name: str
    account_id: str | None = None
    address: str | None = None
    tracking_id: str | None = None


WORKER = Actor(name="worker")


def audit_row(deps: Deps, actor: Actor, action: str, subject: str) -> AuditRow:
    """Writes down who did what (`noun.verb`) to which thing, now."""
    return AuditRow(
        at=deps.now(),
        actor=actor.name,
        account_id=actor.account_id,
        action=action,
        subject=subject,
        address=actor.address,
        tracking_id=actor.tracking_id,
    )


async def list_audit(deps: Deps, account_id: str | None, before: int | None, limit: int) -> Sequence[StoredAuditRow]:
    """Return the newest rows of one account, or of all; only those before a number, where it is given."""
    return await deps.store.audit_rows(account_id, before, limit)

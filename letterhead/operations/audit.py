"""Rows of the audit: who did what to which thing, and when."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from letterhead.ports.deps import Clock
from letterhead.ports.store.accounts import AccountStore, AuditRow, StoredAuditRow


class AuditNeeds(Protocol):
    """What a row of the audit needs."""

    @property
    def now(self) -> Clock: ...


class AuditListNeeds(Protocol):
    """What listing the audit needs."""

    @property
    def store(self) -> AccountStore: ...


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who acts: a key's id, "operator" or "worker"; with the account, address and tracking id where known."""

    name: str
    account_id: str | None = None
    address: str | None = None
    tracking_id: str | None = None


WORKER = Actor(name="worker")


def audit_row(deps: AuditNeeds, actor: Actor, action: str, subject: str) -> AuditRow:
    """Make the row for an action (`noun.verb`) of an actor on a thing, now."""
    return AuditRow(
        at=deps.now(),
        actor=actor.name,
        account_id=actor.account_id,
        action=action,
        subject=subject,
        address=actor.address,
        tracking_id=actor.tracking_id,
    )


async def list_audit(
    deps: AuditListNeeds, account_id: str | None, before: int | None, limit: int
) -> Sequence[StoredAuditRow]:
    """Return the newest rows of one account, or of all; only those before a number, where it is given."""
    return await deps.store.audit_rows(account_id, before, limit)

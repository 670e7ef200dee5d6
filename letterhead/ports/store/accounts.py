"""Accounts, their API keys, and the audit log."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

import msgspec

from letterhead.core.accounts.accounts import Account, ApiKey, Caller


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the audit log: who did what, when, from which address, with which key."""

    at: datetime
    actor: str  # a key's id, "operator", or "worker"
    account_id: str | None
    action: str  # noun.verb
    subject: str
    address: str | None
    tracking_id: str | None


class StoredAuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the audit log with its number; it stands for `count` entries, the last of them at `last_at`."""

    number: int
    row: AuditRow
    count: int
    last_at: datetime


class DetachedMonth(msgspec.Struct, frozen=True, kw_only=True):
    """A month of the audit log that was moved out: so many rows, in a file with this digest; `ends_at` is exclusive."""

    month: str  # as in 2026-11
    starts_at: datetime
    ends_at: datetime
    rows: int
    sha256: str
    at: datetime


class AccountStore(Protocol):
    """Accounts, their API keys, and the audit log."""

    async def add_account(self, account: Account, key: ApiKey, digest: bytes, audit: AuditRow) -> None:
        """Add an account with its first key; `digest` is the keyed digest of the key's text."""
        ...

    async def accounts(self) -> list[Account]:
        """Return all accounts, the oldest first."""
        ...

    async def account(self, account_id: str) -> Account | None:
        """Return an account by its id."""
        ...

    async def change_account(self, account: Account, audit: AuditRow) -> bool:
        """Update name, email and limits; return false where there is no such account."""
        ...

    async def count_account_rows(self, account_id: str) -> Mapping[str, int]:
        """Count what goes with an account and its domains, by table."""
        ...

    async def delete_account(self, account_id: str, audit: AuditRow) -> Mapping[str, int] | None:
        """Delete an account that has no domains left, with all that names it; return None where there is none.

        Return how many events and checks went with it, by table. The audit stays, and of the names that it held the
        selectors, without its id. Raise Fault `conflict` where it has domains.
        """
        ...

    async def find_caller(self, digest: bytes) -> Caller | None:
        """Return the caller whom an API key identifies; for an ended key too, with `ends_at`."""
        ...

    async def add_key(self, key: ApiKey, digest: bytes, audit: AuditRow) -> None:
        """Add an API key to an account."""
        ...

    async def keys(self, account_id: str) -> list[ApiKey]:
        """Return an account's API keys, the oldest first, ended ones too."""
        ...

    async def end_key(self, account_id: str, key_id: str, at: datetime, audit: AuditRow) -> bool:
        """End a key at a time; return false where the account has no such key."""
        ...

    async def count_requests(self, month: str, made: Mapping[str, int], used: Mapping[str, datetime]) -> dict[str, int]:
        """Add requests to each account's month (`2026-11`), set when keys were last used, and return the new totals."""
        ...

    async def audit(self, row: AuditRow) -> None:
        """Append to the audit log."""
        ...

    async def audit_rows(self, account_id: str | None, before: int | None, limit: int) -> list[StoredAuditRow]:
        """Return the audit log of one account or of all, the newest first; `before` is a row's number."""
        ...

    async def audit_month(self, starts_at: datetime, ends_at: datetime, after: int, limit: int) -> list[StoredAuditRow]:
        """Return rows of the audit log between two times, the oldest first; `after` is a row's number."""
        ...

    async def detached_month(self, month: str) -> DetachedMonth | None:
        """Return what was recorded of a month of the audit log when it was moved out; None where it was not."""
        ...

    async def detach_month(self, month: DetachedMonth, audit: AuditRow) -> None:
        """Record that a month of the audit log was moved out, so that its rows may be deleted."""
        ...

    async def delete_detached(self, month: DetachedMonth, limit: int) -> int:
        """Delete so many rows of a month that was moved out, the oldest first; return how many there were."""
        ...

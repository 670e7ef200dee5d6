"""Accounts, their API keys, and the audit."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

import msgspec

from letterhead.core.accounts.accounts import Account, ApiKey, Caller


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """Says who did what, when, from where, by which key."""

    at: datetime
    actor: str  # a key's id, "operator", or "worker"
    account_id: str | None
    action: str  # noun.verb
    subject: str
    address: str | None
    tracking_id: str | None


class StoredAuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """Holds a row of the audit with its number."""

    number: int
    row: AuditRow


class AccountStore(Protocol):
    """Accounts, their API keys, and the audit."""

    async def add_account(self, account: Account, key: ApiKey, digest: bytes, audit: AuditRow) -> None:
        """Adds an account with its first key; `digest` is the keyed digest of the key's text."""
        ...

    async def accounts(self) -> list[Account]:
        """Lists all accounts, the oldest first."""
        ...

    async def account(self, account_id: str) -> Account | None:
        """Finds one account."""
        ...

    async def change_account(self, account: Account, audit: AuditRow) -> bool:
        """Writes name, email and limits; false where there is no such account."""
        ...

    async def delete_account(self, account_id: str, audit: AuditRow) -> bool:
        """Deletes an account that has no domains left, with its keys; false where there is none.

        Fault `conflict` where it has domains.
        """
        ...

    async def find_caller(self, digest: bytes) -> Caller | None:
        """Finds who owns an API key; ended keys too, with `ends_at`."""
        ...

    async def add_key(self, key: ApiKey, digest: bytes, audit: AuditRow) -> None:
        """Adds an API key to an account."""
        ...

    async def keys(self, account_id: str) -> list[ApiKey]:
        """Lists an account's API keys, the oldest first, ended ones too."""
        ...

    async def end_key(self, account_id: str, key_id: str, at: datetime, audit: AuditRow) -> bool:
        """Ends a key at a time; false where the account has no such key."""
        ...

    async def count_requests(self, month: str, made: Mapping[str, int], used: Mapping[str, datetime]) -> dict[str, int]:
        """Adds requests made to each account's month (`2026-11`), notes when keys were used, gives the new totals."""
        ...

    async def audit(self, row: AuditRow) -> None:
        """Appends to the audit."""
        ...

    async def audit_rows(self, account_id: str | None, before: int | None, limit: int) -> list[StoredAuditRow]:
        """Lists the audit of one account or of all, the newest first; `before` is a row's number."""
        ...

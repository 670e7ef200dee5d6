"""Accounts, API keys, request counts, the audit log and the secrets of the installation, in SQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from letterhead.adapters.storage import rows
from letterhead.adapters.storage.engine import DatabaseSession, Engine, storable
from letterhead.adapters.storage.write_batcher import WriteBatcher
from letterhead.core.accounts.accounts import Account, ApiKey, Caller
from letterhead.errors import Fault, Kind
from letterhead.ports.store.accounts import AuditRow, StoredAuditRow


class SqlAccounts:
    """The SQL implementation of `AccountStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._audits = WriteBatcher[AuditRow, None](self._append_audits)

    async def add_account(self, account: Account, key: ApiKey, digest: bytes, audit: AuditRow) -> None:
        """Add an account with its first key; `digest` is the keyed digest of the key's text."""

        async def work(session: DatabaseSession) -> None:
            values = rows.account_values(account)
            await session.rows("add_account", **values, created_at=rows.ms(account.created_at))
            await session.rows("add_key", **rows.key_values(key), digest=digest)
            await append_audit(session, audit)

        await self._engine.transact(work)

    async def accounts(self) -> list[Account]:
        """Return all accounts, the oldest first."""
        return [rows.account(row) for row in await self._engine.read("accounts")]

    async def account(self, account_id: str) -> Account | None:
        """Return an account by its id."""
        return next((rows.account(row) for row in await self._engine.read("account", id=account_id)), None)

    async def change_account(self, account: Account, audit: AuditRow) -> bool:
        """Update name, email and limits; return false where there is no such account."""

        async def work(session: DatabaseSession) -> bool:
            changed = await session.rows("change_account", **rows.account_values(account))
            return bool(changed) and await append_audit(session, audit)

        return await self._engine.transact(work)

    async def delete_account(self, account_id: str, audit: AuditRow) -> bool:
        """Delete an account that has no domains left, with its keys; return false where there is no such account.

        Raise Fault `conflict` where it has domains.
        """

        async def work(session: DatabaseSession) -> bool:
            if not await session.rows("lock_account", id=account_id):
                return False
            used = (await session.rows("count_domains", account_id=account_id))[0]["used"]
            if used:
                raise Fault(
                    Kind.CONFLICT, f"The account {account_id} still has {used} domains.", "Delete its domains first."
                )
            await session.rows("delete_usage", account_id=account_id)
            await session.rows("delete_account", id=account_id)
            return await append_audit(session, audit)

        return await self._engine.transact(work)

    async def find_caller(self, digest: bytes) -> Caller | None:
        """Return the caller whom an API key identifies; for an ended key too, with `ends_at`."""
        return next((rows.caller(row) for row in await self._engine.read("caller", digest=digest)), None)

    async def add_key(self, key: ApiKey, digest: bytes, audit: AuditRow) -> None:
        """Add an API key to an account."""

        async def work(session: DatabaseSession) -> None:
            await session.rows("add_key", **rows.key_values(key), digest=digest)
            await append_audit(session, audit)

        await self._engine.transact(work)

    async def keys(self, account_id: str) -> list[ApiKey]:
        """Return an account's API keys, the oldest first, ended ones too."""
        return [rows.key(row) for row in await self._engine.read("keys", account_id=account_id)]

    async def end_key(self, account_id: str, key_id: str, at: datetime, audit: AuditRow) -> bool:
        """End a key at a time; return false where the account has no such key."""

        async def work(session: DatabaseSession) -> bool:
            ended = await session.rows("end_key", account_id=account_id, id=key_id, at=rows.ms(at))
            return bool(ended) and await append_audit(session, audit)

        return await self._engine.transact(work)

    async def count_requests(self, month: str, made: Mapping[str, int], used: Mapping[str, datetime]) -> dict[str, int]:
        """Add requests to each account's month (`2026-11`), set when keys were last used, and return the new totals."""

        async def work(session: DatabaseSession) -> dict[str, int]:
            # Sorted, so that two processes that count the same accounts don't wait for each other in a circle.
            for key_id, at in sorted(used.items()):
                await session.rows("set_key_last_used", id=key_id, at=rows.ms(at))
            totals = {
                account_id: await session.rows("count_requests", account_id=account_id, month=month, made=count)
                for account_id, count in sorted(made.items())
            }
            return {account_id: total[0]["requests"] for account_id, total in totals.items() if total}

        return await self._engine.transact(work)

    async def audit(self, row: AuditRow) -> None:
        """Append to the audit log, in one statement with what other requests append at this moment."""
        await self._audits.add(row)

    async def _append_audits(self, audits: Sequence[AuditRow]) -> Sequence[None]:
        values = [{name: storable(value) for name, value in rows.audit_values(row).items()} for row in audits]
        await self._engine.write("append_audits", audits=rows.json(values))
        return [None] * len(audits)

    async def audit_rows(self, account_id: str | None, before: int | None, limit: int) -> list[StoredAuditRow]:
        """Return the audit log of one account or of all, the newest first; `before` is a row's number."""
        last = 2**62 if before is None else before
        if account_id is None:
            found = await self._engine.read("all_audit_rows", before=last, limit=limit)
        else:
            found = await self._engine.read("audit_rows", account_id=account_id, before=last, limit=limit)
        return [rows.audit(row) for row in found]

    async def installation_secret(self, name: str, blob: bytes | None = None) -> bytes | None:
        """Return a named sealed secret of the installation; given a blob, store it first if there is none yet."""
        if blob is not None:
            await self._engine.write("add_installation_secret", name=name, blob=blob)
        return next((row["blob"] for row in await self._engine.read("installation_secret", name=name)), None)


async def append_audit(session: DatabaseSession, audit: AuditRow) -> bool:
    """Append to the audit log within a transaction; return true, always."""
    return bool(await session.rows("append_audit", **rows.audit_values(audit)))

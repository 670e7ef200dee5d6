"""Accounts, API keys, request counts, the audit log and the secrets of the installation, in SQL."""

from collections.abc import Mapping
from datetime import datetime

from letterhead.adapters.storage import audit_log, key_rows, rows
from letterhead.adapters.storage.audit_log import AuditLog
from letterhead.adapters.storage.engine import DatabaseSession, Engine
from letterhead.core.accounts.accounts import Account, ApiKey, Caller
from letterhead.errors import Fault, Kind
from letterhead.ports.store.accounts import AuditRow, DetachedMonth, StoredAuditRow


class SqlAccounts:
    """The SQL implementation of `AccountStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._audits = AuditLog(engine)

    async def add_account(self, account: Account, key: ApiKey, digest: bytes, audit: AuditRow) -> None:
        """Add an account with its first key; `digest` is the keyed digest of the key's text."""

        async def work(session: DatabaseSession) -> None:
            values = rows.account_values(account)
            await session.rows("add_account", **values, created_at=rows.ms(account.created_at))
            await session.rows("add_key", **key_rows.key_values(key), digest=key_rows.stored_digest(key, digest))
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

    async def count_account_rows(self, account_id: str) -> Mapping[str, int]:
        """Count what goes with an account and its domains, by table."""
        found = await self._engine.read("count_account_rows", account_id=account_id)
        return {row["name"]: row["number"] for row in found}

    async def delete_account(self, account_id: str, audit: AuditRow) -> Mapping[str, int] | None:
        """Delete an account that has no domains left, with all that names it; return None where there is none.

        Return how many events and checks went with it, by table. The audit stays, and of the names that it held the
        selectors, without its id. Raise Fault `conflict` where it has domains.
        """

        async def work(session: DatabaseSession) -> Mapping[str, int] | None:
            if not await session.rows("lock_account", id=account_id):
                return None
            used = (await session.rows("count_domains", account_id=account_id))[0]["used"]
            if used:
                raise Fault(
                    Kind.CONFLICT, f"The account {account_id} still has {used} domains.", "Delete its domains first."
                )
            events = await session.rows("delete_events_of_account", account_id=account_id)
            checks = rows.json(sorted({row["evidence_id"] for row in events if row["evidence_id"]}))
            gone = await session.rows("delete_checks_without_event", ids=checks)
            for statement in (
                "delete_usage",
                "delete_account_work",
                "delete_rates_of_account",
                "delete_counts_of_account",
                "delete_account_selectors",
                "delete_used_selectors",
                "forget_holder",
            ):
                await session.rows(statement, account_id=account_id)
            await session.rows("delete_account", id=account_id)
            await append_audit(session, audit)
            return {"events": len(events), "evidence": len(gone)}

        deleted = await self._engine.transact(work)
        if deleted is not None:
            await self._engine.shred()
        return deleted

    async def find_caller(self, digest: bytes) -> Caller | None:
        """Return the caller whom an API key identifies; for an ended key too, with `ends_at`."""
        found = await self._engine.read("caller", digest=digest, restricted=key_rows.restricted_digest(digest))
        return next(map(key_rows.caller, found), None)

    async def add_key(self, key: ApiKey, digest: bytes, audit: AuditRow) -> None:
        """Add an API key to an account."""

        async def work(session: DatabaseSession) -> None:
            await session.rows("add_key", **key_rows.key_values(key), digest=key_rows.stored_digest(key, digest))
            await append_audit(session, audit)

        await self._engine.transact(work)

    async def keys(self, account_id: str) -> list[ApiKey]:
        """Return an account's API keys, the oldest first, ended ones too."""
        return [key_rows.key(row) for row in await self._engine.read("keys", account_id=account_id)]

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
        """Append to the audit log, or count a repeated entry: it is on the disk when this returns."""
        await self._audits.append(row)

    async def audit_rows(self, account_id: str | None, before: int | None, limit: int) -> list[StoredAuditRow]:
        """Return the audit log of one account or of all, the newest first; `before` is a row's number."""
        last = 2**62 if before is None else before
        if account_id is None:
            found = await self._engine.read("all_audit_rows", before=last, limit=limit)
        else:
            found = await self._engine.read("audit_rows", account_id=account_id, before=last, limit=limit)
        return [rows.audit(row) for row in found]

    async def audit_month(self, starts_at: datetime, ends_at: datetime, after: int, limit: int) -> list[StoredAuditRow]:
        """Return rows of the audit log between two times, the oldest first; `after` is a row's number."""
        found = await self._engine.read(
            "audit_month", starts_at=rows.ms(starts_at), ends_at=rows.ms(ends_at), after=after, limit=limit
        )
        return [rows.audit(row) for row in found]

    async def detached_month(self, month: str) -> DetachedMonth | None:
        """Return what was recorded of a month of the audit log when it was moved out; None where it was not."""
        return next(map(audit_log.detached_month, await self._engine.read("detached_month", month=month)), None)

    async def detach_month(self, month: DetachedMonth, audit: AuditRow) -> None:
        """Record that a month of the audit log was moved out, so that its rows may be deleted."""

        async def work(session: DatabaseSession) -> None:
            await session.rows("detach_month", **audit_log.detached_values(month))
            await append_audit(session, audit)

        await self._engine.transact(work)

    async def delete_detached(self, month: DetachedMonth, limit: int) -> int:
        """Delete so many rows of a month that was moved out, the oldest first; return how many there were."""
        starts_at, ends_at = rows.ms(month.starts_at), rows.ms(month.ends_at)
        return len(await self._engine.write("delete_detached", starts_at=starts_at, ends_at=ends_at, limit=limit))

    async def installation_secret_names(self, prefix: str) -> list[str]:
        """List the names of the installation's secrets that begin with a prefix, sorted."""
        found = await self._engine.read("installation_secret_names", prefix=prefix, length=len(prefix))
        return sorted(row["name"] for row in found)

    async def delete_installation_secret(self, name: str) -> bool:
        """Delete a secret of the installation; return false where there is none with this name."""
        return bool(await self._engine.write("delete_installation_secret", name=name))

    async def installation_secret(self, name: str, blob: bytes | None = None) -> bytes | None:
        """Return a named sealed secret of the installation; given a blob, store it first if there is none yet."""
        if blob is not None:
            await self._engine.write("add_installation_secret", name=name, blob=blob)
        return next((row["blob"] for row in await self._engine.read("installation_secret", name=name)), None)


async def append_audit(session: DatabaseSession, audit: AuditRow) -> bool:
    """Append to the audit log within a transaction; return true, always."""
    return bool(await session.rows("append_audit", **rows.audit_values(audit)))

"""An account from another installation, in SQL."""

from letterhead.adapters.storage import key_rows, rows
from letterhead.adapters.storage.accounts import append_audit
from letterhead.adapters.storage.domains import add_intents
from letterhead.adapters.storage.engine import DatabaseSession, Engine
from letterhead.adapters.storage.members import member_values
from letterhead.adapters.storage.profiles import write_profile
from letterhead.adapters.storage.selectors import hold_selectors, use_selector
from letterhead.adapters.storage.webhooks import webhook_values
from letterhead.ports.store.account_imports import ImportedAccount, ImportedDomain
from letterhead.ports.store.accounts import AuditRow


class SqlAccountImports:
    """The SQL implementation of `AccountImportStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def import_account(self, imported: ImportedAccount, audit: AuditRow) -> None:
        """Write an account with all that it has, or nothing; raise Fault `conflict` where an id or a name is taken."""

        async def work(session: DatabaseSession) -> None:
            account = imported.account
            await session.rows("add_account", **rows.account_values(account), created_at=rows.ms(account.created_at))
            await session.rows(
                "add_key",
                **key_rows.key_values(imported.key),
                digest=key_rows.stored_digest(imported.key, imported.digest),
            )
            for member in imported.members:
                await session.rows("add_member", **member_values(member))
            for each in imported.domains:
                await _add_domain(session, each)
            for webhook, sealed in imported.webhooks:
                created_at = rows.ms(webhook.created_at)
                await session.rows("add_webhook", **webhook_values(webhook), created_at=created_at, sealed=sealed)
            domains = {each.domain.id: each.domain for each in imported.domains}
            for event in imported.events:
                values = rows.event_values(domains[event.domain_id], event.event, event.id, None)
                await session.rows("add_event", **values)
            await append_audit(session, audit)

        await self._engine.transact(work)


async def _add_domain(session: DatabaseSession, imported: ImportedDomain) -> None:
    domain = imported.domain
    owner: rows.Values = {"account_id": domain.account_id, "sender": domain.sender}
    owner |= {"covers": int(imported.covers), "covers_unless_set": 0}
    await session.rows("add_domain", **rows.domain_values(domain), **owner)
    for key in imported.keys:
        await use_selector(session, domain, key.selector)
        statement = "add_sealed_key" if key.selector == domain.selector else "add_spare_key"
        await session.rows(statement, domain_id=domain.id, selector=key.selector, sealed=key.sealed)
    if domain.is_holder:
        await hold_selectors(session, domain)
    await write_profile(session, domain, imported.profile)
    await add_intents(session, domain, imported.effects, domain.last_sync)

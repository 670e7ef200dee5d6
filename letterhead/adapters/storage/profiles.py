"""What accounts keep about their domains, in SQL."""

from collections.abc import Callable
from typing import Final

import msgspec

from letterhead.adapters.storage import rows
from letterhead.adapters.storage.accounts import append_audit
from letterhead.adapters.storage.engine import DatabaseRow, DatabaseSession, Engine
from letterhead.core.domain.domain import Domain
from letterhead.core.domain.profile import Contact, DomainProfile
from letterhead.ports.store.accounts import AuditRow

EMPTY: Final = DomainProfile()
_labels: Final = msgspec.json.Decoder(tuple[str, ...])


class SqlProfiles:
    """The SQL implementation of `ProfileStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def profile(self, domain_id: str) -> DomainProfile:
        """Return what the account keeps about a domain; an empty profile where it keeps nothing."""
        return next(map(_profile, await self._engine.read("profile", domain_id=domain_id)), EMPTY)

    async def change_profile(
        self, domain: Domain, change: Callable[[DomainProfile], DomainProfile], audit: AuditRow
    ) -> DomainProfile | None:
        """Change a profile in one transaction, by a function that waits for nothing, and return it.

        Return None, with nothing written, where the domain is gone.
        """

        async def work(session: DatabaseSession) -> DomainProfile | None:
            if not await session.rows("lock_domain", id=domain.id):
                return None
            changed = change(next(map(_profile, await session.rows("profile", domain_id=domain.id)), EMPTY))
            await write_profile(session, domain, changed)
            await append_audit(session, audit)
            return changed

        return await self._engine.transact(work)


async def write_profile(session: DatabaseSession, domain: Domain, profile: DomainProfile) -> None:
    """Write what an account keeps about a domain, and nothing where that is nothing."""
    await delete_profile(session, domain.id)
    if profile == EMPTY:
        return
    contact = profile.contact
    await session.rows(
        "add_profile",
        domain_id=domain.id,
        account_id=domain.account_id,
        note=profile.note,
        copy_account=int(profile.copy_account),
        contact=contact.email if contact else None,
        contact_asked_at=rows.ms(contact.asked_at) if contact else None,
        contact_confirmed_at=rows.maybe_ms(contact.confirmed_at) if contact else None,
        contact_reminders=int(contact is None or contact.reminders),
        contact_language=contact.language if contact else None,
    )
    owner = {"account_id": domain.account_id, "sender": domain.sender, "domain_id": domain.id}
    for key, value in profile.labels.items():
        await session.rows("add_label", label=f"{key}:{value}", **owner)


async def delete_profile(session: DatabaseSession, domain_id: str) -> None:
    """Delete all that an account keeps about a domain."""
    await session.rows("delete_labels", domain_id=domain_id)
    await session.rows("delete_profile", domain_id=domain_id)


def _profile(row: DatabaseRow) -> DomainProfile:
    contact = None
    if row["contact"] is not None:
        contact = Contact(
            email=row["contact"],
            asked_at=rows.time(row["contact_asked_at"]),
            confirmed_at=rows.maybe_time(row["contact_confirmed_at"]),
            reminders=bool(row["contact_reminders"]),
            language=row["contact_language"],
        )
    pairs = sorted(each.partition(":") for each in _labels.decode(row["labels"] or "[]"))
    return DomainProfile(
        note=row["note"],
        labels={key: value for key, _, value in pairs},
        contact=contact,
        copy_account=bool(row["copy_account"]),
    )

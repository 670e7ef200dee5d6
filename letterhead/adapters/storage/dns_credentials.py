"""Kept credentials of DNS hosts, in SQL."""

from datetime import datetime

from msgspec.structs import replace

from letterhead.adapters.storage import rows
from letterhead.adapters.storage.accounts import append_audit
from letterhead.adapters.storage.engine import DatabaseRow, DatabaseSession, Engine
from letterhead.core.accounts.dns_credentials import DnsCredential
from letterhead.core.domain.domain import Domain
from letterhead.core.schedule.shares import PlacesHeld
from letterhead.ports.store.accounts import AuditRow
from letterhead.ports.store.dns_credentials import StoredDnsCredential


class SqlDnsCredentials:
    """The SQL implementation of `DnsCredentialStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def dns_credentials(self, account_id: str) -> list[DnsCredential]:
        """Return an account's credentials by zone, without their values."""
        return [_credential(row) for row in await self._engine.read("dns_credentials", account_id=account_id)]

    async def dns_credential(self, account_id: str, credential_id: str) -> StoredDnsCredential | None:
        """Return one of an account's credentials."""
        found = await self._engine.read("dns_credential", account_id=account_id, id=credential_id)
        return next(map(_stored, found), None)

    async def keep_dns_credential(self, stored: StoredDnsCredential, most: int, audit: AuditRow) -> bool:
        """Keep a credential in the place of the one for its zone; return false where the account has `most`."""
        kept = stored.credential

        async def work(session: DatabaseSession) -> bool:
            await session.rows("lock_account", id=kept.account_id)
            await session.rows("delete_dns_credential_of_zone", account_id=kept.account_id, zone=kept.zone)
            if len(await session.rows("dns_credentials", account_id=kept.account_id)) >= most:
                return False
            await session.rows(
                "keep_dns_credential",
                id=kept.id,
                account_id=kept.account_id,
                zone=kept.zone,
                host=kept.host,
                fields=" ".join(kept.fields),
                created_at=rows.ms(kept.created_at),
                put_back=int(kept.put_back),
                sealed=stored.sealed,
            )
            return await append_audit(session, audit)

        return await self._engine.transact(work)

    async def delete_dns_credential(self, account_id: str, credential_id: str, audit: AuditRow) -> bool:
        """Delete a credential; return false where there is none."""

        async def work(session: DatabaseSession) -> bool:
            if not await session.rows("delete_dns_credential", id=credential_id, account_id=account_id):
                return False
            return await append_audit(session, audit)

        return await self._engine.transact(work)

    async def note_dns_credential(self, credential_id: str, used_at: datetime, refused_code: str | None) -> bool:
        """Note that a credential was used, and whether the host took it; true where it did not for the first time."""
        at = rows.ms(used_at)
        if refused_code is None:
            await self._engine.write("note_dns_credential_taken", id=credential_id, used_at=at)
            return False
        refused = await self._engine.write(
            "note_dns_credential_refused", id=credential_id, used_at=at, refused_code=refused_code
        )
        return bool(refused)

    async def change_dns_credential(self, account_id: str, credential_id: str, put_back: bool, audit: AuditRow) -> bool:
        """Set whether vanished records are put back; return false where there is no such credential."""

        async def work(session: DatabaseSession) -> bool:
            key = {"id": credential_id, "account_id": account_id}
            if not await session.rows("change_dns_credential", put_back=int(put_back), **key):
                return False
            return await append_audit(session, audit)

        return await self._engine.transact(work)

    async def claim_dns_credentials(
        self, now: datetime, until: datetime, look_at: datetime, held: PlacesHeld
    ) -> list[StoredDnsCredential]:
        """Lease credentials that are due and that their hosts take, for the free places and shared by account."""
        claimed = await self._engine.write(
            "claim_dns_credentials",
            now=rows.ms(now),
            until=rows.ms(until),
            look_at=rows.ms(look_at),
            limit=held.free,
            **rows.share_values(held, held.free),
        )
        return [replace(_stored(row), lease_until=rows.time(row["lease_until"])) for row in claimed]

    async def renew_dns_credential(self, credential_id: str, held_until: datetime, until: datetime) -> bool:
        """Renew one's own lease of a credential, which was held until a time; return false where it is another's."""
        held = rows.ms(held_until)
        return bool(await self._engine.write("renew_dns_credential", id=credential_id, held=held, until=rows.ms(until)))

    async def release_dns_credential(self, credential_id: str, held_until: datetime, look_at: datetime | None) -> None:
        """End one's own lease of a credential; with a time, it is due then."""
        held, at = rows.ms(held_until), rows.maybe_ms(look_at)
        await self._engine.write("release_dns_credential", id=credential_id, held=held, look_at=at)

    async def held_in_zone(self, account_id: str, zone: str, limit: int, after: str = "") -> list[Domain]:
        """Return the first domains that an account holds at and below a zone's name, or those after one of them."""
        top = rows.path(zone)
        low = rows.path(after) + b"\0" if after else top
        found = await self._engine.read(
            "held_in_zone", low=low, high=top[:-1] + b"/", account_id=account_id, limit=limit
        )
        return [rows.domain(row) for row in found]


def _credential(row: DatabaseRow) -> DnsCredential:
    return DnsCredential(
        id=row["id"],
        account_id=row["account_id"],
        zone=row["zone"],
        host=row["host"],
        fields=tuple(row["fields"].split()),
        created_at=rows.time(row["created_at"]),
        put_back=bool(row["put_back"]),
        used_at=rows.maybe_time(row["used_at"]),
        refused_at=rows.maybe_time(row["refused_at"]),
        refused_code=row["refused_code"],
    )


def _stored(row: DatabaseRow) -> StoredDnsCredential:
    return StoredDnsCredential(credential=_credential(row), sealed=row["sealed"])

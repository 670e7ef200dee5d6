"""Kept credentials of DNS hosts."""

from datetime import datetime
from typing import Protocol

import msgspec

from letterhead.core.accounts.dns_credentials import DnsCredential
from letterhead.core.domain.domain import Domain
from letterhead.core.schedule.shares import PlacesHeld
from letterhead.ports.store.accounts import AuditRow


class StoredDnsCredential(msgspec.Struct, frozen=True, kw_only=True):
    """A kept credential as it is stored; its values open for the purpose `dns-credential|<account>|<zone>|<id>`.

    `lease_until` is that of the lease with which it was claimed.
    """

    credential: DnsCredential
    sealed: bytes
    lease_until: datetime | None = None


class DnsCredentialStore(Protocol):
    """Kept credentials of DNS hosts; they go with the account."""

    async def dns_credentials(self, account_id: str) -> list[DnsCredential]:
        """Return an account's credentials by zone, without their values."""
        ...

    async def dns_credential(self, account_id: str, credential_id: str) -> StoredDnsCredential | None:
        """Return one of an account's credentials."""
        ...

    async def keep_dns_credential(self, stored: StoredDnsCredential, most: int, audit: AuditRow) -> bool:
        """Keep a credential in the place of the one for its zone; return false where the account has `most`."""
        ...

    async def delete_dns_credential(self, account_id: str, credential_id: str, audit: AuditRow) -> bool:
        """Delete a credential; return false where there is none."""
        ...

    async def note_dns_credential(self, credential_id: str, used_at: datetime, refused_code: str | None) -> bool:
        """Note that a credential was used, and whether the host took it; true where it did not for the first time."""
        ...

    async def change_dns_credential(self, account_id: str, credential_id: str, put_back: bool, audit: AuditRow) -> bool:
        """Set whether vanished records are put back; return false where there is no such credential."""
        ...

    async def claim_dns_credentials(
        self, now: datetime, until: datetime, look_at: datetime, held: PlacesHeld
    ) -> list[StoredDnsCredential]:
        """Lease credentials that are due and that their hosts take, for the free places and shared by account.

        Each is due again at `look_at`.
        """
        ...

    async def renew_dns_credential(self, credential_id: str, held_until: datetime, until: datetime) -> bool:
        """Renew one's own lease of a credential, which was held until a time; return false where it is another's."""
        ...

    async def release_dns_credential(self, credential_id: str, held_until: datetime, look_at: datetime | None) -> None:
        """End one's own lease of a credential; with a time, it is due then."""
        ...

    async def held_in_zone(self, account_id: str, zone: str, limit: int, after: str = "") -> list[Domain]:
        """Return the first domains that an account holds at and below a zone's name, or those after one of them."""
        ...

"""An account from another installation, written at once."""

from typing import Protocol

import msgspec

from letterhead.core.accounts.accounts import Account, ApiKey
from letterhead.core.accounts.members import Member
from letterhead.core.domain.domain import Domain, Effect
from letterhead.core.domain.profile import DomainProfile
from letterhead.core.public.webhooks import Webhook
from letterhead.ports.store.accounts import AuditRow
from letterhead.ports.store.domains import DomainEvent, NewDomainKey


class ImportedDomain(msgspec.Struct, frozen=True, kw_only=True):
    """A domain with its sealed keys, that of its own selector among them, the work owed outside, and its profile.

    `covers` is whether it covers the names below it.
    """

    domain: Domain
    keys: tuple[NewDomainKey, ...]
    effects: tuple[Effect, ...]
    profile: DomainProfile = DomainProfile()
    covers: bool = False


class ImportedAccount(msgspec.Struct, frozen=True, kw_only=True):
    """All that one transaction writes for an account; webhooks come with their sealed secrets."""

    account: Account
    members: tuple[Member, ...] = ()
    key: ApiKey
    digest: bytes
    domains: tuple[ImportedDomain, ...]
    webhooks: tuple[tuple[Webhook, bytes], ...]
    events: tuple[DomainEvent, ...]


class AccountImportStore(Protocol):
    """The writing of an account from another installation."""

    async def import_account(self, imported: ImportedAccount, audit: AuditRow) -> None:
        """Write an account with all that it has, or nothing; raise Fault `conflict` where an id or a name is taken."""
        ...

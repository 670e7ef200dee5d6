"""Verified claims that decide who may send from a name below them."""

from typing import Protocol

import msgspec

from letterhead.core.accounts.key_bounds import DomainBinding
from letterhead.core.domain.domain import Domain
from letterhead.ports.store.accounts import AuditRow


class CoverClaims(msgspec.Struct, frozen=True, kw_only=True):
    """Verified claims at some names: an account's own, each with whether it covers names below, and others' names.

    `zones` are those of the names that are delegated zones in which another account has a verified claim.
    """

    own: tuple[tuple[Domain, bool], ...] = ()
    others: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()


class CoveringDomain(msgspec.Struct, frozen=True, kw_only=True):
    """A verified domain that covers the names below it, except those at and below `taken_out`.

    `is_whole` is false where more names are taken out than are listed.
    """

    sender: str
    taken_out: tuple[str, ...] = ()
    is_whole: bool = True


class SubdomainCoverStore(Protocol):
    """Verified claims that decide who may send from a name below them."""

    async def cover_claims(self, account_id: str, names: tuple[str, ...]) -> CoverClaims:
        """Return the verified claims at these names, and which of them are zones that other accounts have proven."""
        ...

    async def covers_subdomains(self, domain_id: str) -> bool:
        """Tell whether a domain covers the names below it; false where it is gone."""
        ...

    async def set_covers_subdomains(self, domain_id: str, covers: bool, audit: AuditRow) -> bool:
        """Set whether a domain covers the names below it; return false where it is gone."""
        ...

    async def covering_domains(self, account_id: str, after: str, limit: int) -> list[CoveringDomain]:
        """Return a page of an account's verified domains that cover names below, with the names that are taken out."""
        ...

    async def covering_domains_within(
        self, account_id: str, binding: DomainBinding, after: str, limit: int
    ) -> list[CoveringDomain]:
        """Return a page as `covering_domains` does, of those at and below a binding's names."""
        ...

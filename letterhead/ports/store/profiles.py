"""What accounts keep about their domains: notes, labels and contacts."""

from collections.abc import Callable
from typing import Protocol

from letterhead.core.domain.domain import Domain
from letterhead.core.domain.profile import DomainProfile
from letterhead.ports.store.accounts import AuditRow


class ProfileStore(Protocol):
    """What accounts keep about their domains; it goes with the domain, and with the account's hold of its name."""

    async def profile(self, domain_id: str) -> DomainProfile:
        """Return what the account keeps about a domain; an empty profile where it keeps nothing."""
        ...

    async def change_profile(
        self, domain: Domain, change: Callable[[DomainProfile], DomainProfile], audit: AuditRow
    ) -> DomainProfile | None:
        """Change a profile in one transaction, by a function that waits for nothing, and return it.

        Return None, with nothing written, where the domain is gone.
        """
        ...

"""The domains and events that an API key bound to domains is held to."""

from collections.abc import Collection
from typing import Protocol

from letterhead.core.accounts.key_bounds import DomainBinding
from letterhead.core.domain.domain import Domain
from letterhead.ports.store.domains import DomainEvent, DomainQuery, SealedKeys


class BoundDomainStore(Protocol):
    """Lists of one account's domains and events that a binding covers, as `DomainStore` has them of all."""

    async def domains_within(self, account_id: str, binding: DomainBinding, page: DomainQuery) -> list[Domain]:
        """Return the covered domains in the order of their names."""
        ...

    async def list_versions_within(self, account_id: str, binding: DomainBinding) -> list[tuple[str, int]]:
        """Return the ids and versions of the covered domains."""
        ...

    async def events_within(
        self, account_id: str, binding: DomainBinding, after: str | None, limit: int, sender: str | None
    ) -> list[DomainEvent]:
        """Return events of covered names, or of one of them, the oldest first; `after` is an event's id."""
        ...

    async def sealed_keys_of(self, domain_ids: Collection[str]) -> SealedKeys:
        """Return the sealed private keys of some domains, by domain id and selector."""
        ...

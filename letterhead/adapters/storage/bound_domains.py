"""The domains and events that a binding covers, in SQL."""

from collections.abc import Collection
from typing import Final

from letterhead.adapters.storage import key_rows, rows
from letterhead.adapters.storage.engine import Engine, storable
from letterhead.core.accounts.key_bounds import DomainBinding
from letterhead.core.domain.domain import Domain
from letterhead.ports.store.domains import DomainEvent, DomainQuery, SealedKeys

ALL: Final = 2**31 - 1


class SqlBoundDomains:
    """The SQL implementation of `BoundDomainStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def domains_within(self, account_id: str, binding: DomainBinding, page: DomainQuery) -> list[Domain]:
        """Return the covered domains in the order of their names."""
        found = await self._engine.read(
            "domains_within",
            account_id=account_id,
            after=page.after or "",
            status=page.status,
            not_status=page.not_status,
            contains=page.contains or None,
            problem=rows.problem(page.problem) if page.problem else None,
            labels=rows.json(page.labels),
            limit=ALL if page.limit is None else page.limit,
            **key_rows.binding_values(binding),
        )
        return [rows.domain(row) for row in found]

    async def list_versions_within(self, account_id: str, binding: DomainBinding) -> list[tuple[str, int]]:
        """Return the ids and versions of the covered domains."""
        within = key_rows.binding_values(binding)
        found = await self._engine.read("domain_versions_within", account_id=account_id, after="", **within)
        return [(row["id"], row["version"]) for row in found]

    async def events_within(
        self, account_id: str, binding: DomainBinding, after: str | None, limit: int, sender: str | None
    ) -> list[DomainEvent]:
        """Return events of covered names, or of one of them, the oldest first; `after` is an event's id."""
        wanted: rows.Values = {"account_id": account_id, "after": after or "", "limit": limit, "sender": sender}
        found = await self._engine.read("events_within", **wanted, **key_rows.binding_values(binding))
        return [rows.domain_event(row) for row in found]

    async def sealed_keys_of(self, domain_ids: Collection[str]) -> SealedKeys:
        """Return the sealed private keys of some domains, by domain id and selector."""
        found = await self._engine.read("sealed_keys_of", domain_ids=rows.json([storable(one) for one in domain_ids]))
        return {(row["domain_id"], row["selector"]): row["sealed"] for row in found}

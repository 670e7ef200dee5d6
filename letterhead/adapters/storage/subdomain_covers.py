"""Verified claims that decide who may send from a name below them, in SQL."""

from collections.abc import Sequence
from typing import Final

from letterhead.adapters.storage import rows
from letterhead.adapters.storage.accounts import append_audit
from letterhead.adapters.storage.engine import DatabaseRow, DatabaseSession, Engine, storable
from letterhead.core.accounts.key_bounds import DomainBinding
from letterhead.core.domain.subdomain_cover import is_below, outermost
from letterhead.ports.store.accounts import AuditRow
from letterhead.ports.store.subdomain_covers import CoverClaims, CoveringDomain

MOST_TAKEN: Final = 100  # other accounts' names below one domain that are listed


class SqlSubdomainCovers:
    """The SQL implementation of `SubdomainCoverStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def cover_claims(self, account_id: str, names: tuple[str, ...]) -> CoverClaims:
        """Return the verified claims at these names, and which of them are zones that other accounts have proven."""
        wanted = rows.json([storable(name) for name in names])
        found = await self._engine.read("cover_claims", names=wanted, account_id=account_id)
        return CoverClaims(
            own=tuple((rows.domain(row), bool(row["covers"])) for row in found if row["life"] is not None),
            others=tuple(row["sender"] for row in found if row["life"] is None and not row["is_zone"]),
            zones=tuple(row["sender"] for row in found if row["is_zone"]),
        )

    async def covers_subdomains(self, domain_id: str) -> bool:
        """Tell whether a domain covers the names below it; false where it is gone."""
        return any(row["covers"] for row in await self._engine.read("covers_subdomains", id=domain_id))

    async def set_covers_subdomains(self, domain_id: str, covers: bool, audit: AuditRow) -> bool:
        """Set whether a domain covers the names below it; return false where it is gone."""

        async def work(session: DatabaseSession) -> bool:
            changed = await session.rows("set_covers", id=domain_id, covers=int(covers))
            return bool(changed) and await append_audit(session, audit)

        return await self._engine.transact(work)

    async def covering_domains(self, account_id: str, after: str, limit: int) -> list[CoveringDomain]:
        """Return a page of an account's verified domains that cover names below, with the names that are taken out."""
        page = await self._engine.read("covering_domains", account_id=account_id, after=after, limit=limit)
        return await self._with_taken_out(account_id, page)

    async def covering_domains_within(
        self, account_id: str, binding: DomainBinding, after: str, limit: int
    ) -> list[CoveringDomain]:
        """Return a page as `covering_domains` does, of those at and below a binding's names."""
        wanted: rows.Values = {"names": rows.json(binding.names), "after": after, "limit": limit}
        page = await self._engine.read("covering_domains_within", account_id=account_id, **wanted)
        return await self._with_taken_out(account_id, page)

    async def _with_taken_out(self, account_id: str, page: Sequence[DatabaseRow]) -> list[CoveringDomain]:
        taken: dict[str, list[str]] = {row["sender"]: [] for row in page}
        if not taken:
            return []
        senders = rows.json(list(taken))
        for row in await self._engine.read("taken_out", account_id=account_id, senders=senders, limit=MOST_TAKEN + 1):
            sender, cut = row["covering"], row["cut"]
            taken[sender].append(cut if cut is not None and is_below(cut, sender) else row["sender"])
        return [
            CoveringDomain(
                sender=sender,
                taken_out=outermost(names[:MOST_TAKEN]),
                is_whole=len(names) <= MOST_TAKEN,
            )
            for sender, names in taken.items()
        ]

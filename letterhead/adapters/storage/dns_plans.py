"""Plans of what to write in a domain's zone, in SQL."""

from typing import Final

import msgspec
from msgspec.structs import replace

from letterhead.adapters.storage import rows
from letterhead.adapters.storage.accounts import append_audit
from letterhead.adapters.storage.engine import DatabaseRow, DatabaseSession, Engine
from letterhead.core.zone_changes.dns_plan import DnsPlan
from letterhead.ports.store.accounts import AuditRow

_body: Final = msgspec.json.Decoder(DnsPlan)


class SqlDnsPlans:
    """The SQL implementation of `DnsPlanStore`; a plan is stored whole, as JSON."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def add_dns_plan(self, plan: DnsPlan, most: int, audit: AuditRow) -> None:
        """Add a plan, and delete the oldest of its domain beyond `most`; Fault `conflict` where the domain is gone."""

        async def work(session: DatabaseSession) -> None:
            await session.rows("lock_domain", id=plan.domain_id)  # two at a time would not see each other's plan
            await session.rows(
                "add_dns_plan",
                id=plan.id,
                domain_id=plan.domain_id,
                created_at=rows.ms(plan.created_at),
                body=rows.json(plan),
            )
            await session.rows("delete_oldest_dns_plans", domain_id=plan.domain_id, kept=most)
            await append_audit(session, audit)

        await self._engine.transact(work)

    async def dns_plan(self, domain_id: str, plan_id: str) -> DnsPlan | None:
        """Return one plan of a domain, or None."""
        found = await self._engine.read("dns_plan", domain_id=domain_id, id=plan_id)
        return next(map(_plan, found), None)

    async def dns_plans(self, domain_id: str) -> list[DnsPlan]:
        """Return the plans of a domain, the newest first."""
        return [_plan(row) for row in await self._engine.read("dns_plans", domain_id=domain_id)]

    async def save_dns_plan(self, plan: DnsPlan, audit: AuditRow | None) -> bool:
        """Save a plan with what is audited of it; return false where it is gone or has changed since it was read."""

        async def work(session: DatabaseSession) -> bool:
            key = {"id": plan.id, "domain_id": plan.domain_id}
            if not await session.rows("save_dns_plan", read_version=plan.version, body=rows.json(plan), **key):
                return False
            return audit is None or await append_audit(session, audit)

        return await self._engine.transact(work)


def _plan(row: DatabaseRow) -> DnsPlan:
    return replace(_body.decode(row["body"]), version=row["version"])

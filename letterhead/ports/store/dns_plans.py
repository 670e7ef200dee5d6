"""Plans of what to write in a domain's zone at its DNS host."""

from typing import Protocol

from letterhead.core.zone_changes.dns_plan import DnsPlan
from letterhead.ports.store.accounts import AuditRow


class DnsPlanStore(Protocol):
    """Plans of what to write in a domain's zone; they go with the domain, and no credential is ever among them."""

    async def add_dns_plan(self, plan: DnsPlan, most: int, audit: AuditRow) -> None:
        """Add a plan, and delete the oldest of its domain beyond `most`; Fault `conflict` where the domain is gone."""
        ...

    async def dns_plan(self, domain_id: str, plan_id: str) -> DnsPlan | None:
        """Return one plan of a domain, or None."""
        ...

    async def dns_plans(self, domain_id: str) -> list[DnsPlan]:
        """Return the plans of a domain, the newest first."""
        ...

    async def save_dns_plan(self, plan: DnsPlan, audit: AuditRow | None) -> bool:
        """Save a plan with what is audited of it.

        Return false, with nothing written, where it is gone or has changed since it was read.
        """
        ...

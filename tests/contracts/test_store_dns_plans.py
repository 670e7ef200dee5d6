"""The store keeps plans of what to write in a zone, on both engines: few of a domain, and each change of one once."""

import asyncio

from msgspec.structs import replace

from letterhead.core.dns.records import RRset, Txt
from letterhead.core.plan.plan import RecordId
from letterhead.core.zone_changes.changes import Action, PlannedChange
from letterhead.core.zone_changes.dns_plan import DnsPlan, PlanState
from tests.contracts.samples import NOW, Shop, audit, event, fresh_id, later

TEXT = RRset(owner="lh.example.com", rdtype="TXT", ttl=60, rdatas=(Txt(strings=("odd \0\xff text", "x" * 255)),))


def plan(account_id: str, domain_id: str, minutes: float = 0) -> DnsPlan:
    """Make a plan with one change."""
    change = PlannedChange(
        id=RecordId.MAIL_FROM_SPF, owner=TEXT.owner, rdtype="TXT", action=Action.CREATE, before=None, after=TEXT,
        reason="There is none.",
    )  # fmt: skip
    return DnsPlan(
        id=fresh_id("plan"), account_id=account_id, domain_id=domain_id, host="knot", zone="example.com",
        state=PlanState.PLANNED, changes=(change,), created_at=later(minutes=minutes), changed_at=NOW,
    )  # fmt: skip


async def test_a_plan_comes_back_as_it_was_for_its_domain_alone(shop: Shop) -> None:
    """Every octet of it; another domain's id finds nothing, and the audit has the step."""
    made = await shop.account()
    kept, other = await shop.domain(made.id, "example.com"), await shop.domain(made.id, "example.net")
    added = plan(made.id, kept.id)
    await shop.store.add_dns_plan(added, 5, audit("dns-plan.make"))
    assert await shop.store.dns_plan(kept.id, added.id) == added
    assert await shop.store.dns_plan(other.id, added.id) is None
    assert await shop.store.dns_plans(other.id) == []
    assert (await shop.store.audit_rows(None, None, 1))[0].row.action == "dns-plan.make"


async def test_a_plan_is_saved_once_for_each_time_that_it_was_read(shop: Shop) -> None:
    """Of two that read the same, one wins; the other writes nothing, not even into the audit."""
    made = await shop.account()
    kept = await shop.domain(made.id, "example.com")
    added = plan(made.id, kept.id)
    await shop.store.add_dns_plan(added, 5, audit())
    begun = replace(added, state=PlanState.APPLYING, busy_until=later(minutes=2))
    won = await asyncio.gather(*(shop.store.save_dns_plan(begun, audit("dns-plan.apply")) for _ in range(5)))
    assert sorted(won) == [False] * 4 + [True]
    assert await shop.store.dns_plan(kept.id, added.id) == replace(begun, version=1)
    rows = await shop.store.audit_rows(None, None, 10)
    assert [each.row.action for each in rows].count("dns-plan.apply") == 1
    assert await shop.store.save_dns_plan(replace(begun, version=1, state=PlanState.FAILED), None)


async def test_few_plans_of_a_domain_are_kept(shop: Shop) -> None:
    """The newest stay, also where several are added at once; those of another domain are not touched."""
    made = await shop.account()
    kept, other = await shop.domain(made.id, "example.com"), await shop.domain(made.id, "example.net")
    await shop.store.add_dns_plan(plan(made.id, other.id), 3, audit())
    plans = [plan(made.id, kept.id, minutes) for minutes in range(6)]
    await asyncio.gather(*(shop.store.add_dns_plan(each, 3, audit()) for each in plans))
    assert len(await shop.store.dns_plans(kept.id)) == 3
    newest = plan(made.id, kept.id, 60)
    await shop.store.add_dns_plan(newest, 3, audit())
    assert (await shop.store.dns_plans(kept.id))[0] == newest
    assert len(await shop.store.dns_plans(other.id)) == 1


async def test_old_plans_and_those_of_deleted_domains_go(shop: Shop) -> None:
    """By their age, and with their domain."""
    made = await shop.account()
    kept = await shop.domain(made.id, "example.com")
    for minutes in (0, 60):
        await shop.store.add_dns_plan(plan(made.id, kept.id, minutes), 5, audit())
    assert await shop.store.prune_dns_plans(NOW) == 0
    assert await shop.store.prune_dns_plans(later(minutes=30)) == 1
    assert len(await shop.store.dns_plans(kept.id)) == 1
    now = await shop.store.domain_by_id(kept.id)
    assert now is not None and await shop.store.delete(now, event(), (), audit())
    assert await shop.store.dns_plans(kept.id) == []

"""Plan, apply, verified, undo at real servers through octoDNS: PowerDNS by its API, Knot DNS and BIND by RFC 2136."""

from pathlib import Path

import pytest

from letterhead.core.domain.health import HealthState
from letterhead.core.zone_changes.changes import Action
from letterhead.core.zone_changes.dns_plan import PlanState
from letterhead.errors import Fault, Kind
from letterhead.operations import dns_credentials, dns_plans, record_upkeep, rotations
from letterhead.operations.hosted_zones import given_access
from letterhead.operations.rotations import NOTHING
from letterhead.wiring.assemble import Overrides
from tests.adapters.test_dns_hosts import WRONG, Rig, bind, by_name, knot, powerdns
from tests.operations.conftest import opened_at_lab
from tests.operations.test_record_upkeep import FREE
from tests.operations.world import OPERATOR, Clock
from tests.rigs.dns_lab import DnsLab


@pytest.mark.parametrize("start", [powerdns, knot, bind])
async def test_plan_apply_verified_rotated_undo(
    lab: DnsLab, provider: str, tmp_path: Path, clock: Clock, start: object
) -> None:
    """With a credential that is kept; what others have in the zone stays, and at the end the zone is as before."""
    (tmp_path / "server").mkdir()
    with start(lab, tmp_path / "server") as rig:  # type: ignore[operator] # one of the rigs
        assert isinstance(rig, Rig)
        settings = {
            "DNS_PACKETS_PER_SECOND": "1000",
            "DNS_SERVERS": ",".join(f"{host}:{port}" for host, port in rig.servers),
        }
        async with opened_at_lab(tmp_path, lab, Overrides(now=clock), **settings) as world:
            before = by_name(await rig.open().read())
            await world.add(rig.name)
            whose = world.account.id
            wrong = given_access(rig.host, dict(rig.fields) | WRONG[rig.host])
            with pytest.raises(Fault) as refused:
                await dns_credentials.keep_credential(world.deps, whose, rig.name, wrong, OPERATOR)
            assert refused.value.kind is Kind.DNS_HOST_REFUSED
            kept = await dns_credentials.keep_credential(
                world.deps, whose, rig.name, given_access(rig.host, rig.fields), OPERATOR
            )
            access = given_access("", {}, kept.id)
            made = await dns_plans.make_plan(world.deps, whose, rig.name, access, OPERATOR)
            assert {each.action for each in made.changes} == {Action.CREATE}
            written = await dns_plans.apply_plan(world.deps, whose, rig.name, made.id, access, OPERATOR)
            served = await dns_plans.wait_until_served(world.deps, written)
            assert served.state is PlanState.SERVED, served.missing_at
            lab.flush()
            assert (await world.look(rig.name)).dkim.state is HealthState.VERIFIED
            domain = await rotations.start(world.deps, whose, rig.name, NOTHING, OPERATOR)
            clock.turn(minutes=3)
            for zone in await record_upkeep.claim_zones(world.deps, FREE):
                await record_upkeep.look_after_zone(world.deps, zone)
            (newest, *_) = await world.deps.store.dns_plans(domain.id)
            assert (newest.automatic, newest.state) == (True, PlanState.WRITTEN)
            for plan in (newest, made):
                await dns_plans.undo_plan(world.deps, whose, rig.name, plan.id, access, OPERATOR)
            assert by_name(await rig.open().read()) == before

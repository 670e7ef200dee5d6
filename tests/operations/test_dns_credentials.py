"""Credentials of DNS hosts that are kept: tried first, sealed, for one zone of a name that the account holds."""

import pytest

from letterhead.core.zone_changes.dns_plan import PlanState
from letterhead.errors import Fault, Kind
from letterhead.operations import dns_credentials, dns_plans
from letterhead.operations.hosted_zones import GivenAccess, given_access
from tests.operations.test_dns_plans import fault_of
from tests.operations.world import OPERATOR, World
from tests.rigs.dns_lab import DnsLab
from tests.rigs.hosted_zones import HOST, TOKEN, LabHost

ACCESS = given_access(HOST, {"token": TOKEN})


@pytest.fixture
def world(writing_world: World) -> World:
    """Return an installation that writes at the lab's DNS host."""
    return writing_world


async def keep(world: World, sender: str, access: GivenAccess = ACCESS) -> str:
    """Keep a credential for the zone of a domain, and give its id."""
    kept = await dns_credentials.keep_credential(world.deps, world.account.id, sender, access, OPERATOR)
    return kept.id


async def test_a_kept_credential_plans_and_applies(zone: str, world: World) -> None:
    """With nothing but its id; what is stored of it is sealed, and the audit has its being kept."""
    await world.add(zone)
    kept = GivenAccess(host="", credential_id=await keep(world, zone))
    made = await dns_plans.make_plan(world.deps, world.account.id, zone, kept, OPERATOR)
    assert made.host == HOST
    after = await dns_plans.apply_plan(world.deps, world.account.id, zone, made.id, kept, OPERATOR)
    assert after.state is PlanState.WRITTEN
    (listed,) = await dns_credentials.list_credentials(world.deps, world.account.id)
    assert (listed.zone, listed.host, listed.fields) == (zone, HOST, ("token",))
    stored = await world.deps.store.dns_credential(world.account.id, listed.id)
    assert stored is not None
    assert TOKEN.encode() not in stored.sealed
    assert TOKEN not in repr(listed)
    rows = [each.row for each in await world.deps.store.audit_rows(None, None, 50)]
    assert "dns-credential.keep" in [each.action for each in rows]
    assert TOKEN not in repr(rows)


async def test_one_that_the_host_does_not_take_is_not_kept(zone: str, world: World) -> None:
    """It is tried before anything is stored."""
    await world.add(zone)
    fault = await fault_of(keep(world, zone, given_access(HOST, {"token": "revoked-token"})))
    assert fault.kind is Kind.DNS_HOST_REFUSED
    assert await dns_credentials.list_credentials(world.deps, world.account.id) == []


async def test_it_is_used_for_its_zone_and_its_account_alone(lab: DnsLab, zone: str, world: World) -> None:
    """Another zone, another host and another account are refused; a deleted one is gone."""
    other = lab.zone(f"other-{zone}")
    await world.add(zone)
    await world.add(other)
    kept = await keep(world, zone)
    access = GivenAccess(host="", credential_id=kept)
    fault = await fault_of(dns_plans.make_plan(world.deps, world.account.id, other, access, OPERATOR))
    assert (fault.kind, zone in fault.detail) == (Kind.CONFLICT, True)
    elsewhere = GivenAccess(host="cloudflare", credential_id=kept)
    fault = await fault_of(dns_plans.make_plan(world.deps, world.account.id, zone, elsewhere, OPERATOR))
    assert fault.kind is Kind.CONFLICT
    stranger = (await world.other("Stranger")).account
    fault = await fault_of(dns_credentials.delete_credential(world.deps, stranger.id, kept, OPERATOR))
    assert fault.kind is Kind.NOT_FOUND
    assert await dns_credentials.list_credentials(world.deps, stranger.id) == []
    await dns_credentials.delete_credential(world.deps, world.account.id, kept, OPERATOR)
    fault = await fault_of(dns_plans.make_plan(world.deps, world.account.id, zone, access, OPERATOR))
    assert fault.kind is Kind.NOT_FOUND


async def test_a_zone_has_the_newest_credential(zone: str, world: World, host: LabHost) -> None:
    """A new token takes the place of the old one."""
    await world.add(zone)
    first = await keep(world, zone)
    host.token = "lab-token-that-is-new-0123456789abcdef"
    second = await keep(world, zone, given_access(HOST, {"token": host.token}))
    assert second != first
    assert [each.id for each in await dns_credentials.list_credentials(world.deps, world.account.id)] == [second]


@pytest.mark.parametrize(("fields", "credential_id"), [({}, ""), ({"token": "abc"}, "dns_0123456789abcdef")])
def test_one_way_to_sign_in_is_needed(fields: dict[str, str], credential_id: str) -> None:
    """Neither none nor two."""
    with pytest.raises(Fault) as refused:
        given_access(HOST, fields, credential_id)
    assert refused.value.kind is Kind.PARAMETER_INVALID

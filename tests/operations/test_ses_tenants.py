"""Tenants at Amazon SES: one for each account, made, filled and removed with its identities."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from letterhead.adapters.providers.ses.tenants import TENANT_PROBES, tenant_of
from letterhead.core.domain.health import HealthState
from letterhead.operations import domains, reconcile
from letterhead.operations.provider_work import owner_tag
from tests.operations.ses_story import SesStory, ses_story
from tests.operations.world import OPERATOR, Clock
from tests.rigs.dns_lab import DnsLab
from tests.rigs.ses_wire import Ill

JOIN, MAKE = "CreateTenantResourceAssociation", "CreateTenant"


@pytest.fixture
async def story(lab: DnsLab, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SesStory]:
    """Open an installation that sends by SES, with tenants."""
    async with ses_story(lab, clock, tmp_path, monkeypatch, SES_TENANTS="true") as story:
        yield story


def tenant(story: SesStory) -> str:
    """Name the tenant of the story's account."""
    return f"letterhead-{story.world.deps.policy.installation}-{story.world.account.id}"


async def delete(story: SesStory, sender: str) -> None:
    """Delete a domain and do what follows."""
    await domains.delete_domain(story.world.deps, story.world.account.id, sender, OPERATOR)
    await story.world.work()


async def test_one_tenant_for_an_account(zone: str, split_zone: str, story: SesStory) -> None:
    """Both domains of an account are in its one tenant; it goes with the last of them."""
    first, state = await story.verified(zone), story.ses.state
    assert (first.dkim.state, state.tenants) == (HealthState.VERIFIED, {tenant(story): {state.arn(zone)}})
    await story.verified(split_zone)
    assert state.tenants == {tenant(story): {state.arn(zone), state.arn(split_zone)}}
    assert [len(story.ses.calls(each)) for each in (MAKE, JOIN)] == [1, 3]
    assert tenant_of(owner_tag(story.world.deps, first)) == tenant(story)
    assert len(tenant(story)) <= 64
    await delete(story, zone)
    assert state.tenants == {tenant(story): {state.arn(split_zone)}}
    await delete(story, split_zone)
    assert (state.tenants, state.identities) == ({}, {})


async def test_a_tenant_with_something_of_the_operators_stays(zone: str, story: SesStory) -> None:
    """What an operator put into a tenant keeps it when the account's last identity goes."""
    await story.verified(zone)
    story.ses.state.tenants[tenant(story)].add("arn:aws:ses:eu-west-1:123456789012:configuration-set/theirs")
    await delete(story, zone)
    assert story.ses.state.tenants.keys() == {tenant(story)}
    assert story.ses.state.identities == {}


@pytest.mark.parametrize("operation", [MAKE, JOIN])
async def test_trouble_leaves_nothing_half_done(zone: str, story: SesStory, operation: str) -> None:
    """An answer that is lost, or a process that dies, in the middle: the same work done again puts it right."""
    story.ses.ills[operation] = [Ill(status=500, code="InternalFailure", after=True)] * 4
    await story.verified(zone)
    for _ in range(3):
        domain = await story.look(zone, minutes=30)
    assert domain.dkim.state is HealthState.VERIFIED
    assert story.ses.state.tenants == {tenant(story): {story.ses.state.arn(zone)}}
    assert story.ses.ills[operation] == []


async def test_withdrawn_again_after_it_broke_off(zone: str, story: SesStory) -> None:
    """Where the identity went and the tenant did not, the withdrawal that is repeated takes the tenant too."""
    domain = await story.verified(zone)
    owner, state = owner_tag(story.world.deps, domain), story.ses.state
    state.tenants[tenant(story)].clear()
    del state.identities[zone]
    for _ in range(2):
        await story.world.deps.provider.withdraw(zone, owner)
        assert state.tenants == {}


async def test_a_hand_over_changes_the_tenant(zone: str, story: SesStory) -> None:
    """A name that goes to another account goes to that account's tenant, and out of the other's."""
    first, state = await story.verified(zone), story.ses.state
    other = SesStory(await story.world.other("second"), story.ses, story.lab, story.clock)
    other.publish(other.plan(await other.world.add(zone))[0])
    await other.look(zone, minutes=5)
    assert state.tenants == {tenant(story): {state.arn(zone)}}
    story.lab.withdraw(story.plan(first)[0].host, "TXT")
    await other.look(zone, minutes=5)
    await other.look(zone, hours=25)
    await other.world.work()
    assert state.tenants == {tenant(other): {state.arn(zone)}}


async def test_switched_on_later_by_adopting(zone: str, story: SesStory) -> None:
    """An identity from before the tenants goes into its account's by an operator's adoption."""
    await story.verified(zone)
    story.ses.state.tenants.clear()
    assert (await reconcile.adopt(story.world.deps, OPERATOR, zone, apply=True)).adopted
    assert story.ses.state.tenants == {tenant(story): {story.ses.state.arn(zone)}}


async def test_doctor_tells_missing_permissions(story: SesStory) -> None:
    """The actions for tenants are tried too, and nothing is made by that."""
    *_, actions = await story.world.deps.provider.full_health()
    assert (actions.ok, story.ses.state.tenants) == (True, {})
    story.ses.state.denied = {MAKE, "DeleteTenant"}
    *_, actions = await story.world.deps.provider.full_health()
    assert actions.said == "not allowed: ses:CreateTenant, ses:DeleteTenant"
    assert len(TENANT_PROBES) == 5


async def test_without_the_setting_there_are_none(
    lab: DnsLab, zone: str, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tenants are nobody's concern unless the operator turns them on."""
    async with ses_story(lab, clock, tmp_path, monkeypatch) as story:
        await story.verified(zone)
        await delete(story, zone)
        assert not [each for each in story.ses.ledger if "Tenant" in each.operation]

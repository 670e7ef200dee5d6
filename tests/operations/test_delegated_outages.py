"""Delegated keys while our own zone can't be written: nothing is lost, nobody is verified too early, all is said."""

from datetime import timedelta
from pathlib import Path

import pytest

from letterhead.core.domain.health import HealthState
from letterhead.core.rotation import rotation
from letterhead.core.rotation.rotation import Stage
from letterhead.errors import Fault, Kind
from letterhead.operations import checks, domains, rotations
from letterhead.operations.rotations import NOTHING
from letterhead.wiring.assemble import Overrides
from tests.operations.delegated_story import TSIG, Story, delegated_story, key_zone
from tests.operations.world import OPERATOR, Clock, opened
from tests.rigs.dns_lab import DnsLab
from tests.rigs.processes import free_port


async def owed(story: Story) -> int:
    """Count the work that is due or postponed."""
    return (await story.world.deps.store.backlog(story.clock() + timedelta(days=1))).intents


async def test_a_new_domain_waits_until_our_zone_has_its_key(
    lab: DnsLab, clock: Clock, tmp_path: Path, zone: str
) -> None:
    """Aliases alone prove nothing; the finding says that it is ours; with the server back it is SUCCESS by itself."""
    keys = key_zone(lab)
    nowhere = {"DKIM_ZONE_SERVER": f"127.0.0.1:{free_port('127.0.0.1')}"}
    async with delegated_story(lab, clock, tmp_path, keys, **nowhere) as story:
        story.points(*story.records(await story.add(zone)).values())
        for _ in range(3):
            domain = await story.look(zone, minutes=20)
            assert (domain.dkim.state, domain.is_holder) == (HealthState.PENDING, False)
            assert await story.found(zone) == {("dkim.not-served", "blocking")}
            assert await owed(story) == 1
    async with delegated_story(lab, clock, tmp_path, keys) as again:
        clock.turn(minutes=16)
        same = Story(again.world, lab, clock, keys)
        await same.world.work()
        assert await owed(same) == 0
        await looked(same, domain.account_id, zone)
        found = await same.world.deps.store.domain_by_id(domain.id)
        assert found is not None
        assert set(same.held(found)) == {"lh1", "lh2"}
        assert found.dkim.state is HealthState.VERIFIED


async def test_a_change_of_keys_waits_for_our_zone_and_goes_on(
    lab: DnsLab, clock: Clock, tmp_path: Path, zone: str
) -> None:
    """A key that the server refuses to take never signs; the work stays owed, and is done once the key is right."""
    keys, account = key_zone(lab), ""
    async with delegated_story(lab, clock, tmp_path, keys) as story:
        await story.verified(zone)
        account = story.world.account.id
    async with delegated_story(lab, clock, tmp_path, keys, DKIM_ZONE_TSIG=TSIG.replace("lab:", "nobody:")) as story:
        await rotations.start(story.world.deps, account, zone, NOTHING, OPERATOR)
        for _ in range(3):
            await story.world.work()
            clock.turn(minutes=30)
            assert await looked(story, account, zone) is Stage.WAITING
        assert await owed(story) == 1
    async with delegated_story(lab, clock, tmp_path, keys) as story:
        await story.world.work()
        assert await looked(story, account, zone) is Stage.SEEN
        clock.turn(minutes=10)
        assert await looked(story, account, zone) is Stage.SWITCHED


async def looked(story: Story, account: str, zone: str) -> Stage:
    """Look at a domain of an account that an earlier opening made."""
    story.lab.flush()
    assert await checks.check(story.world.deps, await domains.find_domain(story.world.deps, account, zone))
    domain = await domains.find_domain(story.world.deps, account, zone)
    assert domain.dkim.state is HealthState.VERIFIED
    return rotation.stage(domain)


async def test_without_the_setting_no_change_begins(lab: DnsLab, clock: Clock, tmp_path: Path, zone: str) -> None:
    """An operator who took the zone's setting away is told so, where the change is asked for; by policy none begins."""
    async with delegated_story(lab, clock, tmp_path, key_zone(lab)) as story:
        await story.verified(zone)
        account = story.world.account.id
    async with opened(tmp_path, Overrides(now=clock), ROTATE_DKIM_DAYS="1") as world:
        clock.turn(days=2)
        with pytest.raises(Fault, match="LETTERHEAD_DKIM_ZONE is not set") as refused:
            await rotations.start(world.deps, account, zone, NOTHING, OPERATOR)
        assert refused.value.kind is Kind.CONFLICT
        domain = await world.deps.store.domain(account, zone)
        assert domain is not None
        await rotations.start_if_due(world.deps, domain)
        assert await world.deps.store.domain(account, zone) == domain

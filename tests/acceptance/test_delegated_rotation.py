"""While keys change in our own zone, no message is signed that does not verify, and the customer does nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from letterhead.core.rotation import delegated_keys, rotation
from letterhead.core.rotation.rotation import Stage
from letterhead.operations import rotations
from letterhead.operations.rotations import NOTHING
from tests.acceptance.test_rotation_without_loss import LATER, Sender, clock, look, sending, signed_more, stuttering
from tests.operations.delegated_story import Story, delegated_story, key_zone
from tests.operations.test_delegated import fetched
from tests.operations.world import OPERATOR, Clock
from tests.rigs import signing
from tests.rigs.dns_lab import DnsLab

__all__ = ["clock"]


@pytest.fixture
async def story(lab: DnsLab, tmp_path: Path, clock: Clock) -> AsyncIterator[Story]:
    """Open an installation whose own zone has two servers, of which the second fetches it when the test says so."""
    async with delegated_story(lab, clock, tmp_path, key_zone(lab, servers=2)) as story:
        yield story


@pytest.mark.timeout(600)
async def test_no_message_is_lost(split_zone: str, story: Story) -> None:
    """Never a signature that fails, through two changes of keys, the second at the slot of the first key."""
    lab, world, turn = story.lab, story.world, story.clock
    domain = await story.add(split_zone)
    fetched(story, domain)
    story.points(*story.records(domain).values())
    await world.look(split_zone)
    async with sending(world, lab, turn, split_zone) as each:
        await signed_more(each, 5)
        for old, new in (("lh1", "lh2"), ("lh2", "lh1")):
            before = each.signed[new]
            await change(story, split_zone, each)
            assert each.signed[new] == before, "the new key signed before all servers had it"
            slow = asyncio.create_task(stuttering(lab.ns2))
            assert await look(world, turn, split_zone, minutes=10) is Stage.SWITCHED
            await signed_more(each, 20)
            slow.cancel()
            await asyncio.wait([slow])
            assert each.signed[new] - before >= 15
            await afterwards(story, split_zone, old, each)
    assert each.failed == []
    assert not signing.verifies(lab, each.last.replace(b"Hello", b"Hullo")), "a verifier that takes all shows nothing"
    assert each.signed.total() >= 120
    assert each.verified >= 200


async def change(story: Story, zone: str, each: Sender) -> None:
    """Start a change of keys; the new key may not sign while one of our own servers is without it."""
    world, turn = story.world, story.clock
    await rotations.start(world.deps, world.account.id, zone, NOTHING, OPERATOR)
    assert await look(world, turn, zone, minutes=15) is Stage.WAITING
    await world.work()
    for _ in range(2):
        assert await look(world, turn, zone, minutes=15) is Stage.WAITING
        await signed_more(each, 5)
    fetched(story, await world.domain(zone))
    story.lab.flush()
    assert await look(world, turn, zone, minutes=1) is Stage.SEEN
    await signed_more(each, 8)


async def afterwards(story: Story, zone: str, old: str, each: Sender) -> None:
    """Let a week pass, after which the old key leaves our zone and its slot is free."""
    world, turn, lab = story.world, story.clock, story.lab
    await signed_more(each, 10)
    assert await look(world, turn, zone, days=6, hours=23) is Stage.SWITCHED
    assert story.held(await world.domain(zone))[old] != delegated_keys.REVOKED
    await signed_more(each, LATER + 5)  # what was signed with the old key has arrived
    await look(world, turn, zone, hours=2)
    domain = await world.domain(zone)
    assert story.held(domain)[old] == delegated_keys.REVOKED
    fetched(story, domain)
    lab.flush()
    assert await look(world, turn, zone, minutes=1) is Stage.NONE
    assert rotation.held_keys(await world.domain(zone)) == {domain.selector}

"""Delegated keys on real servers: two CNAMEs are published once, and what our own zone holds is ours to write."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from letterhead.core.domain.domain import Domain
from letterhead.core.domain.health import HealthState
from letterhead.core.rotation import delegated_keys, rotation
from letterhead.core.rotation.rotation import Stage
from letterhead.errors import Fault, Kind
from letterhead.operations import domains, rotations
from letterhead.operations.domain_keys import key_purpose
from letterhead.operations.rotations import NOTHING, RotationRequest
from tests.operations.delegated_story import Story, delegated_story, key_zone, publish_alias
from tests.operations.world import OPERATOR, Clock, World, opened
from tests.rigs.dns_lab import DnsLab

MISSING_SECOND = {("dkim.missing", "warning")}


@pytest.fixture
async def story(lab: DnsLab, clock: Clock, tmp_path: Path) -> AsyncIterator[Story]:
    """Open an installation with a zone of its own."""
    async with delegated_story(lab, clock, tmp_path, key_zone(lab)) as story:
        yield story


async def rotate(story: Story, sender: str) -> None:
    """Ask for a change of keys and let the work be done."""
    await rotations.start(story.world.deps, story.world.account.id, sender, NOTHING, OPERATOR)
    await story.world.work()


async def kept(world: World) -> set[str]:
    """List the selectors whose private keys are kept."""
    return {selector for _, selector in await world.deps.store.sealed_keys(world.account.id)}


async def test_two_aliases_are_enough_for_ever(story: Story, zone: str) -> None:
    """From POST to SUCCESS and through three changes of keys, without a further word of the customer's."""
    domain = await story.add(zone)
    assert (domain.selector, domain.dkim.state) == ("lh1", HealthState.PENDING)
    assert story.held(domain) == {"lh1": f"v=DKIM1; k=rsa; p={domain.public_key}", "lh2": delegated_keys.REVOKED}
    story.points(*story.records(domain).values())
    assert (await story.look(zone)).dkim.state is HealthState.VERIFIED
    assert await story.found(zone) == set()
    for selector, before in (("lh2", "lh1"), ("lh1", "lh2"), ("lh2", "lh1")):
        await rotate(story, zone)
        assert (await story.world.domain(zone)).selector == before
        assert len({*story.held(await story.world.domain(zone)).values()} - {delegated_keys.REVOKED}) == 2
        assert rotation.stage(await story.look(zone)) is Stage.SEEN
        domain = await story.look(zone, minutes=10)
        assert (domain.selector, domain.dkim.state, rotation.stage(domain)) == (
            selector, HealthState.VERIFIED, Stage.SWITCHED,
        )  # fmt: skip
        assert await kept(story.world) == {"lh1", "lh2"}
        await story.look(zone, days=7, minutes=1)  # the old key is owed its end
        domain = await story.look(zone, minutes=1)
        assert story.held(domain) == {
            selector: f"v=DKIM1; k=rsa; p={domain.public_key}",
            before: delegated_keys.REVOKED,
        }
        assert (rotation.stage(domain), domain.old_keys, await kept(story.world)) == (Stage.NONE, (), {selector})
        assert await story.found(zone) == set()


async def test_what_customers_get_wrong_is_said_exactly(story: Story, zone: str) -> None:
    """No record, one of two, another claim's target, a TXT instead, a key instead: each has a finding of its own."""
    domain = await story.add(zone)
    first, second = story.records(domain)["lh1"], story.records(domain)["lh2"]
    await story.look(zone)
    assert await story.found(zone) == {("dkim.missing", "blocking"), ("dkim.missing", "warning")}
    publish_alias(story.lab, first, "lh1.another." + story.zone)
    await story.look(zone)
    assert ("dkim.wrong-target", "blocking") in await story.found(zone)
    story.lab.withdraw(first.host)
    story.lab.publish(first.host, "TXT", f'"{first.value}"')
    await story.look(zone)
    assert ("dkim.wrong-type", "blocking") in await story.found(zone)
    pieces = " ".join(f'"{domain.public_key[at : at + 200]}"' for at in range(0, len(domain.public_key), 200))
    story.lab.publish(first.host, "TXT", f'"v=DKIM1; k=rsa; p=" {pieces}')
    domain = await story.look(zone)
    assert ("dkim.not-alias", "blocking") in await story.found(zone)
    assert domain.dkim.state is HealthState.PENDING, "a copy of the key proves no alias"
    story.lab.withdraw(first.host)
    story.points(first)
    domain = await story.look(zone)
    assert (domain.dkim.state, await story.found(zone)) == (HealthState.VERIFIED, MISSING_SECOND)
    await rotate(story, zone)
    for _ in range(3):  # without the second alias the key never changes, and nothing else happens
        domain = await story.look(zone, hours=6)
        assert (domain.selector, rotation.stage(domain), domain.dkim.state) == (
            "lh1",
            Stage.WAITING,
            HealthState.VERIFIED,
        )
    assert second.host in rotation.waits_for(domain)
    story.points(second)
    assert rotation.stage(await story.look(zone, minutes=1)) is Stage.SEEN


async def test_a_verified_domain_without_its_second_alias_is_warned_in_every_look(story: Story, zone: str) -> None:
    """Once a look has missed it all further ones tell it too, and again nothing once it is back."""
    domain = await story.verified(zone)
    second = story.records(domain)["lh2"]
    story.lab.withdraw(second.host)
    await story.world.look(zone, thorough=True)
    for _ in range(2):
        domain = await story.look(zone, hours=6)
        assert (domain.dkim.state, await story.found(zone)) == (HealthState.VERIFIED, MISSING_SECOND)
    story.points(second)
    for _ in range(2):
        domain = await story.look(zone, hours=6)
        assert (domain.dkim.state, await story.found(zone)) == (HealthState.VERIFIED, set())


async def test_what_our_zone_lost_is_told_and_put_back(story: Story, zone: str) -> None:
    """A zone that was brought back from a backup lacks a key: it is ours to mend, said to be, and mended."""
    domain = await story.verified(zone)
    assert domain.key_delegation is not None
    story.lab.withdraw(delegated_keys.cname_target(domain.key_delegation, "lh1"))
    story.lab.flush()
    await story.look(zone, hours=6)  # this look finds it, and owes it
    assert ("dkim.not-served", "blocking") in await story.found(zone)
    assert "lh1" in story.held(domain)
    domain = await story.look(zone, minutes=1)
    assert (domain.dkim.state, await story.found(zone)) == (HealthState.VERIFIED, set())


async def test_every_server_of_our_own_zone_is_waited_for(lab: DnsLab, clock: Clock, tmp_path: Path, zone: str) -> None:
    """A secondary that has not fetched the zone yet keeps the new key waiting, and is named."""
    async with delegated_story(lab, clock, tmp_path, key_zone(lab, servers=2)) as story:
        domain = await story.add(zone)
        fetched(story, domain)
        story.points(*story.records(domain).values())
        assert (await story.look(zone)).dkim.state is HealthState.VERIFIED
        await rotate(story, zone)
        for _ in range(3):
            domain = await story.look(zone, minutes=15)
            assert rotation.stage(domain) is Stage.WAITING
            assert domain.rotation is not None
            assert "ns2.lab.test" in domain.rotation.missing_at
        fetched(story, domain)
        assert rotation.stage(await story.look(zone, minutes=1)) is Stage.SEEN
        assert rotation.stage(await story.look(zone, minutes=10)) is Stage.SWITCHED


def fetched(story: Story, domain: Domain) -> None:
    """Let the second server fetch what the first holds."""
    assert domain.key_delegation is not None
    for slot, text in story.held(domain).items():
        pieces = " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))
        story.lab.publish(delegated_keys.cname_target(domain.key_delegation, slot), "TXT", pieces, only=story.lab.ns2)


async def test_a_change_waits_until_its_slot_is_free(story: Story, zone: str) -> None:
    """Asked for while the key before is still needed, it is refused, with the time until when; by policy, it waits."""
    await story.verified(zone)
    await rotate(story, zone)
    await story.look(zone)
    domain = await story.look(zone, minutes=10)
    assert domain.selector == "lh2"
    until = rotation.safe_at(domain.old_keys[0])
    with pytest.raises(Fault, match=f"{until:%Y-%m-%d %H:%M}") as early:
        await rotations.start(story.world.deps, story.world.account.id, zone, NOTHING, OPERATOR)
    assert early.value.kind is Kind.CONFLICT
    assert not rotation.is_due(domain, until, until - domain.created_at)
    await story.look(zone, days=7)
    await story.look(zone, minutes=1)
    await rotate(story, zone)
    assert (await story.world.domain(zone)).rotation is not None


async def test_abandoned_before_the_switch(story: Story, zone: str) -> None:
    """The new key leaves our zone with its private half; the one in use stays, and another change can begin."""
    before = story.held(await story.verified(zone))
    await rotate(story, zone)
    first = story.held(await story.world.domain(zone))["lh2"]
    await rotations.abandon(story.world.deps, story.world.account.id, zone, OPERATOR)
    await story.world.work()
    assert (story.held(await story.world.domain(zone)), await kept(story.world)) == (before, {"lh1"})
    await rotate(story, zone)
    assert story.held(await story.world.domain(zone))["lh2"] not in (first, delegated_keys.REVOKED)


async def test_a_deleted_domain_leaves_nothing_in_our_zone(story: Story, zone: str) -> None:
    """Both names are empty then, and whoever adds the domain again gets other ones."""
    domain = await story.verified(zone)
    await rotate(story, zone)
    await domains.delete_domain(story.world.deps, story.world.account.id, zone, OPERATOR)
    await story.world.work()
    assert story.held(domain) == {}
    assert (await story.world.deps.store.backlog(story.clock())).intents == 0
    again = await story.add(zone)
    assert again.key_delegation != domain.key_delegation
    assert (await story.look(zone)).dkim.state is HealthState.PENDING
    assert ("dkim.wrong-target", "blocking") in await story.found(zone)


async def test_a_key_opens_only_in_its_own_claim(story: Story, zone: str) -> None:
    """Each claim to a name has a key at `lh1`: one that is sealed for a claim does not open for the next."""
    first = await story.add(zone)
    sealed = await story.world.deps.store.sealed_key(first.id, "lh1")
    assert sealed is not None
    keyring = story.world.deps.keyring
    keyring.unseal(sealed, key_purpose(first))
    await domains.delete_domain(story.world.deps, story.world.account.id, zone, OPERATOR)
    again = await story.add(zone)
    with pytest.raises(Fault) as refused:
        keyring.unseal(sealed, key_purpose(again))
    assert refused.value.kind is Kind.KEYRING_WRONG


async def test_the_policy_changes_keys_alone(lab: DnsLab, clock: Clock, tmp_path: Path, zone: str) -> None:
    """Where ROTATE_DKIM_DAYS is set the keys of such a domain change twice a year, and nobody does anything."""
    async with delegated_story(lab, clock, tmp_path, key_zone(lab), ROTATE_DKIM_DAYS="180") as story:
        await story.verified(zone)
        used = []
        for _ in range(3):
            domain = await story.look(zone, days=180)
            await rotations.start_if_due(story.world.deps, domain)
            await story.world.work()
            for wait in (1, 11, 7 * 24 * 60 + 1, 1):
                domain = await story.look(zone, minutes=wait)
            used.append((domain.selector, domain.dkim.state, domain.old_keys))
        assert used == [
            ("lh2", HealthState.VERIFIED, ()),
            ("lh1", HealthState.VERIFIED, ()),
            ("lh2", HealthState.VERIFIED, ()),
        ]


async def test_two_accounts_and_one_name(story: Story, zone: str) -> None:
    """The holder's aliases prove nothing for another account; when both lead to the other's place, the name moves."""
    mine = await story.verified(zone)
    theirs = Story(await story.world.other("globex"), story.lab, story.clock, story.zone)
    challenger = await theirs.add(zone)
    assert challenger.key_delegation != mine.key_delegation
    for _ in range(2):
        challenger = await theirs.look(zone, hours=25)
        assert (challenger.is_holder, challenger.dkim.state) == (False, HealthState.PENDING)
        assert ("dkim.wrong-target", "blocking") in await theirs.found(zone)
    theirs.points(theirs.records(challenger)["lh1"])  # the other alias still leads to the holder's second slot
    for _ in range(3):
        challenger = await theirs.look(zone, hours=13)
    assert (challenger.is_holder, challenger.dkim.state) == (True, HealthState.VERIFIED)
    assert not (await story.world.domain(zone)).is_holder


@pytest.mark.parametrize("wish", [{"selector": "own"}, {"selector": "lh1"}])
async def test_a_selector_of_ones_own_is_refused(story: Story, zone: str, wish: dict[str, str]) -> None:
    """The two slots are all that there is, with the domain and with a change of keys."""
    with pytest.raises(Fault) as refused:
        await story.add(zone, **wish)
    assert refused.value.kind is Kind.PARAMETER_INVALID
    await story.verified(zone)
    asked = RotationRequest(selector=wish["selector"])
    with pytest.raises(Fault) as refused:
        await rotations.start(story.world.deps, story.world.account.id, zone, asked, OPERATOR)
    assert refused.value.kind is Kind.SELECTOR_INVALID


async def test_without_a_zone_the_settings_are_named(tmp_path: Path, clock: Clock) -> None:
    """An installation that has none says so, and how it gets one."""
    async with opened(tmp_path) as world:
        with pytest.raises(Fault) as refused:
            await world.add("acme.test", delegated=True)
    assert refused.value.kind is Kind.PARAMETER_INVALID
    assert "LETTERHEAD_DKIM_ZONE_TSIG" in (refused.value.fix or "")

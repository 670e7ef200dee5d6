"""Several accounts, one name: DNS decides, proof is per claim, the incumbent wins ties, nobody learns who."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from letterhead.adapters.providers.simulated import SimulatedProvider
from letterhead.core.domain.domain import EventKind
from letterhead.core.domain.health import HealthState
from letterhead.operations import domains
from letterhead.wiring.assemble import Overrides
from tests.operations.world import OPERATOR, Clock, World, WrittenDns, opened

NAME = "acme.test"


@pytest.fixture
def provider(clock: Clock) -> SimulatedProvider:
    """Return a provider that holds one identity of each name."""
    return SimulatedProvider(clock)


@pytest.fixture
async def ours(tmp_path: Path, clock: Clock, dns: WrittenDns, provider: SimulatedProvider) -> AsyncIterator[World]:
    """Open an installation whose first account is ours."""
    async with opened(tmp_path, Overrides(resolver=dns, provider=provider, now=clock)) as world:
        yield world


async def verified(world: World, dns: WrittenDns, clock: Clock, name: str = NAME) -> None:
    """Bring an account's claim to verified."""
    await world.add(name)
    dns.publish(await world.dkim(name))
    await world.look(name)
    clock.turn(minutes=1)
    assert (await world.look(name)).dkim.state is HealthState.VERIFIED


async def codes(world: World) -> set[str]:
    """List what the last check found."""
    checkup = (await world.view(NAME)).last_check
    assert checkup is not None
    return {each.code for each in checkup.findings}


async def test_each_claim_has_a_selector_and_key_of_its_own(ours: World) -> None:
    """A second account's claim is accepted and shares nothing with the first."""
    theirs = await ours.other("globex")
    first, second = await ours.add(NAME), await theirs.add(NAME)
    assert first.selector != second.selector
    assert first.public_key != second.public_key
    assert second.dkim.state is HealthState.PENDING


async def test_a_stranger_learns_and_uses_up_nothing(ours: World, dns: WrittenDns, clock: Clock) -> None:
    """A claim with the holder's selector is taken like any other; one that is deleted leaves its selector to others."""
    await verified(ours, dns, clock)
    theirs = await ours.other("globex")
    held = await ours.domain(NAME)
    assert (await theirs.add(NAME, selector=held.selector)).dkim.state is HealthState.PENDING
    for selector in ("mail", "default"):
        await theirs.add(f"{selector}.example.dev", selector=selector)
        await domains.delete_domain(theirs.deps, theirs.account.id, f"{selector}.example.dev", OPERATOR)
        assert (await ours.add(f"{selector}.example.dev", selector=selector)).selector == selector


async def test_the_selector_of_an_earlier_holder_proves_nothing(ours: World, dns: WrittenDns, clock: Clock) -> None:
    """Its record may be left over, with its key in other hands: the claim waits and says why; another is proven."""
    await verified(ours, dns, clock)
    earlier = await ours.domain(NAME)
    dns.withdraw(await ours.dkim(NAME))
    await domains.delete_domain(ours.deps, ours.account.id, NAME, OPERATOR)
    await ours.work()
    theirs = await ours.other("globex")
    await theirs.add(NAME, selector=earlier.selector)
    dns.publish(await theirs.dkim(NAME))
    for _ in range(3):
        clock.turn(hours=13)
        assert (await theirs.look(NAME)).dkim.state is HealthState.PENDING
    assert {each for each in await codes(theirs) if each.startswith(("claim.", "dkim."))} == {"claim.selector-used"}
    await domains.delete_domain(theirs.deps, theirs.account.id, NAME, OPERATOR)
    await theirs.add(NAME)
    dns.publish(await theirs.dkim(NAME))
    assert (await theirs.look(NAME)).is_holder


async def test_the_incumbent_stays_while_its_record_is_there(ours: World, dns: WrittenDns, clock: Clock) -> None:
    """Both records in DNS: the holder stays and is told that, not who; the challenger learns what to do."""
    await verified(ours, dns, clock)
    theirs = await ours.other("globex")
    await theirs.add(NAME)
    dns.publish(await theirs.dkim(NAME))
    for _ in range(3):
        clock.turn(hours=13)
        assert (await theirs.look(NAME)).dkim.state is HealthState.PENDING
    assert "claim.held" in await codes(theirs)
    await ours.look(NAME)
    assert "claim.contested" in await codes(ours)
    assert [event.kind for event in await ours.events(NAME)].count(EventKind.CLAIM_CONTESTED) == 1
    told = str(await ours.events()) + str((await ours.view(NAME)).last_check)
    assert theirs.account.id not in told
    assert (await theirs.domain(NAME)).selector not in told


async def test_a_challenger_alone_for_a_day_takes_over(
    ours: World, dns: WrittenDns, clock: Clock, provider: SimulatedProvider
) -> None:
    """Only its record on two checks a day apart: hold, events, audit and identity go over together."""
    await verified(ours, dns, clock)
    theirs = await ours.other("globex")
    await theirs.add(NAME)
    dns.withdraw(await ours.dkim(NAME))
    dns.publish(await theirs.dkim(NAME))
    await theirs.look(NAME)
    clock.turn(hours=23)
    await theirs.look(NAME)
    assert (await ours.domain(NAME)).is_holder
    clock.turn(hours=1, minutes=1)
    await theirs.look(NAME)
    clock.turn(minutes=1)
    await theirs.look(NAME)
    clock.turn(minutes=1)
    taken = await theirs.look(NAME)
    assert taken.is_holder
    assert taken.dkim.state is HealthState.VERIFIED
    lost = await ours.domain(NAME)
    assert not lost.is_holder
    assert lost.dkim.state is HealthState.FAILED
    for world in (ours, theirs):
        assert [event.kind for event in await world.events(NAME)].count(EventKind.CLAIM_TRANSFERRED) == 1
    word = await provider.identity_report(NAME, f"{theirs.deps.policy.installation}/{theirs.account.id}/{taken.id}")
    assert getattr(word, "selector", None) == taken.selector


async def test_holders_above_and_below_learn_of_a_name_between(ours: World, dns: WrittenDns, clock: Clock) -> None:
    """Parent and child are claims of their own; when one verifies, other accounts' holders around it are told once."""
    theirs, third = await ours.other("globex"), await ours.other("initech")
    await verified(ours, dns, clock)
    await verified(third, dns, clock, f"a.mail.{NAME}")
    await third.add(f"b.mail.{NAME}")
    await verified(theirs, dns, clock, f"mail.{NAME}")
    clock.turn(hours=7)
    await theirs.look(f"mail.{NAME}")
    contested = [[each for each in await world.events() if each.kind == "claim.contested"] for world in (ours, third)]
    assert [[each.detail for each in events] for events in contested] == [
        [
            f"another account verified a.mail.{NAME}, a name below this one; this one stays yours",
            f"another account verified mail.{NAME}, a name below this one; this one stays yours",
        ],
        [f"another account verified mail.{NAME}, a name above this one; this one stays yours"],
    ]
    assert not [each for each in await theirs.events() if each.kind == "claim.contested"]
    for world, name in ((ours, NAME), (theirs, f"mail.{NAME}"), (third, f"a.mail.{NAME}")):
        assert (await world.domain(name)).dkim.state is HealthState.VERIFIED


async def test_silence_takes_nothing_away(ours: World, dns: WrittenDns, clock: Clock) -> None:
    """Unanswered questions neither start nor advance a take-over."""
    await verified(ours, dns, clock)
    theirs = await ours.other("globex")
    await theirs.add(NAME)
    dns.silent = True
    for _ in range(3):
        clock.turn(hours=25)
        await theirs.look(NAME)
    assert (await theirs.domain(NAME)).challenger_only_since is None
    assert (await ours.domain(NAME)).is_holder


async def test_a_failed_claim_leaves_the_name_to_whoever_proves_it(ours: World, dns: WrittenDns, clock: Clock) -> None:
    """When the holder has lost the name, its identity is withdrawn and the next proven claim gets a whole one."""
    await verified(ours, dns, clock)
    dns.withdraw(await ours.dkim(NAME))
    for _ in range(160):
        clock.turn(minutes=30)
        await ours.look(NAME)
    assert (await ours.domain(NAME)).dkim.state is HealthState.FAILED
    theirs = await ours.other("globex")
    await verified_after(theirs, dns, clock)


async def verified_after(world: World, dns: WrittenDns, clock: Clock) -> None:
    """Bring a claim to verified where an old identity has to go first."""
    await world.add(NAME)
    dns.publish(await world.dkim(NAME))
    for _ in range(4):
        clock.turn(minutes=1)
        domain = await world.look(NAME)
    assert domain.dkim.state is HealthState.VERIFIED


async def test_a_deleted_name_added_again_has_another_selector(ours: World) -> None:
    """Neither selector nor key is ever used again, not after delete and re-add either."""
    from letterhead.operations import domains
    from tests.operations.world import OPERATOR

    first = await ours.add(NAME)
    await domains.delete_domain(ours.deps, ours.account.id, NAME, OPERATOR)
    second = await ours.add(NAME)
    assert first.selector != second.selector
    assert first.public_key != second.public_key

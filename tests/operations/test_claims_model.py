"""Five accounts take random steps with one name: whatever they do, the rules of claims hold after each step."""

import asyncio
import os
import random
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec.structs import replace

from letterhead.adapters.providers.simulated import SimulatedProvider
from letterhead.core.domain.domain import Domain
from letterhead.core.domain.provider_identity import Presence
from letterhead.errors import Fault
from letterhead.operations import checks, domains
from letterhead.ports.keyring import PooledKey
from letterhead.ports.store.domains import DomainUpdate
from letterhead.wiring.assemble import Overrides
from tests.operations.world import OPERATOR, Clock, World, WrittenDns, noon, opened

NAME = "acme.test"
SELECTORS = ("s1", "s2", "s3", "s4")
WALKS = int(os.environ.get("TEST_CLAIM_WALKS", "5"))
STEPS = 160


@dataclass
class Walk:
    """One random walk, and what it saw published."""

    worlds: list[World]
    dns: WrittenDns
    clock: Clock
    provider: SimulatedProvider
    chance: random.Random
    seen: set[str] = field(default_factory=set)  # selectors whose record a check found in DNS
    holders: set[str] = field(default_factory=set)  # claims that ever held the name
    selector_owners: dict[str, set[str]] = field(default_factory=dict)  # accounts that held it, by selector
    used: set[tuple[str, str]] = field(default_factory=set)  # account and selector of claims

    async def step(self) -> None:
        """Take one step and hold the rules against what there is."""
        world = self.chance.choice(self.worlds)
        act = self.chance.choice([self.add, self.publish, self.withdraw, self.check, self.check, self.check, self.wait])
        if self.chance.random() < 0.04:
            act = self.delete
        self.dns.silent = self.chance.random() < 0.15
        before = await self.held()
        await act(world)
        if self.dns.silent and act != self.delete:
            assert await self.held() == before, "silence moved the hold"
        await world.work()
        await self.rules()

    async def add(self, world: World) -> None:
        """Add a claim, at times with a selector that others choose from too."""
        selector = self.chance.choice([None, None, None, None, *SELECTORS])
        if await world.deps.store.domain(world.account.id, NAME) is not None:
            return
        try:
            added = await world.add(NAME, selector=selector)
        except Fault as fault:
            assert fault.kind == "selector-used"
            assert (world.account.id, selector) in self.used, "refused for what another account did"
            return
        assert (world.account.id, added.selector) not in self.used, "a selector used twice by one account"
        self.used.add((world.account.id, added.selector))

    async def publish(self, world: World) -> None:
        domain = await world.deps.store.domain(world.account.id, NAME)
        if domain is not None:
            self.dns.publish(domains.plan_of(world.deps, domain).records[0])

    async def withdraw(self, world: World) -> None:
        domain = await world.deps.store.domain(world.account.id, NAME)
        if domain is not None:
            self.dns.withdraw(domains.plan_of(world.deps, domain).records[0])

    async def delete(self, world: World) -> None:
        try:
            await domains.delete_domain(world.deps, world.account.id, NAME, OPERATOR)
        except Fault as fault:
            assert fault.kind == "not-found"

    async def wait(self, _: World) -> None:
        self.clock.turn(minutes=self.chance.choice([1, 11, 60, 60 * 13, 60 * 25]))

    async def check(self, world: World) -> None:
        domain = await world.deps.store.domain(world.account.id, NAME)
        if domain is None:
            return
        if not self.dns.silent and any(domain.selector in host for host, _ in self.dns.records):
            self.seen.add(domain.selector)
        await checks.check(world.deps, domain, thorough=True)

    async def claims(self) -> list[Domain]:
        """List all claims to the name."""
        found = [await world.deps.store.domain(world.account.id, NAME) for world in self.worlds]
        return [each for each in found if each is not None]

    async def held(self) -> str | None:
        """Name the claim that holds."""
        return await self.worlds[0].deps.store.holder(NAME)

    async def rules(self) -> None:
        """Hold the four rules."""
        claims = await self.claims()
        holders = [each for each in claims if each.is_holder]
        self.holders |= {each.id for each in holders}
        assert len(holders) <= 1, "two holders"
        for each in holders:
            self.selector_owners.setdefault(each.selector, set()).add(each.account_id)
        assert all(len(owners) == 1 for owners in self.selector_owners.values()), "a selector held by two accounts"
        assert all(each.selector in self.seen for each in holders), "a holder whose key nobody saw"
        assert all(each.is_holder for each in claims if each.dkim.state in ("verified", "at_risk")), (
            "sends without holding"
        )
        owners = {each.id: each for each in claims}
        identity = self.provider._identities.get(NAME)
        if identity is not None:
            owner = owners.get(identity.wish.owner.rpartition("/")[2])
            assert owner is not None, "an identity of a claim that is gone"
            assert owner.is_holder, "an identity of a claim that does not hold"


@pytest.mark.parametrize("seed", range(WALKS))
async def test_the_rules_of_claims_hold(tmp_path: Path, seed: int) -> None:
    """At most one holder, a holder's key was seen, only the holder is at the provider, silence changes nothing."""
    clock, dns = Clock(noon()), WrittenDns(NAME)
    provider = SimulatedProvider(clock)
    async with opened(tmp_path, Overrides(resolver=dns, provider=provider, now=clock)) as first:
        worlds = [first, *[await first.other(f"account{number}") for number in range(4)]]
        walk = Walk(worlds, dns, clock, provider, random.Random(seed))
        for _ in range(STEPS):
            await walk.step()
    assert walk.holders, "the rules were held against nobody"


async def test_a_challenger_sees_nothing_of_the_holder(tmp_path: Path) -> None:
    """The answers to a name that is free and to one that another account holds are the same but for the own claim."""
    clock, dns = Clock(noon()), WrittenDns(NAME)
    async with opened(tmp_path, Overrides(resolver=dns, provider=SimulatedProvider(clock), now=clock)) as ours:
        await ours.add(NAME)
        dns.publish(await ours.dkim(NAME))
        await ours.look(NAME)
        theirs = await ours.other("globex")
        await theirs.add(NAME)
        before = await theirs.view(NAME)
        await theirs.look(NAME)
        after = await theirs.view(NAME)
    assert before.last_check is None
    assert after.last_check is not None
    assert {each.code for each in after.last_check.findings if each.record == "dkim"} == {"dkim.missing"}
    word = after.domain.identity
    assert word is None or word.presence is not Presence.FOREIGN


async def test_adding_a_held_name_takes_no_other_time(tmp_path: Path) -> None:
    """How long `POST` takes tells nobody whether a name is held: the medians of 120 each, asked in turn, are alike."""
    clock, dns = Clock(noon()), WrittenDns(NAME)
    async with opened(tmp_path, Overrides(resolver=dns, now=clock), KEY_POOL="1") as ours:
        pair = await asyncio.to_thread(ours.deps.keyring.make_pair)
        sealed = {f"k{n}": ours.deps.keyring.seal(pair.private_key, f"pool|k{n}") for n in range(400)}
        keys = [PooledKey(id=one, public_key=pair.public_key, sealed=sealed[one]) for one in sealed]
        await ours.deps.store.pool_keys(keys)
        theirs = await ours.other("globex")
        for number in range(120):
            domain = await ours.add(f"held{number}.dev")
            assert await ours.deps.store.save(DomainUpdate(domain=replace(domain, is_holder=True)))
        took: dict[str, list[float]] = {"held": [], "free": []}
        for number in range(120):
            for kind in ("held", "free") if number % 2 else ("free", "held"):
                began = time.perf_counter()
                await theirs.add(f"{kind}{number}.dev")
                took[kind].append(time.perf_counter() - began)
    assert 0.8 < statistics.median(took["held"]) / statistics.median(took["free"]) < 1.25

"""Few names below one registrable domain are taken from an account that has proven nothing there."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from letterhead.adapters.storage import migrate
from letterhead.core.accounts.quotas import Limits
from letterhead.errors import Fault, Kind
from letterhead.operations import accounts, checks, domains
from letterhead.operations.domains import DomainRequest, plan_of
from letterhead.ports.store.domains import ClaimResult
from letterhead.wiring.assemble import Overrides
from tests.operations.world import OPERATOR, World, WrittenDns, opened

ALLOWED = 3


@pytest.fixture
def dns() -> WrittenDns:
    """Write the zone of acme.test."""
    return WrittenDns("acme.test")


@pytest.fixture(params=["sqlite", "postgresql"])
async def world(request: pytest.FixtureRequest, tmp_path: Path, dns: WrittenDns) -> AsyncIterator[World]:
    """Open an installation that allows three names."""
    more = {"UNPROVEN_BELOW": f"{ALLOWED}"}
    if request.param == "postgresql":
        more["DATABASE_URL"] = request.getfixturevalue("postgres_url")
        await migrate(more["DATABASE_URL"])
    async with opened(tmp_path, Overrides(resolver=dns), **more) as made:
        yield made


async def add(world: World, sender: str, account_id: str | None = None, limits: Limits | None = None) -> ClaimResult:
    """Add a name."""
    wish = DomainRequest(sender=sender)
    return await domains.add_domain(world.deps, account_id or world.account.id, limits or Limits(), wish)


async def test_few_names_are_taken_before_a_proof(world: World) -> None:
    """The domain itself counts, other domains and other accounts do not, and what is there may be asked for again."""
    for sender in ("acme.test", "a.acme.test", "x.y.acme.test", "other.test", "notacme.test"):
        assert await add(world, sender) is ClaimResult.ADDED
    assert await add(world, "a.acme.test") is ClaimResult.EXISTS
    with pytest.raises(Fault, match=r"3 sender domains at and below acme\.test") as refused:
        await add(world, "b.acme.test")
    assert refused.value.kind is Kind.USAGE_LIMIT_EXCEEDED
    assert "verify acme.test first" in str(refused.value.fix)
    other, _ = await accounts.open_account(world.deps, "Other", "dns@other.test", Limits(), OPERATOR)
    assert await add(world, "b.acme.test", other.id) is ClaimResult.ADDED


async def test_a_limit_of_its_own_stands_in_its_place(world: World) -> None:
    """An account that the operator allows more is held to that alone."""
    for number in range(ALLOWED + 2):
        assert await add(world, f"n{number}.acme.test", limits=Limits(pending_claims=5)) is ClaimResult.ADDED
    with pytest.raises(Fault, match="5 are allowed"):
        await add(world, "n9.acme.test", limits=Limits(pending_claims=5))


async def test_a_proof_above_frees_the_names_below(world: World, dns: WrittenDns) -> None:
    """Names below a proven one are its owner's, as many as it likes; names beside it are not."""
    await add(world, "mail.acme.test")
    proven = await domains.find_domain(world.deps, world.account.id, "mail.acme.test")
    dns.publish(*plan_of(world.deps, proven).records)
    assert await checks.check(world.deps, proven)
    assert (await domains.find_domain(world.deps, world.account.id, "mail.acme.test")).is_holder
    for number in range(ALLOWED + 2):
        assert await add(world, f"n{number}.mail.acme.test") is ClaimResult.ADDED
    with pytest.raises(Fault, match=r"at and below acme\.test"):
        await add(world, "beside.acme.test")


async def test_the_advice_can_be_followed(world: World, dns: WrittenDns) -> None:
    """Where no further name is taken, the domain itself can be added and verified, and then the name is."""
    for number in range(ALLOWED):
        await add(world, f"n{number}.acme.test")
    with pytest.raises(Fault, match=r"at and below acme\.test"):
        await add(world, "more.acme.test")
    assert await add(world, "acme.test") is ClaimResult.ADDED
    added = await domains.find_domain(world.deps, world.account.id, "acme.test")
    dns.publish(*plan_of(world.deps, added).records)
    assert await checks.check(world.deps, added)
    assert await add(world, "more.acme.test") is ClaimResult.ADDED

"""What the store keeps of checks that saw nothing new, on both engines."""

import asyncio

import pytest
from msgspec.structs import replace

from letterhead.core.domain.domain import Domain
from letterhead.core.domain.health import HealthState, new_health
from letterhead.core.plan.plan import Verdict
from letterhead.ports.store.domains import CheckContext, CheckResult, DomainUpdate
from tests.contracts.samples import NOW, Shop, checkup, event, later


def heard() -> CheckResult:
    """Make a checkup in which the record that decides was there."""
    seen = checkup()
    return replace(seen, results=tuple(replace(each, verdict=Verdict.PRESENT) for each in seen.results))


async def kept(shop: Shop, sender: str = "example.com") -> Domain:
    """Add a verified domain with a checkup that has a basis."""
    made = await shop.account()
    one = await shop.domain(made.id, sender)
    verified = replace(one, dkim=new_health(HealthState.VERIFIED, NOW), is_holder=True)
    assert await shop.store.save(DomainUpdate(domain=verified, check=heard(), fingerprint="b"))
    return replace(verified, version=one.version + 1)


async def beside(shop: Shop, domain: Domain) -> CheckContext:
    return (await shop.store.load_check_contexts([domain]))[domain.id]


async def test_a_confirmed_checkup_stands_and_was_taken_again(shop: Shop) -> None:
    """Findings and snapshot stay as they are, the last check is the later one, and the lease is handed back."""
    domain = await kept(shop)
    assert await shop.store.claim_due(NOW, later(minutes=5), "worker", 10) == [domain]
    after = replace(domain, last_sync=later(minutes=1), next_check_at=later(minutes=2))
    assert await shop.store.confirm(after, later(minutes=1))
    expected = replace(after, version=domain.version + 1)
    assert await shop.store.domain_by_id(domain.id) == expected
    assert await shop.store.last_checks([domain.id]) == {domain.id: replace(heard(), taken_at=later(minutes=1))}
    assert await beside(shop, domain) == CheckContext(
        used_selectors=(domain.selector,), fingerprint="b", codes=("dkim.missing",)
    )
    assert await shop.store.claim_due(later(minutes=2), later(minutes=5), "other", 10) == [expected]


async def test_of_checks_of_one_moment_each_learns_its_own_fate(shop: Shop) -> None:
    """Of many that are confirmed at once only those whose domain has changed meanwhile are told so."""
    domains = [await kept(shop, f"d{number}.example.com") for number in range(12)]
    stale = {domain.id for domain in domains[::3]}
    for domain in domains[::3]:
        assert await shop.store.save(DomainUpdate(domain=replace(domain, attempts=7)))
    at = later(minutes=1)
    told = await asyncio.gather(*(shop.store.confirm(replace(each, last_sync=at), at) for each in domains))
    assert told == [domain.id not in stale for domain in domains]
    checkups = await shop.store.last_checks([domain.id for domain in domains])
    assert {found.taken_at for one, found in checkups.items() if one in stale} == {NOW}
    assert {found.taken_at for one, found in checkups.items() if one not in stale} == {at}


@pytest.mark.parametrize("change", ["without a checkup", "with a checkup of no basis", "with an event"])
async def test_whatever_else_is_saved_ends_a_basis(shop: Shop, change: str) -> None:
    """A basis holds for as long as nothing but confirmations was written of its domain."""
    domain = await kept(shop)
    assert await shop.store.confirm(domain, later(minutes=1))
    read = replace(domain, version=domain.version + 1)
    outcome = DomainUpdate(
        domain=read,
        check=checkup() if change == "with a checkup of no basis" else None,
        events=(event(),) if change == "with an event" else (),
    )
    assert await shop.store.save(outcome)
    assert (await beside(shop, domain)).fingerprint is None


async def test_a_confirmation_ends_a_silence(shop: Shop) -> None:
    """Who was confirmed was heard: whoever fell silent before that does not count as silent any more."""
    domain = await kept(shop)
    quiet = await kept(shop, "quiet.example.net")
    silent = replace(
        heard(), taken_at=later(minutes=1), results=(replace(heard().results[0], verdict=Verdict.UNANSWERED),)
    )
    assert await shop.store.save(DomainUpdate(domain=quiet, check=silent))
    assert (await shop.store.resolver_outage()) is not None
    assert await shop.store.confirm(domain, later(minutes=2))
    assert await shop.store.resolver_outage() is None

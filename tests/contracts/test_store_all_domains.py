"""The store lists the domains of all accounts for the operator: by condition, status and text, in pages."""

from datetime import datetime

import pytest
from msgspec.structs import replace

from letterhead.core.domain.domain import Domain, Effect, RaisedFinding
from letterhead.core.domain.health import HealthState, new_health
from letterhead.core.domain.provider_identity import Identity, Presence, ProviderStatus
from letterhead.ports.store.domains import DomainUpdate
from letterhead.ports.store.monitoring import AccountDomain, AllDomainsQuery, DomainCondition
from tests.contracts.samples import NOW, Shop, later

HOUR_AGO = later(hours=-1)


async def listed(shop: Shop, **how: object) -> list[str]:
    """List the names that fit a query, all at once and again page by page: both must agree."""
    whole = await asked(shop, AllDomainsQuery(limit=100, failing_before=HOUR_AGO, **how))  # type: ignore[arg-type]
    paged: list[AccountDomain] = []
    while True:
        after = (paged[-1].domain.account_id, paged[-1].domain.sender) if paged else ("", "")
        found = await asked(shop, AllDomainsQuery(limit=1, failing_before=HOUR_AGO, after=after, **how))  # type: ignore[arg-type]
        if not found:
            break
        paged += found
    assert [each.domain.id for each in paged] == [each.domain.id for each in whole]
    return [each.domain.sender for each in whole]


async def asked(shop: Shop, query: AllDomainsQuery) -> list[AccountDomain]:
    """Ask the store."""
    return await shop.store.all_domains(query)


def failing(state: HealthState, since: datetime) -> dict[str, object]:
    """Make the DKIM health of a domain that entered a state at a time."""
    return {"dkim": new_health(state, since)}


def identity(dkim: ProviderStatus, presence: Presence = Presence.OURS) -> Identity:
    """Make a provider's report."""
    return Identity(presence=presence, dkim=dkim, mail_from=ProviderStatus.SUCCESS, seen_at=NOW)


@pytest.fixture
async def two(shop: Shop) -> tuple[str, str]:
    """Open two accounts with domains in every condition."""
    first = await shop.account(id="acc_a", name="Acme Ltd", email="post@acme.example")
    other = await shop.account(id="acc_b", name="Zeta", email="post@zeta.example")
    verified = failing(HealthState.VERIFIED, later(days=-9))
    await shop.domain(first.id, "well.example", **verified)
    await shop.domain(first.id, "new.example")
    await shop.domain(first.id, "both.example", **failing(HealthState.AT_RISK, later(minutes=-59)))
    await shop.domain(other.id, "both.example", **failing(HealthState.AT_RISK, later(minutes=-61)))
    await shop.domain(other.id, "failed.example", **failing(HealthState.FAILED, later(days=-2)))
    bounces = new_health(HealthState.FAILED, later(hours=-2))
    await shop.domain(other.id, "bounces.example", **verified, mail_from_health=bounces)
    raised = (RaisedFinding(code="spf.plus-all", since=later(hours=-3), raised_at=later(hours=-2)),)
    await shop.domain(other.id, "raised.example", **verified, raised=raised)
    await shop.domain(other.id, "refused.example", **verified, identity=identity(ProviderStatus.REFUSED))
    await shop.domain(other.id, "foreign.example", identity=identity(ProviderStatus.PENDING, Presence.FOREIGN))
    await shop.domain(other.id, "gave-up.example", identity=identity(ProviderStatus.GAVE_UP))
    return first.id, other.id


async def test_all_domains_of_all_accounts_come_in_pages(shop: Shop, two: tuple[str, str]) -> None:
    """By account and name, one name once for each account that has it; each with its account's name."""
    assert await listed(shop) == [
        "both.example", "new.example", "well.example", "both.example", "bounces.example", "failed.example",
        "foreign.example", "gave-up.example", "raised.example", "refused.example",
    ]  # fmt: skip
    found = await asked(shop, AllDomainsQuery(limit=4, failing_before=HOUR_AGO))
    assert [each.account_name for each in found] == ["Acme Ltd"] * 3 + ["Zeta"]
    assert await listed(shop, account_id=two[0]) == ["both.example", "new.example", "well.example"]
    assert await listed(shop, account_id="acc_unknown") == []


async def test_each_status_is_found(shop: Shop, two: tuple[str, str]) -> None:
    """As the API names it, of all accounts or of one."""
    assert await listed(shop, status="SUCCESS") == [
        "well.example", "bounces.example", "raised.example", "refused.example"
    ]  # fmt: skip
    assert await listed(shop, status="PENDING") == ["new.example", "foreign.example", "gave-up.example"]
    assert await listed(shop, status="FAILED") == ["failed.example"]
    assert await listed(shop, status="NOT_STARTED") == []
    assert await listed(shop, status="PENDING", account_id=two[0]) == ["new.example"]


async def test_each_condition_is_found(shop: Shop, two: tuple[str, str]) -> None:
    """At risk; failing for over an hour, by DKIM, MAIL FROM or a finding; refused. Counted likewise."""
    at_risk, failing_for_long, refused = DomainCondition.AT_RISK, DomainCondition.FAILING, DomainCondition.REFUSED
    assert await listed(shop, condition=at_risk) == ["both.example", "both.example"]
    assert await listed(shop, condition=at_risk, account_id=two[0]) == ["both.example"]
    assert await listed(shop, condition=at_risk, status="FAILED") == []
    failing_names = ["both.example", "bounces.example", "failed.example", "raised.example"]
    assert await listed(shop, condition=failing_for_long) == failing_names
    assert await listed(shop, condition=failing_for_long, account_id=two[0]) == []
    assert await listed(shop, condition=failing_for_long, status="FAILED") == ["failed.example"]
    assert await listed(shop, condition=refused) == ["foreign.example", "gave-up.example", "refused.example"]
    assert await shop.store.count_conditions(HOUR_AGO) == {at_risk: 2, failing_for_long: 4, refused: 3}


async def test_all_domains_are_counted_by_status(shop: Shop, two: tuple[str, str]) -> None:
    """Each status has its number, of all accounts together; one that no domain has is 0."""
    counted = await shop.store.count_all_statuses()
    assert set(counted) == {"SUCCESS", "PENDING", "FAILED", "TEMPORARY_FAILURE", "NOT_STARTED"}
    for status, number in counted.items():
        assert number == sum([(await shop.store.count_statuses(each)).get(status, 0) for each in two])
    assert (counted["TEMPORARY_FAILURE"], counted["NOT_STARTED"]) == (2, 0)


async def test_text_is_sought_in_names_and_accounts(shop: Shop, two: tuple[str, str]) -> None:
    """A piece of the domain's name, or of its account's name or address; signs of SQL mean themselves."""
    assert await listed(shop, contains="ound") == []
    assert await listed(shop, contains="unces") == ["bounces.example"]
    assert await listed(shop, contains="acme lt") == ["both.example", "new.example", "well.example"]
    assert len(await listed(shop, contains="post@zeta")) == 7
    assert await listed(shop, contains="both", condition=DomainCondition.FAILING) == ["both.example"]
    assert await listed(shop, contains="%") == []
    assert await listed(shop, contains="'") == []


async def test_work_that_the_provider_refused_counts(shop: Shop, two: tuple[str, str]) -> None:
    """From its first refusal until it is done, with the provider's words; our own zone is not the provider."""
    made = await shop.domain(two[0], "owed.example")
    update = DomainUpdate(domain=made, effects=(Effect.REGISTER, Effect.PUBLISH))
    assert await shop.store.save(update)
    refused = {"condition": DomainCondition.REFUSED, "account_id": two[0]}
    assert await listed(shop, **refused) == []
    owed = {each.effect: each for each in await shop.store.claim_intents(NOW, later(minutes=1), "me", 10)}
    await shop.store.postpone_intent(owed[Effect.PUBLISH].id, later(minutes=1), "NOTAUTH: no")
    assert await listed(shop, **refused) == []
    await shop.store.postpone_intent(owed[Effect.REGISTER].id, later(minutes=1), "AccessDenied: not you")
    assert await listed(shop, **refused) == ["owed.example"]
    found = await asked(shop, AllDomainsQuery(limit=1, failing_before=HOUR_AGO, **refused))  # type: ignore[arg-type]
    assert found[0].refusal == "AccessDenied: not you"
    assert (await shop.store.count_conditions(HOUR_AGO))[DomainCondition.REFUSED] == 4
    await shop.store.finish_intent(owed[Effect.REGISTER].id)
    assert await listed(shop, **refused) == []


async def test_what_is_found_follows_each_write(shop: Shop, two: tuple[str, str]) -> None:
    """A save and a confirmation change what the domain is found by."""
    made = await shop.domain(two[0], "moves.example")
    risky = replace(made, dkim=new_health(HealthState.AT_RISK, later(hours=-5)))
    assert await shop.store.save(DomainUpdate(domain=risky))
    failing_names = {"condition": DomainCondition.FAILING, "account_id": two[0]}
    assert await listed(shop, **failing_names) == ["moves.example"]
    kept = await only(shop, two[0], "moves.example")
    assert await shop.store.confirm(replace(kept, dkim=new_health(HealthState.AT_RISK, NOW)), NOW)
    assert await listed(shop, **failing_names) == []
    kept = await only(shop, two[0], "moves.example")
    assert await shop.store.save(DomainUpdate(domain=replace(kept, identity=identity(ProviderStatus.REFUSED))))
    assert await listed(shop, condition=DomainCondition.REFUSED, account_id=two[0]) == ["moves.example"]


async def only(shop: Shop, account_id: str, sender: str) -> Domain:
    """Read one domain."""
    found = await shop.store.domain(account_id, sender)
    assert found is not None
    return found

"""The operator reads the domains of all accounts: lists and shows them, changes nothing, and the audit says so."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest
from msgspec.structs import replace

from letterhead.core.domain.health import HealthState, new_health
from letterhead.ports.store.domains import DomainUpdate
from letterhead.web.endpoint import Access
from letterhead.web.routes import ENDPOINTS
from tests.web.conftest import OPERATOR_TOKEN, Installation, running


async def fail(house: Installation, account: str, sender: str, state: HealthState, since: timedelta) -> None:
    """Make a domain enter a state some time ago."""
    store, now = house.deps.store, datetime.now(UTC)
    domain = await store.domain(house.accounts[account], sender)
    assert domain is not None
    assert await store.save(DomainUpdate(domain=replace(domain, dkim=new_health(state, now - since))))


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Installation]:
    """Run an installation that counts no failed sign-ins: each route that refuses the operator is one."""
    async with running(tmp_path, failure_rate=1e6, failure_burst=10**6) as installation:
        yield installation


@pytest.fixture
async def two(house: Installation, acme: httpx2.AsyncClient) -> Installation:
    """Return an installation in which two accounts have domains, one name in common."""
    await house.open_account("zeta")
    async with house.client(house.keys["zeta"]) as zeta:
        for client, senders in ((acme, ("acme.dev", "both.dev")), (zeta, ("both.dev", "zeta.dev"))):
            for sender in senders:
                assert (await client.post("/domains", json={"sender": sender})).status_code == 200
    return house


async def names(operator: httpx2.AsyncClient, query: str = "") -> list[str]:
    """List the names that a query finds, through all of its pages."""
    found, path = [], f"/accounts/domains?{query}"
    while True:
        answer = await operator.get(path)
        assert answer.status_code == 200, answer.text
        found += [each["sender"] for each in answer.json()]
        following = answer.links.get("next")
        if following is None:
            return found
        path = following["url"]


async def test_all_domains_of_all_accounts(two: Installation, operator: httpx2.AsyncClient) -> None:
    """Whole, by account, by text and by status, and the same in pages of one."""
    every = await names(operator)
    assert sorted(every) == ["acme.dev", "both.dev", "both.dev", "zeta.dev"]
    assert await names(operator, "limit=1") == every
    account = f"accountId={two.accounts['zeta']}"
    assert await names(operator, account) == ["both.dev", "zeta.dev"]
    assert await names(operator, f"{account}&limit=1") == ["both.dev", "zeta.dev"]
    assert await names(operator, "q=BOTH&limit=1") == ["both.dev", "both.dev"]
    assert await names(operator, "q=zeta%40example") == ["both.dev", "zeta.dev"]
    assert await names(operator, "status=FAILED") == []
    assert len(await names(operator, "status=PENDING")) == 4


async def test_conditions(two: Installation, operator: httpx2.AsyncClient) -> None:
    """Failing means for over an hour; at risk at once, with the deadline's field where there is one."""
    await fail(two, "zeta", "both.dev", HealthState.AT_RISK, timedelta(minutes=10))
    await fail(two, "zeta", "zeta.dev", HealthState.FAILED, timedelta(hours=2))
    assert await names(operator, "condition=at-risk") == ["both.dev"]
    assert await names(operator, "condition=failing") == ["zeta.dev"]
    assert await names(operator, "condition=refused") == []
    (row,) = (await operator.get("/accounts/domains?condition=failing")).json()
    assert row["accountId"] == two.accounts["zeta"]
    assert (row["accountName"], row["status"]) == ("zeta", "FAILED")
    assert datetime.fromisoformat(row["failingSince"]) < datetime.now(UTC) - timedelta(hours=1)
    assert row["health"]["canSend"] is False


@pytest.mark.parametrize(
    "query", ["cursor=x", "cursor=%E2%82%AC", "condition=bad", "limit=0", "limit=1001", "status=x"]
)
async def test_wrong_queries_are_refused(operator: httpx2.AsyncClient, query: str) -> None:
    """With the code that every other list has."""
    answer = await operator.get(f"/accounts/domains?{query}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "parameter-invalid")


async def test_what_is_not_there_is_told_in_the_operators_words(
    two: Installation, operator: httpx2.AsyncClient
) -> None:
    """An account or a domain that is none; nothing is written to the audit of it."""
    for path in (
        "/accounts/domains?accountId=acc_none",
        f"/accounts/{two.accounts['acme']}/domains/zeta.dev",
        "/accounts/acc_none/domains/acme.dev",
    ):
        answer = await operator.get(path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not-found"), path
        assert "GET /accounts" in answer.json()["error"]["fix"]
    assert not [row for row in (await operator.get("/audit")).json() if ".view" in row["action"]]


async def test_the_operator_sees_what_the_account_sees_but_keys(
    two: Installation, acme: httpx2.AsyncClient, operator: httpx2.AsyncClient
) -> None:
    """The account's own answer without its private keys; the list has none either."""
    own = (await acme.get("/domains/acme.dev")).json()
    secret = own.pop("privateDKIMKey")
    own.pop("privateEd25519Key", None)
    shown = await operator.get(f"/accounts/{two.accounts['acme']}/domains/ACME.dev")
    assert shown.json() == own
    listed = await operator.get("/accounts/domains")
    for answer in (shown, listed):
        assert "private" not in answer.text
        assert secret not in answer.text


async def test_each_look_is_in_the_accounts_audit(
    two: Installation, acme: httpx2.AsyncClient, operator: httpx2.AsyncClient
) -> None:
    """Under the operator's name, for the account: a domain that was shown, a list of one account."""
    account = two.accounts["acme"]
    await operator.get(f"/accounts/{account}/domains/acme.dev")
    await operator.get(f"/accounts/domains?accountId={account}")
    rows = (await operator.get(f"/audit?accountId={account}")).json()
    looked = [(row["actor"], row["action"], row["subject"]) for row in rows if row["actor"] == "operator"]
    assert looked[:2] == [("operator", "domains.view", account), ("operator", "domain.view", "acme.dev")]


async def test_no_account_reaches_it(two: Installation, acme: httpx2.AsyncClient, nobody: httpx2.AsyncClient) -> None:
    """Nobody but the operator: a full key is refused for its own account's domains too."""
    account = two.accounts["acme"]
    for client in (acme, nobody):
        for path in ("/accounts/domains", f"/accounts/{account}/domains/acme.dev"):
            answer = await client.get(path)
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthorized")


async def test_the_operator_can_write_nothing_of_an_account(
    two: Installation, acme: httpx2.AsyncClient, operator: httpx2.AsyncClient
) -> None:
    """Each writing route of an account refuses the operator's token; the routes that show allow no other method."""
    before = [(await acme.get(path)).text for path in ("/domains", "/webhooks")]
    account = two.accounts["acme"]
    fill = {"sender": "acme.dev", "accountId": account}
    asked = 0
    for each in ENDPOINTS:
        if each.access not in (Access.WRITE, Access.FULL):
            continue
        path = re.sub(r"\{(\w+)\}", lambda part: fill.get(part[1], "x"), each.path)
        answer = await operator.request(each.method, path, json={"sender": "x.dev"})
        assert answer.status_code == 401, (each.method, path, answer.text)
        asked += 1
    assert asked > 15
    for path in ("/accounts/domains", f"/accounts/{account}/domains/acme.dev"):
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            assert (await operator.request(method, path, json={})).status_code == 405, (method, path)
    assert [(await acme.get(path)).text for path in ("/domains", "/webhooks")] == before
    assert OPERATOR_TOKEN not in "".join(before)

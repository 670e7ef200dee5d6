"""The operator's pages of the domains of all accounts: a list to search, and each domain, read-only."""

import re
from datetime import timedelta

import httpx2
import pytest

from letterhead.core.domain.health import HealthState
from letterhead.web.endpoint import Access
from letterhead.web.pages import PAGES
from letterhead.web.pages.account_domains import AT_ONCE
from tests.web.conftest import OPERATOR_TOKEN, Installation
from tests.web.test_account_domains import fail, two
from tests.web.test_pages import csrf, sign_in

__all__ = ["two"]
ROW = re.compile(r'<th scope="row"><a href="[^"]+">([^<]+)</a></th>')


async def names(operator: httpx2.AsyncClient, query: str = "") -> list[str]:
    """Read the names on the list."""
    page = await operator.get(f"/operator/domains?{query}")
    assert page.status_code == 200
    return ROW.findall(page.text)


async def test_the_list_is_searched_and_filtered(two: Installation) -> None:
    """By text in the domain's name or its account's, by account, by state, by condition; with the counts beside."""
    await fail(two, "zeta", "zeta.dev", HealthState.FAILED, timedelta(hours=2))
    await fail(two, "acme", "acme.dev", HealthState.AT_RISK, timedelta(minutes=5))
    async with two.client() as operator:
        await sign_in(operator, OPERATOR_TOKEN)
        assert sorted(await names(operator)) == ["acme.dev", "both.dev", "both.dev", "zeta.dev"]
        assert await names(operator, "q=BOTH") == ["both.dev", "both.dev"]
        assert await names(operator, f"account={two.accounts['zeta']}") == ["both.dev", "zeta.dev"]
        assert await names(operator, "status=FAILED") == ["zeta.dev"]
        assert await names(operator, "condition=failing") == ["zeta.dev"]
        assert await names(operator, "condition=at-risk") == ["acme.dev"]
        assert await names(operator, "condition=refused") == []
        page = (await operator.get("/operator/domains?condition=failing&q=ze")).text
        assert "At risk <b>1</b>" in page
        assert "Failing for over an hour <b>1</b>" in page
        assert 'href="/operator/domains?condition=at-risk&amp;q=ze"' in page
        assert "Failing since" in page
        assert (await operator.get("/operator/domains?account=acc_none")).status_code == 404


async def test_a_long_list_comes_in_pages(house: Installation, acme: httpx2.AsyncClient) -> None:
    """“Further domains” leads through all of them, each once."""
    for number in range(AT_ONCE + 3):
        await acme.post("/domains", json={"sender": f"d{number:03}.dev", "startVerification": False})
    async with house.client() as operator:
        await sign_in(operator, OPERATOR_TOKEN)
        first = (await operator.get("/operator/domains")).text
        further = re.search(r'href="([^"]+)">Further domains', first)
        assert further is not None
        second = (await operator.get(further[1].replace("&amp;", "&"))).text
        found = ROW.findall(first) + ROW.findall(second)
        assert found == [f"d{number:03}.dev" for number in range(AT_ONCE + 3)]
        assert "Further domains" not in second


async def test_a_domain_is_shown_as_its_account_sees_it(two: Installation, acme: httpx2.AsyncClient) -> None:
    """The same records and findings, no form and no key; the account's audit page names the operator's look."""
    await acme.post("/domains/acme.dev/setup-links")
    secret = (await acme.get("/domains/acme.dev")).json()["privateDKIMKey"]
    address = f"/operator/accounts/{two.accounts['acme']}/domains/acme.dev"
    async with two.client() as operator, two.client() as owner:
        await sign_in(operator, OPERATOR_TOKEN)
        await sign_in(owner, two.keys["acme"])
        shown, own = (await operator.get(address)).text, (await owner.get("/dashboard/domains/acme.dev")).text
        records = re.compile(r'<ol class="records">.*?</ol>', re.DOTALL)
        assert records.findall(shown) == records.findall(own) != []
        assert re.findall(r'<form [^>]*action="([^"]+)"', shown) == ["/sign-out"]
        assert "/dashboard/" not in re.sub(r'href="/dashboard/account"', "", shown)
        assert "data-news" not in shown
        assert secret not in shown
        assert "can change nothing" in shown
        audit = (await owner.get("/dashboard/account")).text
        assert re.search(r">domain\.view<.{0,80}>acme\.dev<.{0,80}the operator", audit, re.DOTALL)
        assert (await operator.get(address.replace("acme.dev", "zeta.dev"))).status_code == 404


@pytest.mark.parametrize("who", ["acme", None])
async def test_nobody_else_sees_it(two: Installation, who: str | None) -> None:
    """An account is led to its sign-in, as whoever is signed in nowhere."""
    async with two.client() as browser:
        if who is not None:
            await sign_in(browser, two.keys[who])
        for path in ("/operator/domains", f"/operator/accounts/{two.accounts['acme']}/domains/acme.dev"):
            answer = await browser.get(path)
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/sign-in"), path


async def test_the_operators_session_changes_nothing_of_an_account(two: Installation, acme: httpx2.AsyncClient) -> None:
    """Every form of every account's page, sent with the operator's session and a form token that is right."""
    before = [(await acme.get(path)).text for path in ("/domains", "/keys", "/webhooks", "/domains/acme.dev")]
    fill = {"sender": "acme.dev"}
    async with two.client() as operator:
        await sign_in(operator, OPERATOR_TOKEN)
        token = csrf(await operator.get("/operator"))
        asked = 0
        for each in PAGES:
            if each.method != "POST" or each.access not in (Access.WRITE, Access.FULL):
                continue
            path = re.sub(r"\{(\w+)\}", lambda part: fill.get(part[1], "x"), each.path)
            answer = await operator.post(path, data={"csrf": token, "sender": "x.dev", "confirm": "acme.dev"})
            assert answer.status_code == 303, path
            assert answer.headers["location"].startswith("/sign-in"), path
            asked += 1
        assert asked > 10
        for path in ("/operator/domains", f"/operator/accounts/{two.accounts['acme']}/domains/acme.dev"):
            assert (await operator.post(path, data={"csrf": token})).status_code == 405
    blank = re.compile(r'"lastUsedAt":"[^"]*",?')
    after = [(await acme.get(path)).text for path in ("/domains", "/keys", "/webhooks", "/domains/acme.dev")]
    assert [blank.sub("", text) for text in after] == [blank.sub("", text) for text in before]

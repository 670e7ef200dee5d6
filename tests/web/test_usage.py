"""Who takes how much of the service: counted by account, shown to the operator alone, the largest share first."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from letterhead.core.accounts.quotas import Limits
from letterhead.operations import account_work, accounts
from letterhead.ports.store.monitoring import AccountWork, WorkKind
from tests.operations.world import OPERATOR
from tests.web.conftest import OPERATOR_TOKEN, Installation, running
from tests.web.test_pages import sign_in


async def fill(house: Installation) -> None:
    """Has two accounts and all others take checks, deliveries and requests."""
    account, _ = await accounts.open_account(house.deps, "other <b>", "other@example.com", Limits(), OPERATOR)
    acme, other = house.accounts["acme"], account.id
    done = [
        AccountWork(account_id=acme, kind=WorkKind.CHECK, number=10, milliseconds=1000),
        AccountWork(account_id=other, kind=WorkKind.CHECK, number=5, milliseconds=8990),
        AccountWork(account_id="", kind=WorkKind.CHECK, number=1, milliseconds=10),
        AccountWork(account_id=acme, kind=WorkKind.RELAY, number=3, octets=2_500_000),
        AccountWork(account_id="acc_gone", kind=WorkKind.DELIVERY, number=7),
    ]
    await house.deps.store.add_account_work(house.deps.now(), done)


async def test_the_operator_sees_the_shares(house: Installation, operator: httpx2.AsyncClient) -> None:
    """By kind, the largest share first, with a name where there is one; of the time, the octets or the number."""
    await fill(house)
    for period in ("", "?period=hour"):
        listed = (await operator.get(f"/accounts/usage{period}")).json()
        checks = [(each.get("accountName"), each["share"]) for each in listed if each["kind"] == "check"]
        assert checks == [("other <b>", 0.899), ("Acme", 0.1), (None, 0.001)]
        by_kind = {each["kind"]: each for each in listed if each["kind"] != "check"}
        assert (by_kind["relay"]["octets"], by_kind["relay"]["share"]) == (2_500_000, 1.0)
        assert (by_kind["delivery"]["accountId"], "accountName" in by_kind["delivery"]) == ("acc_gone", False)
    refused = await operator.get("/accounts/usage?period=week")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "parameter-invalid")


async def test_the_page_shows_bars_with_numbers(house: Installation) -> None:
    """Names are escaped, a closed account and all others are named so; without figures a sentence says why."""
    async with house.client() as browser:
        await sign_in(browser, OPERATOR_TOKEN)
        assert "Nothing was counted yet" in (await browser.get("/operator")).text
        await fill(house)
        page = (await browser.get("/operator")).text
        assert "other &lt;b&gt;" in page
        assert page.index("other &lt;b&gt;") < page.index('aria-label="Acme: 10 percent"')
        assert '<progress max="100" value="90"' in page
        assert "under 1 %" in page
        assert all(each in page for each in ("all others", "an account that is closed", "2.5 MB"))
        assert "Show the last day" in (await browser.get("/operator?usage=hour")).text


async def test_requests_and_streams_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request of an account and each page that it has open count for it, and are written when the app stops."""
    monkeypatch.setattr(account_work, "SAVE_EVERY", 0.05)
    async with running(tmp_path) as house, house.client(OPERATOR_TOKEN) as operator:
        acme = house.client(house.keys["acme"])
        async with acme:
            for _ in range(7):
                await acme.get("/domains")
            await acme.post("/domains", json={"sender": "acme.dev"})
            made = (await acme.post("/domains/acme.dev/setup-links")).json()
            async with house.client() as nobody, nobody.stream("GET", f"{urlsplit(made['url']).path}/news") as news:
                assert news.status_code == 200
            async with asyncio.timeout(60):
                while True:
                    listed = (await operator.get("/accounts/usage")).json()
                    seen = {each["kind"]: each for each in listed if each.get("accountId") == house.accounts["acme"]}
                    if "stream" in seen and seen["request"]["number"] == 9:
                        break
                    await asyncio.sleep(0.02)
            assert seen["request"]["share"] == 1.0


async def test_accounts_do_not_see_it(acme: httpx2.AsyncClient) -> None:
    """Who takes how much is the operator's to know."""
    assert (await acme.get("/accounts/usage")).status_code == 401

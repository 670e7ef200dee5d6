"""The operator's page that closes an account: what ends is said, a name is typed, and the receipt is shown."""

import html
import json
import re

import httpx2
import pytest

from letterhead.operations import account_closure
from tests.web.conftest import OPERATOR_TOKEN, Installation
from tests.web.test_pages import csrf, sign_in


async def test_an_account_is_closed_by_its_name(
    house: Installation, acme: httpx2.AsyncClient, operator: httpx2.AsyncClient
) -> None:
    """Nothing is closed by another word; then all that the API's receipt has is on the page, and a row in the audit."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    selector = (await acme.get("/domains/acme.dev")).json()["selector"]
    account = house.accounts["acme"]
    name = (await operator.get(f"/accounts/{account}")).json()["name"]
    path = f"/operator/accounts/{account}/close"
    async with house.client() as browser:
        await sign_in(browser, OPERATOR_TOKEN)
        listed = await browser.get("/operator/domains", params={"account": account})
        assert f'href="{path}"' in listed.text
        asked = await browser.get(path)
        assert "Its domains, 1, are deleted" in asked.text
        assert f"({name}@" in asked.text or account in asked.text
        for typed, status in (({}, 200), ({"confirm": "yes"}, 400), ({"confirm": account}, 400)):
            refused = await browser.post(path, data={"csrf": csrf(asked), **typed})
            assert refused.status_code == status, typed
            assert (await acme.get("/domains/acme.dev")).status_code == 200
        done = await browser.post(path, data={"csrf": csrf(asked), "confirm": f" {name.upper()} "})
        assert (done.status_code, "is closed" in done.text, "no-store" in done.headers["cache-control"]) == (
            200, True, True,
        )  # fmt: skip
        written = re.search(r"<pre[^>]*>(.*?)</pre>", done.text, re.DOTALL)
        assert written is not None
        receipt = json.loads(html.unescape(written[1]))
        assert (receipt["accountId"], receipt["closedBy"], receipt["deleted"]["domains"]) == (account, "operator", 1)
        assert [(each["sender"], each["selector"]) for each in receipt["keys"]] == [("acme.dev", selector)]
        shown = done.text.partition("<pre")[0]
        for part in (
            selector,
            receipt["keys"][0]["publicKeySha256"],
            *receipt["deleted"],
            receipt["remains"][0]["what"],
        ):
            assert part in html.unescape(shown)
        assert (await browser.get(path)).status_code == 404
    assert (await acme.get("/account")).status_code == 401
    assert "account.close" in [each["action"] for each in (await operator.get("/audit")).json()]


async def test_a_large_account_is_closed_in_parts(
    house: Installation, acme: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each press deletes some domains, says that more are left, and goes on by a button."""
    monkeypatch.setattr(account_closure, "AT_ONCE", 1)
    for sender in ("one.dev", "two.dev"):
        await acme.post("/domains", json={"sender": sender})
    path = f"/operator/accounts/{house.accounts['acme']}/close"
    async with house.client() as browser:
        await sign_in(browser, OPERATOR_TOKEN)
        asked = await browser.get(path)
        word = re.search(r'for="confirm">.*?<code>(.*?)</code>', asked.text)
        assert word is not None
        first = await browser.post(path, data={"csrf": csrf(asked), "confirm": html.unescape(word[1])})
        assert ("is not closed yet" in first.text, "one.dev" in first.text, "two.dev" in first.text) == (
            True,
            True,
            False,
        )
        fields = dict(
            re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', first.text.partition("<main")[2])
        )
        second = await browser.post(path, data={name: html.unescape(value) for name, value in fields.items()})
        assert ("is closed" in second.text, "two.dev" in second.text, "one.dev" in second.text) == (True, True, False)

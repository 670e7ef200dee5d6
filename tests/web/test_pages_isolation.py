"""P12 for the pages: whatever of another account a page is asked for, it answers as for what does not exist."""

import re

import httpx2

from letterhead.core.accounts.accounts import Scope
from letterhead.web.endpoint import Access
from letterhead.web.pages import PAGES
from tests.rigs.account_people import plant_people
from tests.rigs.hosted_zones import plant_credential, plant_plan
from tests.web.conftest import Installation
from tests.web.test_pages import csrf, sign_in

SENDER, CANARY = "canary-sender.dev", "canary"
UNKNOWN = {
    "sender": "nobody-sender.dev",
    "keyId": "key_none",
    "linkId": "link_none",
    "webhookId": "wh_none",
    "planId": "plan_none",
    "credentialId": "dns_none",
    "memberId": "mem_none",
    "invitationId": "inv_none",
    "channelId": "alert_none",
}
ANYBODYS = {"name", "token"}  # an asset, and what only its holder knows


async def things_of(house: Installation, stranger: httpx2.AsyncClient) -> dict[str, str]:
    """Give another account one of everything that a page's path can name."""
    await stranger.post("/domains", json={"sender": SENDER})
    kept = {"note": "canary.dev note", "labels": {"canary.dev": "canary key"}}
    assert (await stranger.patch(f"/domains/{SENDER}", json=kept)).status_code == 200
    link = (await stranger.post(f"/domains/{SENDER}/setup-links")).json()["id"]
    key = (await stranger.post("/keys", json={"keyType": "secret", "name": "canary key"})).json()["id"]
    hook = (await stranger.post("/webhooks", json={"webhook": "https://canary.dev/x", "events": ["*"]})).json()["id"]
    delivery = (await stranger.post(f"/webhooks/{hook}/test")).json()["id"]
    account = (await stranger.get("/account")).json()["accountId"]
    named = {"sender": SENDER, "linkId": link, "keyId": key, "webhookId": hook, "deliveryId": delivery}
    plan = (await plant_plan(house.deps, SENDER, house.accounts["canary"])).id
    named["credentialId"] = await plant_credential(house.deps, SENDER, house.accounts["canary"])
    named |= await plant_people(house.deps, account)
    channel = {"name": "canary key", "url": "ntfys://token@canary.dev/x"}
    named["channelId"] = (await stranger.post("/alert-channels", json=channel)).json()["id"]
    return named | {"accountId": account, "planId": plan, "proofId": "proof" + "0" * 40}


async def test_a_page_tells_nothing_of_another_account(house: Installation, acme: httpx2.AsyncClient) -> None:
    """Each page and form with another's ids, by each scope: the answer for an unknown id, and no change."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    async with house.client(await house.open_account("canary")) as stranger:
        foreign = await things_of(house, stranger)
        paths = ("/domains", "/webhooks", "/keys", "/members", f"/domains/{SENDER}/setup-links")
        before = [(await stranger.get(path)).text for path in paths]
        asked = 0
        for scope in Scope:
            async with house.client() as browser:
                await sign_in(browser, await house.make_key("acme", scope))
                token = csrf(await browser.get("/dashboard"))
                for page in PAGES:
                    named = set(re.findall(r"\{(\w+)\}", page.path))
                    if not named or named & ANYBODYS:
                        continue
                    answers = [
                        await ask(browser, page.method, page.path.format(**ids), token)
                        for ids in (foreign, foreign | UNKNOWN)
                    ]
                    same = [answer.replace(SENDER, "?").replace(UNKNOWN["sender"], "?") for answer in answers]
                    assert bare(same[0], foreign) == bare(same[1], foreign | UNKNOWN), (scope, page.path)
                    assert "canary key" not in answers[0], page.path
                    assert "canary.dev" not in answers[0], page.path
                    if page.access is Access.OPERATOR:
                        assert answers[0].startswith("303 "), page.path
                    asked += 1
        assert asked > 60
        used = re.compile(r'"lastUsedAt":"[^"]*",?')
        after = [(await stranger.get(path)).text for path in paths]
        assert [used.sub("", text) for text in after] == [used.sub("", text) for text in before]


async def ask(browser: httpx2.AsyncClient, method: str, path: str, token: str) -> str:
    """Ask once, as somebody who was asked and is sure; return status, place and page in one text."""
    if method == "GET":
        answer = await browser.get(path)
    else:
        answer = await browser.post(path, data={"csrf": token, "confirm": "yes", "days": "1", "later": "yes"})
    return f"{answer.status_code} {answer.headers.get('location', '')} {answer.text}"


def bare(text: str, ids: dict[str, str]) -> str:
    """Take out of an answer what was asked for, and what differs each time."""
    for each in ids.values():
        text = text.replace(each, "ID")
    return re.sub(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", "", text)

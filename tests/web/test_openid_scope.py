"""What somebody may do who was signed in elsewhere: what the claim says, what the setting says, and no more."""

import re
from pathlib import Path

import httpx2
import pytest

from letterhead.core.accounts.accounts import Scope
from letterhead.web.pages import PAGES
from tests.rigs.openid import OpenId, providing
from tests.web.conftest import Installation, running
from tests.web.test_openid import led, settings
from tests.web.test_pages import csrf, sign_in

HOOK = {"webhook": "https://hooks.example.com/x", "events": ["*"]}
ONE = {
    "sender": "acme.dev",
    "webhookId": "wh_x",
    "deliveryId": "x",
    "linkId": "x",
    "credentialId": "x",
    "channelId": "x",
    "keyId": "x",
    "proofId": "x",
    "planId": "x",
    "memberId": "x",
    "invitationId": "x",
}


async def entered(house: Installation, elsewhere: OpenId, browser: httpx2.AsyncClient) -> httpx2.Response:
    """Sign a person in, and open the dashboard."""
    elsewhere.claims["letterhead_account"] = house.accounts["acme"]
    assert (await browser.get(await led(browser))).status_code == 303
    return await browser.get("/dashboard")


@pytest.mark.parametrize(
    ("set_to", "claimed", "may_add", "may_make_keys"),
    [
        (None, None, False, False),
        (None, "write", True, False),
        (None, "full", True, True),
        ("write", None, True, False),
        ("full", None, True, True),
        ("full", "read", False, False),
    ],
)
async def test_the_claim_says_it_and_else_the_setting(
    tmp_path: Path, set_to: str | None, claimed: str | None, may_add: bool, may_make_keys: bool
) -> None:
    """Without either a person looks and does nothing; what the claim says counts, be it more or less."""
    more = {} if set_to is None else {"OIDC_SCOPE": set_to}
    with providing() as elsewhere:
        elsewhere.claims["letterhead_scope"] = claimed
        async with running(tmp_path, environment=settings(elsewhere, **more)) as house, house.client() as browser:
            token = csrf(await entered(house, elsewhere, browser))
            added = await browser.post("/dashboard/domains", data={"csrf": token, "sender": "acme.dev"})
            assert added.status_code == (303 if may_add else 403)
            form = {"csrf": token, "name": "ci", "scope": "full"}
            made = await browser.post("/dashboard/keys", data=form)
            assert made.status_code == (200 if may_make_keys else 403)
            assert ("lh_live_" in made.text) == may_make_keys


async def test_another_claim_may_tell_it(tmp_path: Path) -> None:
    """The operator names the claim, as their provider has it."""
    with providing() as elsewhere:
        elsewhere.claims |= {"letterhead_scope": "full", "https://example.com/may": "write"}
        environment = settings(elsewhere, OIDC_SCOPE_CLAIM="https://example.com/may")
        async with running(tmp_path, environment=environment) as house, house.client() as browser:
            page = await entered(house, elsewhere, browser)
            assert 'name="sender"' in page.text
            assert "Sign in with a key of the scope full" in (await browser.get("/dashboard/keys")).text


async def test_a_reader_sees_no_button_and_every_form_refuses(tmp_path: Path) -> None:
    """On no page of an account is there a form but to search and to sign out, and each one sent anyway is 403."""
    with providing() as elsewhere:
        async with running(tmp_path, environment=settings(elsewhere)) as house, house.client() as browser:
            async with house.client(house.keys["acme"]) as acme:
                await acme.post("/domains", json={"sender": "acme.dev"})
                hook = (await acme.post("/webhooks", json=HOOK)).json()["id"]
            token = csrf(await entered(house, elsewhere, browser))
            paths = ["/dashboard", "/dashboard/domains/acme.dev", "/dashboard/webhooks", f"/dashboard/webhooks/{hook}",
                     "/dashboard/keys", "/dashboard/account", "/dashboard/people"]  # fmt: skip
            for path in paths:
                page = await browser.get(path)
                assert page.status_code == 200, path
                actions = set(re.findall(r'<form[^>]*action="([^"]+)"', page.text))
                assert actions <= {"/sign-out", "/dashboard"}, path
                assert "/delete" not in page.text
            forms = [view for view in PAGES if view.method == "POST" and view.path.startswith("/dashboard")]
            assert len(forms) > 10
            for view in forms:
                path = view.path.format(**ONE | {"webhookId": hook})
                answer = await browser.post(path, data={"csrf": token, "sender": "other.dev"})
                assert (answer.status_code, "the scope “read”" in answer.text) == (403, True), path
            assert (await browser.get("/dashboard/domains/acme.dev/zone")).status_code == 200


async def test_signing_out_everywhere_is_one_s_own_affair(tmp_path: Path) -> None:
    """Who may not do all ends the sessions opened in their own name, and nobody else's; who may do all ends all."""
    with providing() as elsewhere:
        async with running(tmp_path, environment=settings(elsewhere)) as house:
            read = await house.make_key("acme", Scope.READ)
            async with house.client() as ada, house.client() as ada_too, house.client() as bob, house.client() as key:
                for browser, name in ((ada, "ada"), (ada_too, "ada"), (bob, "bob")):
                    elsewhere.claims["sub"] = name
                    await entered(house, elsewhere, browser)
                await sign_in(key, read)
                await out(ada)
                assert [await inside(each) for each in (ada, ada_too, bob, key)] == [False, False, True, True]
                await out(key)
                assert [await inside(each) for each in (bob, key)] == [True, False]
                await sign_in(key, house.keys["acme"])
                await out(key)
                assert [await inside(each) for each in (bob, key)] == [False, False]


async def out(browser: httpx2.AsyncClient) -> None:
    """Sign out everywhere."""
    token = csrf(await browser.get("/dashboard/account"))
    await browser.post("/sign-out", data={"csrf": token, "everywhere": "yes"})


async def inside(browser: httpx2.AsyncClient) -> bool:
    """Say whether a browser is signed in."""
    return (await browser.get("/dashboard")).status_code == 200

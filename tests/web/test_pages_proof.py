"""The page that proves a message: given and judged, sent and waited for, without a script, for the account alone."""

import asyncio
import html
import re
from pathlib import Path

from letterhead.core.accounts.accounts import Scope
from tests.rigs.proving import given_to, prove, provider_at_once
from tests.rigs.signing import OWN
from tests.web.conftest import running
from tests.web.test_pages import csrf, sign_in
from tests.web.test_proofs import SIGNED, ZONES

DOMAIN = "/dashboard/domains/acme.dev"
PAGE = f"{DOMAIN}/proof"


def words(page: str) -> str:
    """Return what a reader sees."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


async def test_a_message_is_judged_at_the_page(tmp_path: Path) -> None:
    """The form on its own page; then the verdict, each part with what to do, nothing of a stranger's as markup."""
    async with running(tmp_path, ZONES) as house, house.client() as browser:
        async with house.client(house.keys["acme"]) as acme:
            await acme.post("/domains", json={"sender": "acme.dev"})
        await sign_in(browser, house.keys["acme"])
        assert f'href="{PAGE}"' in (await browser.get(DOMAIN)).text
        empty = await browser.get(PAGE)
        assert "Send a message" not in empty.text
        form = {"csrf": csrf(empty), "raw": SIGNED.decode(), "clientIp": "203.0.113.9", "mailFrom": "b@acme.dev"}
        good = await browser.post(PAGE, data=form)
        assert good.status_code == 200
        assert "pass The message is delivered." in words(good.text)
        assert "The signature is good" in words(good.text)
        evil = SIGNED.replace(b"d=acme.dev", b"d=<b>acme.dev").replace(b"Hello", b"<script>")
        bad = await browser.post(
            PAGE, data=form | {"raw": evil.decode(), "clientIp": "<i>9.9.9.9", "mailFrom": "<u>@x"}
        )
        assert "The message is rejected." in words(bad.text)
        assert "What to do" in bad.text
        assert not re.search(r"<(?:b|i|u|script)>", bad.text)
        for _ in range(4):
            last = await browser.post(PAGE, data=form | {"raw": "x"})
        assert last.status_code == 429


async def test_a_message_is_sent_from_the_page(tmp_path: Path) -> None:
    """One button sends it; the page says where it went, and shows the verdict once it has arrived."""
    async with running(tmp_path, ZONES, provider=provider_at_once()) as house, house.client() as browser:
        box = given_to(house.deps)
        async with house.client(house.keys["acme"]) as acme:
            await acme.post("/domains", json={"sender": "acme.dev", "selector": "lh1", "privateKey": OWN.pem.decode()})
        await sign_in(browser, house.keys["acme"])
        assert "Send a message" not in (await browser.get(PAGE)).text
        await prove(house.deps, house.accounts["acme"], "acme.dev")
        form = {"csrf": csrf(await browser.get(PAGE))}
        sent = await browser.post(f"{PAGE}/send", data=form)
        place = sent.headers["location"]
        assert (sent.status_code, place) == (303, f"{PAGE}/{box.letters[0].name}")
        waiting = await browser.get(place)
        assert "It has not arrived yet" in waiting.text
        assert f'href="{place}"' in waiting.text
        box.arrived[box.letters[0].name] = b"Return-Path: <b@acme.dev>\r\n" + SIGNED
        async with asyncio.timeout(60):  # what was looked for a moment ago stands for 5 s
            while "The message is delivered." not in (await browser.get(place)).text:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert (await browser.get(f"{PAGE}/proof{'0' * 40}")).status_code == 404


async def test_a_reader_judges_nothing(tmp_path: Path) -> None:
    """Who may only read sees no form, and one sent anyway is refused."""
    async with running(tmp_path, ZONES) as house, house.client() as browser:
        async with house.client(house.keys["acme"]) as acme:
            await acme.post("/domains", json={"sender": "acme.dev"})
        await sign_in(browser, await house.make_key("acme", Scope.READ))
        page = await browser.get(PAGE)
        assert "<textarea" not in page.text
        for path in (PAGE, f"{PAGE}/send"):
            assert (await browser.post(path, data={"csrf": csrf(page), "raw": "x"})).status_code == 403

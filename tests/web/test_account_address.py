"""Hold how an account's address changes: asked for by its owner, and given once somebody there has confirmed it."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx2
import pytest

from letterhead.core.accounts.accounts import Scope
from tests.operations.test_reminders import mail_settings
from tests.operations.world import Clock
from tests.rigs.smtp import Ledger, Mood
from tests.web.conftest import Installation, running
from tests.web.test_pages import sign_in

HOST = "https://lh.example.com"
NEW = "dns-team@acme.example"


@pytest.fixture
def clock() -> Clock:
    """Return a clock that the test turns."""
    return Clock(datetime.now(UTC))


@pytest.fixture
async def sending(tmp_path: Path, ledger: Ledger, clock: Clock) -> AsyncIterator[Installation]:
    """Run an installation that can send mail."""
    mail = mail_settings(ledger) | {"BRAND_NAME": "Mailworks"}
    async with running(tmp_path, environment=mail, now=clock) as house:
        yield house


def link(ledger: Ledger) -> str:
    """Return the path of the link in the last message."""
    part = ledger.messages()[-1].get_body(("plain",))
    assert part is not None
    found = re.search(rf"{re.escape(HOST)}/account/address/\S+", str(part.get_content()))
    assert found is not None
    return urlsplit(found[0]).path


async def test_an_address_counts_once_it_is_confirmed(sending: Installation, ledger: Ledger) -> None:
    """The mail goes to the new address alone; opening the link changes nothing, its button does, and only once."""
    async with sending.client(sending.keys["acme"]) as acme, sending.client() as nobody:
        before = (await acme.get("/account")).json()["email"]
        asked = (await acme.patch("/account", json={"email": NEW})).json()
        assert (asked["email"], asked["confirmationSentTo"]) == (before, NEW)
        (message,) = ledger.messages()
        assert message["To"] == NEW
        path = link(ledger)
        page = await nobody.get(path)
        assert (page.status_code, NEW in page.text) == (200, True)
        assert (await acme.get("/account")).json()["email"] == before
        assert (await nobody.post(path)).status_code == 200
        assert (await acme.get("/account")).json()["email"] == NEW
        assert (await nobody.post(path)).status_code == 404
        rows = await sending.deps.store.audit_rows(sending.accounts["acme"], None, 5)
        assert {"account.ask-address", "account.change"} <= {each.row.action for each in rows}


async def test_a_link_ends_and_can_not_be_made_up(sending: Installation, ledger: Ledger, clock: Clock) -> None:
    """Each octet of it counts; after a day it is over; one that was asked for before another change is void."""
    async with sending.client(sending.keys["acme"]) as acme, sending.client() as nobody:
        await acme.patch("/account", json={"email": NEW})
        path = link(ledger)
        token = path.rpartition("/")[2]
        for at in range(0, len(token) - 1, 7):
            changed = "A" if token[at] != "A" else "B"
            assert (await nobody.get(f"/account/address/{token[:at]}{changed}{token[at + 1 :]}")).status_code == 404
        for bad in ("x", "%00", "A" * 4000, "é"):
            assert (await nobody.get(f"/account/address/{quote(bad)}")).status_code == 404
        clock.turn(days=1, seconds=1)
        assert (await nobody.post(path)).status_code == 404
        assert (await acme.get("/account")).json()["email"] != NEW


async def test_who_may_ask(sending: Installation, ledger: Ledger) -> None:
    """A key of the scope full alone; no address that mail can't reach; and not more than a few times a day."""
    async with sending.client(sending.keys["acme"]) as acme:
        key = await sending.make_key("acme", Scope.WRITE)
        for to in ("root@localhost", "a@b.invalid", "a@b.example\r\nBcc: c@d.example", "a@b.example,c@d.example"):
            assert (await acme.patch("/account", json={"email": to})).status_code in (400, 422)
        async with sending.client(key) as writer:
            assert (await writer.patch("/account", json={"email": NEW})).status_code == 403
            assert (await writer.patch("/account", json={"reminders": False})).status_code == 200
        assert ledger.messages() == []
        codes = [(await acme.patch("/account", json={"email": NEW})).status_code for _ in range(5)]
    assert codes == [200] * 3 + [429] * 2
    assert len(ledger.messages()) == 3


async def test_a_mail_server_that_refuses_is_told(sending: Installation, ledger: Ledger) -> None:
    """Nobody waits for a message that was not taken."""
    ledger.mood = Mood.REFUSES
    async with sending.client(sending.keys["acme"]) as acme:
        refused = await acme.patch("/account", json={"email": NEW})
    assert refused.json()["error"]["code"] == "provider-failed"


async def test_no_address_is_said(house: Installation, acme: httpx2.AsyncClient, operator: httpx2.AsyncClient) -> None:
    """An address at this machine passes for none, in API and pages; without a mail server nobody can confirm one."""
    assert (await acme.get("/account")).json()["emailReachable"] is True
    await operator.patch(f"/accounts/{house.accounts['acme']}", json={"email": "postmaster@localhost"})
    assert (await acme.get("/account")).json()["emailReachable"] is False
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        for path in ("/dashboard", "/dashboard/account"):
            assert "No mail can reach postmaster@localhost" in (await browser.get(path)).text
    refused = await acme.patch("/account", json={"email": NEW})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")

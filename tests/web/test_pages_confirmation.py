"""Nothing ends at the pages before somebody was asked, and where mail would stop a name was typed."""

import re
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from msgspec.structs import replace

from letterhead.core.accounts.accounts import Scope
from letterhead.core.domain.health import HealthState
from letterhead.ports.store.domains import DomainUpdate
from tests.web.conftest import Installation
from tests.web.test_pages import csrf, sign_in

DELETE = "/dashboard/domains/acme.dev/delete"


async def verify(house: Installation, sender: str) -> None:
    """Make a domain one that may send."""
    domain = await house.world.domain(sender)
    watch = replace(domain.dkim, state=HealthState.VERIFIED)
    assert await house.deps.store.save(DomainUpdate(domain=replace(domain, dkim=watch, is_holder=True)))


async def made_key(acme: httpx2.AsyncClient, name: str) -> str:
    """Make another full key and return its id."""
    answer = await acme.post("/keys", json={"keyType": "secret", "name": name, "scope": "full"})
    return str(answer.json()["id"])


async def live_keys(acme: httpx2.AsyncClient) -> list[str]:
    """List the names of the keys that work."""
    return [each["name"] for each in (await acme.get("/keys")).json()["keys"] if not each["revoked"]]


async def test_a_domain_that_sends_is_deleted_by_its_name(house: Installation, acme: httpx2.AsyncClient) -> None:
    """The page says that mail stops; without the name, or with another, nothing is deleted."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    await verify(house, "acme.dev")
    await acme.post("/domains/acme.dev/setup-links")
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        asked = await browser.get(DELETE)
        assert "Mail from acme.dev stops" in asked.text
        assert "Its set-up links stop working." in asked.text
        assert 'name="confirm"' in asked.text
        for typed, status in (
            ({}, 200),
            ({"confirm": ""}, 200),
            ({"confirm": "yes"}, 400),
            ({"confirm": "acme.de"}, 400),
        ):
            answer = await browser.post(DELETE, data={"csrf": csrf(asked), **typed})
            assert answer.status_code == status, typed
            assert ("so nothing was done" in answer.text) == (status == 400)
            assert (await acme.get("/domains/acme.dev")).status_code == 200
        done = await browser.post(DELETE, data={"csrf": csrf(asked), "confirm": " ACME.dev "})
        assert done.headers["location"] == "/dashboard?done=deleted"
        assert (await acme.get("/domains/acme.dev")).status_code == 404


async def test_a_domain_that_does_not_send_takes_a_button(house: Installation, acme: httpx2.AsyncClient) -> None:
    """No name to type where no mail would stop; but no form without the question either."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        asked = await browser.get(DELETE)
        assert "Mail from" not in asked.text
        assert "<label" not in asked.text
        assert (await browser.post(DELETE, data={"csrf": csrf(asked)})).status_code == 200
        assert (await acme.get("/domains/acme.dev")).status_code == 200
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', asked.text))
        assert (await browser.post(DELETE, data=fields)).status_code == 303
        assert (await acme.get("/domains/acme.dev")).status_code == 404


def hidden_fields(page: httpx2.Response) -> dict[str, str]:
    """Read what a page's own form sends, but for what is typed."""
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text.partition("<main")[2]))


async def states(browser: httpx2.AsyncClient) -> list[str]:
    """Read the first word of each key's state."""
    return re.findall(r'data-label="State">(\w+)', (await browser.get("/dashboard/keys")).text)


async def test_ending_a_key_asks_first(house: Installation, acme: httpx2.AsyncClient) -> None:
    """One that nobody uses by a button; one in use by its name, since a mail server may send with it."""
    idle, used = await made_key(acme, "idle"), await made_key(acme, "The mail server")
    now = datetime.now(UTC)
    await house.deps.store.count_requests(
        "2026-11", {}, {used: now - timedelta(days=2), idle: now - timedelta(days=31)}
    )
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        listed = await browser.get("/dashboard/keys")
        assert f'href="/dashboard/keys/{idle}/end"' in listed.text
        token = csrf(listed)
        asked = await browser.get(f"/dashboard/keys/{used}/end")
        assert "A mail server that sends through the relay with it" in asked.text
        for typed in ({}, {"confirm": "yes"}, {"confirm": "the mail"}):
            await browser.post(f"/dashboard/keys/{used}/end", data={"csrf": token, **typed})
        assert sorted(await live_keys(acme)) == ["The mail server", "first key", "idle"]
        await browser.post(f"/dashboard/keys/{used}/end", data={"csrf": token, "confirm": "the mail  server"})
        assert (await browser.post(f"/dashboard/keys/{idle}/end", data={"csrf": token})).status_code == 200
        assert sorted(await live_keys(acme)) == ["first key", "idle"]
        assert "<label" not in (await browser.get(f"/dashboard/keys/{idle}/end")).text
        done = await browser.post(f"/dashboard/keys/{idle}/end", data={"csrf": token, "confirm": "yes"})
        assert done.headers["location"] == "/dashboard/keys?done=key_ended"
        assert await live_keys(acme) == ["first key"]
        third = f"/dashboard/keys/{await made_key(acme, 'third')}/end"
        asked = await browser.get(f"{third}?later=yes")
        assert "works for 7 days more" in asked.text
        unasked = await browser.post(third, data={"csrf": token, "later": "yes"})
        assert unasked.status_code == 200
        assert "ends" not in await states(browser)
        done = await browser.post(third, data=hidden_fields(asked))
        assert done.headers["location"] == "/dashboard/keys?done=key_ends"
        assert "ends" in await states(browser)
        assert (await browser.get("/dashboard/keys/key_none/end")).status_code == 404


async def test_the_last_full_key_has_no_button(house: Installation, acme: httpx2.AsyncClient) -> None:
    """It says what to do instead, and its form is refused; beside another one it has its button."""
    await house.make_key("acme", Scope.READ)
    (last,) = [each["id"] for each in (await acme.get("/keys")).json()["keys"] if each["scope"] == "full"]
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        listed = await browser.get("/dashboard/keys")
        assert "The last full key." in listed.text
        assert f"/dashboard/keys/{last}/end" not in listed.text
        form = {"csrf": csrf(listed), "confirm": "first key"}
        assert (await browser.post(f"/dashboard/keys/{last}/end", data=form)).status_code in (200, 409)
        assert "first key" in await live_keys(acme)
        await made_key(acme, "second")
        assert f"/dashboard/keys/{last}/end" in (await browser.get("/dashboard/keys")).text


async def test_whoever_ends_the_own_key_is_told_why_the_sign_in_is_there(
    house: Installation, acme: httpx2.AsyncClient
) -> None:
    """Before: that this signs you out. After: that the key you ended is the reason."""
    await made_key(acme, "second")
    own = next(each["id"] for each in (await acme.get("/keys")).json()["keys"] if each["name"] == "first key")
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        asked = await browser.get(f"/dashboard/keys/{own}/end")
        assert "You signed in with this key" in asked.text
        word = {"confirm": "first key" if "To confirm, type" in asked.text else "yes"}
        done = await browser.post(f"/dashboard/keys/{own}/end", data={"csrf": csrf(asked)} | word)
        assert done.headers["location"] == "/sign-in?done=own_key_ended"
        assert "You ended the API key that you had signed in with" in (await browser.get(done.headers["location"])).text


async def test_signing_out_everywhere_asks_and_says_so(house: Installation) -> None:
    """The account's page leads to a question; the sign-in page after it says what was done, there and elsewhere."""
    async with house.client() as browser, house.client() as other:
        await sign_in(browser, house.keys["acme"])
        await sign_in(other, house.keys["acme"])
        account = await browser.get("/dashboard/account")
        assert 'action="/sign-out"' in account.text  # the one of the navigation, for this browser alone
        assert 'value="yes"' not in account.text
        asked = await browser.get("/dashboard/account/sign-out")
        assert "Every session of this account ends" in asked.text
        fields = dict(
            re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', asked.text.partition("<main")[2])
        )
        done = await browser.post("/sign-out", data=fields)
        assert "so is every other browser" in (await browser.get(done.headers["location"])).text
        thrown = await other.get("/dashboard/keys")
        assert thrown.headers["location"] == "/sign-in?next=%2Fdashboard%2Fkeys&done=session_ended"
        assert "Your session has ended" in (await other.get(thrown.headers["location"])).text


@pytest.mark.parametrize("action", ["rotate-secret", "delete"])
async def test_webhooks_ask(house: Installation, acme: httpx2.AsyncClient, action: str) -> None:
    """A new secret and a deletion say what stops, and do nothing unasked."""
    hook = (await acme.post("/webhooks", json={"webhook": "https://hooks.dev/x", "events": ["*"]})).json()
    path = f"/dashboard/webhooks/{hook['id']}/{action}"
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        asked = await browser.get(path)
        assert "https://hooks.dev/x" in asked.text
        assert (await browser.post(path, data={"csrf": csrf(asked)})).status_code == 200
        assert (await acme.get("/webhooks")).json()["endpoints"][0]["secret"] == hook["secret"]
        assert (await browser.post(path, data={"csrf": csrf(asked), "confirm": "yes"})).status_code == 303
        left = (await acme.get("/webhooks")).json()["endpoints"]
        assert [each for each in left if each["secret"] == hook["secret"]] == []


async def test_links_and_new_keys_ask(house: Installation, acme: httpx2.AsyncClient) -> None:
    """Revoking a link and abandoning a new key ask, and say that no mail stops."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    await verify(house, "acme.dev")
    link = (await acme.post("/domains/acme.dev/setup-links")).json()["id"]
    await acme.post("/domains/acme.dev/dkim-rotation")
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        page = (await browser.get("/dashboard/domains/acme.dev")).text
        for path in (f"setup-links/{link}/revoke", "dkim-rotation/abandon"):
            address = f"/dashboard/domains/acme.dev/{path}"
            assert f'href="{address}"' in page
            asked = await browser.get(address)
            assert re.search("mail is not affected|No mail stops", asked.text)
            assert (await browser.post(address, data={"csrf": csrf(asked)})).status_code == 200
        (one,) = (await acme.get("/domains/acme.dev/setup-links")).json()["setupLinks"]
        assert one["ended"] is False
        assert (await acme.get("/domains/acme.dev/dkim-rotation")).json()["step"] == "waiting"

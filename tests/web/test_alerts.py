"""Alert channels by the API and on the account's page: kept sealed, never shown, bounded, tested, deleted."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest

from letterhead.adapters.alerts import AppriseSender
from letterhead.core.accounts.accounts import Scope
from letterhead.core.accounts.alert_channels import MOST_CHANNELS
from letterhead.core.public.webhooks import EgressPolicy
from tests.rigs.alert_services import AlertServices, Dial, serving
from tests.web.conftest import Installation, running
from tests.web.test_pages import csrf, sign_in

SECRET = "tk_canarycanary7Q"
URL = f"ntfys://{SECRET}@ntfy.acme.dev/mail"


@pytest.fixture
def services() -> Iterator[AlertServices]:
    """Run what stands in for the services."""
    with serving() as standing:
        yield standing


@pytest.fixture
async def house(tmp_path: Path, services: AlertServices) -> AsyncIterator[Installation]:
    """Run an installation whose alerts go to the stand-in."""
    sender = AppriseSender(EgressPolicy(), services.resolve, dial=Dial(services), seconds=5)
    async with running(tmp_path, alerts=sender) as installation:
        yield installation


def written(folder: Path) -> bytes:
    """Read all files below a folder."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_a_channel_is_kept_tested_and_deleted(
    house: Installation, acme: httpx2.AsyncClient, services: AlertServices, tmp_path: Path
) -> None:
    """No answer, no audit and no file of the database has its address."""
    added = await acme.post("/alert-channels", json={"name": " Mail  team ", "url": URL})
    assert added.status_code == 201
    channel = added.json()
    assert (channel["name"], channel["scheme"], channel["service"]) == ("Mail team", "ntfys", "ntfy")
    (listed,) = (await acme.get("/alert-channels")).json()["alertChannels"]
    assert {**listed, "createdAt": ""} == {**channel, "createdAt": ""}
    assert services.posted == []
    tested = await acme.post(f"/alert-channels/{channel['id']}/test")
    assert tested.json() == {"taken": True, "detail": "it answered 200"}
    assert services.posted[0].body["message"].startswith("This is a test of Letterhead")
    assert services.posted[0].headers["authorization"] == f"Bearer {SECRET}"
    shown = (await acme.get("/alert-channels")).text + (await acme.get("/account")).text + tested.text + added.text
    audit = str(await house.deps.store.audit_rows(house.accounts["acme"], None, 10))
    assert "alert-channel.add" in audit
    assert SECRET not in shown + audit
    assert SECRET.encode() not in written(tmp_path)
    assert (await acme.delete(f"/alert-channels/{channel['id']}")).status_code == 204
    assert (await acme.delete(f"/alert-channels/{channel['id']}")).status_code == 404
    assert (await acme.post(f"/alert-channels/{channel['id']}/test")).status_code == 404


async def test_what_is_refused(house: Installation, acme: httpx2.AsyncClient, services: AlertServices) -> None:
    """Another kind of address, one that leads inside, a name of nothing, an eleventh, and a key that only reads."""
    for url, code in (("file:///etc/passwd", "alert-url-invalid"), (f"{URL}?x=y", "alert-url-invalid")):
        answer = await acme.post("/alert-channels", json={"name": "x", "url": url})
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
        assert url not in answer.text
    assert (await acme.post("/alert-channels", json={"name": " \n", "url": URL})).status_code == 400
    services.addresses["ntfy.acme.dev"] = ["10.0.0.7"]
    for number in range(MOST_CHANNELS):
        assert (await acme.post("/alert-channels", json={"name": f"c{number}", "url": URL})).status_code == 201
    assert (await acme.post("/alert-channels", json={"name": "more", "url": URL})).status_code == 409
    first = (await acme.get("/alert-channels")).json()["alertChannels"][0]
    tested = await acme.post(f"/alert-channels/{first['id']}/test")
    assert tested.json() == {"taken": False, "detail": "its host leads to an address that is not public"}
    failing = (await acme.get("/alert-channels")).json()["alertChannels"][0]
    assert failing["failure"] == "its host leads to an address that is not public"
    assert "failingSince" in failing
    assert services.posted == []
    async with house.client(await house.make_key("acme", Scope.READ)) as reader:
        assert (await reader.post("/alert-channels", json={"name": "x", "url": URL})).status_code == 403
        assert (await reader.delete(f"/alert-channels/{first['id']}")).status_code == 403
        assert (await reader.get("/alert-channels")).status_code == 200


async def test_the_account_page(house: Installation, services: AlertServices) -> None:
    """Adds, tests, names what fails and why, asks before it deletes, and never shows the address."""
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        page = await browser.get("/dashboard/account")
        form = {"csrf": csrf(page), "name": "On call", "url": URL}
        done = await browser.post("/dashboard/account/alerts", data=form)
        assert done.headers["location"] == "/dashboard/account?done=alerts_added"
        services.status = 404
        page = await browser.get("/dashboard/account")
        assert "On call" in page.text
        action = page.text.partition('action="/dashboard/account/alerts/')[2].partition("/test")[0]
        tested = await browser.post(f"/dashboard/account/alerts/{action}/test", data={"csrf": csrf(page)})
        assert tested.headers["location"].endswith("done=alerts_not_taken")
        page = await browser.get("/dashboard/account")
        assert "it answered 404" in page.text
        assert SECRET not in page.text
        asked = await browser.get(f"/dashboard/account/alerts/{action}/delete")
        assert "No alert goes to ntfy by it any more." in asked.text
        gone = await browser.post(
            f"/dashboard/account/alerts/{action}/delete", data={"csrf": csrf(asked), "confirm": "yes"}
        )
        assert gone.headers["location"].endswith("done=alerts_deleted")


async def test_closing_the_account_takes_them(house: Installation, acme: httpx2.AsyncClient) -> None:
    """The receipt counts them."""
    await acme.post("/alert-channels", json={"name": "x", "url": URL})
    counted = await house.deps.store.count_account_rows(house.accounts["acme"])
    assert counted["alert_channels"] == 1

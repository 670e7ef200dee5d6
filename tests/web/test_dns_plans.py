"""Records at the DNS host by the API and the pages: plan, apply, SUCCESS, undo; and nobody has a part in another's."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from letterhead.core.accounts.accounts import Scope
from tests.rigs.hosted_zones import HOST, TOKEN, MemoryHost
from tests.rigs.proving import prove, provider_at_once
from tests.web.conftest import Installation, running
from tests.web.test_pages import csrf, sign_in

ACCESS = {"host": HOST, "credential": {"token": TOKEN}}
MANY = 100


@pytest.fixture
def host() -> MemoryHost:
    """Return a DNS host with some zones."""
    return MemoryHost("acme.dev", *(f"customer{number}.dev" for number in range(MANY)))


@pytest.fixture
async def house(tmp_path: Path, host: MemoryHost) -> AsyncIterator[Installation]:
    """Run an installation that writes at it."""
    async with running(tmp_path, resolver=host, hosted_zones=host, provider=provider_at_once()) as installation:
        yield installation


async def test_plan_apply_success_undo(house: Installation, acme: httpx2.AsyncClient, host: MemoryHost) -> None:
    """A program needs four calls; every record says what stands there and what will."""
    before = dict(host.zones["acme.dev"])
    (listed,) = (await acme.get("/dns-hosts")).json()["dnsHosts"]
    assert listed["fields"] == [{"name": "token", "title": "API token", "secret": True, "optional": False}]
    await acme.post("/domains", json={"sender": "acme.dev"})
    answer = await acme.post("/domains/acme.dev/dns-plan", json=ACCESS)
    plan = answer.json()
    assert (answer.status_code, plan["state"], plan["zone"]) == (201, "planned", "acme.dev")
    assert {each["action"] for each in plan["changes"]} == {"create"}
    assert all("before" not in each and each["after"]["values"] and each["reason"] for each in plan["changes"])
    assert host.zones["acme.dev"] == before
    path = f"/domains/acme.dev/dns-plans/{plan['id']}"
    after = (await acme.post(f"{path}/apply", json={"credential": ACCESS["credential"]})).json()
    assert after["state"] == "served"
    await prove(house.deps, house.accounts["acme"], "acme.dev")
    assert (await acme.get("/domains/acme.dev")).json()["status"] == "SUCCESS"
    assert (await acme.get(path)).json() == after
    again = (await acme.post("/domains/acme.dev/dns-plan", json=ACCESS)).json()
    assert {each["action"] for each in again["changes"]} == {"keep"}
    undone = (await acme.post(f"{path}/undo", json=ACCESS)).json()
    assert (undone["state"], {each["action"] for each in undone["undone"]}) == ("undone", {"delete"})
    assert host.zones["acme.dev"] == before
    plans = (await acme.get("/domains/acme.dev/dns-plans")).json()["dnsPlans"]
    assert [each["state"] for each in plans] == ["planned", "undone"]


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"host": HOST}, 400, "parameter-invalid"),
        ({"host": HOST, "credential": {"token": 1}}, 400, "body-invalid"),
        ({"host": HOST, "credential": {"token": "x" * 9000}}, 400, "parameter-invalid"),
        ({"host": HOST, "credential": {"token": "wrong"}}, 403, "dns-host-refused"),
    ],
)
async def test_what_is_wrong_has_a_code(acme: httpx2.AsyncClient, asked: object, status: int, code: str) -> None:
    """What happened, and what to do; no part of the credential is in it."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    answer = await acme.post("/domains/acme.dev/dns-plan", json=asked)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert answer.json()["error"]["fix"]
    assert "wrong" not in answer.text and "xxxx" not in answer.text


async def test_a_key_that_reads_writes_nothing(house: Installation, acme: httpx2.AsyncClient) -> None:
    """With the scope "read" plans are seen, and none is made, applied or undone."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    plan = (await acme.post("/domains/acme.dev/dns-plan", json=ACCESS)).json()
    path = f"/domains/acme.dev/dns-plans/{plan['id']}"
    async with house.client(await house.make_key("acme", Scope.READ)) as reader:
        assert (await reader.get(path)).status_code == 200
        for asked in ("/domains/acme.dev/dns-plan", f"{path}/apply", f"{path}/undo"):
            assert (await reader.post(asked, json=ACCESS)).status_code == 403
    async with house.client(await house.open_account("zeta")) as zeta:
        await zeta.post("/domains", json={"sender": "acme.dev"})  # a claim to the same name
        assert (await zeta.get(path)).status_code == 404
        assert (await zeta.post(f"{path}/apply", json=ACCESS)).status_code == 404
        assert (await zeta.get("/domains/acme.dev/dns-plans")).json() == {"dnsPlans": []}


async def test_a_hundred_domains_at_once(house: Installation, acme: httpx2.AsyncClient, host: MemoryHost) -> None:
    """All are written, a few at a time, while another account's plan does not wait behind them."""
    names = [f"customer{number}.dev" for number in range(MANY)]
    for name in names:
        await acme.post("/domains", json={"sender": name, "startVerification": False})

    async def write(name: str) -> str:
        plan = await acme.post(f"/domains/{name}/dns-plan", json=ACCESS, timeout=120)
        path = f"/domains/{name}/dns-plans/{plan.json()['id']}/apply"
        return str((await acme.post(path, json=ACCESS, timeout=120)).json()["state"])

    async with house.client(await house.open_account("zeta")) as zeta:
        await zeta.post("/domains", json={"sender": "acme.dev"})
        states = asyncio.gather(*map(write, names))
        plan = await zeta.post("/domains/acme.dev/dns-plan", json=ACCESS)
        assert plan.status_code == 201
        assert not states.done()
        assert set(await states) == {"served"}
    assert all(len(host.zones[name]) > 4 for name in names)


async def test_pages_write_without_a_script(house: Installation, acme: httpx2.AsyncClient, host: MemoryHost) -> None:
    """Host, credential, plan with before and after, written, undone: forms alone, and no page shows the credential."""
    before = dict(host.zones["acme.dev"])
    await acme.post("/domains", json={"sender": "acme.dev"})
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        at = "/dashboard/domains/acme.dev"
        page = await browser.get(at)
        assert f'href="{at}/dns"' in page.text
        assert "The lab" in (await browser.get(f"{at}/dns")).text
        page = await browser.get(f"{at}/dns?host={HOST}")
        assert 'type="password"' in page.text and "edit the records of this one zone" in page.text
        form = {"csrf": csrf(page), "host": HOST, "credential.token": "wrong"}
        page = await browser.post(f"{at}/dns", data=form)
        assert (page.status_code, "does not take the token" in page.text, "wrong" in page.text) == (403, True, False)
        form["credential.token"] = TOKEN
        made = await browser.post(f"{at}/dns", data=form)
        path = made.headers["location"]
        page = await browser.get(path)
        assert page.text.count("create") >= 4 and "v=DKIM1" in page.text
        form = {"csrf": csrf(page), "credential.token": TOKEN}
        written = await browser.post(f"{path}/apply", data=form)
        page = await browser.get(written.headers["location"])
        assert "every nameserver answers with them" in page.text and TOKEN not in page.text
        await prove(house.deps, house.accounts["acme"], "acme.dev")
        written_zone = dict(host.zones["acme.dev"])
        refused = await browser.post(f"{path}/undo", data=form)  # mail may be sent: the name has to be typed
        assert (refused.status_code, host.zones["acme.dev"]) == (400, written_zone)
        undone = await browser.post(f"{path}/undo", data=form | {"confirm": "acme.dev"})
        assert undone.status_code == 303
        assert host.zones["acme.dev"] == before


async def test_the_page_offers_the_credential_that_is_kept(
    house: Installation, acme: httpx2.AsyncClient, host: MemoryHost
) -> None:
    """It is ticked, so that nothing has to be typed; another account is offered nothing."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    kept = await acme.post("/dns-credentials", json={"sender": "acme.dev", **ACCESS})
    assert kept.status_code in (200, 201), kept.text
    await house.open_account("zeta")
    at = "/dashboard/domains/acme.dev/dns"
    async with house.client() as browser, house.client(house.keys["zeta"]) as zeta:
        await zeta.post("/domains", json={"sender": "acme.dev"})
        await sign_in(browser, house.keys["zeta"])
        page = await browser.get(f"{at}?host={HOST}")
        assert (page.status_code, kept.json()["id"] in page.text) == (200, False)
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        page = await browser.get(f"{at}?host={HOST}")
        form = {"csrf": csrf(page), "host": HOST, "credentialId": kept.json()["id"], "credential.token": ""}
        assert f'value="{kept.json()["id"]}" checked' in page.text
        path = (await browser.post(at, data=form)).headers["location"]
        form = {"csrf": csrf(await browser.get(path)), "credentialId": kept.json()["id"]}
        assert (await browser.post(f"{path}/apply", data=form)).headers["location"].endswith("done=dns_served")

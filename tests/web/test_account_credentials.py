"""Kept credentials of DNS hosts by the API and on the account's page: what is shown, changed and deleted."""

import httpx2

from tests.rigs.hosted_zones import HOST, plant_credential
from tests.web.conftest import Installation
from tests.web.test_pages import csrf, sign_in


async def test_the_account_page_lists_changes_and_deletes(house: Installation, acme: httpx2.AsyncClient) -> None:
    """Zone and host, never a value; putting back is switched on, and deleting is asked for first."""
    kept = await plant_credential(house.deps, "acme.dev", house.accounts["acme"])
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        page = await browser.get("/dashboard/account")
        assert "acme.dev" in page.text
        assert HOST in page.text
        path, token = f"/dashboard/account/credentials/{kept}", csrf(page)
        await browser.post(path, data={"csrf": token, "put_back": "on"})
        assert (await acme.get("/dns-credentials")).json()["dnsCredentials"][0]["putBack"] is True
        await browser.post(path, data={"csrf": token})
        assert (await acme.get("/dns-credentials")).json()["dnsCredentials"][0]["putBack"] is False
        await browser.post(f"{path}/delete", data={"csrf": token})
        assert len((await acme.get("/dns-credentials")).json()["dnsCredentials"]) == 1
        asked = await browser.get(f"{path}/delete")
        await browser.post(f"{path}/delete", data={"csrf": csrf(asked), "confirm": "yes"})
    assert (await acme.get("/dns-credentials")).json() == {"dnsCredentials": []}


async def test_a_credential_is_never_shown(house: Installation, acme: httpx2.AsyncClient) -> None:
    """Neither in the list nor after a change; one that there is not is not found."""
    kept = await plant_credential(house.deps, "acme.dev", house.accounts["acme"])
    changed = await acme.patch(f"/dns-credentials/{kept}", json={"putBack": True})
    listed = await acme.get("/dns-credentials")
    assert (changed.status_code, changed.json()["putBack"], changed.json()["fields"]) == (200, True, ["token"])
    assert "canary" not in changed.text + listed.text
    assert (await acme.patch("/dns-credentials/dns_none", json={"putBack": True})).status_code == 404
    assert (await acme.delete(f"/dns-credentials/{kept}")).status_code == 204
    assert (await acme.delete(f"/dns-credentials/{kept}")).status_code == 404


async def test_one_way_to_sign_in_is_needed(acme: httpx2.AsyncClient) -> None:
    """A plan takes a credential or the id of one, and says so."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    for body in ({}, {"host": "lab", "credential": {"token": "abc"}, "credentialId": "dns_none"}):
        refused = await acme.post("/domains/acme.dev/dns-plan", json=body)
        assert refused.status_code == 400
        assert "credentialId" in refused.json()["error"]["fix"]

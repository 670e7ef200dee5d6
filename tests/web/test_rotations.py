"""The change of keys over HTTP: what each step shows, who may, and that the new key does not leak before its time."""

from typing import Any

import httpx2
import pytest
from msgspec.structs import replace
from pingram import Pingram
from pingram.models.domain_dns_check import DomainDnsCheck

from letterhead.core.accounts.accounts import Scope
from letterhead.core.domain.health import HealthState, new_health
from letterhead.ports.store.domains import DomainUpdate
from tests.web.conftest import Installation

PATH = "/domains/acme.dev/dkim-rotation"


async def verified(house: Installation, acme: httpx2.AsyncClient) -> None:
    """Add a domain and have it verified."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    domain = await house.world.domain("acme.dev")
    watch = new_health(HealthState.VERIFIED, house.deps.now())
    assert await house.deps.store.save(DomainUpdate(domain=replace(domain, dkim=watch, is_holder=True)))


async def listed(client: httpx2.AsyncClient) -> dict[str, Any]:
    """Read the one domain of the list."""
    domain: dict[str, Any]
    (domain,) = (await client.get("/domains")).json()
    return domain


async def test_a_rotation_shows_what_to_publish_and_changes_nothing_else(
    house: Installation, acme: httpx2.AsyncClient
) -> None:
    """The list's selector, key and `dkim` record stay; the new key's record stands beside them as `dkim_next`."""
    await verified(house, acme)
    before = await listed(acme)
    assert (await acme.get(PATH)).json() == {
        "sender": "acme.dev", "step": "none", "waitsFor": "No change of keys is under way.",
        "selector": before["selector"], "oldSelectors": [],
    }  # fmt: skip
    started = await acme.post(PATH)
    assert started.status_code == 200
    told = started.json()
    assert (told["step"], told["selector"]) == ("waiting", before["selector"])
    assert told["record"]["host"] == f"{told['nextSelector']}._domainkey.acme.dev"
    assert told["record"]["recordValue"].startswith("v=DKIM1; k=rsa; p=MII")
    assert told["record"]["host"] in told["waitsFor"]
    after = await listed(acme)
    records = after["verificationRecords"]
    assert isinstance(records, dict)
    assert records.pop("dkim_next") == told["record"]
    assert after == before | {"lastSync": after["lastSync"]}
    assert (await acme.post(PATH, json={})).json() == told


async def test_the_clients_closed_lists_stay_closed(house: Installation, acme: httpx2.AsyncClient) -> None:
    """The ids in `records` are those that the clients know; the new key has a field of its own."""
    await verified(house, acme)
    await acme.post(PATH)
    for path in ("/domains/acme.dev/dns-check", "/domains/acme.dev"):
        body = (await acme.get(path)).json()
        assert {each["id"] for each in body["records"]} <= {"dkim", "mail_from_spf", "mail_from_mx", "dmarc"}
    check = (await acme.get("/domains/acme.dev/dns-check")).json()
    assert (check["nextKey"]["id"], check["nextKey"]["required"]) == ("dkim_next", False)


async def test_abandoned(house: Installation, acme: httpx2.AsyncClient) -> None:
    """DELETE ends it before the switch, as often as one likes."""
    await verified(house, acme)
    before = await listed(acme)
    await acme.post(PATH, json={"selector": "lh2"})
    for _ in range(2):
        ended = await acme.delete(PATH)
        assert (ended.status_code, ended.json()["step"]) == (200, "none")
    assert await listed(acme) == before
    again = await acme.post(PATH, json={"selector": "lh2"})
    assert (again.status_code, again.json()["error"]["code"]) == (409, "selector-used")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"selector": "a b"}, 400, "selector-invalid"),
        ({"selector": 7}, 400, "selector-invalid"),
        ({"privateKey": "no key"}, 400, "key-invalid"),
        ({"unknown": 1}, 400, "body-invalid"),
    ],
)
async def test_a_wish_that_can_not_be_is_refused(
    house: Installation, acme: httpx2.AsyncClient, body: dict[str, object], status: int, code: str
) -> None:
    """Each with its own code, and nothing begins."""
    await verified(house, acme)
    refused = await acme.post(PATH, json=body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
    assert (await acme.get(PATH)).json()["step"] == "none"


async def test_a_pending_domain_is_refused_with_what_to_do(acme: httpx2.AsyncClient) -> None:
    """Nothing is proven yet that another key could follow."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    refused = await acme.post(PATH)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
    assert "Publish its records first" in refused.json()["error"]["fix"]


async def test_scopes(house: Installation, acme: httpx2.AsyncClient) -> None:
    """`read` sees the step, `write` changes it, and neither sees a private key in any answer."""
    await verified(house, acme)
    for scope, status in ((Scope.READ, 403), (Scope.WRITE, 200)):
        async with house.client(await house.make_key("acme", scope)) as client:
            assert (await client.get(PATH)).status_code == 200
            assert (await client.post(PATH)).status_code == status
            assert (await client.delete(PATH)).status_code == status
            assert "privateDKIMKey" not in (await client.get("/domains")).text


async def test_the_official_client_reads_on(house: Installation, acme: httpx2.AsyncClient) -> None:
    """The new key's record breaks no client: list and dns-check are read into the types that they have."""
    await verified(house, acme)
    before = await listed(acme)
    await acme.post(PATH)
    async with Pingram(api_key=house.keys["acme"], base_url=house.url) as client:
        (domain,) = await client.domains.domains_list_domains()
        assert (domain.selector, domain.status) == (before["selector"], "SUCCESS")
        assert domain.verification_records is not None
        assert domain.verification_records.dkim is not None
        assert domain.verification_records.dkim.host.startswith(f"{before['selector']}.")
    check = DomainDnsCheck.from_dict((await acme.get("/domains/acme.dev/dns-check")).json())
    assert check is not None
    assert {each.id for each in check.records} >= {"dkim", "dmarc"}

"""Holds that accounts do not see each other, over every endpoint, every foreign id and every scope."""

import asyncio
from urllib.parse import urlsplit

import httpx2

from letterhead.core.accounts import Scope
from letterhead.web.routes import ENDPOINTS
from tests.rigs.proving import given_to
from tests.web.conftest import Installation

CANARY = "canary"
ABOUT_DNS_ALONE = {"/domains/{sender}/preflight"}  # of any name, whoever has it


async def test_no_foreign_canary_anywhere(house: Installation) -> None:
    """No answer to one account holds anything of another, whatever foreign name or id it asks for."""
    await house.open_account(f"{CANARY}-account")
    async with house.client(house.keys[f"{CANARY}-account"]) as other:
        await other.post("/domains", json={"sender": "theirs.dev", "selector": f"{CANARY}1"})
        made = (await other.post("/keys", json={"keyType": "secret", "name": f"{CANARY} key"})).json()
        link = (await other.post("/domains/theirs.dev/setup-links")).json()
        before = (await other.get("/domains")).json()
        account = house.accounts[f"{CANARY}-account"]
        webhook = {"webhook": f"https://{CANARY}.dev/", "events": ["*"]}
        webhook_id = (await other.post("/webhooks", json=webhook)).json()["id"]
        delivery_id = (await other.post(f"/webhooks/{webhook_id}/test")).json()["id"]
        hooks = (await other.get("/webhooks")).json()
        given_to(house.deps)
        proof_id = (await other.post("/domains/theirs.dev/proof")).json()["id"]
        (event_id, *_) = [each["id"] for each in (await other.get("/events")).json()]
        foreign = {
            "sender": "theirs.dev", "linkId": link["id"], "keyId": made["id"], "accountId": account,
            "token": f"{account}.{'A' * 24}", "eventId": event_id, "webhookId": webhook_id, "deliveryId": delivery_id,
            "proofId": proof_id,
        }  # fmt: skip
        for scope in Scope:
            async with house.client(await house.make_key("acme", scope)) as acme:
                for endpoint in ENDPOINTS:
                    answer = await acme.request(endpoint.method, endpoint.path.format(**foreign), json={})
                    told = answer.text + str(answer.headers)
                    assert CANARY not in told, (endpoint, scope)
                    if "{" in endpoint.path and endpoint.path not in ABOUT_DNS_ALONE:
                        assert answer.status_code in (401, 403, 404), (endpoint, scope)
        assert (await other.get("/domains")).json() == before
        assert (await other.get("/webhooks")).json() == hooks
        assert (await other.get("/account")).status_code == 200


async def test_both_may_ask_for_one_name(house: Installation, acme: httpx2.AsyncClient) -> None:
    """A name that another account asked for is added as any other: its claim does not show."""
    await house.open_account("zeta")
    async with house.client(house.keys["zeta"]) as zeta:
        (theirs,) = (await zeta.post("/domains", json={"sender": "acme.dev"})).json()
        (ours,) = (await acme.post("/domains", json={"sender": "acme.dev"})).json()
        assert theirs["selector"] != ours["selector"]
        assert (theirs["status"], ours["status"]) == ("PENDING", "PENDING")


async def test_lost_replies_leave_one_domain(house: Installation, acme: httpx2.AsyncClient) -> None:
    """Clients that hang up before the reply and ask again leave one domain, with one selector."""
    address = urlsplit(house.url)
    body = b'{"sender":"acme.dev"}'
    head = (
        f"POST /domains HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {house.keys['acme']}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )

    async def hang_up() -> None:
        _, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    await asyncio.gather(*(hang_up() for _ in range(20)))
    listed = (await acme.post("/domains", json={"sender": "acme.dev"})).json()
    assert [each["sender"] for each in listed] == ["acme.dev"]
    assert len(await house.world.events()) == 2  # created and pending, once each

"""Hold what accounts see of each other where they meet at one name; P12 (tests/faults) holds the rest."""

import asyncio
from urllib.parse import urlsplit

import httpx2

from tests.web.conftest import Installation


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


async def test_a_selector_tells_nobody_who_has_a_name(house: Installation, acme: httpx2.AsyncClient) -> None:
    """A claim with the selector that stands in another account's mail gets the response of any other claim."""
    await house.open_account("zeta")
    (theirs,) = (await acme.post("/domains", json={"sender": "acme.dev"})).json()
    async with house.client(house.keys["zeta"]) as zeta:
        responses = [
            await zeta.post("/domains", json={"sender": sender, "selector": theirs["selector"]})
            for sender in ("acme.dev", "free.dev")
        ]
        assert [each.status_code for each in responses] == [200, 200]
        assert (await zeta.delete("/domains/acme.dev")).status_code == 200
        again = await zeta.post("/domains", json={"sender": "acme.dev", "selector": theirs["selector"]})
        assert (again.status_code, again.json()["error"]["code"]) == (409, "selector-used")

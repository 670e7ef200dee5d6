"""GET /domains/{sender}?wait=…: answers when the domain changes, since the request or the ETag, and is bounded."""

import asyncio
import time
from pathlib import Path

import httpx2

from letterhead.core.accounts.accounts import Scope
from letterhead.web import app
from tests.rigs.waiting import until_async
from tests.web.conftest import Installation, running


async def is_waiting(house: Installation, number: int = 1) -> None:
    """Wait until so many requests wait."""
    await until_async(lambda: house.waiting() == number)


async def test_it_answers_once_the_domain_changes(house: Installation, acme: httpx2.AsyncClient) -> None:
    """A change ends the wait; without one the answer is as ever, after the time."""
    await acme.post("/domains", json={"sender": "acme.dev", "startVerification": False})
    waiting = asyncio.create_task(acme.get("/domains/acme.dev", params={"wait": 20}))
    await is_waiting(house)
    began = time.monotonic()
    await acme.post("/domains/acme.dev/start-verification")
    answer = await waiting
    assert (answer.status_code, answer.json()["status"]) == (200, "PENDING")
    assert time.monotonic() - began < 10
    assert house.waiting() == 0
    unchanged = await acme.get("/domains/acme.dev", params={"wait": 1})
    assert unchanged.json()["sender"] == "acme.dev"


async def test_it_answers_since_an_etag(house: Installation, acme: httpx2.AsyncClient) -> None:
    """What changed before the request is answered at once; what did not is 304 after the time."""
    await acme.post("/domains", json={"sender": "acme.dev", "startVerification": False})
    old = {"If-None-Match": (await acme.get("/domains/acme.dev")).headers["etag"]}
    same = await acme.get("/domains/acme.dev", params={"wait": 1}, headers=old)
    assert (same.status_code, same.content) == (304, b"")
    await acme.post("/domains/acme.dev/start-verification")
    began = time.monotonic()
    answer = await acme.get("/domains/acme.dev", params={"wait": 60}, headers=old)
    assert (answer.status_code, answer.json()["status"]) == (200, "PENDING")
    assert time.monotonic() - began < 10


async def test_what_ends_a_wait(house: Installation, acme: httpx2.AsyncClient) -> None:
    """A domain that is deleted is 404; a key that is revoked meanwhile gets 401 and nothing of the domain."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    key = await house.make_key("acme", Scope.READ)
    async with house.client(key) as reader:
        waiting = asyncio.create_task(reader.get("/domains/acme.dev", params={"wait": 20}))
        await is_waiting(house)
        (listed,) = (await acme.get("/keys")).json().values()
        read_key = next(each for each in listed if each["scope"] == "read")
        assert (await acme.delete(f"/keys/{read_key['id']}")).is_success
        revoked = await waiting
        assert revoked.status_code == 401
        assert "acme.dev" not in revoked.text
    waiting = asyncio.create_task(acme.get("/domains/acme.dev", params={"wait": 20}))
    await is_waiting(house)
    await acme.delete("/domains/acme.dev")
    assert (await waiting).status_code == 404
    assert house.waiting() == 0


async def test_waits_are_bounded(house: Installation, acme: httpx2.AsyncClient) -> None:
    """An account has so many at a time, each is at most 60 s, and a client that leaves gives its place back."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    for wait in (-1, 61, "x"):
        assert (await acme.get("/domains/acme.dev", params={"wait": wait})).status_code == 400
    waiting = [asyncio.create_task(acme.get("/domains/acme.dev", params={"wait": 30})) for _ in range(app.STREAMS_EACH)]
    await is_waiting(house, app.STREAMS_EACH)
    refused = await acme.get("/domains/acme.dev", params={"wait": 30})
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too-many-requests")
    assert "retry-after" in refused.headers
    assert (await acme.get("/domains/acme.dev")).status_code == 200
    for each in waiting:
        each.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await is_waiting(house, 0)


async def test_a_stop_ends_a_wait(tmp_path: Path) -> None:
    """When the server stops, whoever waits is answered at once, with the domain as it is."""
    async with running(tmp_path) as house:
        client = house.client(house.keys["acme"])
        await client.post("/domains", json={"sender": "acme.dev"})
        waiting = asyncio.create_task(client.get("/domains/acme.dev", params={"wait": 60}))
        await is_waiting(house)
        began = time.monotonic()
    answer = await waiting
    await client.aclose()
    assert (answer.status_code, answer.json()["sender"]) == (200, "acme.dev")
    assert time.monotonic() - began < 30

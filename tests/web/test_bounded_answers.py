"""No answer is without a bound: lists come in pages and pieces, one long one at a time, and are read or ended."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import pytest

from letterhead.core.accounts.accounts import Scope
from letterhead.web import http_protocol
from letterhead.web.routes.domains import LONG, PIECE
from tests.web.conftest import Installation, running
from tests.web.test_long_lists import COUNT, fill

WAIT = 60.0


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Installation]:
    """Run an installation whose account acme has a long list of domains."""
    async with running(tmp_path) as installation:
        fill(installation, tmp_path)
        yield installation


@pytest.fixture
async def reader(house: Installation) -> AsyncIterator[httpx2.AsyncClient]:
    """Ask without seeing private keys."""
    async with house.client(await house.make_key("acme", Scope.READ)) as client:
        yield client


@pytest.mark.parametrize("query", ["expand=health", "q=d", "refresh=true", "limit=100", "limit=70"])
async def test_pages_lead_on_to_the_whole_list(reader: httpx2.AsyncClient, query: str) -> None:
    """A list with any parameter has at most 100 domains unless more are asked for, and Link leads to the rest."""
    parameters = dict([query.split("=")])
    address, seen, pages = f"/domains?{query}", list[str](), 0
    while address:
        page = await reader.get(address)
        assert page.status_code == 200, page.text
        assert 0 < len(page.json()) <= int(parameters.get("limit", 100))
        seen += [each["sender"] for each in page.json()]
        address, pages = page.links.get("next", {}).get("url", ""), pages + 1
    whole = [each["sender"] for each in (await reader.get("/domains")).json()]
    assert seen == whole
    assert pages == -(-COUNT // int(parameters.get("limit", 100)))


async def test_the_list_of_the_contract_stays_whole(reader: httpx2.AsyncClient) -> None:
    """Without parameters there is neither a limit nor a Link."""
    whole = await reader.get("/domains")
    assert (len(whole.json()), "link" in whole.headers) == (COUNT, False)


async def test_others_are_served_between_the_pieces(house: Installation, reader: httpx2.AsyncClient) -> None:
    """While four clients have lists of 500 domains made, the event loop is never held for a whole list."""
    waits, done = list[float](), False

    async def watch() -> None:
        while not done:
            begun = time.thread_time()
            await asyncio.sleep(0)
            waits.append(time.thread_time() - begun)

    watching = asyncio.create_task(watch())
    begun = time.thread_time()
    answers = await asyncio.gather(*(reader.get("/domains?expand=health&limit=500") for _ in range(4)))
    whole = time.thread_time() - begun
    done = True
    await watching
    assert {each.status_code for each in answers} == {200}
    # By the time of the CPU, whatever the machine is doing besides.
    assert max(waits) < whole / 4 / 2


async def test_one_long_answer_of_an_account_at_a_time(house: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that does not read its list makes its account's other lists wait, then refuses them; no other's."""
    monkeypatch.setattr("letterhead.web.context.PLACE_SECONDS", 0.2)
    key = await house.make_key("acme", Scope.READ)
    other = await house.open_account("other")
    async with unread(house, key, "/domains") as stuck, house.client(key) as client, house.client(other) as neighbour:
        for _ in range(2):
            refused = await client.get("/domains")
            assert (refused.status_code, refused.json()["error"]["code"]) == (429, "too-many-requests")
            assert int(refused.headers["retry-after"]) > 0
        assert (await client.get("/domains?limit=64")).status_code == 200
        assert (await neighbour.get("/domains")).status_code == 200
        async with client_of(house, "acme") as writer:
            added = await writer.post("/domains", json={"sender": "one-more.acme.dev"})
        assert (added.status_code, "What was asked for is done" in added.text) == (429, True)
        stuck.close()
        async with asyncio.timeout(WAIT):
            while (await client.get("/domains")).status_code != 200:  # noqa: ASYNC110 the place is free once that is seen
                await asyncio.sleep(0.05)
        assert "one-more.acme.dev" in (await client.get("/domains")).text


def client_of(house: Installation, account: str) -> httpx2.AsyncClient:
    return house.client(house.keys[account])


@asynccontextmanager
async def unread(house: Installation, key: str, path: str) -> AsyncIterator[socket.socket]:
    """Ask for a page, and read nothing of the answer but its first octet."""
    host, _, port = house.url.removeprefix("http://").partition(":")
    with socket.socket() as plug:
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plug.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(plug, (host, int(port)))
        await loop.sock_sendall(plug, f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n\r\n".encode())
        assert await loop.sock_recv(plug, 1) == b"H"
        yield plug


@pytest.mark.parametrize("path", ["/domains", "/domains?expand=health&limit=1000"])
async def test_a_reader_that_does_not_read_is_ended(
    house: Installation, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Its connection is aborted, its place is free again, and what was buffered for it is bounded."""
    monkeypatch.setattr(http_protocol, "WRITE_SECONDS", 0.3)
    buffered, abort = list[int](), list[bool]()
    looked = http_protocol.EnvelopeProtocol.expect_reading

    def expect_reading(self: http_protocol.EnvelopeProtocol, before: int | None = None) -> None:
        buffered.append(self.transport.get_write_buffer_size())
        looked(self, before)
        abort.append(self.transport.is_closing())

    monkeypatch.setattr(http_protocol.EnvelopeProtocol, "expect_reading", expect_reading)
    async with unread(house, await house.make_key("acme", Scope.READ), path), client_of(house, "acme") as client:
        async with asyncio.timeout(WAIT):
            while True not in abort:  # noqa: ASYNC110 the server is in this process
                await asyncio.sleep(0.02)
        assert 0 < max(buffered) <= 192 * 1024
        assert len((await client.get("/domains")).json()) == COUNT


def test_the_sizes_fit() -> None:
    """A piece is shorter than what is kept whole, and the test's list longer than both."""
    assert PIECE < LONG < COUNT

"""What never becomes a request, over raw sockets: one envelope where the client expects it, and an end in time."""

import asyncio
import json
import re
from pathlib import Path

import pytest

from letterhead.config.networks import read_networks
from letterhead.web.server import ServerSettings
from tests.web.conftest import Installation, running

GOOD = b"GET /status HTTP/1.1\r\nHost: a\r\n\r\n"
CHUNKED = b"POST /sign-in HTTP/%s\r\nHost: a\r\nTransfer-Encoding: %s\r\n\r\n0\r\n\r\n"
RUNNING = b'{"message":"Letterhead is running."}'


async def exchange(house: Installation, *pieces: bytes) -> bytes:
    """Send pieces, with a moment between them, and read to the end."""
    host, port = house.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    for number, piece in enumerate(pieces):
        if number:
            await asyncio.sleep(0.05)  # so that the server reads them apart; together they mean the same
        writer.write(piece)
        await writer.drain()
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return answer


def statuses(answer: bytes) -> list[int]:
    """List the statuses of all responses."""
    return [int(each) for each in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


def code(answer: bytes) -> str:
    """Read the last response's code, and make sure that it is a whole envelope."""
    head, _, body = answer.rpartition(b"\r\n\r\n")
    told = json.loads(body)
    assert f"x-tracking-id: {told['trackingId']}".encode() in head
    assert b"connection: close" in head
    assert told["error"]["message"]
    assert told["error"]["fix"]
    return str(told["error"]["code"])


@pytest.mark.parametrize(
    ("octets", "status", "said"),
    [
        (b"\x16\x03\x01\x00\xc8\x01", 400, "request-malformed"),
        (b"GET /status HTTP/1.1\r\n\r\n", 400, "request-malformed"),
        (b"GET /status HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "request-malformed"),
        (b"GET /status HTTP/2.0\r\nHost: a\r\n\r\n", 400, "request-malformed"),
        (CHUNKED % (b"1.0", b"chunked"), 400, "request-malformed"),
        (CHUNKED % (b"1.1", b"identity, chunked"), 400, "request-malformed"),
        (CHUNKED % (b"1.1", b"gzip, chunked"), 400, "request-malformed"),
        (CHUNKED % (b"1.1", b"chunked\r\nTransfer-Encoding: chunked"), 400, "request-malformed"),
        (b"GET /status HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 64 + b"\r\n", 431, "headers-too-large"),
        (b"GET /status HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 17_000 + b"\r\n\r\n", 431, "headers-too-large"),
        (b"GET /status HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 17_000, 431, "headers-too-large"),
        (b"GET /" + b"a" * 17_000, 431, "headers-too-large"),
    ],
)
async def test_broken_heads(house: Installation, octets: bytes, status: int, said: str) -> None:
    """Octets that are no request, and a head over its bounds, get the envelope and the end."""
    answer = await exchange(house, octets)
    assert (statuses(answer), code(answer)) == ([status], said)


async def test_pipelined_before_broken(house: Installation) -> None:
    """Good requests before a broken one are answered first, in their order, whether they come together or apart."""
    broken = b"NOT HTTP\r\n\r\n"
    for pieces in ((GOOD + GOOD + broken,), (GOOD, GOOD + broken), (GOOD, broken)):
        answer = await exchange(house, *pieces)
        assert statuses(answer) == [200] * b"".join(pieces).count(GOOD) + [400]
        assert code(answer) == "request-malformed"


async def test_a_slow_response_before_a_broken_request(house: Installation) -> None:
    """A response that is still being made is given whole before the envelope for what came after it."""
    key = house.keys["acme"].encode()
    slow = b"POST /domains HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer " + key + b"\r\n"
    body = b'{"sender":"acme.dev"}'
    slow += b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body
    answer = await exchange(house, slow + b"NOT HTTP\r\n\r\n")
    assert (statuses(answer), code(answer)) == ([200, 400], "request-malformed")
    assert b'"sender":"acme.dev"' in answer


async def test_broken_bodies(house: Installation) -> None:
    """A body that breaks gets the envelope; nothing where the response was given before."""
    head = b"POST /domains HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    signed = head + b"Authorization: Bearer " + house.keys["acme"].encode() + b"\r\n\r\n"
    answer = await exchange(house, signed, b"1\r\n{\r\n", b"zz\r\n")
    assert (statuses(answer), code(answer)) == ([400], "request-malformed")
    answer = await exchange(house, GOOD + signed, b"zz\r\n")
    assert (statuses(answer), code(answer)) == ([200, 400], "request-malformed")
    answer = await exchange(house, head + b"\r\n", b"zz\r\n")  # without a key: 401 before the body is read
    assert statuses(answer) == [401]


async def test_slow_peers(house: Installation) -> None:
    """Half a head, half a body, nothing, and nothing but empty lines: each is over after ten seconds."""
    post = b"POST /domains HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 50\r\n"
    signed = post + b"Authorization: Bearer " + house.keys["acme"].encode() + b"\r\n\r\n{"
    began = asyncio.get_running_loop().time()
    head, body, nothing, lines = await asyncio.gather(
        exchange(house, GOOD[:-2]), exchange(house, signed), exchange(house, b""), exchange(house, b"\r\n", b"\r\n")
    )
    assert 9 < asyncio.get_running_loop().time() - began < 15
    assert [(statuses(each), code(each)) for each in (head, body)] == [([408], "request-too-slow")] * 2
    assert (nothing, lines) == (b"", b"")


async def test_an_upgrade_is_the_plain_request(house: Installation) -> None:
    """An upgrade that we do not speak is answered as the plain request that it also is."""
    upgrade = b"Connection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n"
    answer = await exchange(house, GOOD[:-2] + upgrade)
    assert statuses(answer) == [200]
    assert answer.endswith(RUNNING)


async def test_connections_of_one_network(tmp_path: Path) -> None:
    """One too many is told so and closed; those that end make room."""
    async with running(tmp_path, server=ServerSettings(connections=10, connections_each=2)) as house:
        host, port = house.url.removeprefix("http://").split(":")
        held = [await asyncio.open_connection(host, int(port)) for _ in range(2)]
        refused = await exchange(house)
        assert (statuses(refused), code(refused)) == ([429], "too-many-requests")
        assert b"\r\nRetry-After: 1\r\n" in refused
        elsewhere = await asyncio.open_connection(host, int(port), local_addr=("127.0.0.2", 0))
        elsewhere[1].write(GOOD)
        assert (await elsewhere[0].readline()).startswith(b"HTTP/1.1 200")
        for _, writer in (*held, elsewhere):
            writer.close()
        for _, writer in (*held, elsewhere):
            await writer.wait_closed()
        last = GOOD[:-2] + b"Connection: close\r\n\r\n"
        deadline = asyncio.get_running_loop().time() + 20
        while (answered := statuses(await exchange(house, last))) == [429]:
            assert asyncio.get_running_loop().time() < deadline
        assert answered == [200]


@pytest.mark.parametrize(
    ("proxies", "claimed", "counted"),
    [
        ("", "192.0.2.7", "127.0.0.1"),
        ("127.0.0.1", "192.0.2.7", "192.0.2.7"),
        ("127.0.0.0/8,10.0.0.0/8", "198.51.100.9, 192.0.2.7, 10.1.2.3", "192.0.2.7"),
        ("10.0.0.0/8", "192.0.2.7", "127.0.0.1"),
    ],
)
async def test_the_client_behind_a_proxy(tmp_path: Path, proxies: str, claimed: str, counted: str) -> None:
    """Failed sign-ins count for whom a trusted proxy names: the last address in the field that is no proxy's."""
    server = ServerSettings(trusted_proxies=read_networks(proxies))
    async with (
        running(tmp_path, server=server, failure_rate=0.01, failure_burst=1) as house,
        house.client("x") as client,
    ):
        headers = {"X-Forwarded-For": claimed}
        responses = [await client.get("/domains", headers=headers) for _ in range(2)]
        assert [each.status_code for each in responses] == [401, 429]
        assert counted in responses[1].json()["error"]["message"]

"""A relay behind a TCP proxy sees the client that the proxy names; nobody else can name one."""

import asyncio
import contextlib
import struct
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
import structlog

from letterhead.core.relay.proxy_protocol import SIGNATURE
from tests.relay.wire import Wire
from tests.relay.world import MESSAGE, QUICK, running
from tests.rigs.smtp import Ledger
from tests.rigs.waiting import until_async

BEHIND = replace(QUICK, proxies=(ip_network("127.0.0.1"),), clients_each=2)
V1 = b"PROXY TCP4 203.0.113.7 192.0.2.1 50000 587\r\n"
V2 = SIGNATURE + b"\x21\x11" + struct.pack("!H", 12) + ip_address("203.0.113.7").packed + bytes(8)


@pytest.fixture(autouse=True)
def _close() -> Iterator[None]:
    """Leave no connection behind."""
    yield
    Wire.close_all()


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
async def test_a_message_tells_of_the_client_behind_the_proxy(tmp_path: Path, ledger: Ledger, header: bytes) -> None:
    """What follows the header is the client's; the message's trace has the client's address."""

    def submit(port: int, key: str) -> bytes:
        wire = Wire(port)
        wire.say(header)
        wire.begin(key)
        return wire.ask(MESSAGE.encode() + b".")

    async with running(tmp_path, ledger, BEHIND) as relay:
        assert (await asyncio.to_thread(submit, relay.port, relay.world.key)).startswith(b"250")
        await until_async(lambda: ledger.taken)
        assert b"203.0.113.7" in ledger.taken[0].octets


@pytest.mark.parametrize("header", [V1, V2], ids=["v1", "v2"])
async def test_nobody_but_a_proxy_names_a_client(tmp_path: Path, ledger: Ledger, header: bytes) -> None:
    """From an address that is no proxy's, a header is a wrong command like any other, or ends the connection."""

    def greet(port: int) -> bytes:
        wire = Wire(port)
        assert wire.reply().startswith(b"220")
        wire.say(header)
        return wire.reply()

    async with running(tmp_path, ledger) as relay:
        assert (await asyncio.to_thread(greet, relay.port)).startswith(b"500")


@pytest.mark.parametrize("start", [b"EHLO client.test\r\n", b"PROXY TCP4 nonsense\r\n", SIGNATURE + b"\x21\x31\0\x01x"])
async def test_a_proxy_that_does_not_say_who_is_not_served(tmp_path: Path, ledger: Ledger, start: bytes) -> None:
    """A wrong header ends the connection without a greeting, and the log says which proxy it was."""

    def greet(port: int) -> bytes:
        wire = Wire(port)
        wire.say(start)
        return wire.reply()

    async with running(tmp_path, ledger, BEHIND) as relay:
        reset = contextlib.suppress(ConnectionError)  # by octets that nobody read
        with structlog.testing.capture_logs() as logs, reset:
            assert await asyncio.to_thread(greet, relay.port) == b""
        assert [line["proxy"] for line in logs if line["event"] == "relay.no-proxy-header"] == ["127.0.0.1"]


async def test_limits_are_those_of_the_client(tmp_path: Path, ledger: Ledger) -> None:
    """One client has its share of connections, and another one behind the same proxy has its own."""

    def greet(port: int, client: str) -> bytes:
        wire = Wire(port)
        wire.say(f"PROXY TCP4 {client} 192.0.2.1 50000 587\r\n".encode())
        return wire.reply()[:3]

    async with running(tmp_path, ledger, BEHIND) as relay:
        replies = [await asyncio.to_thread(greet, relay.port, "203.0.113.7") for _ in range(3)]
        assert replies == [b"220", b"220", b"421"]
        assert await asyncio.to_thread(greet, relay.port, "203.0.113.8") == b"220"

"""Stands between a client and a server over TCP, and harms what passes: cut, reset, sliced, late. Knows no HTTP."""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from enum import StrEnum

PIECE = 65536
RESET = struct.pack("ii", 1, 0)  # linger on, for no time: closing sends RST


class Harm(StrEnum):
    """Says what becomes of one connection."""

    NONE = "none"
    CUT_REQUEST = "cut-request"  # half of what the client sent arrives, then nothing
    LOSE_REPLY = "lose-reply"  # the server has answered, and the client hears nothing but the end
    RESET_REPLY = "reset-reply"  # the same, by RST
    HALF_REPLY = "half-reply"  # the reply breaks off
    SLICE = "slice"  # everything arrives, octet by octet
    HANG = "hang"  # the reply never comes, and the connection stays


class Chaos:
    """Listens on `port`; each new connection meets the next harm in the queue, and none when that is empty."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._queue: deque[Harm] = deque()
        self.port = 0
        self.met: dict[Harm, int] = dict.fromkeys(Harm, 0)

    def next(self, harms: Iterable[Harm]) -> None:
        """Sets what the next connections meet."""
        self._queue.extend(harms)

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one connection."""
        harm = self._queue.popleft() if self._queue else Harm.NONE
        self.met[harm] += 1
        there, back = await asyncio.open_connection(*self._to)
        with suppress(OSError, EOFError):
            await _harmed(harm, (reader, writer), (there, back))
        if harm is Harm.RESET_REPLY:
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        for each in (writer, back):
            each.close()


Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def _harmed(harm: Harm, client: Stream, server: Stream) -> None:
    match harm:
        case Harm.NONE:
            await _both(client, server, PIECE)
        case Harm.SLICE:
            await _both(client, server, 1)
        case Harm.CUT_REQUEST:
            asked = await client[0].read(PIECE)
            server[1].write(asked[: len(asked) // 2])
            await server[1].drain()
        case _:
            await _answered(harm, client, server)


async def _answered(harm: Harm, client: Stream, server: Stream) -> None:
    """Lets the request through, waits for the reply, and harms that."""
    passing = asyncio.ensure_future(_pass(client[0], server[1], PIECE))
    try:
        reply = await server[0].read(PIECE)
        if harm is Harm.HALF_REPLY:
            client[1].write(reply[: len(reply) // 2])
            await client[1].drain()
        if harm is Harm.HANG:
            await asyncio.sleep(3600)
    finally:
        passing.cancel()


async def _both(client: Stream, server: Stream, piece: int) -> None:
    await asyncio.gather(_pass(client[0], server[1], piece), _pass(server[0], client[1], piece))


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, piece: int) -> None:
    while octets := await reader.read(piece):
        writer.write(octets)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


@asynccontextmanager
async def running(host: str, port: int) -> AsyncIterator[Chaos]:
    """Runs a proxy to a server until the block ends."""
    chaos = Chaos(host, port)
    serving = await asyncio.start_server(chaos.pass_on, "127.0.0.1", 0)
    chaos.port = serving.sockets[0].getsockname()[1]
    async with serving:
        yield chaos

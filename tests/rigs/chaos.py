"""Stand between a client and a server over TCP, and harm what passes: cut, reset, sliced, late, narrow, stalled.
Knows no protocol."""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from enum import StrEnum

PIECE = 65536
LATENCY = 0.02  # seconds, each way, for each piece
NARROW = 512, 512 / 100_000  # octets at a time, and seconds for them: 100 KB a second
RESET = struct.pack("ii", 1, 0)  # linger on, for no time: closing sends RST


class Harm(StrEnum):
    """Says what becomes of one connection."""

    NONE = "none"
    CUT_REQUEST = "cut-request"  # half of what the client sent arrives, then nothing
    LOSE_REPLY = "lose-reply"  # the server has answered, and the client hears nothing but the end
    RESET_REPLY = "reset-reply"  # the same, by RST
    HALF_REPLY = "half-reply"  # the reply breaks off
    SLICE = "slice"  # everything arrives, octet by octet
    LATE = "late"  # everything arrives, later
    NARROW = "narrow"  # everything arrives, slowly
    HANG = "hang"  # the reply never comes, and the connection stays


PACES = {  # octets at a time, and seconds before each
    Harm.NONE: (PIECE, 0.0),
    Harm.SLICE: (1, 0.0),
    Harm.LATE: (PIECE, LATENCY),
    Harm.NARROW: NARROW,
}
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Chaos:
    """Listens on `port`; each new connection meets the next harm in the queue, and `usual` when that is empty."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._queue: deque[Harm] = deque()
        self._open: set[asyncio.StreamWriter] = set()
        self._flows = asyncio.Event()
        self._flows.set()
        self.usual = Harm.NONE
        self.port = 0
        self.met: dict[Harm, int] = dict.fromkeys(Harm, 0)

    def next(self, harms: Iterable[Harm]) -> None:
        """Set what the next connections meet."""
        self._queue.extend(harms)

    def stall(self) -> None:
        """Let nothing through on any connection, and keep all of them."""
        self._flows.clear()

    def flow(self) -> None:
        """End the stall: what was held arrives."""
        self._flows.set()

    def reset_all(self) -> None:
        """End all connections by RST, on both sides."""
        for each in self._open:
            _reset(each)

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        harm = self._queue.popleft() if self._queue else self.usual
        self.met[harm] += 1
        there, back = await asyncio.open_connection(*self._to)
        self._open |= {writer, back}
        with suppress(OSError, EOFError):
            await self._harmed(harm, (reader, writer), (there, back))
        if harm is Harm.RESET_REPLY:
            _reset(writer)
        for each in (writer, back):
            self._open.discard(each)
            each.close()

    async def _harmed(self, harm: Harm, client: Stream, server: Stream) -> None:
        match harm:
            case Harm.NONE | Harm.SLICE | Harm.LATE | Harm.NARROW:
                pace = PACES[harm]
                await asyncio.gather(self._pass(client[0], server[1], *pace), self._pass(server[0], client[1], *pace))
            case Harm.CUT_REQUEST:
                asked = await client[0].read(PIECE)
                server[1].write(asked[: len(asked) // 2])
                await server[1].drain()
            case _:
                await self._answered(harm, client, server)

    async def _answered(self, harm: Harm, client: Stream, server: Stream) -> None:
        """Let the request through, wait for the reply, and harm that."""
        passing = asyncio.ensure_future(self._pass(client[0], server[1], *PACES[Harm.NONE]))
        try:
            reply = await server[0].read(PIECE)
            if harm is Harm.HALF_REPLY:
                client[1].write(reply[: len(reply) // 2])
                await client[1].drain()
            if harm is Harm.HANG:
                await passing  # until the client gives up
        finally:
            passing.cancel()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, piece: int, seconds: float
    ) -> None:
        while octets := await reader.read(piece):
            if seconds:
                await asyncio.sleep(seconds)
            await self._flows.wait()
            writer.write(octets)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()


@asynccontextmanager
async def running(host: str, port: int) -> AsyncIterator[Chaos]:
    """Run a proxy to a server until the block ends."""
    chaos = Chaos(host, port)
    serving = await asyncio.start_server(chaos.pass_on, "127.0.0.1", 0)
    chaos.port = serving.sockets[0].getsockname()[1]
    async with serving:
        yield chaos

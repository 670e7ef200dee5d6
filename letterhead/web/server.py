"""Knows how to run the web face and its neighbours in one event loop, and how to stop without cutting a reply."""

import asyncio
import contextlib
import ctypes
import signal
import socket
import struct
import sys
from collections.abc import Awaitable, Callable, Iterator

import uvicorn
from uvicorn._types import ASGIApplication

from letterhead.web import STOPPING
from letterhead.web.http_protocol import EnvelopeProtocol

HANDSHAKE = 0.02  # seconds in which those who have begun to connect are in
SO_ATTACH_FILTER = 26  # asm-generic/socket.h; Python has no name for it
SYN_ALONE = (
    (0x30, 0, 0, 13),  # load the octet of flags
    (0x54, 0, 0, 0x12),  # of which SYN and ACK
    (0x15, 0, 1, 0x02),  # SYN alone?
    (0x06, 0, 0, 0),  # drop it
    (0x06, 0, 0, 0xFFFFFFFF),  # let the rest through
)


class Server(uvicorn.Server):
    """Serves sockets given to it; leaves signals to its owner; answers those that still wait in the backlog.

    `stopping` is set first of all, so that replies without an end (a page's stream of news) end by themselves.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.stopping = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.lifespan.state[STOPPING] = self.stopping  # each request's scope gets a copy of this state
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.stopping.set()
        for listener in sockets or []:
            turn_away(listener)
        await asyncio.sleep(HANDSHAKE)
        spares = [listener.dup() for listener in sockets or []]  # keeps the backlog alive while the loop lets go of it
        for server in self.servers:
            server.close()
        await asyncio.sleep(0)
        waiting = [connection for spare in spares for connection in backlog(spare)]
        for listener in [*spares, *(sockets or [])]:
            listener.close()
        for connection in waiting:
            await asyncio.get_running_loop().connect_accepted_socket(self.protocol, connection)
        await super().shutdown(sockets)

    def protocol(self) -> EnvelopeProtocol:
        return EnvelopeProtocol(self.config, self.server_state, self.lifespan.state)


def backlog(listener: socket.socket) -> Iterator[socket.socket]:
    """Yields, without waiting, the connections that the kernel accepted and nobody took."""
    listener.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            connection, _ = listener.accept()
            connection.setblocking(False)
            yield connection


def turn_away(listener: socket.socket) -> None:
    """Lets nobody new begin to connect; who has begun still gets in, where one close would reset them (Linux alone).

    A filter of the kernel's (classic BPF) drops packets that are a SYN and no ACK (RFC 9293 3.5): a client asks again a
    second later, and is refused then.
    """
    if sys.platform != "linux":
        return
    code = b"".join(struct.pack("HBBI", *step) for step in SYN_ALONE)
    kept = ctypes.create_string_buffer(code)
    with contextlib.suppress(OSError):
        program = struct.pack("HP", len(SYN_ALONE), ctypes.addressof(kept))
        listener.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


def send_at_once(listener: socket.socket) -> None:
    """Lets no answer's second packet wait 40 ms for the first one's receipt; connections inherit it.

    uvloop does so by itself; asyncio only where the socket names its protocol, and a listener's does not.
    """
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


async def serve(
    app: ASGIApplication, listener: socket.socket, *neighbours: Callable[[asyncio.Event], Awaitable[None]]
) -> None:
    """Runs `app` and each neighbour until SIGTERM or SIGINT: replies end first, then neighbours see `stop` set."""
    config = uvicorn.Config(
        app, http=EnvelopeProtocol, ws="none", lifespan="on", log_config=None, log_level="error", access_log=False,
        server_header=False, proxy_headers=False, timeout_graceful_shutdown=15,
    )  # fmt: skip
    send_at_once(listener)
    server, stop, loop = Server(config), asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, setattr, server, "should_exit", True)
    async with asyncio.TaskGroup() as group:
        for neighbour in neighbours:
            group.create_task(run(neighbour, stop))
        try:
            await server.serve(sockets=[listener])
        finally:
            stop.set()


async def run(neighbour: Callable[[asyncio.Event], Awaitable[None]], stop: asyncio.Event) -> None:
    await neighbour(stop)

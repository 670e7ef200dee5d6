"""Run the web application and background tasks in one event loop, and stop without cutting a response."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any

import uvicorn
from uvicorn._types import ASGIApplication

from letterhead.web import STOPPING
from letterhead.web.http_protocol import EnvelopeProtocol

GRACE_SECONDS = 15  # for responses under way at the stop

BackgroundTask = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


class Server(uvicorn.Server):
    """A uvicorn server that leaves signals to its caller, and notifies event streams when it stops."""

    def __init__(self, app: ASGIApplication) -> None:
        super().__init__(
            uvicorn.Config(
                app, http=EnvelopeProtocol, ws="none", lifespan="on", log_config=None, log_level="error",
                access_log=False, server_header=False, proxy_headers=False, timeout_graceful_shutdown=GRACE_SECONDS,
            )
        )  # fmt: skip
        self.stopping = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.lifespan.state[STOPPING] = self.stopping  # each request's scope gets a copy of this state
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.stopping.set()
        await super().shutdown(sockets)


def disable_nagle(listener: socket.socket) -> None:
    """Disable Nagle's algorithm, which delays a response's second packet by 40 ms; connections inherit the option.

    uvloop does so by itself; asyncio only where the socket names its protocol, and a listener's does not.
    """
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


async def serve(app: ASGIApplication, listeners: Sequence[socket.socket], *background_tasks: BackgroundTask) -> None:
    """Run `app` and the tasks until SIGTERM or SIGINT: responses end first, then the tasks see `stop` set."""
    for listener in listeners:
        disable_nagle(listener)
    server, stop, loop = Server(app), asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, setattr, server, "should_exit", True)
    async with asyncio.TaskGroup() as group:
        for task in background_tasks:
            group.create_task(task(stop))
        try:
            await server.serve(sockets=list(listeners))
        finally:
            stop.set()

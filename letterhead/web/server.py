"""Run the web application and background tasks in one event loop, and stop without cutting a response."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import structlog
import uvicorn
from uvicorn._types import ASGIApplication
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from letterhead.operations.connection_limits import UNIX_PEER, ConnectionLimits, Network
from letterhead.web import CONNECTION_LIMITS, PARENT_TRUSTED, STOPPING
from letterhead.web.http_protocol import EnvelopeProtocol

log = structlog.get_logger()

SEND_OCTETS = 128 * 1024  # of a connection's send buffer; Linux doubles it
GRACE_SECONDS = 15  # for responses under way at the stop

BackgroundTask = Callable[[asyncio.Event], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Limits on open connections, and the proxies whose X-Forwarded-For names the client."""

    connections: int = 1024
    connections_each: int = 256  # of these from one network, unless it is a proxy
    trusted_proxies: tuple[Network, ...] = ()
    trusts_socket: bool = False  # whether whoever connects over a Unix socket is a proxy too
    trusts_parent: bool = True  # whether a traceparent that a proxy passes on is its own


class TrustedProxies(ProxyHeadersMiddleware):
    """The client as a trusted proxy names it, and a mark at what such a proxy passed on, if it is to be traced on."""

    def __init__(self, app: Any, proxies: list[str], *, trusts_parent: bool) -> None:
        super().__init__(app, proxies)
        self._trusts_parent = trusts_parent

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request."""
        client = scope.get("client")
        if self._trusts_parent and client and client[0] in self.trusted_hosts:
            scope[PARENT_TRUSTED] = True
        await super().__call__(scope, receive, send)


class Server(uvicorn.Server):
    """A uvicorn server that leaves signals to its caller, and notifies event streams when it stops."""

    def __init__(self, app: ASGIApplication, settings: ServerSettings | None = None) -> None:
        settings = settings or ServerSettings()
        proxies = [str(each) for each in with_mapped(settings.trusted_proxies)]
        proxies += [UNIX_PEER] if settings.trusts_socket else []
        if proxies:
            app = TrustedProxies(app, proxies, trusts_parent=settings.trusts_parent)
        super().__init__(
            uvicorn.Config(
                app, http=EnvelopeProtocol, ws="none", lifespan="on", log_config=None, log_level="error",
                access_log=False, server_header=False, timeout_graceful_shutdown=GRACE_SECONDS,
                proxy_headers=False,
            )
        )  # fmt: skip
        self.stopping = asyncio.Event()
        self.limits = ConnectionLimits(settings.connections, settings.connections_each, settings.trusted_proxies)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        for each in sockets or ():  # connections inherit it: the kernel would keep megabytes for whoever does not read
            each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_OCTETS)
        # Each request's scope gets a copy of this state.
        self.lifespan.state |= {STOPPING: self.stopping, CONNECTION_LIMITS: self.limits}
        await super().startup(sockets)
        if self.started:
            names = [each.getsockname() for each in sockets or ()]
            log.info("serve.ready", listening=[n if isinstance(n, str) else f"{n[0]}:{n[1]}" for n in names])

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self.stopping.set()
        await super().shutdown(sockets)


def with_mapped(networks: Sequence[Network]) -> list[Network]:
    """Add the IPv4-mapped form of each IPv4 network, which a socket on `::` shows (RFC 4291 2.5.5.2)."""
    mapped = [
        IPv6Network((f"::ffff:{each.network_address}", 96 + each.prefixlen))
        for each in networks
        if isinstance(each, IPv4Network)
    ]
    return [*networks, *mapped]


def disable_nagle(listener: socket.socket) -> None:
    """Disable Nagle's algorithm, which delays a response's second packet by 40 ms; connections inherit the option.

    uvloop does so by itself; asyncio only where the socket names its protocol, and a listener's does not.
    """
    if listener.family != socket.AF_UNIX:
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


async def serve(
    app: ASGIApplication,
    listeners: Sequence[socket.socket],
    settings: ServerSettings,
    *background_tasks: BackgroundTask,
) -> None:
    """Run `app` and the tasks until SIGTERM or SIGINT: responses end first, then the tasks see `stop` set."""
    for listener in listeners:
        disable_nagle(listener)
    server, stop, loop = Server(app, settings), asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, setattr, server, "should_exit", True)
    async with asyncio.TaskGroup() as group:
        for task in background_tasks:
            group.create_task(task(stop))
        try:
            await server.serve(sockets=list(listeners))
        finally:
            stop.set()

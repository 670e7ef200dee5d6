"""Stand in for the services that alerts go to: one local server for all of their hosts, which keeps what it is sent.

Names lead to a public address, as they do outside, and the last step of a connection leads here. TLS is left out: what
is verified by it is held in tests/adapters/test_webhooks.py, over the same client.
"""

import json
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import httpcore2

from letterhead.adapters.pinned_connections import SOCKET_OPTION

PUBLIC = "93.184.215.14"


@dataclass(frozen=True, slots=True)
class Posted:
    """One request."""

    host: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass(slots=True)
class AlertServices:
    """What was posted, and how the server answers; `dialled` are the addresses that connections went to."""

    port: int = 0
    status: int = 200
    location: str = ""
    pause: float = 0.0
    octets: int = 0  # of an answer that is longer than any of these services'
    posted: list[Posted] = field(default_factory=list)
    dialled: list[str] = field(default_factory=list)
    addresses: dict[str, list[str]] = field(default_factory=dict)
    resolved: list[str] = field(default_factory=list)

    async def resolve(self, host: str, port: int) -> list[str]:
        """Resolve a name to a public address, or to what the test says; each time anew."""
        self.resolved.append(host)
        found = self.addresses.get(host, [PUBLIC])
        return [found.pop(0)] if len(found) > 1 else list(found)


class _Stream(httpcore2.AsyncNetworkStream):
    """A connection that leaves TLS out."""

    def __init__(self, inner: httpcore2.AsyncNetworkStream) -> None:
        self._inner = inner

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 the hook's own
        return await self._inner.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 the hook's own
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def start_tls(self, *_: object, **__: object) -> httpcore2.AsyncNetworkStream:
        return self

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class Dial(httpcore2.AsyncNetworkBackend):
    """Connects to the server here, whatever address is wanted, and remembers that address."""

    def __init__(self, services: AlertServices) -> None:
        self._services, self._real = services, httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 the hook's own signature
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Dial."""
        self._services.dialled.append(host)
        return _Stream(await self._real.connect_tcp("127.0.0.1", self._services.port, timeout))


@contextmanager
def serving() -> Iterator[AlertServices]:
    """Run the server until the block ends."""
    services = AlertServices()

    class Handler(BaseHTTPRequestHandler):
        ledger: ClassVar[AlertServices] = services

        def do_POST(self) -> None:
            octets = self.rfile.read(int(self.headers["Content-Length"] or 0))
            host = self.headers["Host"]
            headers = {name.lower(): value for name, value in self.headers.items()}
            services.posted.append(Posted(host, self.path, headers, json.loads(octets)))
            time.sleep(services.pause)
            said = b"ok" if host == "hooks.slack.com" else b'{"ok":true}'
            said = b"x" * services.octets or said
            self.send_response(services.status)
            if services.location:
                self.send_header("Location", services.location)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    services.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield services
    finally:
        server.shutdown()
        server.server_close()

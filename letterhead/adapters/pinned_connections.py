"""Connects to hosts that strangers name: to the public Internet and nothing inside.

Every address that a name resolves to is judged, once, and the connection goes to the very address that was judged:
there is no second look-up that could answer otherwise. TLS is still verified against the host name.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

import httpcore2

from letterhead import __version__
from letterhead.core.names.ip_addresses import is_not_public, read_address
from letterhead.core.public.webhooks import EgressPolicy, WebhookTarget

CONNECT_SECONDS: Final = 5.0  # for each address
DIALLED: Final = 4  # of a name's addresses: whoever names a thousand does not make us knock at a thousand doors
# Names resolved side by side. One that hangs keeps its thread for up to a minute, four times as long as anybody waits
# for it, and the worker has 64 deliveries under way: so many that hang must leave threads for those of other accounts.
LOOKUPS: Final = 320
SOCKET_OPTION = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]

Resolve = Callable[[str, int], Awaitable[list[str]]]


class PrivateAddress(httpcore2.ConnectError):
    """Says that a name leads to an address that is not public."""


class PinnedBackend(httpcore2.AsyncNetworkBackend):
    """Connects to addresses that were judged, and to no other thing."""

    def __init__(self, resolve: Resolve, reach: EgressPolicy, dial: httpcore2.AsyncNetworkBackend) -> None:
        self._resolve, self._reach, self._dial = resolve, reach, dial

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 the hook's own signature
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Resolves once, refuses if any address is not public, and tries the others in turn."""
        failed: httpcore2.ConnectError | httpcore2.ConnectTimeout | None = None
        for address in (await self._judged(host, port))[:DIALLED]:
            try:
                seconds = timeout or CONNECT_SECONDS
                return await self._dial.connect_tcp(address, port, seconds, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failed = error
        raise failed or httpcore2.ConnectError(f"{host} has no address")

    async def _judged(self, host: str, port: int) -> list[str]:
        literal = read_address(host)
        found = [str(literal)] if literal is not None else await self._resolve(host, port)
        for text in found:
            address = read_address(text.partition("%")[0])
            why = "no address" if address is None else is_not_public(address)
            if why is not None and not (self._reach.private and address is not None):
                # The address itself is not told: what names mean inside is nobody's business outside.
                raise PrivateAddress(f"{host} leads to an address that is not public: {why}")
        return found


class PinnedHttp:
    """Asks such hosts, each request over a connection of its own; follows nothing."""

    def __init__(
        self, resolve: Resolve, reach: EgressPolicy, dial: httpcore2.AsyncNetworkBackend | None = None
    ) -> None:
        self._backend = PinnedBackend(resolve, reach, dial or httpcore2.AnyIOBackend())
        self._trust = ssl.create_default_context()  # checks chain and host name

    @asynccontextmanager
    async def ask(
        self, method: str, target: WebhookTarget, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> AsyncIterator[httpcore2.Response]:
        """Sends a request and gives the answer, whose body is still to be read."""
        url = httpcore2.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        head = {
            "Host": target.authority,
            "User-Agent": f"Letterhead/{__version__}",
            "Accept-Encoding": "identity",
            "Connection": "close",
            **(headers or {}),
        }
        connection = httpcore2.AsyncHTTPConnection(
            url.origin, ssl_context=self._trust, network_backend=self._backend, retries=0
        )
        try:
            request = httpcore2.Request(method, url, headers=list(head.items()), content=body)
            yield await connection.handle_async_request(request)
        finally:
            await connection.aclose()


@asynccontextmanager
async def system_names() -> AsyncIterator[Resolve]:
    """Gives the look-up of this machine, in threads of its own, so that names that hang keep nobody else waiting."""
    threads = ThreadPoolExecutor(LOOKUPS, thread_name_prefix="webhook-names")
    try:
        yield partial(_system, threads)
    finally:
        threads.shutdown(wait=False, cancel_futures=True)


async def _system(threads: ThreadPoolExecutor, host: str, port: int) -> list[str]:
    look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        found = await asyncio.get_running_loop().run_in_executor(threads, look_up)
    except (socket.gaierror, UnicodeError) as error:
        raise httpcore2.ConnectError(f"{host} could not be resolved: {error}") from error
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))

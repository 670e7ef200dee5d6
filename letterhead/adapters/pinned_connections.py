"""Connections to hosts that strangers name: to the public Internet and nothing inside (protection against SSRF).

Every address that a name resolves to is checked, once, and the connection goes to the very address that was checked:
there is no second resolution that could answer otherwise. TLS is still verified against the host name.
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
MOST_DIALLED: Final = 4  # of a name's addresses: whoever names a thousand must not make us try a thousand
# Names resolved side by side. One that hangs keeps its thread for up to a minute, four times as long as anybody waits
# for it, and the worker has 64 deliveries under way: so many that hang must leave threads for those of other accounts.
LOOKUPS: Final = 320
SOCKET_OPTION = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]

Resolve = Callable[[str, int], Awaitable[list[str]]]


class PrivateAddress(httpcore2.ConnectError):
    """A name that resolves to an address that is not public."""


class PinnedBackend(httpcore2.AsyncNetworkBackend):
    """A network backend that connects only to addresses that were checked."""

    def __init__(self, resolve: Resolve, egress: EgressPolicy, dial: httpcore2.AsyncNetworkBackend) -> None:
        self._resolve, self._egress, self._dial = resolve, egress, dial

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 the hook's own signature
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Resolve once, raise `PrivateAddress` if any address is not public, and try the others one after the other."""
        literal = read_address(host)
        found = [str(literal)] if literal is not None else await self._resolve(host, port)
        for text in found:
            address = read_address(text.partition("%")[0])
            reason = "no address" if address is None else is_not_public(address)
            if reason is not None and not (self._egress.private and address is not None):
                # Without the address itself: to what names resolve inside is nobody's business outside.
                raise PrivateAddress(f"{host} leads to an address that is not public: {reason}")
        failed: httpcore2.ConnectError | httpcore2.ConnectTimeout | None = None
        for text in found[:MOST_DIALLED]:
            try:
                seconds = timeout or CONNECT_SECONDS
                return await self._dial.connect_tcp(text, port, seconds, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failed = error
        raise failed or httpcore2.ConnectError(f"{host} has no address")


class PinnedHttp:
    """An HTTP client on that backend, with a connection for each request; it follows no redirects."""

    def __init__(
        self, resolve: Resolve, egress: EgressPolicy, dial: httpcore2.AsyncNetworkBackend | None = None
    ) -> None:
        self._backend = PinnedBackend(resolve, egress, dial or httpcore2.AnyIOBackend())
        self._trust = ssl.create_default_context()  # checks chain and host name

    @asynccontextmanager
    async def request(
        self, method: str, target: WebhookTarget, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> AsyncIterator[httpcore2.Response]:
        """Send a request and yield the response, whose body is still to be read."""
        url = httpcore2.URL(scheme=target.scheme, host=target.host, port=target.port, target=target.path)
        fields = {
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
            yield await connection.handle_async_request(
                httpcore2.Request(method, url, headers=list(fields.items()), content=body)
            )
        finally:
            await connection.aclose()


@asynccontextmanager
async def system_names() -> AsyncIterator[Resolve]:
    """Yield this machine's name resolution, in threads of its own, so that names that hang delay nothing else."""
    threads = ThreadPoolExecutor(LOOKUPS, thread_name_prefix="webhook-names")

    async def resolve(host: str, port: int) -> list[str]:
        look_up = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        try:
            found = await asyncio.get_running_loop().run_in_executor(threads, look_up)
        except (socket.gaierror, UnicodeError) as error:
            raise httpcore2.ConnectError(f"{host} could not be resolved: {error}") from error
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))

    try:
        yield resolve
    finally:
        threads.shutdown(wait=False, cancel_futures=True)

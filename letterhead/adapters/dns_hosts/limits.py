"""Bounds for libraries that wait: daemon threads with a deadline, and a transport with limits of time and size."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

from letterhead.errors import Fault, Kind

T = TypeVar("T")

PLACES: Final = 16  # calls at a time in this process; one whose library hangs keeps its place until that ends
FIRST_ERROR: Final = 400
MOST_OCTETS: Final = 16 * 2**20  # of one response: a zone of some 100,000 records


class LibraryThreads:
    """A bounded number of daemon threads: a library that never returns holds one, and not the end of the process."""

    def __init__(self, places: int = PLACES) -> None:
        self._places = places
        self._held = 0

    async def run(self, work: Callable[[], T], seconds: float, what: str) -> T:
        """Return what `work` returns within some seconds; `what` names it in messages.

        Faults: `too-many-requests` where all threads are taken, `dns-host-failed` where the time is up.
        """
        if self._held >= self._places:
            raise Fault(
                Kind.TOO_MANY_REQUESTS,
                f"{what} must wait: {self._held} calls of DNS hosts are under way, as many as may be at a time.",
                "Ask again in a minute.",
                retry_after=60,
            )
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._held += 1

        def finish(result: T | None, error: BaseException | None) -> None:
            self._held -= 1
            if done.done():  # nobody waits any more
                return
            if error is None:
                done.set_result(result)  # type: ignore[arg-type] # T itself may be None
            else:
                done.set_exception(error)

        def call() -> None:
            result, failure = None, None
            try:
                result = work()
            except BaseException as error:  # handed on to whoever waits
                failure = error
            try:
                loop.call_soon_threadsafe(finish, result, failure)
            except RuntimeError:  # the loop has ended meanwhile
                return

        threading.Thread(target=call, name="dns-host", daemon=True).start()
        try:
            async with asyncio.timeout(seconds):
                return await done
        except TimeoutError:
            raise Fault(
                Kind.DNS_HOST_FAILED,
                f"{what} took longer than {seconds:g} s, and is no longer waited for.",
                "Look at what the zone holds now, then ask again.",
            ) from None


def limit_pools(seconds: float) -> tuple[Callable[[Any], Any], threading.Timer]:
    """Return what has the connections of a pool shut down when the time is up, and the timer of that, to be cancelled.

    A server that sends an octet a second would hold a thread for hours, since each reading by itself is in time.
    """
    until = time.monotonic() + seconds
    sockets: list[socket.socket] = []
    pools: list[Any] = []

    def shut_down() -> None:
        for each in sockets:
            with suppress(OSError):  # it is closed
                each.shutdown(socket.SHUT_RDWR)

    def limit(pool: Any) -> Any:
        if pool in pools:
            return pool

        class LimitedConnection(pool.ConnectionCls):  # type: ignore[misc] # HTTP's or HTTPS's
            """Keep the socket, so that it can be shut down from outside."""

            def connect(self) -> None:
                super().connect()
                sockets.append(self.sock)
                if time.monotonic() > until:
                    raise TimeoutError

        pool.ConnectionCls = LimitedConnection
        pools.append(pool)
        return pool

    timer = threading.Timer(seconds, shut_down)
    timer.daemon = True
    timer.start()
    return limit, timer


def limit_session(session: Any, seconds: float, errors: list[int]) -> None:
    """Bound each response of a `requests.Session` in time and size, and have it follow no redirect.

    A redirect would carry the credential to another host, or into this network. `errors` gets the status of each
    response from 400 on.
    """
    from requests.adapters import HTTPAdapter
    from requests.exceptions import ContentDecodingError, ReadTimeout

    until = time.monotonic() + seconds
    limit_pool, timer = limit_pools(seconds)

    class LimitedTransport(HTTPAdapter):
        """Read each response whole, within what is left of the time."""

        def get_connection_with_tls_context(self, *args: Any, **options: Any) -> Any:
            return limit_pool(super().get_connection_with_tls_context(*args, **options))

        def close(self) -> None:
            timer.cancel()
            super().close()

        def send(self, request: Any, **options: Any) -> Any:  # type: ignore[override] # as requests calls it
            left = until - time.monotonic()
            if left <= 0:
                raise ReadTimeout
            response = super().send(request, **(options | {"stream": True, "timeout": min(left, 10)}))
            body = bytearray()
            for chunk in response.iter_content(2**16):
                body += chunk
                if len(body) > MOST_OCTETS:
                    raise ContentDecodingError
            if time.monotonic() > until:
                raise ReadTimeout
            response._content = bytes(body)
            if response.status_code >= FIRST_ERROR:
                errors.append(response.status_code)
            return response

    session.max_redirects = 0
    session.mount("https://", LimitedTransport())
    session.mount("http://", LimitedTransport())

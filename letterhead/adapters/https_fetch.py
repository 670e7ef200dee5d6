"""Short HTTPS GETs from public addresses, without redirects."""

import asyncio
from typing import Final

import httpcore2

from letterhead.adapters.pinned_connections import PinnedHttp, Resolve
from letterhead.core.public.webhooks import EgressPolicy, WebhookTarget

SECONDS: Final = 10.0  # for all of it
OCTETS: Final = 64 * 1024


class FetchFailed(Exception):
    """What came instead of a 200 with a short body."""


class HttpsFetcher:
    """A client that sends GET requests, each over a connection of its own."""

    def __init__(
        self,
        resolve: Resolve,
        egress: EgressPolicy = EgressPolicy(),  # noqa: B008 a value without state
        *,
        dial: httpcore2.AsyncNetworkBackend | None = None,
        seconds: float = SECONDS,
    ) -> None:
        self._http = PinnedHttp(resolve, egress, dial)
        self._seconds = seconds

    async def get(self, target: WebhookTarget) -> bytes:
        """Return the body of a 200 of at most 64 KB; raise `FetchFailed` for all else, a redirect too."""
        try:
            async with asyncio.timeout(self._seconds):
                async with self._http.request("GET", target) as response:
                    if response.status != 200:
                        raise FetchFailed(f"it answered {response.status}")
                    octets = b""
                    async for chunk in response.aiter_stream():
                        octets += chunk
                        if len(octets) > OCTETS:
                            raise FetchFailed(f"it answered more than {OCTETS // 1024} KB")
                    return octets
        except TimeoutError:
            raise FetchFailed(f"no whole answer within {self._seconds:g} s") from None
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException, OSError) as error:
            raise FetchFailed(type(error).__name__) from error

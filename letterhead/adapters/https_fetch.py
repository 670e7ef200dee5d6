"""Short GETs from public addresses, without redirects; by HTTPS, unless the operator allows HTTP too."""

import asyncio
from typing import Final

import httpcore2

from letterhead.adapters.pinned_connections import PinnedHttp, Resolve
from letterhead.core.public.webhooks import EgressPolicy, WebhookTarget
from letterhead.ports.outbound import Fetched

SECONDS: Final = 10.0  # for all of it
OCTETS: Final = 64 * 1024


class FetchFailed(Exception):
    """What came instead of a 200 with a short body."""


class HttpsFetcher:
    """The implementation of `Fetcher`, with a connection for each request."""

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
        found = await self.fetch(target)
        if found.status != 200:
            raise FetchFailed(found.said or f"it answered {found.status}")
        return found.body

    async def fetch(self, target: WebhookTarget) -> Fetched:
        """Send one GET and return its result; a failure is a value, and so is a body of more than 64 KB."""
        try:
            async with asyncio.timeout(self._seconds), self._http.request("GET", target) as response:
                octets = b""
                async for chunk in response.aiter_stream():
                    octets += chunk
                    if len(octets) > OCTETS:
                        return Fetched(status=None, said=f"it answered more than {OCTETS // 1024} KB")
                return Fetched(status=response.status, body=octets)
        except TimeoutError:
            return Fetched(status=None, said=f"no whole answer within {self._seconds:g} s")
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException, OSError) as error:
            return Fetched(status=None, said=type(error).__name__)

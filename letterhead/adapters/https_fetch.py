"""Fetches a few octets over HTTPS from hosts that were judged before: public addresses alone, follows nothing."""

import asyncio
from typing import Final

import httpcore2

from letterhead.adapters.pinned_connections import PinnedHttp, Resolve
from letterhead.core.public.webhooks import EgressPolicy, WebhookTarget

SECONDS: Final = 10.0  # for all of it
OCTETS: Final = 64 * 1024


class FetchFailed(Exception):
    """Says what came instead of what was wanted."""


class HttpsFetcher:
    """Sends GET requests, each over a connection of its own."""

    def __init__(
        self,
        resolve: Resolve,
        reach: EgressPolicy = EgressPolicy(),  # noqa: B008 a value without state
        *,
        dial: httpcore2.AsyncNetworkBackend | None = None,
        seconds: float = SECONDS,
    ) -> None:
        self._http = PinnedHttp(resolve, reach, dial)
        self._seconds = seconds

    async def get(self, target: WebhookTarget) -> bytes:
        """Gives the body of a 200 of at most 64 KB; `Unfetched` for all else, a redirect too."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._get(target)
        except TimeoutError:
            raise FetchFailed(f"no whole answer within {self._seconds:g} s") from None
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException, OSError) as error:
            raise FetchFailed(type(error).__name__) from error

    async def _get(self, target: WebhookTarget) -> bytes:
        async with self._http.ask("GET", target) as answer:
            return await _read(answer)


async def _read(answer: httpcore2.Response) -> bytes:
    if answer.status != 200:
        raise FetchFailed(f"it answered {answer.status}")
    octets = b""
    async for chunk in answer.aiter_stream():
        octets += chunk
        if len(octets) > OCTETS:
            raise FetchFailed(f"it answered more than {OCTETS // 1024} KB")
    return octets

"""Sends webhooks to endpoints that strangers name, and says what came of each; follows nothing."""

import asyncio
from collections.abc import Mapping
from typing import Final

import httpcore2

from letterhead.adapters.pinned_connections import PinnedHttp, Resolve
from letterhead.core.public.webhooks import EgressPolicy, HttpResult, WebhookTarget

SECONDS: Final = 15.0  # for all of it: name, connection, TLS, request, answer
OCTETS: Final = 64 * 1024  # of an answer's body that are read


class WebhookClient:
    """Sends messages, each over a connection of its own (implements `ports.Outbound`)."""

    def __init__(
        self,
        reach: EgressPolicy,
        resolve: Resolve,
        *,
        dial: httpcore2.AsyncNetworkBackend | None = None,
        seconds: float = SECONDS,
    ) -> None:
        self._http = PinnedHttp(resolve, reach, dial)
        self._seconds = seconds

    async def post(self, target: WebhookTarget, headers: Mapping[str, str], body: bytes) -> HttpResult:
        """Sends one POST and reads what came of it; trouble is a value, never raised. Redirects are not followed."""
        try:
            async with asyncio.timeout(self._seconds):
                return await self._post(target, headers, body)
        except TimeoutError:
            return HttpResult(status=None, said=f"no whole answer within {self._seconds:g} s")
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException, OSError) as error:
            return HttpResult(status=None, said=_words(error))

    async def _post(self, target: WebhookTarget, headers: Mapping[str, str], body: bytes) -> HttpResult:
        head = {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
        async with self._http.ask("POST", target, head, body) as answer:
            return await _read(answer)


async def _read(answer: httpcore2.Response) -> HttpResult:
    """Reads the first 64 KB of an answer, of which some words are kept."""
    octets = b""
    async for chunk in answer.aiter_stream():
        octets += chunk
        if len(octets) >= OCTETS:
            break
    found = {name.lower(): value for name, value in answer.headers}
    wait = found.get(b"retry-after")
    said = _printable(octets[:2000].decode("utf-8", "replace"))
    if 300 <= answer.status < 400:
        said = "a redirect, which is not followed"
    return HttpResult(status=answer.status, said=said, retry_after=wait.decode("latin-1") if wait is not None else None)


def _words(error: Exception) -> str:
    return _printable(str(error) or type(error).__name__)


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text).strip()

"""The client that posts webhooks to endpoints that strangers name, without redirects."""

import asyncio
from collections.abc import Mapping
from typing import Final

import httpcore2

from letterhead.adapters.pinned_connections import PinnedHttp, Resolve
from letterhead.core.public.webhooks import EgressPolicy, HttpResult, WebhookTarget

SECONDS: Final = 15.0  # for all of it: name, connection, TLS, request, answer
OCTETS: Final = 64 * 1024  # of an answer's body that are read
LOCATION_OCTETS: Final = 300  # of a redirect's target that are shown


class WebhookClient:
    """The implementation of `Outbound`, with a connection for each message."""

    def __init__(
        self,
        egress: EgressPolicy,
        resolve: Resolve,
        *,
        dial: httpcore2.AsyncNetworkBackend | None = None,
        seconds: float = SECONDS,
    ) -> None:
        self._http = PinnedHttp(resolve, egress, dial)
        self._seconds = seconds

    async def post(self, target: WebhookTarget, headers: Mapping[str, str], body: bytes) -> HttpResult:
        """Send one POST and return its result; a failure is a value, never raised. Redirects are not followed."""
        fields = {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
        try:
            async with asyncio.timeout(self._seconds), self._http.request("POST", target, fields, body) as response:
                octets = b""
                async for chunk in response.aiter_stream():
                    octets += chunk
                    if len(octets) >= OCTETS:
                        break
                found = {name.lower(): value for name, value in response.headers}
                wait = found.get(b"retry-after")
                said = _printable(octets[:2000].decode("utf-8", "replace"))
                if 300 <= response.status < 400:
                    said = _redirect(found.get(b"location"))
                retry_after = wait.decode("latin-1") if wait is not None else None
                return HttpResult(status=response.status, said=said, retry_after=retry_after)
        except TimeoutError:
            return HttpResult(status=None, said=f"no whole answer within {self._seconds:g} s")
        except (httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.TimeoutException, OSError) as error:
            return HttpResult(status=None, said=_printable(str(error) or type(error).__name__))


def _redirect(location: bytes | None) -> str:
    """Return what a redirect says: where it leads is the endpoint's word, so it is shown and never followed."""
    if location is None:
        return "a redirect, which is not followed; it does not say where it leads"
    to = _printable(location[:LOCATION_OCTETS].decode("utf-8", "replace"))
    return f"a redirect to {to!r}, which is not followed: if that is your endpoint, give its URL to this webhook"


def _printable(text: str) -> str:
    return "".join(each if each.isprintable() else " " for each in text).strip()

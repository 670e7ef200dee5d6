"""HTTP requests to hosts that strangers name: webhook endpoints, and the API hosts of Domain Connect."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from letterhead.core.public.webhooks import HttpResult, WebhookTarget


class Outbound(Protocol):
    """An HTTP client that reaches nothing but the public Internet."""

    async def post(self, target: WebhookTarget, headers: Mapping[str, str], body: bytes) -> HttpResult:
        """Send one POST and return its result; a failure is a value, never raised. Redirects are not followed."""
        ...


class Fetched(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one GET: the status and the body if there was a short response, else `said` says what went wrong."""

    status: int | None
    body: bytes = b""
    said: str = ""


class Fetcher(Protocol):
    """An HTTP client for short GETs that reaches nothing but the public Internet."""

    async def fetch(self, target: WebhookTarget) -> Fetched:
        """Send one GET and return its result; a failure is a value, never raised. Redirects are not followed."""
        ...

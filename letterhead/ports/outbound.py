"""HTTP requests to webhook endpoints."""

from collections.abc import Mapping
from typing import Protocol

from letterhead.core.public.webhooks import HttpResult, WebhookTarget


class Outbound(Protocol):
    """An HTTP client that reaches nothing but the public Internet."""

    async def post(self, target: WebhookTarget, headers: Mapping[str, str], body: bytes) -> HttpResult:
        """Send one POST and return its result; a failure is a value, never raised. Redirects are not followed."""
        ...

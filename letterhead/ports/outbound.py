"""HTTP to endpoints of other people."""

from collections.abc import Mapping
from typing import Protocol

from letterhead.core.public.webhooks import HttpResult, WebhookTarget


class Outbound(Protocol):
    """Sends a message to an endpoint of somebody else's, on the public Internet alone."""

    async def post(self, target: WebhookTarget, headers: Mapping[str, str], body: bytes) -> HttpResult:
        """Sends one POST and reads what came of it; trouble is a value, never raised. Redirects are not followed."""
        ...

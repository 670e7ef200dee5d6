"""Alerts in chats and on-call services."""

from typing import Protocol

import msgspec

from letterhead.core.secret import Secret
from letterhead.ports.mail import DeliveryResult


class AlertResult(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one attempt; `said` holds nothing of the address, and nothing that the service wrote."""

    result: DeliveryResult
    said: str


class AlertSender(Protocol):
    """Sends one line to an address of one of the services, over the public Internet and nothing inside."""

    def check(self, url: Secret) -> None:
        """Raise Fault `alert-url-invalid` for an address that the service can't have, or that is not allowed."""
        ...

    async def send(self, url: Secret, text: str) -> AlertResult:
        """Send a text; a failure is a value, never raised."""
        ...

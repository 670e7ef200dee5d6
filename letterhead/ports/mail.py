"""Mail that the service itself sends and reads."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import msgspec

from letterhead.core.schedule.reminder_mail import Email


class DeliveryResult(StrEnum):
    """Says what became of a message that was handed over."""

    ACCEPTED = "accepted"
    LATER = "later"  # refused for now, before anybody took it: it may be handed over again
    REFUSED = "refused"  # for good
    UNKNOWN = "unknown"  # it broke off after the message went out: perhaps it was taken


class SendResult(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what became of a message, with the server's own words or what happened to the connection."""

    post: DeliveryResult
    said: str


class Mailer(Protocol):
    """Hands messages to a mail server."""

    async def send(self, letter: Email) -> SendResult:
        """Hands one message over; trouble is a value, never raised."""
        ...

    async def try_connection(self) -> SendResult:
        """Goes as far as a message would, sign-in and all, and sends none."""
        ...


class MailboxReader(Protocol):
    """Reads the mailbox that proofs are sent to; changes nothing there."""

    async def find(self, token: str) -> bytes | None:
        """Finds the message with a token (letters and digits) in its subject, of at most 64 KB; Fault
        `provider-failed` where the mailbox can't be read."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofSetup:
    """Says how proofs are sent: to whom, by whom, and where they are read, if anywhere."""

    to: str
    mailer: Mailer
    mailbox: MailboxReader | None = None

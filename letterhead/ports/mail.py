"""Mail that the service itself sends and reads."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import msgspec

from letterhead.core.schedule.reminder_mail import Email
from letterhead.core.secret import Secret


class DeliveryResult(StrEnum):
    """How handing a message over to a mail server ended."""

    ACCEPTED = "accepted"
    LATER = "later"  # refused for now, before anybody took it: it may be handed over again
    REFUSED = "refused"  # for good
    UNKNOWN = "unknown"  # the connection broke after the message went out: perhaps it was taken


class SendResult(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of sending a message; `said` is the server's reply or what happened to the connection."""

    result: DeliveryResult
    said: str


class Mailer(Protocol):
    """A mail server that takes our messages."""

    async def send(self, letter: Email) -> SendResult:
        """Hand one message over; a failure is a value, never raised."""
        ...

    async def try_connection(self) -> SendResult:
        """Do all that precedes a message, sign-in included, and send none."""
        ...


class MailboxReader(Protocol):
    """Read access to the mailbox that proofs are sent to."""

    async def find(self, token: str) -> bytes | None:
        """Return the message with a token (letters and digits) in its subject, of at most 64 KB.

        Raise Fault `provider-failed` where the mailbox can't be read.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofSetup:
    """How proofs are sent: the address they go to, the mailer, and the mailbox they are read from, if any."""

    to: str
    mailer: Mailer
    mailbox: MailboxReader | None = None
    # Where the mailer is this installation's own relay: one that signs in there as an account, with a password for it.
    relay_mailer: Callable[[str, Secret], Mailer] | None = None

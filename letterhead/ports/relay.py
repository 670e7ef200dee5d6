"""The signing relay's queue, signer and smart host."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from letterhead.core.relay.queue import DeliveryProgress, QueuedMessage, QueueUsage, RecipientReply
from letterhead.core.secret import Secret


class MailQueue(Protocol):
    """The messages on this machine's disk that wait to be handed over; what `put` acknowledged survives a power cut.

    Every method raises Fault `storage-unavailable` where the disk fails.
    """

    async def put(self, queued: QueuedMessage, content: bytes) -> None:
        """Store a message: it is on the disk when this returns, or not at all."""
        ...

    async def content(self, message_id: str) -> bytes | None:
        """Return a message's text; None where it is gone."""
        ...

    async def save_progress(self, message_id: str, progress: DeliveryProgress) -> None:
        """Store the progress of a message's delivery."""
        ...

    async def remove(self, message_id: str) -> None:
        """Delete a message; do nothing where it is gone already."""
        ...

    async def list_queued(self) -> list[QueuedMessage]:
        """Return all queued messages, the oldest first; delete what a crash left half-written."""
        ...


class MessageSigner(Protocol):
    """A signer of messages (DKIM)."""

    def sign(self, content: bytes, domain: str, selector: str, private_key: Secret, at: datetime) -> bytes:
        """Return the message with a DKIM signature of this time before it.

        Takes some milliseconds of CPU, so call it in a thread.
        """
        ...


class RelayResult(msgspec.Struct, frozen=True, kw_only=True):
    """The smart host's reply for each recipient; `reached` is false where no message could be offered.

    `said` is then what went wrong with the connection.
    """

    answers: Mapping[str, RecipientReply] = {}
    reached: bool = True
    said: str = ""


class SmartHost(Protocol):
    """The one server that sends our messages on."""

    async def hand_over(self, sender: str, recipients: Sequence[str], content: bytes, *, utf8: bool) -> RelayResult:
        """Hand one message over and return the reply for each recipient; a failure is a value, never raised."""
        ...

    async def close(self) -> None:
        """Close the open connections."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayDeps:
    """The ports and settings of the signing relay, in addition to `Deps`."""

    queue: MailQueue
    signer: MessageSigner
    smart_host: SmartHost
    host: str  # the relay's own name in EHLO and trace fields
    keep: timedelta  # how long a message is tried
    usage: QueueUsage = field(default_factory=QueueUsage)  # of the queue, by account
    opened: set[tuple[str, str]]  # domain ids and selectors whose keys this process has opened and logged
    # The header field by which the smart host knows an account, of installation and account id; empty for none.
    account_field: Callable[[str, str], str]

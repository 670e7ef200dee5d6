"""What the signing relay needs: its queue, a signer, the smart host."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from letterhead.core.relay.queue import DeliveryProgress, QueuedMessage, RecipientReply
from letterhead.core.secret import Secret


class MailQueue(Protocol):
    """Keeps messages on this machine's disk until they are handed over; what is told as kept survives a power cut.

    Trouble with the disk is Fault `storage-unavailable`.
    """

    async def put(self, queued: QueuedMessage, content: bytes) -> None:
        """Keeps a message: on the disk when this returns, or not at all."""
        ...

    async def content(self, message_id: str) -> bytes | None:
        """Reads a message's text; nothing where it is gone."""
        ...

    async def save_progress(self, message_id: str, progress: DeliveryProgress) -> None:
        """Notes how far a message is."""
        ...

    async def remove(self, message_id: str) -> None:
        """Forgets a message; one that is gone already is left so."""
        ...

    async def list_queued(self) -> list[QueuedMessage]:
        """Lists all that is kept, the oldest first; what a crash left half-written is cleared away."""
        ...


class MessageSigner(Protocol):
    """Signs messages."""

    def sign(self, content: bytes, domain: str, selector: str, private_key: Secret, at: datetime) -> bytes:
        """Return the message with a DKIM signature of this time before it.

        Takes some milliseconds of CPU, so call it in a thread.
        """
        ...


class RelayResult(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what the next server said for each recipient; `reached` is false where it never came to a message."""

    answers: Mapping[str, RecipientReply] = {}
    reached: bool = True
    said: str = ""


class SmartHost(Protocol):
    """Hands messages to the one server that sends them on."""

    async def hand_over(self, sender: str, recipients: Sequence[str], content: bytes, *, utf8: bool) -> RelayResult:
        """Hands one message over and tells what was said for each recipient; trouble is a value, never raised."""
        ...

    async def close(self) -> None:
        """Ends the connections that are open."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayDeps:
    """Gathers what the signing relay needs beside `Deps`."""

    queue: MailQueue
    signer: MessageSigner
    smart_host: SmartHost
    host: str  # what the relay calls itself
    keep: timedelta  # how long a message is tried
    opened: set[tuple[str, str]]  # domain ids and selectors whose keys this process has opened, and said so

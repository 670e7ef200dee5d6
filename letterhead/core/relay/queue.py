"""The relay's queue: what an account may have in it, when a message is tried again, for which recipients it has failed.

`Envelope` and `DeliveryProgress` are written into files next to a queued message. Files of an older version are read by
a newer one, so fields are added with a default, and never change their meaning.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec
from msgspec.structs import replace

from letterhead.core.domain.domain import Domain
from letterhead.core.domain.health import HealthState
from letterhead.core.names.email_addresses import safe_local

# RFC 5321 4.5.4.1 asks for at least 30 minutes between tries "in general": the first ones are for greylisting.
DELAYS: Final = tuple(timedelta(minutes=minutes) for minutes in (1, 3, 5, 10, 20, 30, 60, 120, 240))
JITTER: Final = 0.2
ACCOUNT_MESSAGES: Final = 10_000  # that one account may have in the queue, where no setting says otherwise
ACCOUNT_OCTETS: Final = 1_000_000_000
EXPIRED: Final = "4.4.7"  # RFC 3463 3.5: the time to deliver it ran out


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a message when it is accepted.

    `author` is the sender domain that signs it: `from_domain`, that of its From field, or one above it. Older files
    have no `from_domain`, and it is `author`. `sender` is the address in the client's MAIL FROM, empty for the null
    path; `reports_to` is where a failure is reported, empty where it is not: a report is never reported on.
    """

    id: str
    account_id: str
    key_id: str
    author: str
    sender: str
    reports_to: str
    recipients: tuple[str, ...]
    accepted_at: datetime
    utf8: bool = False
    is_report: bool = False  # of ours, on another message
    from_domain: str = ""


class DeliveryProgress(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of a message: the recipients who have not got it yet, and when it is tried again."""

    recipients: tuple[str, ...]
    due_at: datetime
    attempts: int = 0
    said: str = ""


class QueuedMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message in the queue, without its text, which has so many octets."""

    envelope: Envelope
    progress: DeliveryProgress
    octets: int = 0


class QueueUsage:
    """How much of the queue each account uses, in messages and in octets, and how much it may use."""

    def __init__(self, messages: int = ACCOUNT_MESSAGES, octets: int = ACCOUNT_OCTETS) -> None:
        self.most_messages, self.most_octets = messages, octets
        self._messages, self._octets = Counter[str](), Counter[str]()

    def messages(self, account_id: str) -> int:
        """Return how many messages of an account are queued."""
        return self._messages[account_id]

    def octets(self, account_id: str) -> int:
        """Return how many octets they have."""
        return self._octets[account_id]

    def has_room(self, account_id: str, octets: int = 0) -> bool:
        """Return whether another message of an account, of so many octets, may be queued."""
        return self.messages(account_id) < self.most_messages and self.octets(account_id) + octets <= self.most_octets

    def add(self, account_id: str, octets: int) -> None:
        """Count a message that is queued; it may be one too many: a report, or after the limits were lowered."""
        self._messages[account_id] += 1
        self._octets[account_id] += octets

    def remove(self, account_id: str, octets: int) -> None:
        """Forget a message that was counted."""
        self._messages[account_id] -= 1
        self._octets[account_id] -= octets
        if not self._messages[account_id]:
            del self._messages[account_id], self._octets[account_id]


class ReplyClass(StrEnum):
    """What the next server did for one recipient."""

    TAKEN = "taken"
    LATER = "later"
    REFUSED = "refused"  # for good


class RecipientReply(msgspec.Struct, frozen=True, kw_only=True):
    """The next server's reply for one recipient: its class and its text."""

    word: ReplyClass
    said: str


class AttemptResult(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from an attempt: the recipients to try again, and those for whom it failed for good."""

    progress: DeliveryProgress | None
    taken: int
    failed: Mapping[str, RecipientReply]


def new_queued(envelope: Envelope, octets: int) -> QueuedMessage:
    """Return a new message in the queue: due at once, for all recipients."""
    progress = DeliveryProgress(recipients=envelope.recipients, due_at=envelope.accepted_at)
    return QueuedMessage(envelope=envelope, progress=progress, octets=octets)


def apply_replies(
    queued: QueuedMessage, answers: Mapping[str, RecipientReply], now: datetime, keep: timedelta, jitter: float
) -> AttemptResult:
    """Return what follows from an attempt; once the message is older than `keep`, nobody is tried again."""
    by = {word: {to: answer for to, answer in answers.items() if answer.word is word} for word in ReplyClass}
    failed, later = by[ReplyClass.REFUSED], by[ReplyClass.LATER]
    if now - queued.envelope.accepted_at >= keep:
        for to, answer in later.items():
            said = f"{EXPIRED} given up after many tries; the last one: {answer.said}"
            failed[to] = RecipientReply(word=ReplyClass.REFUSED, said=said)
        later = {}
    progress = None
    if later:
        attempts = queued.progress.attempts + 1
        due = now + DELAYS[min(attempts, len(DELAYS)) - 1] * (1 + JITTER * jitter)
        said = next(iter(later.values())).said
        progress = DeliveryProgress(recipients=tuple(later), due_at=due, attempts=attempts, said=said)
    return AttemptResult(progress=progress, taken=len(by[ReplyClass.TAKEN]), failed=failed)


def as_temporary(answers: Mapping[str, RecipientReply]) -> dict[str, RecipientReply]:
    """Return the replies with every refusal as a temporary one: the sender could not be told of it yet."""
    return {
        to: answer if answer.word is ReplyClass.TAKEN else replace(answer, word=ReplyClass.LATER)
        for to, answer in answers.items()
    }


def for_all(queued: QueuedMessage, word: ReplyClass, said: str) -> dict[str, RecipientReply]:
    """Return one reply for all recipients."""
    return dict.fromkeys(queued.progress.recipients, RecipientReply(word=word, said=said))


def return_path(domain: Domain, sender: str) -> str:
    """Return the address for MAIL FROM: at the MAIL FROM domain while that is verified, else at the sender domain.

    The local part stays, as far as any server takes it, so that bounces can be told apart. The null path stays null
    (RFC 5321 4.5.5).
    """
    if not sender:
        return ""
    health = domain.mail_from_health
    is_verified = domain.mail_from is not None and health is not None and health.state is HealthState.VERIFIED
    return f"{safe_local(sender.rpartition('@')[0], 'bounces')}@{domain.mail_from if is_verified else domain.sender}"

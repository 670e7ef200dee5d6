"""Mails that a person has sent to an address of their choice: to whom, by which server, and how many a day."""

from datetime import timedelta
from typing import Protocol

from letterhead.core.accounts.accounts import is_reachable_address, parse_email
from letterhead.errors import Fault, Kind
from letterhead.ports.deps import Clock, Digest
from letterhead.ports.mail import Mailer
from letterhead.ports.store.leases import LeaseStore

DAY = timedelta(days=1)
BY_ACCOUNT, TO_RECIPIENT = 50, 3  # mails that may be sent at once, and then in a day


class MailLimitNeeds(Protocol):
    """What counting such mails needs."""

    @property
    def now(self) -> Clock: ...
    @property
    def digest(self) -> Digest: ...
    @property
    def store(self) -> LeaseStore: ...


class MailerNeeds(Protocol):
    """What sending such mails needs."""

    @property
    def mailer(self) -> Mailer | None: ...


def find_mailer(deps: MailerNeeds) -> Mailer:
    """Return the mail server; Fault `conflict` where none is set."""
    if deps.mailer is not None:
        return deps.mailer
    raise Fault(
        Kind.CONFLICT,
        "This installation sends no mail: no mail server is set.",
        "Pass a link on yourself, and ask the operator to change an address; the operator can set LETTERHEAD_SMTP_URL.",
    )


def parse_recipient(text: str) -> str:
    """Parse an address that mail can reach; Fault `parameter-invalid`."""
    to = parse_email(text)
    if is_reachable_address(to):
        return to
    raise Fault(
        Kind.PARAMETER_INVALID,
        f"{to[:80]!r} is an address that no mail can reach.",
        "Write the address of a mailbox at a public domain.",
    )


async def count_mail(deps: MailLimitNeeds, account_id: str, to: str, *first: tuple[str, int]) -> None:
    """Count one mail against the account's limit, and that for this recipient; Fault `too-many-requests`.

    `first` are names and sizes of narrower limits, counted before these.
    """
    recipient = deps.digest(f"mail|{account_id}|{to.lower()}")[:16].hex()
    now = deps.now()
    for name, most in (*first, (f"mail to {recipient}", TO_RECIPIENT), (f"mail of {account_id}", BY_ACCOUNT)):
        every = DAY / most
        if await deps.store.take_rate_slot(name, now, every, now + every * (most - 1)) is None:
            wait = int(every.total_seconds())
            raise Fault(
                Kind.TOO_MANY_REQUESTS,
                "Too many messages of this kind were sent in the last day.",
                f"Copy the link or the text and pass it on yourself, or wait {wait} s, as Retry-After says.",
                retry_after=wait,
            )

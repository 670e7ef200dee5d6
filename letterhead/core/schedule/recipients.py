"""To whom the reminders of a domain go: to its contact, with a copy for the account, or to the account alone."""

import msgspec

from letterhead.core.accounts.accounts import Account, is_reachable_address
from letterhead.core.domain.profile import DomainProfile


class Recipient(msgspec.Struct, frozen=True, kw_only=True):
    """One address that a reminder goes to; with `is_fallback` only where the contact's address was refused for good."""

    email: str
    is_contact: bool = False
    is_fallback: bool = False


def reminder_recipients(account: Account, profile: DomainProfile) -> tuple[Recipient, ...]:
    """Return to whom a reminder goes, the contact first; nobody where nobody wants it or can be reached.

    A contact who has not confirmed the address, or has ended the mails, gets none, and the account then gets them.
    """
    contact, wanted = profile.contact, account.reminders and is_reachable_address(account.email)
    if contact is None or not contact.is_mailed:
        return (Recipient(email=account.email),) if wanted else ()
    first = Recipient(email=contact.email, is_contact=True)
    if not wanted or contact.email.lower() == account.email.lower():
        return (first,)
    return (first, Recipient(email=account.email, is_fallback=not profile.copy_account))

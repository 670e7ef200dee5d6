"""The change of an account's address: a link is mailed to the new one, and counts once somebody there has confirmed it.

The link carries what it confirms, signed, and the address that it replaces: it works for a day, and once.
"""

import base64
import hmac
from datetime import UTC, datetime
from typing import Protocol

import msgspec
from msgspec.structs import replace

from letterhead.core.accounts.accounts import Account
from letterhead.core.schedule.reminder_mail import address_email
from letterhead.errors import Fault, Kind
from letterhead.operations.accounts import AccountNeeds, AccountUpdate, StoreForAccounts, change_account, find_account
from letterhead.operations.audit import Actor, audit_row
from letterhead.operations.ids import new_id
from letterhead.operations.mail_limits import DAY, count_mail, find_mailer, parse_recipient
from letterhead.ports.deps import OperationSettings
from letterhead.ports.mail import DeliveryResult, Mailer
from letterhead.ports.store.leases import LeaseStore

PATH = "/account/address/"
_SIGNATURE_OCTETS = 18


class StoreForAddresses(StoreForAccounts, LeaseStore, Protocol):
    """Accounts, and how often mail is sent."""


class AccountAddressNeeds(AccountNeeds, Protocol):
    """What changing an account's address needs."""

    @property
    def store(self) -> StoreForAddresses: ...
    @property
    def policy(self) -> OperationSettings: ...
    @property
    def mailer(self) -> Mailer | None: ...


class AddressChange(msgspec.Struct, frozen=True, kw_only=True):
    """What a link confirms: the new address of an account, until a time in seconds since 1970."""

    account_id: str
    email: str
    until: int


async def ask_for_address(deps: AccountAddressNeeds, account_id: str, text: str, actor: Actor) -> str:
    """Mail a link to an account's new address and return the address, which counts once the link was confirmed.

    Faults: `parameter-invalid`, `conflict` where no mail server is set, `too-many-requests`, `provider-failed` where
    the mail server did not take the message.
    """
    account = await find_account(deps, account_id)
    to, mailer = parse_recipient(text), find_mailer(deps)
    await count_mail(deps, account_id, to)
    until = deps.now() + DAY
    change = AddressChange(account_id=account_id, email=to, until=int(until.timestamp()))
    url = f"{deps.policy.public_url}{PATH}{_token(deps, change, account)}"
    name = f"{new_id(deps, 'address')}.{deps.policy.installation}"
    sent = await mailer.send(address_email(to, name, deps.policy.brand_name, account.name, url))
    await deps.store.audit(audit_row(deps, actor, "account.ask-address", f"{account_id} {to}: {sent.result}"))
    if sent.result in (DeliveryResult.ACCEPTED, DeliveryResult.UNKNOWN):
        return to
    raise Fault(
        Kind.PROVIDER_FAILED, f"The mail server did not take the message to {to}.", "Check the address, or try later."
    )


def _token(deps: AccountAddressNeeds, change: AddressChange, account: Account) -> str:
    written = msgspec.json.encode(change)
    # No API key's text begins so; with the present address in it, the link is void once the address has changed.
    signature = deps.digest(f"address|{account.email}|{written.decode()}")[:_SIGNATURE_OCTETS]
    return base64.urlsafe_b64encode(signature + written).rstrip(b"=").decode()


async def find_address_change(deps: AccountAddressNeeds, token: str) -> tuple[Account, AddressChange]:
    """Find the account and the address that a link is for; Fault `not-found` for one that is not ours, used or over."""
    try:
        octets = base64.b64decode(token.encode() + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
        change = msgspec.json.decode(octets[_SIGNATURE_OCTETS:], type=AddressChange)
    except (ValueError, msgspec.MsgspecError):
        raise _dead_link() from None
    account = await deps.store.account(change.account_id)
    if account is None or deps.now() >= datetime.fromtimestamp(change.until, UTC):
        raise _dead_link()
    if not hmac.compare_digest(token.encode(), _token(deps, change, account).encode()):
        raise _dead_link()
    return account, change


def _dead_link() -> Fault:
    return Fault(
        Kind.NOT_FOUND,
        "This link to confirm an address is not whole, was used already, or is over a day old.",
        "Take the whole link from the newest message, or ask for the change again.",
    )


async def confirm_address(deps: AccountAddressNeeds, token: str, actor: Actor) -> Account:
    """Give an account the address that a link confirms; Fault `not-found`."""
    account, change = await find_address_change(deps, token)
    actor = replace(actor, account_id=account.id)
    return await change_account(deps, account.id, actor, AccountUpdate(email=change.email))

"""Addresses that count once somebody there has confirmed them: an account's own, and that of a domain's contact.

A link is mailed to the address. It carries what it confirms, signed together with what it changes: it works for a day,
once, and no more after something else was asked for.
"""

import base64
import hmac
from datetime import UTC, datetime
from typing import Protocol

import msgspec
from msgspec.structs import replace

from letterhead.core.accounts.accounts import Account, is_reachable_address
from letterhead.core.domain.domain import Domain
from letterhead.core.domain.profile import Contact, DomainProfile
from letterhead.core.languages.language import ENGLISH, LanguageReader
from letterhead.core.languages.negotiation import address_in
from letterhead.core.schedule.contact_mail import ContactEmailInput, contact_email
from letterhead.core.schedule.reminder_mail import Email, address_email
from letterhead.errors import Fault, Kind
from letterhead.operations.accounts import AccountNeeds, AccountUpdate, StoreForAccounts, change_account, find_account
from letterhead.operations.audit import Actor, audit_row
from letterhead.operations.ids import new_id
from letterhead.operations.mail_limits import DAY, count_mail, find_mailer, parse_recipient
from letterhead.operations.opt_outs import contact_opt_out_url
from letterhead.ports.deps import OperationSettings
from letterhead.ports.mail import DeliveryResult, Mailer
from letterhead.ports.store.leases import LeaseStore

PATH = "/account/address/"
_SIGNATURE_OCTETS = 18


class StoreForAddresses(StoreForAccounts, LeaseStore, Protocol):
    """Accounts and domains, and how often mail is sent."""


class AddressNeeds(AccountNeeds, Protocol):
    """What changing an address needs."""

    @property
    def store(self) -> StoreForAddresses: ...
    @property
    def policy(self) -> OperationSettings: ...
    @property
    def mailer(self) -> Mailer | None: ...
    @property
    def languages(self) -> LanguageReader: ...


class AddressChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a link confirms: the new address of an account, or of a domain's contact, until a time since 1970."""

    account_id: str
    email: str
    until: int
    domain_id: str | None = None


class AskedAddress(msgspec.Struct, frozen=True, kw_only=True):
    """An address that a link confirms, with whose it is to be; `domain` where it is a domain's contact."""

    change: AddressChange
    account: Account
    domain: Domain | None = None


async def ask_for_address(deps: AddressNeeds, account_id: str, text: str, actor: Actor) -> str:
    """Mail a link to an account's new address and return the address, which counts once the link was confirmed.

    Faults: `parameter-invalid`, `conflict` where no mail server is set, `too-many-requests`, `provider-failed` where
    the mail server did not take the message.
    """
    account = await find_account(deps, account_id)
    to, mailer = parse_recipient(text), find_mailer(deps)
    await count_mail(deps, account_id, to)
    change = AddressChange(account_id=account_id, email=to, until=_tomorrow(deps))
    email = address_email(
        to, _message_name(deps), deps.policy.brand_name, account.name, _url(deps, change, account.email)
    )
    await _send(deps, mailer, email, actor, ("account.ask-address", f"{account_id} {to}"))
    return to


async def may_ask_contact(deps: AddressNeeds, account_id: str, text: str, present: Contact | None) -> Contact | None:
    """Return the contact that an address would be, and count its mail; None where it is the confirmed one already.

    Faults: `parameter-invalid`, `conflict` where no mail server is set, `too-many-requests`.
    """
    to = parse_recipient(text)
    if present is not None and present.email == to and present.is_mailed:
        return None
    find_mailer(deps)
    await count_mail(deps, account_id, to)
    return Contact(email=to, asked_at=deps.now().replace(microsecond=0))  # whole, so that the store has the same


async def send_contact_link(deps: AddressNeeds, domain: Domain, contact: Contact, actor: Actor) -> None:
    """Mail the link that confirms a domain's contact, which is stored. Faults: `conflict`, `provider-failed`."""
    account = await find_account(deps, domain.account_id)
    confirm, refuse = contact_urls(deps, domain, contact)
    given = ContactEmailInput(
        to=contact.email,
        name=_message_name(deps),
        brand=deps.policy.brand_name,
        account=account.name,
        sender=domain.sender,
        confirm=confirm,
        refuse=refuse,
        language=deps.languages(contact.language or ENGLISH.code),
    )
    # The address stays out of the audit, which outlives the contact.
    await _send(deps, find_mailer(deps), contact_email(given), actor, ("contact.ask", domain.sender))


def contact_urls(deps: AddressNeeds, domain: Domain, contact: Contact) -> tuple[str, str]:
    """Return the links by which a domain's contact confirms the address within a day, and refuses all mail."""
    account_id, until = domain.account_id, _tomorrow(deps)
    change = AddressChange(account_id=account_id, email=contact.email, until=until, domain_id=domain.id)
    confirm = address_in(_url(deps, change, _contact_state(contact)), contact.language)
    return confirm, contact_opt_out_url(deps, domain.id, contact)


def _tomorrow(deps: AddressNeeds) -> int:
    return int((deps.now() + DAY).timestamp())


def _message_name(deps: AddressNeeds) -> str:
    return f"{new_id(deps, 'address')}.{deps.policy.installation}"


async def _send(deps: AddressNeeds, mailer: Mailer, email: Email, actor: Actor, audited: tuple[str, str]) -> None:
    sent = await mailer.send(email)
    action, subject = audited
    await deps.store.audit(audit_row(deps, actor, action, f"{subject}: {sent.result}"))
    if sent.result not in (DeliveryResult.ACCEPTED, DeliveryResult.UNKNOWN):
        raise Fault(
            Kind.PROVIDER_FAILED,
            f"The mail server did not take the message to {email.to}.",
            "Check the address, or try later.",
        )


def _url(deps: AddressNeeds, change: AddressChange, state: str) -> str:
    return f"{deps.policy.public_url}{PATH}{_token(deps, change, state)}"


def _contact_state(contact: Contact) -> str:
    return f"contact|{contact.email}|{int(contact.asked_at.timestamp())}|{contact.confirmed_at is not None}"


def _token(deps: AddressNeeds, change: AddressChange, state: str) -> str:
    """Sign a change together with the state that it changes: the link is void once that is another one."""
    written = msgspec.json.encode(change)
    signature = deps.digest(f"address|{state}|{written.decode()}")[:_SIGNATURE_OCTETS]  # no API key's text begins so
    return base64.urlsafe_b64encode(signature + written).rstrip(b"=").decode()


async def find_asked_address(deps: AddressNeeds, token: str) -> AskedAddress:
    """Find the address that a link confirms; Fault `not-found` for a link that is not ours, used or over."""
    try:
        octets = base64.b64decode(token.encode() + b"=" * (-len(token) % 4), altchars=b"-_", validate=True)
        change = msgspec.json.decode(octets[_SIGNATURE_OCTETS:], type=AddressChange)
    except (ValueError, msgspec.MsgspecError):
        raise _dead_link() from None
    account = await deps.store.account(change.account_id)
    if account is None or deps.now() >= datetime.fromtimestamp(change.until, UTC):
        raise _dead_link()
    domain, state = None, account.email
    if change.domain_id is not None:
        domain = await deps.store.domain_by_id(change.domain_id)
        contact = (await deps.store.profile(change.domain_id)).contact
        if domain is None or contact is None:
            raise _dead_link()
        state = _contact_state(contact)
    if not hmac.compare_digest(token.encode(), _token(deps, change, state).encode()):
        raise _dead_link()
    return AskedAddress(change=change, account=account, domain=domain)


def _dead_link() -> Fault:
    return Fault(
        Kind.NOT_FOUND,
        "This link to confirm an address is not whole, was used already, or is over a day old.",
        "Take the whole link from the newest message, or ask for the change again.",
    )


async def confirm_address(deps: AddressNeeds, token: str, language: str, actor: Actor) -> AskedAddress:
    """Make the address that a link confirms count; a contact is written to in this language. Fault `not-found`."""
    asked = await find_asked_address(deps, token)
    actor = replace(actor, account_id=asked.account.id)
    if asked.domain is None:
        await change_account(deps, asked.account.id, actor, AccountUpdate(email=asked.change.email))
        return asked
    now = deps.now()

    def confirm(profile: DomainProfile) -> DomainProfile:
        contact = profile.contact
        if contact is None or not hmac.compare_digest(token, _token(deps, asked.change, _contact_state(contact))):
            raise _dead_link()  # it was changed, or confirmed, since it was read
        return replace(profile, contact=replace(contact, confirmed_at=now, reminders=True, language=language))

    row = audit_row(deps, actor, "contact.confirm", asked.domain.sender)
    if await deps.store.change_profile(asked.domain, confirm, row) is None:
        raise _dead_link()
    return asked


def reachable_email(account: Account) -> str | None:
    """Return an account's address where mail can reach it."""
    return account.email if is_reachable_address(account.email) else None

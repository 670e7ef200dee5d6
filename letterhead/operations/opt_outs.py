"""The links by which a person ends the mails about domains without signing in: those of an account, or of a contact."""

import base64
import hmac
from typing import Protocol

import msgspec
from msgspec.structs import replace

from letterhead.core.accounts.accounts import Account
from letterhead.core.domain.domain import Domain
from letterhead.core.domain.profile import Contact, DomainProfile
from letterhead.core.languages.negotiation import address_in
from letterhead.errors import Fault, Kind
from letterhead.operations.accounts import AccountNeeds, AccountUpdate, change_account
from letterhead.operations.audit import Actor, audit_row
from letterhead.ports.deps import Digest, OperationSettings

PATH = "/reminders/opt-out/"


class OptOutLinkNeeds(Protocol):
    """What writing the link that ends reminders needs."""

    @property
    def digest(self) -> Digest: ...
    @property
    def policy(self) -> OperationSettings: ...


class OptOutNeeds(AccountNeeds, OptOutLinkNeeds, Protocol):
    """What ending the mails of an account or a contact needs."""


class OptOut(msgspec.Struct, frozen=True, kw_only=True):
    """Whose mails a link ends: those of an account, or those about one domain to its contact; `wanted` until then."""

    account: Account
    wanted: bool
    domain: Domain | None = None


def opt_out_url(deps: OptOutLinkNeeds, account_id: str) -> str:
    """Return the link that ends an account's reminders without a sign-in; it never expires."""
    return f"{deps.policy.public_url}{PATH}{account_id}.{_signature(deps, account_id)}"


def contact_opt_out_url(deps: OptOutLinkNeeds, domain_id: str, contact: Contact) -> str:
    """Return the link that ends the mails about a domain to its contact, while that address is the contact."""
    url = f"{deps.policy.public_url}{PATH}{domain_id}.{_signature(deps, f'{domain_id}|{contact.email}')}"
    return address_in(url, contact.language)


def _signature(deps: OptOutLinkNeeds, subject: str) -> str:
    # No API key's text begins so: the two uses of the pepper can't meet.
    return base64.urlsafe_b64encode(deps.digest(f"opt-out|{subject}")[:18]).decode()


async def find_opt_out(deps: OptOutNeeds, token: str) -> OptOut:
    """Find whose mails an opt-out link ends; Fault `not-found` for a link that we did not write."""
    subject, _, signature = token.rpartition(".")
    if signature.isascii():
        if hmac.compare_digest(signature, _signature(deps, subject)):
            account = await deps.store.account(subject)
            if account is not None:
                return OptOut(account=account, wanted=account.reminders)
        domain = await deps.store.domain_by_id(subject)
        contact = (await deps.store.profile(subject)).contact
        if domain and contact and hmac.compare_digest(signature, _signature(deps, f"{subject}|{contact.email}")):
            account = await deps.store.account(domain.account_id)
            if account is not None:
                return OptOut(account=account, wanted=contact.reminders, domain=domain)
    raise Fault(
        Kind.NOT_FOUND,
        "This link to end reminders is not whole, or what it is for is gone.",
        "Take the whole link from the newest message.",
    )


async def opt_out(deps: OptOutNeeds, token: str, actor: Actor) -> OptOut:
    """End the mails that an opt-out link is for; Fault `not-found`."""
    found = await find_opt_out(deps, token)
    actor = replace(actor, account_id=found.account.id)
    if not found.wanted:
        return found
    if found.domain is None:
        await change_account(deps, found.account.id, actor, AccountUpdate(reminders=False))
        return replace(found, wanted=False)

    def end(profile: DomainProfile) -> DomainProfile:
        contact = profile.contact
        return profile if contact is None else replace(profile, contact=replace(contact, reminders=False))

    await deps.store.change_profile(found.domain, end, audit_row(deps, actor, "contact.opt-out", found.domain.sender))
    return replace(found, wanted=False)

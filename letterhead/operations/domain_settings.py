"""What an account sets of a domain of its own: note, labels, contact, and whether it covers the names below it."""

from collections.abc import Mapping
from typing import Protocol

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from letterhead.core.domain.domain import Domain
from letterhead.core.domain.profile import Contact, DomainProfile, change_labels, parse_note
from letterhead.errors import Fault, Kind
from letterhead.operations.audit import Actor, audit_row
from letterhead.operations.confirmed_addresses import (
    AddressNeeds,
    StoreForAddresses,
    may_ask_contact,
    send_contact_link,
)
from letterhead.operations.domains import FindDomainNeeds, find_domain, new_not_found


class DomainSettingNeeds(AddressNeeds, FindDomainNeeds, Protocol):
    """What changing a domain's settings needs."""

    @property
    def store(self) -> StoreForAddresses: ...


class DomainSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What to change of a domain; what is unset stays as it is.

    An empty note or contact removes it; a contact without a language is written to in English, until the person
    confirms in another one. Of the labels, those are removed whose value is None; `labels` itself is None
    to remove all of them.
    """

    note: str | UnsetType = UNSET
    labels: Mapping[str, str | None] | UnsetType | None = UNSET
    contact: str | UnsetType = UNSET
    contact_language: str | UnsetType | None = UNSET
    copy_account: bool | UnsetType = UNSET
    covers_subdomains: bool | UnsetType = UNSET

    def named(self) -> str:
        """Return the names of what is to change, for the audit."""
        fields: Mapping[str, object] = msgspec.structs.asdict(self)
        return ", ".join(name.replace("_", " ") for name, value in fields.items() if value is not UNSET)

    def apply(self, profile: DomainProfile) -> DomainProfile:
        """Return a profile with all of it changed but the contact's address; Faults `note-invalid`, `label-invalid`."""
        if not isinstance(self.note, UnsetType):
            profile = replace(profile, note=parse_note(self.note))
        if not isinstance(self.labels, UnsetType):
            labels = {} if self.labels is None else change_labels(profile.labels, self.labels)
            profile = replace(profile, labels=labels)
        if self.contact == "":
            profile = replace(profile, contact=None)
        if not isinstance(self.copy_account, UnsetType):
            profile = replace(profile, copy_account=self.copy_account)
        if not isinstance(self.contact_language, UnsetType) and profile.contact is not None:
            profile = replace(profile, contact=replace(profile.contact, language=self.contact_language))
        return profile


async def change_domain(
    deps: DomainSettingNeeds, account_id: str, raw: str, settings: DomainSettings, actor: Actor
) -> Domain:
    """Change what is given of a domain's settings; a link is mailed to a new contact, who counts once it is confirmed.

    Where the mail server does not take that mail, the contact is stored and waits. Faults: `not-found`, `note-invalid`,
    `label-invalid`, `conflict` for the language of nobody, and those of `may_ask_contact` and `send_contact_link`.
    """
    domain = await find_domain(deps, account_id, raw)
    if not (named := settings.named()):
        return domain
    present = await deps.store.profile(domain.id)
    applied = settings.apply(present)  # refuses before a mail is counted
    asked: Contact | None = None
    if isinstance(settings.contact, str) and settings.contact:
        asked = await may_ask_contact(deps, account_id, settings.contact, present.contact)
        if asked is not None:
            asked = replace(asked, language=_language_of(asked, settings, present.contact))
    elif isinstance(settings.contact_language, str) and applied.contact is None:
        raise Fault(
            Kind.CONFLICT,
            f"{domain.sender} has no contact whose language could be set.",
            "Name the contact in the same request.",
        )

    def change(profile: DomainProfile) -> DomainProfile:
        changed = settings.apply(profile)
        return changed if asked is None else replace(changed, contact=asked)

    row = audit_row(deps, actor, "domain.change", f"{domain.sender}: {named}")
    covers = settings.covers_subdomains
    if not isinstance(covers, UnsetType) and not await deps.store.set_covers_subdomains(domain.id, covers, row):
        raise new_not_found(raw)
    keeps_more = named != "covers subdomains"
    if keeps_more and await deps.store.change_profile(domain, change, row) is None:
        raise new_not_found(raw)
    if asked is not None:
        await send_contact_link(deps, domain, asked, actor)
    return domain


def _language_of(asked: Contact, settings: DomainSettings, present: Contact | None) -> str | None:
    """Return the language of a contact who is asked: the one that is set now, or was set for this address."""
    if not isinstance(settings.contact_language, UnsetType):
        return settings.contact_language
    return present.language if present is not None and present.email == asked.email else None

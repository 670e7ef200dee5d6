"""Schemas of what an account sets of a domain."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from letterhead.core.accounts.accounts import EMAIL_LIMIT
from letterhead.core.domain.profile import MOST_LABELS, NOTE_LIMIT
from letterhead.core.languages.negotiation import PageLanguage
from letterhead.web.schemas import In

_NOTE = Meta(
    description=f"A note for whoever manages the account: up to {NOTE_LIMIT} characters, in lines. null removes it."
)
_LABELS = Meta(
    description=f"Labels to set, by key; those of null are removed, and null in place of all removes all. A domain has "
    f"up to {MOST_LABELS}."
)
_CONTACT = Meta(
    max_length=EMAIL_LIMIT,
    description="Who gets the domain's reminders, once a link mailed there was confirmed. null removes the contact.",
)
_CONTACT_LANGUAGE = Meta(
    description="The language of the mails to the contact: that in which the contact confirmed the address, unless it "
    "was set after. null is English."
)
_COPY = Meta(description="Whether the account's address gets what the contact gets; true unless it was set.")


class DomainChange(In, frozen=True, kw_only=True):
    """Changes to a domain; an absent field stays as it is."""

    note: Annotated[str | None, _NOTE] | UnsetType = UNSET
    labels: Annotated[dict[str, str | None] | None, _LABELS] | UnsetType = UNSET
    contact: Annotated[str, _CONTACT] | UnsetType | None = UNSET
    contact_language: Annotated[PageLanguage | None, _CONTACT_LANGUAGE] | UnsetType = UNSET
    copy_account: Annotated[bool, _COPY] | UnsetType = UNSET
    covers_subdomains: (
        Annotated[bool, Meta(description="Whether its key signs mail from the names below it too.")] | UnsetType
    ) = UNSET

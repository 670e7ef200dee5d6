"""Schemas of what an account sets of a domain."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from letterhead.core.domain.profile import NOTE_LIMIT
from letterhead.web.schemas import In

_NOTE = Meta(
    description=f"A note for whoever manages the account: up to {NOTE_LIMIT} characters, in lines. null removes it."
)


class DomainChange(In, frozen=True, kw_only=True):
    """Changes to a domain; an absent field stays as it is."""

    note: Annotated[str | None, _NOTE] | UnsetType = UNSET
    covers_subdomains: (
        Annotated[bool, Meta(description="Whether its key signs mail from the names below it too.")] | UnsetType
    ) = UNSET

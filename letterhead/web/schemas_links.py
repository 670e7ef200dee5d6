"""Schemas of set-up links."""

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from letterhead.core.accounts.setup_links import USUAL_DAYS
from letterhead.web.schemas import In, Out


class NewSetupLinkQuery(In, frozen=True, kw_only=True):
    """Says how long a set-up link works."""

    expires_in_days: Annotated[int, Meta(ge=1, le=90, description="Days until the link ends.")] = USUAL_DAYS


class MadeSetupLink(Out, frozen=True, kw_only=True):
    """Tells a new set-up link; `url` opens its page without signing in, and is told this once."""

    id: str
    url: str
    expires_at: datetime


class SetupLinkOut(Out, frozen=True, kw_only=True):
    """Tells of a set-up link; `openedAt` is when its page was last seen open."""

    id: str
    created_at: datetime
    expires_at: datetime
    ended: bool
    opened_at: datetime | UnsetType = UNSET


class SetupLinks(Out, frozen=True, kw_only=True):
    """Lists a domain's set-up links, the oldest first."""

    setup_links: tuple[SetupLinkOut, ...]

"""JSON schemas of set-up links."""

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from letterhead.core.accounts.setup_links import USUAL_DAYS
from letterhead.web.schemas import In, Out


class NewSetupLinkQuery(In, frozen=True, kw_only=True):
    """How long a set-up link works."""

    expires_in_days: Annotated[int, Meta(ge=1, le=90, description="Days until the link ends.")] = USUAL_DAYS


class NewSetupLinkBody(In, frozen=True, kw_only=True):
    """Whom to mail the new link to, with the records."""

    send_to: Annotated[str, Meta(min_length=3, max_length=254)] | UnsetType = UNSET


class MadeSetupLink(Out, frozen=True, kw_only=True):
    """A new set-up link; `url` opens its page without signing in, and is shown only here.

    `sentTo` is whom the mail server took a mail for; `problem` says why it took none: pass `url` on yourself then.
    """

    id: str
    url: str
    expires_at: datetime
    sent_to: str | UnsetType = UNSET
    problem: str | UnsetType = UNSET


class SetupLinkOut(Out, frozen=True, kw_only=True):
    """A set-up link; `openedAt` is when its page was last open."""

    id: str
    created_at: datetime
    expires_at: datetime
    ended: bool
    opened_at: datetime | UnsetType = UNSET


class SetupLinks(Out, frozen=True, kw_only=True):
    """A list of a domain's set-up links, the oldest first."""

    setup_links: tuple[SetupLinkOut, ...]

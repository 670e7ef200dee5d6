"""JSON schemas of set-up links, and of the links by which a DNS host adds the records."""

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from letterhead.core.accounts.setup_links import USUAL_DAYS
from letterhead.core.domain_connect.apply_link import ApplyLinkReason
from letterhead.core.languages.negotiation import PageLanguage
from letterhead.core.plan.plan import RecordId
from letterhead.web.schemas import In, Out


class NewSetupLinkQuery(In, frozen=True, kw_only=True):
    """How long a set-up link works, and the language of its page and of the mail."""

    expires_in_days: Annotated[int, Meta(ge=1, le=90, description="Days until the link ends.")] = USUAL_DAYS
    language: (
        Annotated[PageLanguage, Meta(description="Of the page and the mail; otherwise the page follows the browser.")]
        | UnsetType
    ) = UNSET


class NewSetupLinkBody(In, frozen=True, kw_only=True):
    """Whom to mail the new link to, with the records."""

    send_to: Annotated[str, Meta(min_length=3, max_length=254)] | UnsetType = UNSET


class ApplyLinkQuery(In, frozen=True, kw_only=True):
    """Where the DNS host sends the browser back to, and what it passes on."""

    redirect_uri: (
        Annotated[
            str, Meta(min_length=8, max_length=500, description="An address of this service or of EMBED_ORIGINS.")
        ]
        | UnsetType
    ) = UNSET
    state: (
        Annotated[
            str,
            Meta(min_length=1, max_length=200, description="Comes back with the browser; made where none is given."),
        ]
        | UnsetType
    ) = UNSET


class ApplyLinkOut(Out, frozen=True, kw_only=True):
    """A signed link by which the customer's DNS host adds the records (Domain Connect), or why there is none.

    `host` names the DNS host, `width` and `height` the window that it wants, in pixels. `records` are those that the
    link sets; `left` are missing and have to be added by hand nevertheless. Where `supported` is false, `reason` is for
    programs and `detail` for people; `code` is the finding that forbids it.
    """

    supported: bool
    host: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    width: int | UnsetType = UNSET
    height: int | UnsetType = UNSET
    state: str | UnsetType = UNSET
    reason: ApplyLinkReason | UnsetType = UNSET
    detail: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
    records: tuple[RecordId, ...] | UnsetType = UNSET
    left: tuple[RecordId, ...] | UnsetType = UNSET


class MadeSetupLink(Out, frozen=True, kw_only=True):
    """A new set-up link; `url` opens its page without signing in, and is shown only here.

    `sentTo` is whom the mail server took a mail for; `problem` says why it took none: pass `url` on yourself then.
    `endedLinks` are the ids of links that this one ended, as five work at a time. `applyLink` is how the DNS host can
    add the records, and comes back to the set-up page; it is left out where DNS and the host took more than 4 s.
    """

    id: str
    url: str
    apply_link: ApplyLinkOut | UnsetType = UNSET
    expires_at: datetime
    sent_to: str | UnsetType = UNSET
    problem: str | UnsetType = UNSET
    ended_links: tuple[str, ...] | UnsetType = UNSET


class SetupLinkOut(Out, frozen=True, kw_only=True):
    """A set-up link; `openedAt` is when its page was last open."""

    id: str
    created_at: datetime
    expires_at: datetime
    ended: bool
    opened_at: datetime | UnsetType = UNSET


class SetupLinks(Out, frozen=True, kw_only=True):
    """A list of a domain's set-up links that work, the oldest first."""

    setup_links: tuple[SetupLinkOut, ...]

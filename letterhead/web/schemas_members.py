"""JSON schemas of the people of an account, of invitations, and of the rules by which others sign in."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from letterhead.web.schemas import In, Out

RoleName = Literal["viewer", "editor", "owner"]
_DOMAINS = Meta(
    max_length=100,
    description="Mail domains with a role each: whoever has an address there, as the OpenID provider vouches for, may "
    "sign in.",
)
_GROUPS = Meta(
    max_length=100,
    description="Groups with a role each, written as the OpenID provider writes them: whoever is in one may sign in.",
)


class SignInRulesOut(Out, frozen=True, kw_only=True, omit_defaults=False):
    """Who may sign in to the account without being a member, and with which role."""

    email_domains: Annotated[dict[str, RoleName], _DOMAINS]
    groups: Annotated[dict[str, RoleName], _GROUPS]


class SignInRulesChange(In, frozen=True, kw_only=True):
    """New rules; a map that is given replaces the one before, and `{}` removes it."""

    email_domains: Annotated[dict[str, RoleName], _DOMAINS] | UnsetType = UNSET
    groups: Annotated[dict[str, RoleName], _GROUPS] | UnsetType = UNSET


class MemberOut(Out, frozen=True, kw_only=True):
    """A person of the account: `subject` is what the OpenID provider calls them, `email` where they were invited."""

    id: str
    email: str
    subject: str
    role: RoleName
    created_at: datetime
    invited_by: str
    signed_in_at: datetime | UnsetType = UNSET


class InvitationOut(Out, frozen=True, kw_only=True):
    """An invitation that nobody has accepted yet.

    `url` is there once, where no mail server is set: pass it on to that person alone.
    """

    id: str
    email: str
    role: RoleName
    created_at: datetime
    ends_at: datetime
    invited_by: str
    url: str | UnsetType = UNSET


class PeopleOut(Out, frozen=True, kw_only=True, omit_defaults=False):
    """Who may sign in to the account, besides whoever has an API key."""

    members: tuple[MemberOut, ...]
    invitations: tuple[InvitationOut, ...]
    email_domains: Annotated[dict[str, RoleName], _DOMAINS]
    groups: Annotated[dict[str, RoleName], _GROUPS]


class NewMember(In, frozen=True, kw_only=True):
    """Whom to invite, and with which role."""

    email: Annotated[str, Meta(max_length=254)]
    role: RoleName = "viewer"


class MemberChange(In, frozen=True, kw_only=True):
    """The new role of a member."""

    role: RoleName

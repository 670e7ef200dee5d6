"""JSON schemas of API keys."""

from datetime import datetime
from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from letterhead.core.accounts.key_bounds import MOST_DOMAINS, MOST_NETWORKS
from letterhead.web.schemas import In, Out, ShortText


class NewKey(In, frozen=True, kw_only=True):
    """A request for an API key."""

    key_type: Literal["secret", "public"]
    name: ShortText
    environment_id: ShortText | UnsetType = UNSET
    scope: (
        Annotated[
            Literal["full", "write", "read"],
            Meta(description="full for a secret key, read for a public one, unless said"),
        ]
        | UnsetType
    ) = UNSET
    domains: (
        Annotated[
            tuple[Annotated[str, Meta(max_length=1024)], ...],
            Meta(min_length=1, max_length=MOST_DOMAINS, description="The sender domains that the key is bound to."),
        ]
        | UnsetType
    ) = UNSET
    covers_subdomains: Annotated[bool, Meta(description="Binds the key to the names below its domains, too.")] = False
    networks: (
        Annotated[
            tuple[Annotated[str, Meta(max_length=80)], ...],
            Meta(
                min_length=1, max_length=MOST_NETWORKS, description="Where the key may come from, such as 192.0.2.0/24."
            ),
        ]
        | UnsetType
    ) = UNSET
    expires_at: Annotated[datetime, Meta(tz=True, description="When the key ends; never, unless said.")] | UnsetType = (
        UNSET
    )


class MadeKey(Out, frozen=True, kw_only=True):
    """A new API key; `key` is shown only here."""

    id: str
    key: str
    key_type: Literal["secret", "public"]
    environment_id: str | UnsetType = UNSET
    name: str
    created_at: datetime
    scope: Literal["full", "write", "read"]
    domains: tuple[str, ...] | UnsetType = UNSET
    covers_subdomains: bool | UnsetType = UNSET
    networks: tuple[str, ...] | UnsetType = UNSET
    ends_at: datetime | UnsetType = UNSET


class Key(Out, frozen=True, kw_only=True):
    """An API key; `key` is masked.

    Without `domains` it is for the whole account, without `networks` from everywhere.
    """

    id: str
    key: str
    key_type: Literal["secret", "public"]
    environment_id: str | UnsetType = UNSET
    account_id: str
    name: str
    revoked: bool
    created_at: datetime
    last_used_at: datetime | UnsetType = UNSET
    scope: Literal["full", "write", "read"]
    domains: tuple[str, ...] | UnsetType = UNSET
    covers_subdomains: bool | UnsetType = UNSET
    networks: tuple[str, ...] | UnsetType = UNSET
    ends_at: datetime | UnsetType = UNSET


class Keys(Out, frozen=True, kw_only=True):
    """A list of API keys."""

    keys: tuple[Key, ...]


class EndKeyQuery(In, frozen=True, kw_only=True):
    """When a key ends; at once by default."""

    ends_in_days: Annotated[int, Meta(ge=0, le=7, description="Lets the key live on for so many days.")] = 0

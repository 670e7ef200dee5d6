"""JSON schemas of alert channels."""

from datetime import datetime
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from letterhead.core.accounts.alert_channels import NAME_LIMIT, URL_LIMIT
from letterhead.web.schemas import In, Out


class NewAlertChannel(In, frozen=True, kw_only=True):
    """A chat or an on-call service to send alerts to, by its address in the form of Apprise."""

    name: Annotated[str, Meta(min_length=1, max_length=NAME_LIMIT, extra_json_schema={"examples": ["Mail team"]})]
    url: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=URL_LIMIT,
            description="Kept sealed, and never shown again.",
            extra_json_schema={"examples": ["ntfys://token@ntfy.acme.dev/mail"]},
        ),
    ]


class AlertChannelOut(Out, frozen=True, kw_only=True):
    """A channel without its address; `failingSince` is there while no alert gets through, `failure` says why."""

    id: str
    name: str
    scheme: str
    service: str
    created_at: datetime
    used_at: datetime | UnsetType = UNSET
    failing_since: datetime | UnsetType = UNSET
    failure: str | UnsetType = UNSET


class AlertChannels(Out, frozen=True, kw_only=True):
    """The account's channels."""

    alert_channels: tuple[AlertChannelOut, ...]


class AlertTestOut(Out, frozen=True, kw_only=True):
    """What came of a test: whether the service took it, and what happened."""

    taken: bool
    detail: str

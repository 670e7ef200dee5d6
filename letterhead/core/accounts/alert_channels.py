"""Alert channels: chats and on-call services that an account wants to hear of its domains by, beside mail.

A channel is an address in the form of Apprise (`slack://…`). The whole of it is a secret: whoever has it can post.
Only services that are asked by HTTPS are taken. No address has parameters: some of Apprise's name files to read.
"""

import re
from datetime import datetime
from typing import Final

import msgspec

from letterhead.errors import Fault, Kind

MOST_CHANNELS: Final = 10  # of one account
URL_LIMIT: Final = 500
NAME_LIMIT: Final = 60
# The services by the scheme of their addresses; `https` is an address that the service itself shows.
SERVICES: Final = {
    "slack": "Slack",
    "workflows": "Microsoft Teams",
    "discord": "Discord",
    "tgram": "Telegram",
    "pagerduty": "PagerDuty",
    "ntfy": "ntfy",
    "ntfys": "ntfy",
}
_ADDRESS: Final = re.compile(r"(?P<scheme>[a-z]+)://[A-Za-z0-9._~!$&'()*+,;=:@%/-]+")
_SHOWN_BY_SERVICE: Final = {
    "hooks.slack.com": "slack",
    "discord.com": "discord",
    "discordapp.com": "discord",
}
_OF_WORKFLOWS: Final = re.compile(r"[a-z0-9.-]+\.(logic\.azure|powerplatform|appsplatform|powerautomate)\.[a-z.]+")
_NATIVE: Final = re.compile(
    r"https://(?P<host>[a-z0-9.-]+)(?::443)?/[A-Za-z0-9._~%/-]*(?:\?(?P<query>[A-Za-z0-9._~%&=/-]*))?"
)
_PARAMETERS: Final = frozenset({"api-version", "sp", "sv", "sig"})  # of the addresses of Power Automate


class AlertChannel(msgspec.Struct, frozen=True, kw_only=True):
    """A channel without its address; `failing_since` is since when no alert gets through, `failure` the last reason."""

    id: str
    account_id: str
    name: str
    scheme: str
    created_at: datetime
    used_at: datetime | None = None
    failing_since: datetime | None = None
    failure: str | None = None

    @property
    def service(self) -> str:
        """Return the name of the service."""
        return SERVICES.get(self.scheme, self.scheme)


def parse_channel_name(text: str) -> str:
    """Return a channel's name as it is kept; raise Fault `parameter-invalid`."""
    name = " ".join(text.split())
    if not name or len(name) > NAME_LIMIT or not name.isprintable():
        raise Fault(
            Kind.PARAMETER_INVALID,
            f"The channel's name is empty, longer than {NAME_LIMIT} characters, or has signs that can't be printed.",
            "Name it after where the alerts arrive, such as the channel of your team.",
        )
    return name


def channel_scheme(url: str) -> str:
    """Return the scheme of the service that an address is of; raise Fault `alert-url-invalid`, without the address."""
    found = _ADDRESS.fullmatch(url) if len(url) <= URL_LIMIT else None
    if found is not None and found["scheme"] in SERVICES:
        return found["scheme"]
    native = _NATIVE.fullmatch(url) if len(url) <= URL_LIMIT else None
    if native is not None:
        query = {each.partition("=")[0] for each in native["query"].split("&")} if native["query"] else set()
        if native["host"] in _SHOWN_BY_SERVICE and not query:
            return _SHOWN_BY_SERVICE[native["host"]]
        if _OF_WORKFLOWS.fullmatch(native["host"]) and query <= _PARAMETERS:
            return "workflows"
    raise refused_url("is none of a service that alerts go to, or has parameters")


def refused_url(what: str) -> Fault:
    """Return the fault for an address, which it does not repeat: the address is a secret."""
    return Fault(
        Kind.ALERT_URL_INVALID,
        f"The channel's address {what}.",
        f"Write it as docs/alerts.md says, without parameters: {', '.join(f'{each}://' for each in SERVICES)}, or the "
        "https:// address that Slack, Discord or Teams shows.",
    )

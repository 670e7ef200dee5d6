"""Webhooks: the URL of an endpoint, the signature of a message, and what follows from the response to it.

Signatures are those of Standard Webhooks 1.0 (https://www.standardwebhooks.com).
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final
from urllib.parse import quote

import idna
import msgspec

from letterhead.core.accounts.key_bounds import DomainBinding
from letterhead.core.domain.domain import EventKind
from letterhead.core.names.domain_names import SPECIAL_TLDS
from letterhead.core.names.host_names import HOST_NAME, NUMBER
from letterhead.core.names.ip_addresses import is_not_public, read_address
from letterhead.core.schedule.check_schedule import retry_at
from letterhead.core.secret import Secret, reveal
from letterhead.errors import Fault, Kind

EVERY: Final = "*"
TEST: Final = "webhook.test"  # asked for by a person, never by a subscription
KINDS: Final = tuple(kind.value for kind in EventKind)
OLD_SECRET_LIVES: Final = timedelta(hours=24)
SECRET_OCTETS: Final = 32
PREFIX: Final = "whsec_"
URL_LIMIT: Final = 2048
LONGEST_WAIT: Final = timedelta(hours=24)  # that an endpoint may ask for
_PORTS: Final = {"https": 443, "http": 80}
# RFC 3986 3, without user and password (3.2.1) and without a fragment, which is never sent.
_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@%/-]*)?(?P<query>\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?"
)

_URL_SIGNS: Final = "/?#[]@!$&'()*+,;=:%~._-"  # RFC 3986 2.2, 2.3, and the percent sign of what is encoded already


class EgressPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What endpoints may be besides HTTPS on the public Internet, as the operator has set it."""

    http: bool = False
    private: bool = False


class WebhookTarget(msgspec.Struct, frozen=True, kw_only=True):
    """An endpoint's URL in the parts that a request is made of, so that the text is parsed once."""

    scheme: str
    host: str  # lower case, an IPv6 address without its brackets
    port: int
    path: str  # with the query

    @property
    def authority(self) -> str:
        """Host and port as the header Host has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """One endpoint of an account; `events` are kinds of events, or `*` alone.

    With a `binding` it gets the events of these sender domains alone, else those of the whole account.
    """

    id: str
    account_id: str
    url: str
    events: tuple[str, ...]
    binding: DomainBinding | None = None
    created_at: datetime
    old_secret_until: datetime | None = None
    disabled_at: datetime | None = None
    disabled_why: str | None = None


def parse_target(url: str, reach: EgressPolicy) -> WebhookTarget:
    """Parse an endpoint's URL; raise Fault(webhook-url-invalid, webhook-not-https or webhook-not-public)."""
    found = _URL.fullmatch(url) if len(url) <= URL_LIMIT else None
    if found is None:
        encoded = encoded_url(url) if len(url) <= URL_LIMIT else None
        if encoded is not None:
            fix = f"Write it as {encoded}"
            raise Fault(Kind.WEBHOOK_URL_INVALID, f"The webhook {_shown(url)} has letters beyond ASCII.", fix)
        raise _invalid(url, "is no plain URL of at most 2048 characters: https://host/path, without user or fragment")
    scheme = found["scheme"].lower()
    if scheme not in _PORTS or (scheme == "http" and not reach.http):
        detail = f"The webhook {_shown(url)} is not an https:// URL."
        fix = "Give the endpoint TLS, and its URL with https://"
        if scheme == "http":
            fix += "; in a closed network the operator may set LETTERHEAD_WEBHOOKS_ALLOW_HTTP=true"
        raise Fault(Kind.WEBHOOK_NOT_HTTPS, detail, f"{fix}.")
    host = found["host"].lower().removesuffix(".")
    port = int(found["port"]) if found["port"] else _PORTS[scheme]
    if not 0 < port < 65536:
        raise _invalid(url, f"has the port {port}")
    return WebhookTarget(
        scheme=scheme,
        host=_parse_host(host, url, reach),
        port=port,
        path=(found["path"] or "/") + (found["query"] or ""),
    )


def encoded_url(url: str) -> str | None:
    """Return a URL with letters of other scripts as it must be written (RFC 3987 3.1); None where that is no help.

    The host becomes A-labels (RFC 5891); other octets than ASCII are percent-encoded as UTF-8, and what is encoded
    already stays.
    """
    scheme, mark, rest = url.partition("://")
    authority, path = re.split(r"(?=[/?#])|$", rest, maxsplit=1)[:2] if mark else ("", "")
    host, colon, port = authority.partition(":")
    if url.isascii() or not host:
        return None
    try:
        labels = [each if each.isascii() else idna.alabel(each.lower()).decode() for each in host.split(".")]
    except UnicodeError:
        return None
    encoded = f"{scheme}://{'.'.join(labels)}{colon}{port}{quote(path, safe=_URL_SIGNS)}"
    return encoded if len(encoded) <= URL_LIMIT and _URL.fullmatch(encoded) else None


def _parse_host(host: str, url: str, reach: EgressPolicy) -> str:
    address = read_address(host.strip("[]"))
    if address is not None:
        why = None if reach.private else is_not_public(address)
        if why is not None:
            raise _not_public(url, f"{address} is not public: {why}")
        return str(address)
    last = host.rpartition(".")[2]
    if host.startswith("[") or NUMBER.fullmatch(last):
        raise _invalid(url, "has an address in a spelling that we do not take")
    if not HOST_NAME.fullmatch(host):
        raise _invalid(url, "has no valid host name")
    if not reach.private and ("." not in host or last in SPECIAL_TLDS or last == "arpa"):
        raise _not_public(url, f"{host} is no name of the public DNS")
    return host


def _invalid(url: str, what: str) -> Fault:
    return Fault(
        Kind.WEBHOOK_URL_INVALID,
        f"The webhook {_shown(url)} {what}.",
        "Write it like https://hooks.acme.dev/letterhead; a host in another script as xn--….",
    )


def _not_public(url: str, why: str) -> Fault:
    return Fault(
        Kind.WEBHOOK_NOT_PUBLIC,
        f"The webhook {_shown(url)} can't be reached from here: {why}.",
        "Use a host that has a public address; in a closed network the operator may set "
        "LETTERHEAD_WEBHOOKS_ALLOW_PRIVATE=true.",
    )


def _shown(url: str) -> str:
    return ascii(url[:120])


def parse_events(asked: Iterable[str]) -> tuple[str, ...]:
    """Parse a subscription: kinds of events, each once, in their own order, or `*` alone.

    Raise Fault(webhook-events-invalid).
    """
    wanted = frozenset(asked)
    unknown = sorted(wanted - {EVERY, *KINDS})
    if unknown or not wanted:
        detail = f"There is no event {unknown[0][:80]!r}." if unknown else "No event is subscribed to."
        raise Fault(Kind.WEBHOOK_EVENTS_INVALID, detail, f"Choose from: * (all), {', '.join(KINDS)}.")
    return (EVERY,) if EVERY in wanted else tuple(kind for kind in KINDS if kind in wanted)


def new_secret(octets: bytes) -> Secret:
    """Return a signing secret from random octets."""
    if len(octets) != SECRET_OCTETS:
        raise ValueError(f"a signing secret is made from {SECRET_OCTETS} random octets, not {len(octets)}")
    return Secret(f"{PREFIX}{base64.b64encode(octets).decode()}".encode())


def signature_headers(message_id: str, body: bytes, at: datetime, secrets: Sequence[Secret]) -> dict[str, str]:
    """Return the headers of a message: a signature by each secret, the newest first."""
    seconds = str(int(at.timestamp()))
    text = f"{message_id}.{seconds}.".encode() + body
    keys = [base64.b64decode(reveal(secret)[len(PREFIX) :]) for secret in secrets]
    signatures = [base64.b64encode(hmac.digest(key, text, hashlib.sha256)).decode() for key in keys]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }


class HttpResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one attempt: the status if there was a response, and its text or what went wrong instead."""

    status: int | None
    said: str
    retry_after: str | None = None  # the header, as it came


class DeliveryStatus(StrEnum):
    """The state of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"  # tried for three days, or its endpoint is gone


class RetryDecision(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from an attempt: the state of the delivery, when it is tried again, whether the endpoint is gone."""

    fate: DeliveryStatus
    due_at: datetime | None = None
    gone: bool = False


def decide_retry(replied: HttpResult, failures: int, now: datetime, jitter: float) -> RetryDecision:
    """Decide what follows from an attempt that came after so many failed ones; `jitter` lies between -1 and 1."""
    status = replied.status
    if status is not None and 200 <= status < 300:
        return RetryDecision(fate=DeliveryStatus.DELIVERED)
    if status == 410:  # Standard Webhooks: the receiver wants no more
        return RetryDecision(fate=DeliveryStatus.FAILED, gone=True)
    due = retry_at(failures + 1, now, jitter)
    if due is None:
        return RetryDecision(fate=DeliveryStatus.FAILED)
    return RetryDecision(
        fate=DeliveryStatus.PENDING, due_at=max(due, now + _parse_retry_after(replied.retry_after, now))
    )


def _parse_retry_after(header: str | None, now: datetime) -> timedelta:
    """Parse Retry-After, in seconds or as a date (RFC 9110 10.2.3); nonsense asks for no delay."""
    if header is None:
        return timedelta(0)
    if re.fullmatch(r"[0-9]{1,9}", header):
        return min(timedelta(seconds=int(header)), LONGEST_WAIT)
    try:
        until = parsedate_to_datetime(header)
    except (ValueError, OverflowError):  # the latter for a year of twenty digits
        return timedelta(0)
    until = until if until.tzinfo is not None else until.replace(tzinfo=UTC)
    return min(max(until - now, timedelta(0)), LONGEST_WAIT)

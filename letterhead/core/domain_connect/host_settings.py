"""From a zone to its DNS host: the TXT record `_domainconnect`, the settings that its API host answers, known hosts.

All of it is written by strangers. Only hosts of a known list are asked, and links lead to their own pages alone.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from letterhead.core.domain_connect.apply_link import USUAL_SIZE, ApplyLinkReason
from letterhead.core.names.domain_names import SuffixRules, organisation_of
from letterhead.core.names.host_names import LABELS, NUMBER

LABEL: Final = "_domainconnect"
SIZES: Final = range(200, 2001)  # pixels; others are no size of a window
_NAME_LIMIT: Final = 60
_ADDRESS_LIMIT: Final = 300
# Scheme, host (an IPv4 address too), port and path; no user, query or fragment.
_ADDRESS: Final = re.compile(
    rf"(?:(?P<scheme>https?)://)?(?P<host>{LABELS})\.?(?::(?P<port>[1-9][0-9]{{0,4}}))?(?P<path>(?:/[a-z0-9._~-]+)*)/?",
    re.ASCII | re.IGNORECASE,
)
_PORTS: Final = {"https": 443, "http": 80}


class ApiAddress(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a URL that all addresses of one API begin with: `path` has no final slash."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        """Return it as text."""
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.host}{port}{self.path}"

    def holds(self, other: "ApiAddress") -> bool:
        """Return whether another address is this one or lies below it."""
        same = (self.scheme, self.host, self.port) == (other.scheme, other.host, other.port)
        return same and (other.path == self.path or other.path.startswith(f"{self.path}/"))


class DomainConnectHost(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A DNS host whose API is asked: a row of `letterhead/data/domain_connect_hosts.toml`.

    `discovery` are the contents of its TXT record, `api` the addresses that its API may have, `pages` the hosts of its
    pages besides those of the API's own organisational domain. `source` is where that was read, `checked` when;
    `unsourced` names what nobody has confirmed.
    """

    name: str
    discovery: tuple[str, ...]
    api: tuple[str, ...]
    pages: tuple[str, ...] = ()
    source: str
    checked: str
    also: tuple[str, ...] = ()
    unsourced: tuple[str, ...] = ()
    note: str | None = None


class HostSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of a DNS host for one zone, as far as they are used here; `pages` begins the address of a link."""

    name: str
    api: ApiAddress
    pages: ApiAddress
    width: int = USUAL_SIZE
    height: int = USUAL_SIZE


class SettingsRefused(Exception):
    """What is wrong with a host's settings, as the end of a sentence that begins with the host."""

    def __init__(self, what: str, reason: ApplyLinkReason = ApplyLinkReason.HOST_UNREACHABLE) -> None:
        super().__init__(what)
        self.reason = reason


def parse_address(text: str) -> ApiAddress | None:
    """Parse the address of an API, with https where it names no scheme; None for all else, such as `javascript:`."""
    found = _ADDRESS.fullmatch(text) if len(text) <= _ADDRESS_LIMIT else None
    if found is None:
        return None
    scheme, host = (found["scheme"] or "https").lower(), found["host"].lower()
    port = int(found["port"] or _PORTS[scheme])
    if port > 65535 or _is_odd_number(host):
        return None
    return ApiAddress(scheme=scheme, host=host, port=port, path=found["path"])


def _is_odd_number(host: str) -> bool:
    """Return whether a host is an address that is not written as four numbers, such as 0x7f000001."""
    labels = host.split(".")
    return NUMBER.fullmatch(labels[-1]) is not None and not (
        len(labels) == 4 and all(each.isdigit() and each == str(int(each)) and int(each) < 256 for each in labels)
    )


def host_by_text(
    texts: Iterable[str], hosts: Sequence[DomainConnectHost]
) -> tuple[DomainConnectHost, ApiAddress] | None:
    """Return the known host that a zone's TXT records name, with its address: they must be that, path and all.

    The record has no scheme: what an operator has added with http is asked by http, and all else by https.
    """
    found = [address for text in texts if (address := parse_address(text.strip())) is not None]
    for host in hosts:
        for known in filter(None, map(parse_address, host.discovery)):
            if any((each.host, each.port, each.path) == (known.host, known.port, known.path) for each in found):
                return host, known
    return None


class _SettingsJson(msgspec.Struct, frozen=True, rename="camel"):
    """The fields that are read; all others are ignored (sizes come as numbers or as text)."""

    url_api: str = msgspec.field(name="urlAPI")
    provider_name: str = ""
    provider_display_name: str | None = None
    url_sync_ux: str | None = msgspec.field(name="urlSyncUX", default=None)
    width: int | float | str | None = None
    height: int | float | str | None = None


def parse_settings(body: bytes, host: DomainConnectHost, suffixes: SuffixRules) -> HostSettings:
    """Parse a host's settings; raise `SettingsRefused` where they can't be read, or lead to somebody else."""
    try:
        settings = msgspec.json.decode(body, type=_SettingsJson)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise SettingsRefused("answers with settings that can't be read") from None
    if not settings.url_sync_ux:
        raise SettingsRefused(
            "does not offer Domain Connect by a link for this domain", ApplyLinkReason.HOST_NOT_ON_DOMAIN_CONNECT
        )
    allowed = [address for each in host.api if (address := parse_address(each)) is not None]
    api, pages = parse_address(settings.url_api), parse_address(settings.url_sync_ux)
    if api is None or not any(each.holds(api) for each in allowed):
        raise SettingsRefused("names an API host that is not known to be its own", ApplyLinkReason.HOST_NOT_KNOWN)
    if pages is None or not is_own_page(pages, host, allowed, suffixes):
        raise SettingsRefused("names a page that is not known to be its own", ApplyLinkReason.HOST_NOT_KNOWN)
    name = settings.provider_display_name or settings.provider_name or host.name
    return HostSettings(
        name="".join(each for each in name if each.isprintable()).strip()[:_NAME_LIMIT] or host.name,
        api=api,
        pages=pages,
        width=_size(settings.width),
        height=_size(settings.height),
    )


def is_own_page(
    pages: ApiAddress, host: DomainConnectHost, allowed: Sequence[ApiAddress], suffixes: SuffixRules
) -> bool:
    """Return whether a page is the host's own: below its API, of the same organisational domain, or listed."""
    if any(each.holds(pages) for each in allowed):
        return True
    if pages.scheme != "https" or pages.port != _PORTS["https"] or pages.host.replace(".", "").isdigit():
        return False
    own = {organisation_of(each.host, suffixes) for each in allowed}
    return pages.host in host.pages or organisation_of(pages.host, suffixes) in own


def _size(given: int | float | str | None) -> int:
    """Return a number of pixels, the usual one for what is none."""
    try:
        size = int(float(given)) if given is not None and len(str(given)) < 12 else USUAL_SIZE
    except (ValueError, OverflowError):
        return USUAL_SIZE
    return size if size in SIZES else USUAL_SIZE

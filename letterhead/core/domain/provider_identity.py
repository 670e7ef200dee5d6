"""Knows what a mail provider says of a domain, in neutral words. Knows no provider by name."""

from datetime import datetime
from enum import StrEnum

import msgspec


class ProviderStatus(StrEnum):
    """Says how far the provider is with one thing (the DKIM key, the MAIL FROM domain)."""

    NOT_STARTED = "not-started"  # the provider was never told
    PENDING = "pending"
    SUCCESS = "success"
    TEMPORARY_FAILURE = "temporary-failure"  # its own trouble: says nothing of the domain
    GAVE_UP = "gave-up"  # it stopped looking; can be started again
    REFUSED = "refused"  # for good


class Obstacle(StrEnum):
    """Says what the provider itself names as standing between the domain and success."""

    NOT_FOUND = "not-found"  # it sees no such record
    OTHER_VALUE = "other-value"  # it sees one that says something else
    DNS_SILENT = "dns-silent"  # the domain's nameservers did not answer it
    ITS_OWN = "its-own"  # trouble of the provider's own


class Presence(StrEnum):
    """Says whose object, if any, the provider holds under the domain's name."""

    ABSENT = "absent"
    OURS = "ours"
    FOREIGN = "foreign"  # somebody else's owner tag, or none: never written to


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Holds the provider's word on one domain at one time.

    `selector` is that of the key it signs with; `tokens` what it returns as verification tokens; `reason` its own
    code for a failure, and `obstacle` what that means. `dkim_said` and `mail_from_said` are its own words to the
    letter, `checked_at` is when it says that it last looked at DNS; `seen_at` is when we asked it.
    """

    presence: Presence
    dkim: ProviderStatus
    mail_from: ProviderStatus
    selector: str | None = None
    mail_from_name: str | None = None
    tokens: tuple[str, ...] = ()
    reason: str | None = None
    obstacle: Obstacle | None = None
    dkim_said: str | None = None
    mail_from_said: str | None = None
    checked_at: datetime | None = None
    seen_at: datetime


class IdentityUnknown(msgspec.Struct, frozen=True, kw_only=True):
    """Says that the provider could not be asked: throttled, down, or answering nonsense. Never moves a domain.

    `fix` is there where a person can mend it.
    """

    provider_code: str
    detail: str
    fix: str | None = None


IdentityReport = Identity | IdentityUnknown


class IdentityWish(msgspec.Struct, frozen=True, kw_only=True):
    """Says what the provider shall hold for a domain; the private key travels beside it, never inside."""

    sender: str
    owner: str  # our owner tag: installation/account/domain
    selector: str
    public_key: str
    mail_from: str | None


class ReturnPath(msgspec.Struct, frozen=True, kw_only=True):
    """Says what the MAIL FROM domain must point at: one MX and the SPF terms that authorise the provider."""

    mx_host: str
    mx_priority: int
    spf: str


class ProviderHolding(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what a provider has under a name, whoever put it there: for the operator's eyes alone.

    `owner` is the tag of a Letterhead installation, where it has one; `said` the provider's own word on its key.
    """

    owner: str | None = None
    selector: str | None = None
    mail_from: str | None = None
    said: str = ""

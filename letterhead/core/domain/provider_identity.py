"""The identity of a domain at a mail provider, in terms that fit every provider."""

from datetime import datetime
from enum import StrEnum

import msgspec

from letterhead.errors import Kind


class ProviderStatus(StrEnum):
    """The provider's status of one thing (the DKIM key, the MAIL FROM domain)."""

    NOT_STARTED = "not-started"  # never registered at the provider
    PENDING = "pending"
    SUCCESS = "success"
    TEMPORARY_FAILURE = "temporary-failure"  # its own trouble: says nothing of the domain
    GAVE_UP = "gave-up"  # it stopped checking; can be started again
    REFUSED = "refused"  # for good


class Obstacle(StrEnum):
    """The provider's own reason why the domain is not verified."""

    NOT_FOUND = "not-found"  # it sees no such record
    OTHER_VALUE = "other-value"  # it sees one that says something else
    DNS_SILENT = "dns-silent"  # the domain's nameservers did not answer it
    ITS_OWN = "its-own"  # trouble of the provider's own


class Presence(StrEnum):
    """Whether the provider has an identity under the domain's name, and whose."""

    ABSENT = "absent"
    OURS = "ours"
    FOREIGN = "foreign"  # somebody else's owner tag, or none: never written to


class KeyLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider takes of the keys that customers bring: the bits of an RSA key, and selectors of several labels.

    The default is all that is taken at all (RFC 8301 3.2, RFC 6376 3.1).
    """

    largest_bits: int = 4096
    dotted_selectors: bool = True


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """The provider's report on one domain at one time.

    `selector` is that of the key it signs with; `tokens` what it returns as verification tokens; `reason` its own
    code for a failure, and `obstacle` what that means. `dkim_said` and `mail_from_said` are its own status texts,
    unchanged; `checked_at` is when it last asked DNS, by its own account; `seen_at` is when this report came.
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
    """A provider that could not be asked: throttled, down, or answering nonsense. Never changes a domain's status.

    `fix` is set where a person can repair it; `kind` tells a provider that throttles from one that refuses.
    """

    kind: Kind = Kind.PROVIDER_FAILED
    provider_code: str
    detail: str
    fix: str | None = None


IdentityReport = Identity | IdentityUnknown


class IdentityWish(msgspec.Struct, frozen=True, kw_only=True):
    """The identity that the provider is to have for a domain; the private key is passed separately, never inside."""

    sender: str
    owner: str  # our owner tag: installation/account/domain
    selector: str
    public_key: str
    mail_from: str | None


class ReturnPath(msgspec.Struct, frozen=True, kw_only=True):
    """The records that a MAIL FROM domain needs: one MX, and the SPF terms that authorise the provider."""

    mx_host: str
    mx_priority: int
    spf: str


class ProviderHolding(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider has under a name, whoever registered it: shown to the operator alone.

    `owner` is the tag of a Letterhead installation, where it has one; `said` the provider's own status of its key, and
    `mail_from_said` of its MAIL FROM domain. `is_providers_key`: it signs with a key that the provider made.
    """

    owner: str | None = None
    selector: str | None = None
    is_providers_key: bool = False
    mail_from: str | None = None
    said: str = ""
    mail_from_said: str = ""

"""The parts of SES's responses that we read, and their meaning in neutral terms."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

import msgspec

from letterhead.core.domain.provider_identity import Identity, Obstacle, Presence, ProviderHolding, ProviderStatus

OWNER_TAGS: Final = ("letterhead-installation", "letterhead-account", "letterhead-domain")
EXTERNAL: Final = "EXTERNAL"  # a key of our own, not one that SES made

STATUSES: Final[Mapping[str, ProviderStatus]] = MappingProxyType(
    {
        "NOT_STARTED": ProviderStatus.NOT_STARTED,
        "PENDING": ProviderStatus.PENDING,
        "SUCCESS": ProviderStatus.SUCCESS,
        "TEMPORARY_FAILURE": ProviderStatus.TEMPORARY_FAILURE,
        "FAILED": ProviderStatus.GAVE_UP,  # after 72 hours; it starts again when the key is written again
    }
)
OBSTACLES: Final[Mapping[str, Obstacle]] = MappingProxyType(
    {
        "HOST_NOT_FOUND": Obstacle.NOT_FOUND,
        "TYPE_NOT_FOUND": Obstacle.NOT_FOUND,
        "INVALID_VALUE": Obstacle.OTHER_VALUE,
        "DNS_SERVER_ERROR": Obstacle.DNS_SILENT,
    }
)


class EmptyResult(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """A response of which nothing is read; the others add the fields that are read."""


class SesTag(EmptyResult, frozen=True, kw_only=True):
    """One tag of an identity."""

    key: str
    value: str = ""


class Dkim(EmptyResult, frozen=True, kw_only=True):
    """How an identity signs; with a key of ours its one token is the selector."""

    signing_enabled: bool = True
    status: str = "NOT_STARTED"
    tokens: tuple[str, ...] = ()
    signing_attributes_origin: str = ""


class MailFrom(EmptyResult, frozen=True, kw_only=True):
    """An identity's MAIL FROM domain; without one only `behavior_on_mx_failure` is set."""

    mail_from_domain: str = ""
    mail_from_domain_status: str = "PENDING"
    behavior_on_mx_failure: str = "USE_DEFAULT_VALUE"


class Verification(EmptyResult, frozen=True, kw_only=True):
    """When SES last queried DNS, and the error that it met."""

    last_checked_timestamp: datetime | None = None
    error_type: str | None = None


class SesIdentity(EmptyResult, frozen=True, kw_only=True):
    """The response to GetEmailIdentity."""

    dkim_attributes: Dkim = Dkim()
    mail_from_attributes: MailFrom = MailFrom()
    tags: tuple[SesTag, ...] = ()
    verification_info: Verification = Verification()

    @property
    def owner(self) -> str | None:
        """Return the owner from our tags; None where one of them is missing."""
        values = {tag.key: tag.value for tag in self.tags}
        return "/".join(values[key] for key in OWNER_TAGS) if values.keys() >= set(OWNER_TAGS) else None

    @property
    def selector(self) -> str | None:
        """Return the selector that it signs with; one of SES's own keys counts as a foreign selector."""
        return self.dkim_attributes.tokens[0] if self.dkim_attributes.tokens else None


class ListedIdentity(EmptyResult, frozen=True, kw_only=True):
    """One entry of the list of identities."""

    identity_type: str = "DOMAIN"
    identity_name: str
    verification_status: str = "NOT_STARTED"


class ListedPage(EmptyResult, frozen=True, kw_only=True):
    """The response to ListEmailIdentities."""

    email_identities: tuple[ListedIdentity, ...] = ()
    next_token: str | None = None


class SendQuota(EmptyResult, frozen=True, kw_only=True):
    """How much the account may send."""

    max24_hour_send: float = msgspec.field(default=0.0, name="Max24HourSend")
    max_send_rate: float = 0.0
    sent_last24_hours: float = msgspec.field(default=0.0, name="SentLast24Hours")


class AccountState(EmptyResult, frozen=True, kw_only=True):
    """The response to GetAccount."""

    production_access_enabled: bool = False
    sending_enabled: bool = False
    enforcement_status: str = "unknown"
    send_quota: SendQuota = SendQuota()


class CallerIdentity(EmptyResult, frozen=True, kw_only=True):
    """The response of STS to GetCallerIdentity."""

    account: str
    arn: str


def holding_of(held: SesIdentity) -> ProviderHolding:
    """Return what is there, whoever put it there."""
    return ProviderHolding(
        owner=held.owner,
        selector=held.selector,
        is_providers_key=held.dkim_attributes.signing_attributes_origin != EXTERNAL,
        mail_from=held.mail_from_attributes.mail_from_domain or None,
        said=held.dkim_attributes.status,
        mail_from_said=held.mail_from_attributes.mail_from_domain_status,
    )


def owner_tags(owner: str) -> list[dict[str, str]]:
    """Return `installation/account/domain` as one tag for each part, so that a policy can tell installations apart."""
    return [{"Key": key, "Value": part} for key, part in zip(OWNER_TAGS, owner.split("/", 2), strict=True)]


def without(presence: Presence, now: datetime) -> Identity:
    """Return an identity without content: nothing is shown of another owner's."""
    return Identity(
        presence=presence, dkim=ProviderStatus.NOT_STARTED, mail_from=ProviderStatus.NOT_STARTED, seen_at=now
    )


def identity_of(held: SesIdentity, owner: str, now: datetime) -> Identity:
    """Return in neutral terms what SES holds, as seen by an owner."""
    if held.owner != owner:
        return without(Presence.FOREIGN, now)
    dkim, mail_from, checked = held.dkim_attributes, held.mail_from_attributes, held.verification_info
    named = mail_from.mail_from_domain or None
    reason = checked.error_type or None
    return Identity(
        presence=Presence.OURS,
        dkim=status_of(dkim.status) if dkim.signing_enabled else ProviderStatus.NOT_STARTED,
        mail_from=status_of(mail_from.mail_from_domain_status) if named else ProviderStatus.NOT_STARTED,
        selector=held.selector,
        mail_from_name=named,
        tokens=dkim.tokens,
        reason=reason,
        obstacle=OBSTACLES.get(reason, Obstacle.ITS_OWN) if reason else None,
        dkim_said=dkim.status,
        mail_from_said=mail_from.mail_from_domain_status if named else None,
        checked_at=checked.last_checked_timestamp and checked.last_checked_timestamp.astimezone(UTC),
        seen_at=now,
    )


def status_of(said: str) -> ProviderStatus:
    """Return the meaning of one of SES's statuses; an unknown one moves no domain."""
    return STATUSES.get(said, ProviderStatus.TEMPORARY_FAILURE)

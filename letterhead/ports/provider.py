"""The mail provider, the zone that serves delegated keys, and the notifications that the provider sends."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

import msgspec

from letterhead.core.domain.provider_identity import (
    IdentityReport,
    IdentityWish,
    KeyLimits,
    ProviderHolding,
    ProviderStatus,
    ReturnPath,
)
from letterhead.core.secret import Secret


class Quota(StrEnum):
    """A quantity that a provider's account limits."""

    MAILS = "mails"  # in 24 hours
    RATE = "rate"  # mails in a second
    IDENTITIES = "identities"


class QuotaUse(msgspec.Struct, frozen=True, kw_only=True):
    """How much of a quota is used and allowed; None where the provider does not say, or sets no limit."""

    quota: Quota
    used: float | None = None
    allowed: float | None = None


class HealthItem(msgspec.Struct, frozen=True, kw_only=True):
    """One observation about the provider's account, stored as JSON; `fix` is set where something is wrong."""

    said: str
    ok: bool = True
    fix: str | None = None
    uses: tuple[QuotaUse, ...] = ()


class ProviderHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The state of the provider's account at a time."""

    at: datetime
    items: tuple[HealthItem, ...]


class IdentityPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the names at the provider; `following` is where it goes on with the others, None at the end."""

    names: tuple[str, ...]
    following: str | None = None


class Provider(Protocol):
    """One mail provider. Failures are `Fault`s with `provider` and `provider_code`, except in `identity_report`."""

    @property
    def name(self) -> str:
        """The provider's name, as in an error's `provider`."""
        ...

    @property
    def return_path(self) -> ReturnPath | None:
        """What a MAIL FROM domain must point at; None where no MAIL FROM is planned."""
        ...

    @property
    def key_limits(self) -> KeyLimits:
        """What it takes of the keys that customers bring: others are refused before anybody publishes them."""
        ...

    async def identity_report(self, sender: str, owner: str) -> IdentityReport:
        """Return the provider's status of a domain; a failure is `IdentityUnknown`, never raised."""
        ...

    async def register(self, wish: IdentityWish, private_key: Secret) -> IdentityReport:
        """Create or update the identity as wished: idempotent, and never over another owner's identity."""
        ...

    async def restart(self, wish: IdentityWish, private_key: Secret) -> IdentityReport:
        """Start the provider's own verification again where it has given up."""
        ...

    async def withdraw(self, sender: str, owner: str) -> None:
        """Delete our identity; do nothing where it is gone already or belongs to another owner."""
        ...

    async def list_identities(self) -> Mapping[str, ProviderStatus] | None:
        """Return every identity at the provider with its status, whoever made it; None where it has no list."""
        ...

    async def identity_page(self, after: str, limit: int) -> IdentityPage | None:
        """Return at most `limit` names at the provider, in its own order; None where it has no list.

        `after` is empty, or `following` of the page before. One call, however many identities there are.
        """
        ...

    async def find_holding(self, sender: str) -> ProviderHolding | None:
        """Return what the provider holds under a name, whoever put it there; None where it holds nothing."""
        ...

    async def adopt(self, sender: str, owner: str) -> None:
        """Put our owner tag on an existing identity, whoever made it: only where an operator asks for it.

        Change nothing else. Raise Fault `provider-refused` where there is no identity.
        """
        ...

    async def account_health(self) -> Sequence[HealthItem]:
        """Return who we are at the provider, its quotas and their use, in few calls. Never raises."""
        ...

    async def full_health(self) -> Sequence[HealthItem]:
        """Return the account's health and try each permission that we need, for a person who asks. Never raises."""
        ...


class Publisher(Protocol):
    """The operator's own zone, which serves the keys that customers' CNAMEs lead to."""

    @property
    def zone(self) -> str:
        """The zone's name."""
        ...

    async def publish(self, texts: Mapping[str, str | None], ttl: timedelta) -> None:
        """Replace the TXT records at each of these names with one text, or with none: atomic and idempotent.

        Raise Fault `unreachable`, or `config-invalid` where the server refuses (its RCODE is `provider_code`) or where
        a name is not below this zone and ours to write.
        """
        ...

    async def health(self) -> Sequence[HealthItem]:
        """Test whether the zone could be written, without changing it. Never raises."""
        ...


class ProviderNotifications(Protocol):
    """Notifications that the mail provider sends."""

    async def read(self, body: bytes) -> frozenset[str]:
        """Return the names that a notification is about, in lower case; confirm a subscription that it asks to confirm.

        Raise Fault `body-not-json`, `body-invalid`, `notice-refused` where the notification is not genuine, and
        `provider-failed` or `too-many-requests` where its signature could not be verified now.
        """
        ...

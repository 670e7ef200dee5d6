"""The mail provider, the zone that serves delegated keys, and what the provider sends by itself."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

import msgspec

from letterhead.core.domain.provider_identity import (
    IdentityReport,
    IdentityWish,
    ProviderHolding,
    ProviderStatus,
    ReturnPath,
)
from letterhead.core.secret import Secret


class Quota(StrEnum):
    """Names what a provider's account allows so much of."""

    MAILS = "mails"  # in 24 hours
    RATE = "rate"  # mails in a second
    IDENTITIES = "identities"


class QuotaUse(msgspec.Struct, frozen=True, kw_only=True):
    """Says how much of something is used and how much allowed; None where it is not told, or nothing limits it."""

    quota: Quota
    used: float | None = None
    allowed: float | None = None


class HealthItem(msgspec.Struct, frozen=True, kw_only=True):
    """Says how one thing about the provider's account is; `fix` where it is not as it should be."""

    said: str
    ok: bool = True
    fix: str | None = None
    uses: tuple[QuotaUse, ...] = ()


class ProviderHealth(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what the provider's account was found to be at a time."""

    at: datetime
    told: tuple[HealthItem, ...]


class Provider(Protocol):
    """Speaks to one mail provider. Trouble is a `Fault` with `provider` and `provider_code`, but for `look`."""

    @property
    def name(self) -> str:
        """Names the provider, as in an error's `provider`."""
        ...

    @property
    def return_path(self) -> ReturnPath | None:
        """Says what a MAIL FROM domain must point at; nothing where no MAIL FROM is planned."""
        ...

    async def identity_report(self, sender: str, owner: str) -> IdentityReport:
        """Tells the provider's word on a domain; trouble is `IdentityUnknown`, never raised."""
        ...

    async def register(self, wish: IdentityWish, private_key: Secret) -> IdentityReport:
        """Makes the provider hold what is wished: idempotent, and never over somebody else's identity."""
        ...

    async def restart(self, wish: IdentityWish, private_key: Secret) -> IdentityReport:
        """Starts the provider's own look at DNS again, where it had given up."""
        ...

    async def withdraw(self, sender: str, owner: str) -> None:
        """Deletes our identity; one that is gone already, or somebody else's, is left alone."""
        ...

    async def list_identities(self) -> Mapping[str, ProviderStatus] | None:
        """Lists all that the provider holds with its word on each, whoever put it there; None where it has no list."""
        ...

    async def find_holding(self, sender: str) -> ProviderHolding | None:
        """Tells what the provider holds under a name, whoever put it there; nothing where there is nothing."""
        ...

    async def adopt(self, sender: str, owner: str) -> None:
        """Puts our owner tag on what is there, whoever put it there: an operator's explicit wish, never our own.

        Nothing else of it is changed. Fault `provider-refused` where there is nothing.
        """
        ...

    async def account_health(self) -> Sequence[HealthItem]:
        """Looks who we are at the provider, what it allows and what of it is used, in few calls. Never raises."""
        ...

    async def full_health(self) -> Sequence[HealthItem]:
        """Looks at the account and tries what we need to be allowed there: for a person who asks. Never raises."""
        ...


class Publisher(Protocol):
    """Writes the operator's own zone, in which keys are served that customers' CNAMEs lead to."""

    @property
    def zone(self) -> str:
        """Names the zone."""
        ...

    async def publish(self, texts: Mapping[str, str | None], ttl: timedelta) -> None:
        """Makes each of these names hold this one TXT, or none: all of them at once or nothing, and idempotent.

        Faults: `unreachable`; `config-invalid` where the server refuses, with its word as `provider_code`, or a name
        is none of those below this zone that are ours to write.
        """
        ...

    async def health(self) -> Sequence[HealthItem]:
        """Tries whether the zone could be written, and changes nothing. Never raises."""
        ...


class ProviderNotifications(Protocol):
    """Reads what the mail provider sends by itself."""

    async def read(self, body: bytes) -> frozenset[str]:
        """Lists the names that a notice is about, in lower case; one that asks for a confirmation is confirmed.

        Faults: `body-not-json`, `body-invalid`, `notice-refused` where it is not genuine; `provider-failed` and
        `too-many-requests` where that could not be found out now.
        """
        ...

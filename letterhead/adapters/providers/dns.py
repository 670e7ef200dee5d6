"""The provider `dns`, which is no mail provider: DNS alone decides, and the operator's own mail server signs."""
# ruff: noqa: ARG002 - the port passes what a real provider needs

from collections.abc import Callable
from datetime import datetime

from letterhead.core.domain.provider_identity import (
    Identity,
    IdentityReport,
    IdentityWish,
    KeyLimits,
    Presence,
    ProviderStatus,
    ReturnPath,
)
from letterhead.core.secret import Secret
from letterhead.errors import Fault, Kind
from letterhead.ports.provider import HealthItem


class DnsProvider:
    """An implementation of `Provider` that agrees to everything at once, so that DNS alone moves a domain."""

    name = "dns"
    key_limits = KeyLimits()

    def __init__(self, clock: Callable[[], datetime], return_path: ReturnPath | None = None) -> None:
        self._clock = clock
        self.return_path = return_path

    async def identity_report(self, sender: str, owner: str) -> IdentityReport:
        """Agree; `selector` stays open, since nobody could hold another one."""
        return self._agree(None, None)

    async def register(self, wish: IdentityWish, private_key: Secret) -> IdentityReport:
        """Agree to the wish."""
        return self._agree(wish.selector, wish.mail_from)

    async def restart(self, wish: IdentityWish, private_key: Secret) -> IdentityReport:
        """Agree to the wish."""
        return self._agree(wish.selector, wish.mail_from)

    async def withdraw(self, sender: str, owner: str) -> None:
        """Do nothing."""

    async def list_identities(self) -> None:
        """Return None: there is no list."""

    async def identity_page(self, after: str, limit: int) -> None:
        """Return None: there is no list."""

    async def find_holding(self, sender: str) -> None:
        """Return None: nobody could hold anything."""

    async def adopt(self, sender: str, owner: str) -> None:
        """Raise Fault `provider-refused`: there is nothing to adopt."""
        raise Fault(
            Kind.PROVIDER_REFUSED,
            f"There is no identity of {sender} to adopt: no mail provider is set.",
            "Set LETTERHEAD_PROVIDER to one that has identities, such as ses.",
            provider=self.name,
            provider_code="NoProvider",
        )

    async def account_health(self) -> tuple[HealthItem, ...]:
        """Return that there is nothing outside to reach."""
        return (HealthItem(said="dns: nothing outside to reach"),)

    async def full_health(self) -> tuple[HealthItem, ...]:
        """Return the same as `account_health`."""
        return await self.account_health()

    def _agree(self, selector: str | None, mail_from: str | None) -> Identity:
        return Identity(
            presence=Presence.OURS,
            dkim=ProviderStatus.SUCCESS,
            mail_from=ProviderStatus.SUCCESS,
            selector=selector,
            mail_from_name=mail_from,
            seen_at=self._clock(),
        )

"""A provider that exists in memory alone and behaves as it is configured, for demonstrations and tests.

Its reports follow from what was registered and when, the behaviour, and the clock that it is given, never from chance.
A restart of the process clears it; then every domain is ABSENT, and the service registers it again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import assert_never

import msgspec

from letterhead.core.domain.provider_identity import (
    Identity,
    IdentityReport,
    IdentityUnknown,
    IdentityWish,
    KeyLimits,
    Presence,
    ProviderHolding,
    ProviderStatus,
    ReturnPath,
)
from letterhead.core.secret import Secret
from letterhead.errors import Fault, Kind
from letterhead.ports.provider import HealthItem, IdentityPage

SETTLES_AFTER = timedelta(seconds=20)
FORGETS_AFTER = timedelta(minutes=10)
THROTTLE_CODE = "TooManyRequests"
RETURN_PATH = ReturnPath(
    mx_host="feedback.mail-provider.example", mx_priority=10, spf="include:spf.mail-provider.example"
)
_REASONS = {ProviderStatus.REFUSED: "DomainRefused", ProviderStatus.GAVE_UP: "RecordsNotFound"}


class SimulatedBehaviour(StrEnum):
    """How the provider treats a domain.

    A label of the domain's name selects it (`throttled.acme.example`).
    """

    NORMAL = "normal"  # pending at first, then success
    PENDING = "pending"  # for ever
    THROTTLED = "throttled"  # every call is refused for now
    REFUSES = "refuses"  # for good
    FORGETS = "forgets"  # normal, then gone until registered again
    GIVES_UP = "gives-up"  # until restarted, then normal
    FOREIGN = "foreign"  # somebody else holds the name


@dataclass(frozen=True, slots=True)
class _SimulatedIdentity:
    wish: IdentityWish
    since: datetime
    restarted: bool = False


class SimulatedProvider:
    """An implementation of `Provider` in memory; `behaviours` may be changed while it runs."""

    name = "simulated"
    key_limits = KeyLimits()

    def __init__(
        self,
        clock: Callable[[], datetime],
        return_path: ReturnPath | None = None,
        behaviours: Mapping[str, SimulatedBehaviour] | None = None,
        settles_after: timedelta = SETTLES_AFTER,
        forgets_after: timedelta = FORGETS_AFTER,
    ) -> None:
        self.return_path = return_path or RETURN_PATH
        self._clock = clock
        self._behaviours = behaviours if behaviours is not None else {}
        self._settles_after = settles_after
        self._forgets_after = forgets_after
        self._identities: dict[str, _SimulatedIdentity] = {}

    async def identity_report(self, sender: str, owner: str) -> IdentityReport:
        """Return what is held, according to the domain's behaviour."""
        if self._behaviour(sender) is SimulatedBehaviour.THROTTLED:
            return IdentityUnknown(kind=Kind.PROVIDER_THROTTLED, provider_code=THROTTLE_CODE, detail=_throttled(sender))
        held = self._held(sender)
        if self._behaviour(sender) is SimulatedBehaviour.FOREIGN or (held and held.wish.owner != owner):
            return self._without(Presence.FOREIGN)
        if held is None:
            return self._without(Presence.ABSENT)
        status = self._status(held)
        return Identity(
            presence=Presence.OURS,
            dkim=status,
            mail_from=status if held.wish.mail_from else ProviderStatus.NOT_STARTED,
            selector=held.wish.selector,
            mail_from_name=held.wish.mail_from,
            tokens=(held.wish.selector,),
            reason=_REASONS.get(status),
            seen_at=self._clock(),
        )

    async def register(self, wish: IdentityWish, private_key: Secret) -> IdentityReport:  # noqa: ARG002 - no key is kept
        """Hold the wish, from now on where it is a new one; leave another owner's identity alone."""
        self._refuse_throttled(wish.sender)
        held = self._held(wish.sender)
        if self._may_write(wish.sender, wish.owner) and (held is None or held.wish != wish):
            self._identities[wish.sender] = _SimulatedIdentity(wish, self._clock())
        return await self.identity_report(wish.sender, wish.owner)

    async def restart(self, wish: IdentityWish, private_key: Secret) -> IdentityReport:
        """Start verification again where it has given up; otherwise do the same as `register`."""
        report = await self.register(wish, private_key)
        if isinstance(report, Identity) and report.dkim is ProviderStatus.GAVE_UP:
            self._identities[wish.sender] = _SimulatedIdentity(wish, self._clock(), restarted=True)
        return await self.identity_report(wish.sender, wish.owner)

    async def withdraw(self, sender: str, owner: str) -> None:
        """Delete our identity; do nothing where it is gone, or another owner's."""
        self._refuse_throttled(sender)
        if self._may_write(sender, owner):
            self._identities.pop(sender, None)

    async def list_identities(self) -> Mapping[str, ProviderStatus]:
        """Return all that is held."""
        return {sender: self._status(held) for sender in tuple(self._identities) if (held := self._held(sender))}

    async def identity_page(self, after: str, limit: int) -> IdentityPage:
        """Return the names that are held in their order, from the first after `after`."""
        names = sorted(name for name in self._identities if name > after)
        following = names[limit - 1] if len(names) > limit else None
        return IdentityPage(names=tuple(names[:limit]), following=following)

    async def find_holding(self, sender: str) -> ProviderHolding | None:
        """Return what is held, whoever put it there; raise Fault `provider-throttled`."""
        self._refuse_throttled(sender)
        held = self._held(sender)
        if held is None:
            return ProviderHolding() if self._behaviour(sender) is SimulatedBehaviour.FOREIGN else None
        wish = held.wish
        return ProviderHolding(
            owner=wish.owner, selector=wish.selector, mail_from=wish.mail_from, said=self._status(held)
        )

    async def adopt(self, sender: str, owner: str) -> None:
        """Change the owner of what is held.

        Raise Fault `provider-refused` where nothing is, `provider-throttled` where the behaviour says so.
        """
        self._refuse_throttled(sender)
        held = self._held(sender)
        if held is None:
            raise Fault(
                Kind.PROVIDER_REFUSED,
                f"The simulated provider holds nothing for {sender}.",
                "Register it instead: that happens by itself once DNS shows its DKIM record.",
                provider=self.name,
                provider_code="NotFound",
            )
        self._identities[sender] = replace(held, wish=msgspec.structs.replace(held.wish, owner=owner))

    async def account_health(self) -> tuple[HealthItem, ...]:
        """Return that there is nothing outside to reach."""
        return (HealthItem(said="simulated: nothing outside to reach"),)

    async def full_health(self) -> tuple[HealthItem, ...]:
        """Return the same as `account_health`."""
        return await self.account_health()

    def _behaviour(self, sender: str) -> SimulatedBehaviour:
        if sender in self._behaviours:
            return self._behaviours[sender]
        labels = sender.split(".")
        return next((each for each in SimulatedBehaviour if each.value in labels), SimulatedBehaviour.NORMAL)

    def _held(self, sender: str) -> _SimulatedIdentity | None:
        held = self._identities.get(sender)
        if (
            held
            and self._behaviour(sender) is SimulatedBehaviour.FORGETS
            and self._clock() - held.since >= self._forgets_after
        ):
            return None
        return held

    def _may_write(self, sender: str, owner: str) -> bool:
        held = self._held(sender)
        return self._behaviour(sender) is not SimulatedBehaviour.FOREIGN and (held is None or held.wish.owner == owner)

    def _refuse_throttled(self, sender: str) -> None:
        if self._behaviour(sender) is SimulatedBehaviour.THROTTLED:
            raise Fault(
                Kind.PROVIDER_THROTTLED,
                _throttled(sender),
                "Nothing to do: it is tried again by itself.",
                provider=self.name,
                provider_code=THROTTLE_CODE,
            )

    def _without(self, presence: Presence) -> Identity:
        return Identity(
            presence=presence,
            dkim=ProviderStatus.NOT_STARTED,
            mail_from=ProviderStatus.NOT_STARTED,
            seen_at=self._clock(),
        )

    def _status(self, held: _SimulatedIdentity) -> ProviderStatus:
        settled = self._clock() - held.since >= self._settles_after
        behaviour = self._behaviour(held.wish.sender)
        match behaviour:
            case SimulatedBehaviour.PENDING:
                return ProviderStatus.PENDING
            case SimulatedBehaviour.REFUSES:
                return ProviderStatus.REFUSED
            case SimulatedBehaviour.GIVES_UP:
                ending = ProviderStatus.SUCCESS if held.restarted else ProviderStatus.GAVE_UP
            case (
                SimulatedBehaviour.NORMAL
                | SimulatedBehaviour.FORGETS
                | SimulatedBehaviour.THROTTLED
                | SimulatedBehaviour.FOREIGN
            ):
                ending = ProviderStatus.SUCCESS
            case _:
                assert_never(behaviour)
        return ending if settled else ProviderStatus.PENDING


def _throttled(sender: str) -> str:
    mood = SimulatedBehaviour.THROTTLED.value
    return f"The simulated provider takes no calls about {sender} for now: its mood is {mood!r}."

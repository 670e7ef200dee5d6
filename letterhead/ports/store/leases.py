"""Work that processes claim with a lease: checks, intents, and slots of a shared rate."""

from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from letterhead.core.domain.domain import Domain, Effect, KeyDelegation


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one piece of work outside, leased to the one who claimed it.

    `slots` are those that the domain had: what is in our zone must go even where nothing else is left of it.
    """

    id: str
    effect: Effect
    domain_id: str
    account_id: str
    sender: str
    attempts: int
    key_delegation: KeyDelegation | None = None


class LeaseStore(Protocol):
    """Work that processes claim with a lease: checks, intents, and slots of a shared rate."""

    async def claim_due(self, now: datetime, until: datetime, owner: str, limit: int) -> list[Domain]:
        """Leases due domains to `owner` until a time, the longest due first; each to one owner only."""
        ...

    async def check_sooner(self, domain_id: str, due: datetime) -> None:
        """Brings a domain's next check forward to `due`; a later one is not put off, a lease not touched."""
        ...

    async def back_off(self, domain_id: str, due: datetime) -> None:
        """Puts a domain's next check off to `due` after a bug, and ends its lease."""
        ...

    async def claim_intents(self, now: datetime, until: datetime, owner: str, limit: int) -> list[Intent]:
        """Leases due intents likewise; several intents of one name are given out in order, one at a time.

        Work in our own zone and work at the provider do not wait for each other.
        """
        ...

    async def finish_intent(self, intent_id: str) -> None:
        """Removes an intent that is done."""
        ...

    async def postpone_intent(self, intent_id: str, due: datetime, reason: str) -> None:
        """Gives an intent back, to be claimed again at `due`, one attempt older."""
        ...

    async def release_leases(self, owner: str, now: datetime) -> None:
        """Ends all leases of an owner that stops."""
        ...

    async def take_rate_slot(self, name: str, now: datetime, every: timedelta, latest: datetime) -> datetime | None:
        """Takes the next turn of a budget that all processes share and that gives one in each `every`.

        Nothing is taken where that would be after `latest`.
        """
        ...

"""Work that processes claim with a lease: checks, intents, and slots of a shared rate."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

import msgspec

from letterhead.core.domain.domain import Domain, Effect, KeyDelegation
from letterhead.core.schedule.check_schedule import CheckQueue
from letterhead.core.schedule.shares import PlacesHeld


class IntentPlace(StrEnum):
    """Where an intent is carried out."""

    PROVIDER = "provider"
    KEY_ZONE = "key-zone"


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of work at the provider or in the key zone, leased to the worker that claimed it.

    `slots` are the domain's delegated selectors when the intent was written: their records in our zone must go even
    where nothing else is left of the domain. `traceparent` is the span under way when it was written.
    """

    id: str
    effect: Effect
    domain_id: str
    account_id: str
    sender: str
    attempts: int
    key_delegation: KeyDelegation | None = None
    traceparent: str | None = None


class LeaseStore(Protocol):
    """Work that processes claim with a lease: checks, intents, and slots of a shared rate."""

    async def claim_due(
        self,
        now: datetime,
        until: datetime,
        owner: str,
        limit: int,
        *,
        queues: Sequence[CheckQueue] = tuple(CheckQueue),
        held: PlacesHeld | None = None,
    ) -> list[Domain]:
        """Lease due domains of some queues to `owner` until a time, shared by account; each to one owner only.

        One queue after the other. Within each, the account that holds the fewest places goes first, then the domain
        that has been due longest; without `held`, no account is held to a share.
        """
        ...

    async def check_sooner(self, domain_id: str, due: datetime) -> None:
        """Bring a domain's next check forward to `due`; keep one that is earlier, and any lease."""
        ...

    async def back_off(self, domain_id: str, due: datetime) -> None:
        """Postpone a domain's next check to `due` after a bug, and end its lease."""
        ...

    async def recall_misdated(self, now: datetime) -> int:
        """Make due what a clock planned or leased which was ahead of `now`; return how many domains that were.

        Some at a time: call it again while it returns a number.
        """
        ...

    async def claim_intents(
        self,
        now: datetime,
        until: datetime,
        owner: str,
        limit: int,
        *,
        held: PlacesHeld | None = None,
        where: IntentPlace | None = None,
    ) -> list[Intent]:
        """Lease due intents to `owner` until a time, shared by account; those of one name in order, one at a time.

        Work in our own zone and work at the provider do not wait for each other; `where` selects one of them. Without
        `held`, no account is held to a share.
        """
        ...

    async def finish_intent(self, intent_id: str) -> None:
        """Delete an intent that is done."""
        ...

    async def postpone_intent(self, intent_id: str, due: datetime, reason: str) -> None:
        """End the lease of an intent, to be claimed again at `due`, and count an attempt."""
        ...

    async def release_leases(self, owner: str, now: datetime) -> None:
        """End all leases of an owner that stops."""
        ...

    async def take_rate_slot(self, name: str, now: datetime, every: timedelta, latest: datetime) -> datetime | None:
        """Reserve the next slot of a rate that all processes share, one slot in each `every`, and return its time.

        Reserve nothing and return None where that would be after `latest`.
        """
        ...

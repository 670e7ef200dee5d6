"""Notifications that the mail provider sends by itself: each brings the next check of a domain forward, no more."""

from datetime import timedelta
from typing import Final, Protocol

from letterhead.core.domain.health import HealthState
from letterhead.errors import Fault, Kind
from letterhead.ports.deps import Clock
from letterhead.ports.provider import ProviderNotifications
from letterhead.ports.store.domains import DomainStore
from letterhead.ports.store.leases import LeaseStore

AGAIN: Final = timedelta(minutes=1)  # from a domain's last check to one that a notification asks for: many may come


class StoreForNotifications(DomainStore, LeaseStore, Protocol):
    """Domains, and when each is checked next."""


class NotificationNeeds(Protocol):
    """What accepting a notification needs."""

    @property
    def store(self) -> StoreForNotifications: ...
    @property
    def notifications(self) -> ProviderNotifications | None: ...
    @property
    def now(self) -> Clock: ...


async def accept_notification(deps: NotificationNeeds, body: bytes) -> None:
    """Bring the next check of every domain that a notification is about forward; unknown names are ignored.

    Faults: `not-found` where none are expected, else those of `ProviderNotifications.read`.
    """
    if deps.notifications is None:
        raise Fault(
            Kind.NOT_FOUND,
            "No notices of a mail provider are taken here.",
            "Name the topics that they come from in LETTERHEAD_SES_NOTICE_TOPICS: docs/ses.md.",
        )
    for sender in sorted(await deps.notifications.read(body)):
        holder = await deps.store.holder(sender)
        domain = await deps.store.domain_by_id(holder) if holder else None
        if domain is None or domain.dkim.state is HealthState.DRAFT:
            continue
        now = deps.now()
        last = (await deps.store.last_checks([domain.id])).get(domain.id)
        await deps.store.check_sooner(domain.id, now if last is None else max(now, last.taken_at + AGAIN))

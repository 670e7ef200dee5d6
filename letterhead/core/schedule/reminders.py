"""Knows of what a person is reminded, and when: each step of each spell once for ever. Writes no mail and sends none.

A spell is one stay in a state: a domain that comes at risk again months later begins another, with steps of its own.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

from letterhead.core.domain.domain import Domain, Event, EventKind
from letterhead.core.domain.health import HealthState

LAST_DAY: Final = timedelta(hours=24)  # before sending stops
PENDING_STEPS: Final = {"24h": timedelta(hours=24), "48h": timedelta(hours=48)}
NEWS_FOR: Final = timedelta(days=3)  # what could not be told for so long (no mail server, an outage) is no news
WAITS: Final = timedelta(minutes=5)  # until an outage of our own is asked for again
FIRST_RETRY, LONGEST_RETRY = timedelta(minutes=1), timedelta(hours=1)


class ReminderKind(StrEnum):
    """Lists what is reminded of; the words are kept in the database."""

    PENDING = "pending"
    FAILED = "failed"
    AT_RISK = "at_risk"
    LOST = "lost"
    RESTORED = "restored"


class Reminder(msgspec.Struct, frozen=True, kw_only=True):
    """Names one reminder: what of, which step, in which spell (when it began, ISO 8601), and when it is due."""

    kind: ReminderKind
    step: str
    spell: str
    due_at: datetime


AT_ONCE: Final = "at-once"
BEFORE_STOP: Final = "24h-before-stop"

_STATE_OF: Final = {
    ReminderKind.PENDING: HealthState.PENDING,
    ReminderKind.FAILED: HealthState.FAILED,
    ReminderKind.AT_RISK: HealthState.AT_RISK,
    ReminderKind.LOST: HealthState.FAILED,
    ReminderKind.RESTORED: HealthState.VERIFIED,
}
_TOLD_AT_ONCE: Final = {
    EventKind.DOMAIN_FAILED: ReminderKind.FAILED,
    EventKind.DOMAIN_AT_RISK: ReminderKind.AT_RISK,
    EventKind.DOMAIN_LOST: ReminderKind.LOST,
    EventKind.DOMAIN_RESTORED: ReminderKind.RESTORED,
}


def pending_reminders(domain: Domain, events: Iterable[Event]) -> tuple[Reminder, ...]:
    """Lists the reminders that follow from a domain's events and from its state; those known before among them."""
    return (*_of_events(domain, events), *_of_deadline(domain))


def _of_events(domain: Domain, events: Iterable[Event]) -> Iterator[Reminder]:
    since = domain.dkim.since
    for event in events:
        kind = _TOLD_AT_ONCE.get(event.kind)
        if kind is not None:
            yield Reminder(kind=kind, step=AT_ONCE, spell=since.isoformat(), due_at=event.at)
        elif event.kind is EventKind.DOMAIN_PENDING:
            for step, after in PENDING_STEPS.items():
                yield Reminder(kind=ReminderKind.PENDING, step=step, spell=since.isoformat(), due_at=event.at + after)


def _of_deadline(domain: Domain) -> Iterator[Reminder]:
    """Names the spell by its deadline: misses may begin anew while the provider keeps a domain at risk."""
    stops = domain.dkim.stops_sending_at
    if domain.dkim.state is HealthState.AT_RISK and stops is not None:
        yield Reminder(kind=ReminderKind.AT_RISK, step=BEFORE_STOP, spell=stops.isoformat(), due_at=stops - LAST_DAY)


def is_still_due(reminder: Reminder, domain: Domain, now: datetime) -> bool:
    """Says whether there is still something to remind of: the same spell, and nothing later to say."""
    watch = domain.dkim
    if watch.state is not _STATE_OF[reminder.kind]:
        return False
    if reminder.step == BEFORE_STOP:
        stops = watch.stops_sending_at
        return stops is not None and stops.isoformat() == reminder.spell and now < stops
    if watch.since.isoformat() != reminder.spell:
        return False
    match reminder.kind:
        case ReminderKind.PENDING:
            return reminder.step == _last_step(now - watch.since)
        case ReminderKind.AT_RISK:
            return True  # there is still time to act
        case ReminderKind.FAILED | ReminderKind.LOST | ReminderKind.RESTORED:
            return now - reminder.due_at < NEWS_FOR


def _last_step(age: timedelta) -> str | None:
    """Names the last step of pending that is due by now: the one before it has nothing to add."""
    return next((step for step, after in reversed(PENDING_STEPS.items()) if age >= after), None)


def retry_in(attempts: int) -> timedelta:
    """Says how long to wait after so many refusals for now: a minute, doubling to an hour."""
    return min(LONGEST_RETRY, FIRST_RETRY * (1 << min(attempts, 10)))

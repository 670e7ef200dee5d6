"""The reminders that are due to a person, and when: each step of each spell once for ever.

A spell is one stay in a state: a domain that becomes at risk again months later begins another, with steps of its own.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

import msgspec

from letterhead.core.domain.domain import Domain, Event, EventKind
from letterhead.core.domain.health import HealthState
from letterhead.core.findings.acceptance import AcceptedFinding, identity_of
from letterhead.core.findings.diagnosis import Finding, Severity

LAST_DAY: Final = timedelta(hours=24)  # before sending stops
PENDING_STEPS: Final = {"24h": timedelta(hours=24), "48h": timedelta(hours=48)}
NEWS_FOR: Final = timedelta(days=3)  # what could not be sent for so long (no mail server, an outage) is no news
WAITS: Final = timedelta(minutes=5)  # until an outage of our own is asked for again
FIRST_RETRY, LONGEST_RETRY = timedelta(minutes=1), timedelta(hours=1)


class ReminderKind(StrEnum):
    """What is reminded of; the values are stored in the database."""

    PENDING = "pending"
    FAILED = "failed"
    AT_RISK = "at_risk"
    LOST = "lost"
    RESTORED = "restored"
    FINDING = "finding"
    ACCEPTANCE_ENDED = "acceptance_ended"


class Reminder(msgspec.Struct, frozen=True, kw_only=True):
    """One reminder: what of, which step, in which spell (when it began, ISO 8601), and when it is due.

    The step of a reminder of a finding is the finding's code; of an acceptance that has ended, code and name of its
    finding, and the spell is when it ended.
    """

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
    ReminderKind.FINDING: HealthState.VERIFIED,
}
_TOLD_AT_ONCE: Final = {
    EventKind.DOMAIN_FAILED: ReminderKind.FAILED,
    EventKind.DOMAIN_AT_RISK: ReminderKind.AT_RISK,
    EventKind.DOMAIN_LOST: ReminderKind.LOST,
    EventKind.DOMAIN_RESTORED: ReminderKind.RESTORED,
}


def pending_reminders(domain: Domain, events: Iterable[Event]) -> tuple[Reminder, ...]:
    """Return the reminders that follow from a domain's events and from its state; some may be stored already."""
    since, stops = domain.dkim.since.isoformat(), domain.dkim.stops_sending_at
    began = {raised.code: raised.since.isoformat() for raised in domain.raised}
    due = []
    for event in events:
        kind = _TOLD_AT_ONCE.get(event.kind)
        if kind is not None:
            due.append(Reminder(kind=kind, step=AT_ONCE, spell=since, due_at=event.at))
        elif event.kind is EventKind.DOMAIN_PENDING:
            for step, after in PENDING_STEPS.items():
                due.append(Reminder(kind=ReminderKind.PENDING, step=step, spell=since, due_at=event.at + after))
        elif event.kind is EventKind.FINDING_RAISED and event.finding in began:
            code = event.finding
            due.append(Reminder(kind=ReminderKind.FINDING, step=code, spell=began[code], due_at=event.at))
        elif event.kind is EventKind.FINDING_ACCEPTED:
            new = {_acceptance_reminder(each) for each in domain.accepted if each.acceptance.at == event.at}
            due += sorted(new, key=lambda reminder: reminder.step)
    if domain.dkim.state is HealthState.AT_RISK and stops is not None:
        # The deadline names the spell: misses may begin anew while the provider keeps a domain at risk.
        spell, due_at = stops.isoformat(), stops - LAST_DAY
        due.append(Reminder(kind=ReminderKind.AT_RISK, step=BEFORE_STOP, spell=spell, due_at=due_at))
    return tuple(due)


def _acceptance_reminder(accepted: AcceptedFinding) -> Reminder:
    until, step = accepted.acceptance.until, f"{accepted.code} {accepted.host}"
    return Reminder(kind=ReminderKind.ACCEPTANCE_ENDED, step=step, spell=until.isoformat(), due_at=until)


def _ended_acceptances(reminder: Reminder, domain: Domain) -> list[AcceptedFinding]:
    """Return the acceptances that a reminder is of: none where they were withdrawn, or renewed until another day."""
    reminders = ((each, _acceptance_reminder(each)) for each in domain.accepted)
    return [each for each, its in reminders if (its.step, its.spell) == (reminder.step, reminder.spell)]


def findings_accepted_until(reminder: Reminder, domain: Domain, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings whose acceptance has ended, and that are still there; `findings` are those of a check."""
    ended = {each.identity for each in _ended_acceptances(reminder, domain)}
    return tuple(each for each in findings if identity_of(each) in ended and each.severity is not Severity.BLOCKING)


def is_still_due(reminder: Reminder, domain: Domain, now: datetime) -> bool:
    """Tell whether there is still something to remind of: the same spell, and no later step."""
    health = domain.dkim
    if reminder.kind is ReminderKind.ACCEPTANCE_ENDED:
        ended = _ended_acceptances(reminder, domain)
        return any(now - each.acceptance.until < NEWS_FOR for each in ended)
    if health.state is not _STATE_OF[reminder.kind]:
        return False
    if reminder.step == BEFORE_STOP:
        stops = health.stops_sending_at
        return stops is not None and stops.isoformat() == reminder.spell and now < stops
    if reminder.kind is ReminderKind.FINDING:
        same = (each for each in domain.raised if each.code == reminder.step and each.absent_since is None)
        return any(each.since.isoformat() == reminder.spell for each in same)
    if health.since.isoformat() != reminder.spell:
        return False
    match reminder.kind:
        case ReminderKind.PENDING:  # only the last step that is due: the one before it has nothing to add
            due = [step for step, after in PENDING_STEPS.items() if now - health.since >= after]
            return due[-1:] == [reminder.step]
        case ReminderKind.AT_RISK:
            return True  # there is still time to act
        case ReminderKind.FAILED | ReminderKind.LOST | ReminderKind.RESTORED | ReminderKind.FINDING:
            return now - reminder.due_at < NEWS_FOR


def retry_in(attempts: int) -> timedelta:
    """Return how long to wait after so many temporary refusals: a minute, doubling to an hour."""
    return min(LONGEST_RETRY, FIRST_RETRY * (1 << min(attempts, 10)))

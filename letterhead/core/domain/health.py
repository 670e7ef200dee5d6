"""The health of one watched thing (DKIM, MAIL FROM): its state and the observations that may change it.

The rules that change the state are those of `lifecycle`.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, assert_never

import msgspec
from msgspec.structs import replace

from letterhead.core.domain.evidence import LOST, ProviderOpinion, RecordState

GRACE: Final = timedelta(hours=72)  # from the first miss until sending stops
APART: Final = timedelta(minutes=10)  # two observations nearer than this are one piece of evidence
SETTLED_AFTER: Final = timedelta(hours=1)  # of unbroken presence
LOOKS_KEPT: Final = 3
# An older miss is forgotten, so that a domain that becomes at risk has at least a day left, and the mail about it.
MISS_REMEMBERED: Final = GRACE - timedelta(hours=24)


class HealthState(StrEnum):
    """The state of a watched thing."""

    DRAFT = "draft"
    PENDING = "pending"
    VERIFIED = "verified"
    AT_RISK = "at_risk"
    FAILED = "failed"


WIRE_STATUS: Final = {
    HealthState.DRAFT: "NOT_STARTED",
    HealthState.PENDING: "PENDING",
    HealthState.VERIFIED: "SUCCESS",
    HealthState.AT_RISK: "TEMPORARY_FAILURE",
    HealthState.FAILED: "FAILED",
}


class Observation(msgspec.Struct, frozen=True, kw_only=True):
    """One conclusive check: when, and whether the records were there."""

    at: datetime
    present: bool


class RecordHealth(msgspec.Struct, frozen=True, kw_only=True, rename={"observations": "looks"}):
    """What is stored of one watched thing (DKIM, MAIL FROM) between checks.

    `since` is when the state was entered; pending's 72 h run from it. `observations` are the last 3 that count for the
    loss rule; `first_miss_at`, `misses` and `stops_sending_at` are those of the present spell at risk. `present_since`
    starts the unbroken run of presence. `provider_lost_at` is the first check since the provider's last success at
    which it had lost the thing, `provider_lost` is true once a later check agreed. `found_at` is the last check that
    found the records.
    """

    state: HealthState
    since: datetime
    observations: tuple[Observation, ...] = ()
    first_miss_at: datetime | None = None
    misses: int = 0
    stops_sending_at: datetime | None = None
    present_since: datetime | None = None
    provider_lost_at: datetime | None = None
    provider_lost: bool = False
    found_at: datetime | None = None


def new_health(state: HealthState, now: datetime) -> RecordHealth:
    """Return the health of a thing that enters a state, without observations."""
    return RecordHealth(state=state, since=now)


def limit_times(health: RecordHealth, now: datetime) -> RecordHealth:
    """Return the health without times after `now`, which only a clock that was ahead can have written.

    What ran from such a time, 72 h or an hour of presence, would not end before that clock was right.
    """
    times = (health.since, health.present_since, health.first_miss_at, health.provider_lost_at, health.found_at)
    seen = health.observations
    if all(at is None or at <= now for at in times) and (not seen or seen[-1].at <= now):
        return health
    since, present_since, first_miss_at, provider_lost_at, found_at = (at and min(at, now) for at in times)
    assert since is not None  # noqa: S101 the first of the five, which is always there
    return replace(
        health,
        since=since,
        present_since=present_since,
        first_miss_at=first_miss_at,
        provider_lost_at=provider_lost_at,
        found_at=found_at,
        stops_sending_at=health.stops_sending_at and min(health.stops_sending_at, now + GRACE),
        observations=tuple(replace(each, at=min(each.at, now)) for each in seen),
    )


def observe(health: RecordHealth, records: RecordState, now: datetime) -> RecordHealth:
    """Add what a check saw of the records; a draft keeps no observations."""
    if health.state is HealthState.DRAFT or records is RecordState.UNANSWERED:
        return health
    health = limit_times(health, now)
    match records:
        case RecordState.DIVIDED:
            return replace(health, present_since=None)
        case RecordState.PRESENT:
            return _observe_presence(health, now)
        case RecordState.MISSING:
            return _observe_miss(health, now)
        case _:
            assert_never(records)


def _observe_presence(health: RecordHealth, now: datetime) -> RecordHealth:
    """Add an observation that found it; an hour of these ends a spell of misses, whatever the provider says."""
    found = replace(
        health,
        observations=_add_look(health, Observation(at=now, present=True)),
        present_since=health.present_since or now,
        found_at=now,
    )
    if present_for(found, now) < SETTLED_AFTER:
        return found
    return replace(found, first_miss_at=None, misses=0, stops_sending_at=None)


def _observe_miss(health: RecordHealth, now: datetime) -> RecordHealth:
    """Add an observation that missed; misses in quick succession (somebody presses the button) are one observation."""
    last = health.observations[-1] if health.observations else None
    again = last is not None and not last.present and now - last.at < APART
    after = replace(
        health,
        observations=health.observations if again else _add_look(health, Observation(at=now, present=False)),
        present_since=None,
    )
    if health.state is not HealthState.AT_RISK:
        return after
    first = health.first_miss_at or now
    return replace(after, first_miss_at=first, misses=health.misses + 1, stops_sending_at=first + GRACE)


def _add_look(health: RecordHealth, look: Observation) -> tuple[Observation, ...]:
    """Return the last three observations, without misses that are too old to count."""
    recent = [old for old in health.observations if old.present or look.at - old.at <= MISS_REMEMBERED]
    return (*recent, look)[-LOOKS_KEPT:]


def missed_at(health: RecordHealth) -> list[datetime]:
    """Return the times of the misses among the last observations, oldest first."""
    return [look.at for look in health.observations if not look.present]


def present_for(health: RecordHealth, now: datetime) -> timedelta:
    """Return for how long every check has found it."""
    return timedelta(0) if health.present_since is None else now - health.present_since


def apply_provider(health: RecordHealth, opinion: ProviderOpinion, now: datetime) -> RecordHealth:
    """Add the provider's opinion on a thing that it once had; only its success ends a loss."""
    if health.state not in (HealthState.VERIFIED, HealthState.AT_RISK):
        return health
    if opinion is ProviderOpinion.AGREES:
        return replace(health, provider_lost_at=None, provider_lost=False)
    if opinion not in LOST:
        return health
    first = health.provider_lost_at or now
    return replace(health, provider_lost_at=first, provider_lost=health.provider_lost or now - first >= APART)


def enter(health: RecordHealth, to: HealthState, records: RecordState, now: datetime) -> RecordHealth:
    """Return the health after a state change, with the observations that still count."""
    after = RecordHealth(state=to, since=now, present_since=health.present_since, found_at=health.found_at)
    if to is HealthState.VERIFIED:
        return replace(after, observations=(Observation(at=now, present=True),))
    if to is not HealthState.AT_RISK:
        return after
    after = replace(
        after,
        observations=health.observations,
        provider_lost_at=health.provider_lost_at,
        provider_lost=health.provider_lost,
    )
    if records is RecordState.PRESENT:
        return replace(after, present_since=now)  # the hour of presence runs from here
    first, *_ = times = missed_at(health)
    return replace(after, first_miss_at=first, misses=len(times), stops_sending_at=first + GRACE)

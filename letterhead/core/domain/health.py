"""Knows what one watched thing (DKIM, MAIL FROM) remembers of its looks. Knows no rules: lifecycle.py moves it."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, assert_never

import msgspec
from msgspec.structs import replace

from letterhead.core.domain.evidence import LOST, ProviderOpinion, RecordState

GRACE: Final = timedelta(hours=72)  # from the first miss until sending stops
APART: Final = timedelta(minutes=10)  # two looks nearer than this are one piece of evidence
SETTLED_AFTER: Final = timedelta(hours=1)  # of unbroken presence
LOOKS_KEPT: Final = 3
# An older miss is forgotten, so that whoever comes at risk has at least a day left, and the mail that announces it.
MISS_REMEMBERED: Final = GRACE - timedelta(hours=24)


class HealthState(StrEnum):
    """Says where in its life a watched thing is."""

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
    """Holds one conclusive look: when, and whether the records were there."""

    at: datetime
    present: bool


class RecordHealth(msgspec.Struct, frozen=True, kw_only=True, rename={"observations": "looks"}):
    """Holds what must be remembered of one watched thing (DKIM, MAIL FROM) between checks.

    `since` is when the state was entered; pending's 72 h run from it. `observations` are the last 3 that count for the
    loss rule; `first_miss_at`, `misses` and `stops_sending_at` describe the present spell at risk. `present_since`
    starts the unbroken run of presence. `provider_lost_at` is the first check at which the provider had lost it since
    its last success, `provider_lost` says that a later check agreed. `found_at` is the last check of all that found it.
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
    """Starts a watch without memory."""
    return RecordHealth(state=state, since=now)


def observe(watch: RecordHealth, sight: RecordState, now: datetime) -> RecordHealth:
    """Takes in what was seen; a draft remembers nothing."""
    if watch.state is HealthState.DRAFT:
        return watch
    match sight:
        case RecordState.UNANSWERED:
            return watch
        case RecordState.DIVIDED:
            return replace(watch, present_since=None)
        case RecordState.PRESENT:
            return _found(watch, now)
        case RecordState.MISSING:
            return _missing(watch, now)
        case _:
            assert_never(sight)


def _found(watch: RecordHealth, now: datetime) -> RecordHealth:
    """Adds a look that found it; an hour of these ends a spell of misses, even where the provider is still to come."""
    found = replace(
        watch,
        observations=_with(watch, Observation(at=now, present=True)),
        present_since=watch.present_since or now,
        found_at=now,
    )
    if present_for(found, now) < SETTLED_AFTER:
        return found
    return replace(found, first_miss_at=None, misses=0, stops_sending_at=None)


def _missing(watch: RecordHealth, now: datetime) -> RecordHealth:
    """Adds a look that missed; misses in quick succession (somebody presses the button) are one piece of evidence."""
    last = watch.observations[-1] if watch.observations else None
    again = last is not None and not last.present and now - last.at < APART
    after = replace(
        watch,
        observations=watch.observations if again else _with(watch, Observation(at=now, present=False)),
        present_since=None,
    )
    if watch.state is not HealthState.AT_RISK:
        return after
    first = watch.first_miss_at or now
    return replace(after, first_miss_at=first, misses=watch.misses + 1, stops_sending_at=first + GRACE)


def _with(watch: RecordHealth, look: Observation) -> tuple[Observation, ...]:
    """Keeps the last three looks, without misses too old to tell of today."""
    fresh_enough = [old for old in watch.observations if old.present or look.at - old.at <= MISS_REMEMBERED]
    return (*fresh_enough, look)[-LOOKS_KEPT:]


def missed_at(watch: RecordHealth) -> list[datetime]:
    """Gives the times of the remembered misses, oldest first."""
    return [look.at for look in watch.observations if not look.present]


def present_for(watch: RecordHealth, now: datetime) -> timedelta:
    """Says for how long every look found it."""
    return timedelta(0) if watch.present_since is None else now - watch.present_since


def apply_provider(watch: RecordHealth, says: ProviderOpinion, now: datetime) -> RecordHealth:
    """Takes in what the provider said of a thing that it once had; only its success ends a loss."""
    if watch.state not in (HealthState.VERIFIED, HealthState.AT_RISK):
        return watch
    if says is ProviderOpinion.AGREES:
        return replace(watch, provider_lost_at=None, provider_lost=False)
    if says not in LOST:
        return watch
    first = watch.provider_lost_at or now
    return replace(watch, provider_lost_at=first, provider_lost=watch.provider_lost or now - first >= APART)


def enter(watch: RecordHealth, to: HealthState, sight: RecordState, now: datetime) -> RecordHealth:
    """Enters a state, with what it must remember of the way there."""
    after = RecordHealth(state=to, since=now, present_since=watch.present_since, found_at=watch.found_at)
    if to is HealthState.VERIFIED:
        return replace(after, observations=(Observation(at=now, present=True),))
    if to is not HealthState.AT_RISK:
        return after
    after = replace(
        after,
        observations=watch.observations,
        provider_lost_at=watch.provider_lost_at,
        provider_lost=watch.provider_lost,
    )
    if sight is RecordState.PRESENT:
        return replace(after, present_since=now)  # the hour of presence runs from here
    first, *_ = times = missed_at(watch)
    return replace(after, first_miss_at=first, misses=len(times), stops_sending_at=first + GRACE)

"""Knows what one watched thing (DKIM, MAIL FROM) remembers of its looks. Knows no rules: lifecycle.py moves it."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, assert_never

import msgspec
from msgspec.structs import replace

from letterhead.core.domain.evidence import LOST, Says, Sight

GRACE: Final = timedelta(hours=72)  # from the first miss until sending stops
APART: Final = timedelta(minutes=10)  # two looks nearer than this are one piece of evidence
SETTLED_AFTER: Final = timedelta(hours=1)  # of unbroken presence
LOOKS_KEPT: Final = 3
# An older miss is forgotten, so that whoever comes at risk has at least a day left, and the mail that announces it.
MISS_REMEMBERED: Final = GRACE - timedelta(hours=24)


class State(StrEnum):
    """Says where in its life a watched thing is."""

    DRAFT = "draft"
    PENDING = "pending"
    VERIFIED = "verified"
    AT_RISK = "at_risk"
    FAILED = "failed"


WIRE_STATUS: Final = {
    State.DRAFT: "NOT_STARTED",
    State.PENDING: "PENDING",
    State.VERIFIED: "SUCCESS",
    State.AT_RISK: "TEMPORARY_FAILURE",
    State.FAILED: "FAILED",
}


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one conclusive look: when, and whether the records were there."""

    at: datetime
    present: bool


class Watch(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what must be remembered of one watched thing (DKIM, MAIL FROM) between checks.

    `since` is when the state was entered; pending's 72 h run from it. `looks` are the last 3 that count for the loss
    rule; `first_miss_at`, `misses` and `stops_sending_at` tell of the present spell at risk. `present_since` starts
    the unbroken run of presence. `provider_lost_at` is the first look at which the provider had lost it since its last
    success, `provider_lost` says that a later look agreed. `found_at` is the last look of all that found it.
    """

    state: State
    since: datetime
    looks: tuple[Look, ...] = ()
    first_miss_at: datetime | None = None
    misses: int = 0
    stops_sending_at: datetime | None = None
    present_since: datetime | None = None
    provider_lost_at: datetime | None = None
    provider_lost: bool = False
    found_at: datetime | None = None


def fresh(state: State, now: datetime) -> Watch:
    """Starts a watch without memory."""
    return Watch(state=state, since=now)


def looked(watch: Watch, sight: Sight, now: datetime) -> Watch:
    """Takes in what was seen; a draft remembers nothing."""
    if watch.state is State.DRAFT:
        return watch
    match sight:
        case Sight.UNANSWERED:
            return watch
        case Sight.DIVIDED:
            return replace(watch, present_since=None)
        case Sight.PRESENT:
            return _found(watch, now)
        case Sight.MISSING:
            return _missing(watch, now)
        case _:
            assert_never(sight)


def _found(watch: Watch, now: datetime) -> Watch:
    """Adds a look that found it; an hour of these ends a spell of misses, even where the provider is still to come."""
    found = replace(
        watch,
        looks=_with(watch, Look(at=now, present=True)),
        present_since=watch.present_since or now,
        found_at=now,
    )
    if present_for(found, now) < SETTLED_AFTER:
        return found
    return replace(found, first_miss_at=None, misses=0, stops_sending_at=None)


def _missing(watch: Watch, now: datetime) -> Watch:
    """Adds a look that missed; misses in quick succession (somebody presses the button) are one piece of evidence."""
    last = watch.looks[-1] if watch.looks else None
    again = last is not None and not last.present and now - last.at < APART
    after = replace(
        watch,
        looks=watch.looks if again else _with(watch, Look(at=now, present=False)),
        present_since=None,
    )
    if watch.state is not State.AT_RISK:
        return after
    first = watch.first_miss_at or now
    return replace(after, first_miss_at=first, misses=watch.misses + 1, stops_sending_at=first + GRACE)


def _with(watch: Watch, look: Look) -> tuple[Look, ...]:
    """Keeps the last three looks, without misses too old to tell of today."""
    fresh_enough = [old for old in watch.looks if old.present or look.at - old.at <= MISS_REMEMBERED]
    return (*fresh_enough, look)[-LOOKS_KEPT:]


def missed(watch: Watch) -> list[datetime]:
    """Gives the times of the remembered misses, oldest first."""
    return [look.at for look in watch.looks if not look.present]


def present_for(watch: Watch, now: datetime) -> timedelta:
    """Says for how long every look found it."""
    return timedelta(0) if watch.present_since is None else now - watch.present_since


def heard(watch: Watch, says: Says, now: datetime) -> Watch:
    """Takes in what the provider said of a thing that it once had; only its success ends a loss."""
    if watch.state not in (State.VERIFIED, State.AT_RISK):
        return watch
    if says is Says.AGREES:
        return replace(watch, provider_lost_at=None, provider_lost=False)
    if says not in LOST:
        return watch
    first = watch.provider_lost_at or now
    return replace(watch, provider_lost_at=first, provider_lost=watch.provider_lost or now - first >= APART)


def entered(watch: Watch, to: State, sight: Sight, now: datetime) -> Watch:
    """Enters a state, with what it must remember of the way there."""
    after = Watch(state=to, since=now, present_since=watch.present_since, found_at=watch.found_at)
    if to is State.VERIFIED:
        return replace(after, looks=(Look(at=now, present=True),))
    if to is not State.AT_RISK:
        return after
    after = replace(
        after, looks=watch.looks, provider_lost_at=watch.provider_lost_at, provider_lost=watch.provider_lost
    )
    if sight is Sight.PRESENT:
        return replace(after, present_since=now)  # the hour of presence runs from here
    first, *_ = times = missed(watch)
    return replace(after, first_miss_at=first, misses=len(times), stops_sending_at=first + GRACE)

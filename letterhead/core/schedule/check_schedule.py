"""Knows when to look at a domain again and when to try a delivery again. Throws no dice: jitter is an argument."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, assert_never

from letterhead.core.domain.domain import Domain
from letterhead.core.domain.health import APART, HealthState, RecordHealth
from letterhead.core.rotation import second_key
from letterhead.core.rotation.rotation import SETTLES

IntervalTable = Sequence[tuple[timedelta, timedelta]]  # (up to this age, look every so often)

SECOND: Final = timedelta(seconds=1)
MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)

PENDING: Final[IntervalTable] = (
    (10 * MINUTE, 15 * SECOND),
    (HOUR, MINUTE),
    (24 * HOUR, 5 * MINUTE),
    (72 * HOUR, 15 * MINUTE),
    (30 * DAY, HOUR),  # only who waits for an answer, of DNS or of the provider, is pending for so long
    (timedelta.max, DAY),
)
VERIFIED: Final[IntervalTable] = ((30 * DAY, 6 * HOUR), (timedelta.max, 24 * HOUR))
AT_RISK: Final[IntervalTable] = ((HOUR, 5 * MINUTE), (timedelta.max, 30 * MINUTE))
ROTATING: Final[IntervalTable] = (
    (10 * MINUTE, 15 * SECOND),
    (HOUR, MINUTE),
    (24 * HOUR, 5 * MINUTE),
    (72 * HOUR, 15 * MINUTE),
    (timedelta.max, 6 * HOUR),
)
SETTLING: Final = 2 * MINUTE
FAILED: Final[IntervalTable] = ((30 * DAY, DAY), (90 * DAY, 7 * DAY))
BACK_OFF: Final = (30 * SECOND, 15 * MINUTE)  # doubling from the first to the second
PATIENCE: Final = 6  # inconclusive checks in a row after which a resting domain keeps its own pace
WATCHED: Final = 5 * SECOND
JITTER: Final = 0.1
RETRIES: Final = (
    0 * SECOND,
    5 * SECOND,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
)


def next_check(
    domain: Domain,
    now: datetime,
    jitter: float,
    setup_page_open: bool = False,
    negative_until: datetime | None = None,
) -> tuple[datetime | None, str]:
    """Says when to check the domain (as `advance` left it) again, and why; None is "on request only".

    `jitter` lies between -1 and 1; `setup_page_open` says that somebody watches for what is still to come;
    `negative_until` is when a resolver forgets that the record was missing, given where only resolvers can be asked.
    """
    wait, reason = _wait(domain, now, setup_page_open)
    if wait is None:
        return None, reason
    at = now + wait * (1 + JITTER * _swing(wait, jitter))
    if negative_until is not None and negative_until > at:
        return negative_until, f"{reason}; not before resolvers forget that the record was missing"
    return at, reason


def _swing(wait: timedelta, jitter: float) -> float:
    """Turns the jitter to the side that does no harm."""
    if wait == APART:  # the loss rule wants its looks ten minutes apart: one a minute early would be lost on it
        return abs(jitter)
    if wait == BACK_OFF[1]:  # so soon after an outage everybody is looked at again: a minute late would break that
        return -abs(jitter)
    return jitter


def _wait(domain: Domain, now: datetime, setup_page_open: bool) -> tuple[timedelta | None, str]:
    if domain.dkim.state is HealthState.DRAFT:
        return None, "draft: looked at on request"
    if domain.attempts and (domain.attempts <= PATIENCE or not _rests(domain, now)):
        return back_off(domain.attempts), f"inconclusive: {domain.attempts} in a row left something unanswered"
    watches = [watch for watch in (domain.dkim, domain.mail_from_health) if watch is not None]
    if setup_page_open:
        return WATCHED, "somebody has the setup page open"
    waits = [*(_pace(watch, now) for watch in watches), *_of_keys(domain, now)]
    return min(waits, key=lambda each: timedelta.max if each[0] is None else each[0])


def _of_keys(domain: Domain, now: datetime) -> list[tuple[timedelta | None, str]]:
    """Says how often a change of keys wants a look."""
    coming = domain.rotation
    if coming is not None and coming.seen_since is None:
        return [(_step(ROTATING, now - coming.started_at), "rotation: waiting for the new key's record")]
    if coming is not None:
        return [(SETTLING, "rotation: the new key was seen everywhere, does it stay?")]
    if second_key.is_settling(domain):
        return [(SETTLING, "the Ed25519 key was seen everywhere, does it stay?")]
    if domain.rotated_at is not None and now - domain.rotated_at < SETTLES:
        return [(MINUTE, "rotation: the new key has taken over")]
    return []


def back_off(attempts: int) -> timedelta:
    """Says how long to wait after so many inconclusive checks in a row: 30 s, doubling to 15 min."""
    first, most = BACK_OFF
    return min(most, first * (1 << min(attempts - 1, 10)))


def _rests(domain: Domain, now: datetime) -> bool:
    """Says whether the domain may wait: nothing is at stake and its time is over."""
    watch = domain.dkim
    return watch.state is HealthState.FAILED or (watch.state is HealthState.PENDING and now - watch.since > 72 * HOUR)


def _pace(watch: RecordHealth, now: datetime) -> tuple[timedelta | None, str]:
    """Says how often this watch wants a look."""
    age = now - watch.since
    match watch.state:
        case HealthState.DRAFT:
            return None, "draft: looked at on request"
        case HealthState.PENDING:
            return _step(PENDING, age), "pending: waiting for the records"
        case HealthState.VERIFIED if watch.present_since is None or watch.provider_lost_at is not None:
            return APART, "verified: the last look missed something"
        case HealthState.VERIFIED:
            return _step(VERIFIED, age), "verified: routine"
        case HealthState.AT_RISK:
            return _step(AT_RISK, age), "at risk: the records must come back"
        case HealthState.FAILED:
            return _resting(watch, now)
        case _:
            assert_never(watch.state)


def _resting(watch: RecordHealth, now: datetime) -> tuple[timedelta | None, str]:
    """Looks at a failed domain now and then; as often as at a pending one while only the provider is to come."""
    if watch.present_since is not None and now - watch.present_since < 72 * HOUR:
        return _step(PENDING, now - watch.present_since), "failed: the records are back, waiting for the provider"
    wait = _step(FAILED, now - watch.since)
    return wait, "failed: looked at on request" if wait is None else "failed: perhaps the records came back"


def _step(ladder: IntervalTable, age: timedelta) -> timedelta | None:
    return next((every for upto, every in ladder if age < upto), None)


def retry_at(attempt: int, now: datetime, jitter: float = 0.0) -> datetime | None:
    """Says when to make the delivery attempt that follows `attempt` failed ones; None where it is dead."""
    if attempt >= len(RETRIES):
        return None
    return now + RETRIES[attempt] * (1 + JITTER * jitter)

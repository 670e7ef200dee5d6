"""When a domain is checked again, and when a webhook is tried again; randomness is passed in as `jitter`."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Final, assert_never

import msgspec

from letterhead.core.domain.domain import Domain
from letterhead.core.domain.health import APART, HealthState, RecordHealth
from letterhead.core.rotation import second_key
from letterhead.core.rotation.rotation import SETTLES

IntervalTable = Sequence[tuple[timedelta, timedelta]]  # (up to this age, check every so often)

SECOND: Final = timedelta(seconds=1)
MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)

PENDING: Final[IntervalTable] = (
    (10 * MINUTE, 6 * SECOND),
    (HOUR, MINUTE),
    (24 * HOUR, 5 * MINUTE),
    (72 * HOUR, 15 * MINUTE),
    (30 * DAY, HOUR),  # only a domain without an answer, of DNS or of the provider, is pending for so long
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
RAISED: Final[IntervalTable] = ((HOUR, APART), (72 * HOUR, 30 * MINUTE), (timedelta.max, 6 * HOUR))
SETTLING: Final = 2 * MINUTE
FAILED: Final[IntervalTable] = ((30 * DAY, DAY), (90 * DAY, 7 * DAY))
BACK_OFF: Final = (30 * SECOND, 15 * MINUTE)  # doubling from the first to the second
PATIENCE: Final = 6  # inconclusive checks in a row after which a domain that may wait keeps its usual interval
WATCHED: Final = 5 * SECOND
SLOW: Final = 5 * SECOND  # that DNS took to answer a check, whose next one waits among the slow ones
RESTS: Final = 4  # times as long as DNS took to answer a check, there is no other
CROWD_PER_SECOND: Final = 20  # checks of an account's domains without proof, besides its newest ones
LONGEST: Final = 8 * DAY  # the longest interval with its jitter: whatever is planned for later, a wrong clock planned
CLOCKS_DIFFER: Final = 5 * MINUTE  # by which processes' clocks may differ: a check dated later is in the future
LONGEST_NEGATIVE: Final = 3 * HOUR  # RFC 2308 5: no cache need believe for longer that something is missing
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


class CheckQueue(IntEnum):
    """What a domain waits among for its next check."""

    ONBOARDING = 0  # being set up: somebody waits for it
    ROUTINE = 1
    SLOW = 2  # its last check took long: such checks hold few places, so that they delay no others


def queue_of(domain: Domain) -> CheckQueue:
    """Return what a domain waits among for its next check."""
    if domain.is_slow:
        return CheckQueue.SLOW
    waiting = (domain.dkim, domain.mail_from_health)
    is_set_up = any(health is not None and health.state is HealthState.PENDING for health in waiting)
    return CheckQueue.ONBOARDING if is_set_up else CheckQueue.ROUTINE


class CheckBurden(msgspec.Struct, frozen=True, kw_only=True):
    """What a check costs others: how long DNS took to answer the last one, and how many more its account asks for.

    `crowd` counts the account's domains without proof besides its newest, where the domain is one of these.
    """

    took: timedelta = timedelta(0)
    crowd: int = 0

    @property
    def is_slow(self) -> bool:
        """Whether the next check waits among the slow ones."""
        return self.took > SLOW


def next_check(
    domain: Domain,
    now: datetime,
    jitter: float,
    setup_page_open: bool = False,
    negative_until: datetime | None = None,
    burden: CheckBurden | None = None,
) -> tuple[datetime | None, str]:
    """Return when to check the domain (as `advance` left it) again, and why; None is "on request only".

    `jitter` lies between -1 and 1; `setup_page_open` is true while somebody waits for a change; `negative_until` is
    when resolvers forget that the record was missing, given where only resolvers can be asked. `burden` makes it later.
    """
    wait, reason = _interval(domain, now, setup_page_open)
    if wait is None:
        return None, reason
    if burden is not None and wait < (least := RESTS * burden.took):
        wait, reason = least, f"{reason}; less often, as DNS took {burden.took.total_seconds():.0f} s to answer"
    if (
        burden is not None
        and not setup_page_open
        and wait < (least := min(DAY, burden.crowd / CROWD_PER_SECOND * SECOND))
    ):
        wait, reason = least, f"{reason}; less often, as the account has {burden.crowd} more without proof"
    if wait == APART:  # the loss rule needs its checks ten minutes apart: one a minute early would not count
        jitter = abs(jitter)
    elif wait == BACK_OFF[1]:  # so soon after an outage every domain is checked again: a minute late would break that
        jitter = -abs(jitter)
    at = now + wait * (1 + JITTER * jitter)
    if negative_until is not None and negative_until > at:
        return max(
            at, min(negative_until, now + LONGEST_NEGATIVE)
        ), f"{reason}; not before resolvers forget that the record was missing"
    return at, reason


def _interval(domain: Domain, now: datetime, setup_page_open: bool) -> tuple[timedelta | None, str]:
    dkim = domain.dkim
    if dkim.state is HealthState.DRAFT:
        return None, "draft: looked at on request"
    is_overdue = dkim.state is HealthState.PENDING and now - dkim.since > 72 * HOUR
    may_wait = dkim.state is HealthState.FAILED or is_overdue  # nothing is at stake
    if domain.attempts and (domain.attempts <= PATIENCE or not may_wait):
        return back_off(domain.attempts), f"inconclusive: {domain.attempts} in a row left something unanswered"
    if setup_page_open:
        return WATCHED, "somebody has the setup page open"
    watched = [health for health in (dkim, domain.mail_from_health) if health is not None]
    intervals = [*(_health_interval(health, now) for health in watched), *_key_intervals(domain, now)]
    for raised in domain.raised:
        reason = f"{raised.code}: is it gone?" if raised.absent_since else f"{raised.code}: does it stay?"
        intervals.append((_find_interval(RAISED, now - (raised.absent_since or raised.since)), reason))
    return min(intervals, key=lambda each: timedelta.max if each[0] is None else each[0])


def _key_intervals(domain: Domain, now: datetime) -> list[tuple[timedelta | None, str]]:
    """Return how often a change of keys needs a check."""
    coming = domain.rotation
    if coming is not None and coming.seen_since is None:
        return [(_find_interval(ROTATING, now - coming.started_at), "rotation: waiting for the new key's record")]
    if coming is not None:
        return [(SETTLING, "rotation: the new key was seen everywhere, does it stay?")]
    if second_key.is_settling(domain):
        return [(SETTLING, "the Ed25519 key was seen everywhere, does it stay?")]
    if domain.rotated_at is not None and now - domain.rotated_at < SETTLES:
        return [(MINUTE, "rotation: the new key has taken over")]
    return []


def back_off(attempts: int) -> timedelta:
    """Return how long to wait after so many inconclusive checks in a row: 30 s, doubling to 15 min."""
    first, most = BACK_OFF
    return min(most, first * (1 << min(attempts - 1, 10)))


def _health_interval(health: RecordHealth, now: datetime) -> tuple[timedelta | None, str]:
    """Return how often one watched thing needs a check."""
    age = now - health.since
    match health.state:
        case HealthState.DRAFT:
            return None, "draft: looked at on request"
        case HealthState.PENDING:
            return _find_interval(PENDING, age), "pending: waiting for the records"
        case HealthState.VERIFIED if health.present_since is None or health.provider_lost_at is not None:
            return APART, "verified: the last look missed something"
        case HealthState.VERIFIED:
            return _find_interval(VERIFIED, age), "verified: routine"
        case HealthState.AT_RISK:
            return _find_interval(AT_RISK, age), "at risk: the records must come back"
        case HealthState.FAILED if health.present_since is not None and now - health.present_since < 72 * HOUR:
            interval = _find_interval(PENDING, now - health.present_since)
            return interval, "failed: the records are back, waiting for the provider"
        case HealthState.FAILED:
            interval = _find_interval(FAILED, age)
            reason = "failed: looked at on request" if interval is None else "failed: perhaps the records came back"
            return interval, reason
        case _:
            assert_never(health.state)


def _find_interval(table: IntervalTable, age: timedelta) -> timedelta | None:
    return next((every for upto, every in table if age < upto), None)


def retry_at(attempt: int, now: datetime, jitter: float = 0.0) -> datetime | None:
    """Return when to make the delivery attempt that follows `attempt` failed ones; None where there is none."""
    if attempt >= len(RETRIES):
        return None
    return now + RETRIES[attempt] * (1 + JITTER * jitter)

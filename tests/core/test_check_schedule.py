"""When to look again, when to try a delivery again: tables of plain values."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from letterhead.core.domain.domain import Domain
from letterhead.core.domain.evidence import Evidence, RecordState
from letterhead.core.domain.health import HealthState, Observation, RecordHealth
from letterhead.core.domain.lifecycle import advance
from letterhead.core.schedule.check_schedule import WATCHED, CheckBurden, CheckQueue, next_check, queue_of, retry_at

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=n) for n in (1, 60, 3600, 86400))


def aged(state: HealthState, age: timedelta, **more: object) -> Domain:
    """Return a domain that entered `state` so long ago and was last seen with its record there."""
    watch = RecordHealth(
        state=state, since=NOW - age, present_since=NOW - age if state is HealthState.VERIFIED else None
    )
    domain = Domain(
        id="dom_1",
        account_id="acc_1",
        sender="example.com",
        selector="s1",
        public_key="MIIB",
        created_at=NOW,
        last_sync=NOW,
        dkim=watch,
    )
    return replace(domain, **more)


PACES = [
    (HealthState.PENDING, 0 * SECOND, 6 * SECOND),
    (HealthState.PENDING, 10 * MINUTE - SECOND, 6 * SECOND),
    (HealthState.PENDING, 10 * MINUTE, MINUTE),
    (HealthState.PENDING, HOUR, 5 * MINUTE),
    (HealthState.PENDING, DAY, 15 * MINUTE),
    (HealthState.PENDING, 72 * HOUR, HOUR),
    (HealthState.PENDING, 400 * DAY, DAY),
    (HealthState.VERIFIED, 0 * SECOND, 6 * HOUR),
    (HealthState.VERIFIED, 30 * DAY - SECOND, 6 * HOUR),
    (HealthState.VERIFIED, 30 * DAY, 24 * HOUR),
    (HealthState.AT_RISK, HOUR - SECOND, 5 * MINUTE),
    (HealthState.AT_RISK, HOUR, 30 * MINUTE),
    (HealthState.FAILED, 0 * SECOND, DAY),
    (HealthState.FAILED, 30 * DAY - SECOND, DAY),
    (HealthState.FAILED, 30 * DAY, 7 * DAY),
    (HealthState.FAILED, 90 * DAY - SECOND, 7 * DAY),
    (HealthState.FAILED, 90 * DAY, None),
    (HealthState.DRAFT, 5 * DAY, None),
]


@pytest.mark.parametrize(("state", "age", "wait"), PACES)
def test_pace(state: HealthState, age: timedelta, wait: timedelta | None) -> None:
    """Each state is looked at as often as the table says, and says why."""
    at, reason = next_check(aged(state, age), NOW, 0)
    assert at == (None if wait is None else NOW + wait)
    assert reason.startswith(state.replace("_", " "))


@given(st.floats(-1, 1), st.sampled_from(HealthState), st.integers(0, 100))
def test_jitter_is_a_tenth(jitter: float, state: HealthState, days: int) -> None:
    """The jitter moves a look by at most a tenth of its wait, and never into the past."""
    exact, _ = next_check(aged(state, days * DAY), NOW, 0)
    moved, _ = next_check(aged(state, days * DAY), NOW, jitter)
    if exact is None:
        assert moved is None
    else:
        assert moved is not None
        assert moved > NOW
        assert abs(moved - exact) <= (exact - NOW) / 10 + timedelta(microseconds=1)


@pytest.mark.parametrize("jitter", [-1, -0.5, 0, 1])
@pytest.mark.parametrize("sight", [RecordState.MISSING, RecordState.DIVIDED])
def test_after_a_miss(jitter: float, sight: RecordState) -> None:
    """After a miss on a verified domain the next look comes in ten minutes, never too early to count."""
    domain = advance(aged(HealthState.VERIFIED, 40 * DAY), Evidence(dkim=sight), NOW).domain
    at, _ = next_check(domain, NOW, jitter)
    assert at is not None
    assert 10 * MINUTE <= at - NOW <= 11 * MINUTE
    if sight is RecordState.MISSING:
        assert advance(domain, Evidence(dkim=sight), at).domain.dkim.state is HealthState.AT_RISK


def test_after_a_loss_at_the_provider() -> None:
    """A verified domain that the provider seems to have lost is looked at again in ten minutes."""
    watch = RecordHealth(state=HealthState.VERIFIED, since=NOW - DAY, present_since=NOW - DAY, provider_lost_at=NOW)
    assert next_check(aged(HealthState.VERIFIED, DAY, dkim=watch), NOW, 0)[0] == NOW + 10 * MINUTE


@pytest.mark.parametrize(
    ("attempts", "wait"), [(1, 30), (2, 60), (3, 120), (4, 240), (5, 480), (6, 900), (7, 900), (10_000, 900)]
)
def test_back_off(attempts: int, wait: int) -> None:
    """Inconclusive checks come back after 30 s, doubling to 15 min, and say so."""
    for state in (HealthState.VERIFIED, HealthState.AT_RISK, HealthState.PENDING):
        at, reason = next_check(aged(state, HOUR, attempts=attempts), NOW, 0, setup_page_open=True)
        assert at == NOW + wait * SECOND
        assert reason.startswith("inconclusive")


@pytest.mark.parametrize(
    ("state", "age", "pace"), [(HealthState.FAILED, DAY, DAY), (HealthState.PENDING, 5 * DAY, HOUR)]
)
def test_a_resting_domain_is_not_hunted(state: HealthState, age: timedelta, pace: timedelta) -> None:
    """Where nothing is at stake any more, six looks in vain are enough; then it keeps its own pace."""
    assert next_check(aged(state, age, attempts=6), NOW, 0)[0] == NOW + 15 * MINUTE
    assert next_check(aged(state, age, attempts=7), NOW, 0)[0] == NOW + pace


def test_somebody_watches() -> None:
    """While somebody waits at the setup page for what is to come, it is looked at every 5 s; but not a draft."""
    for state in (HealthState.PENDING, HealthState.FAILED, HealthState.VERIFIED):
        assert next_check(aged(state, DAY), NOW, 0, setup_page_open=True)[0] == NOW + 5 * SECOND
    assert next_check(aged(HealthState.DRAFT, DAY), NOW, 0, setup_page_open=True)[0] is None


def test_not_before_resolvers_forget() -> None:
    """A look through resolvers waits until they forget that the record was missing, and says so."""
    forgotten = NOW + 20 * MINUTE
    at, reason = next_check(aged(HealthState.PENDING, HOUR), NOW, 0, negative_until=forgotten)
    assert at == forgotten
    assert "forget" in reason
    assert next_check(aged(HealthState.PENDING, 100 * HOUR), NOW, 0, negative_until=forgotten)[0] == NOW + HOUR
    assert next_check(aged(HealthState.FAILED, 100 * DAY), NOW, 0, negative_until=forgotten)[0] is None


def test_not_forever_until_resolvers_forget() -> None:
    """Whatever TTL a zone gives its absence, a look through resolvers comes within three hours (RFC 2308 5)."""
    for seconds in (3 * 3600 + 1, 7 * 86400, 2**31 - 1, 2**32 - 1):
        forgotten = NOW + seconds * SECOND
        assert next_check(aged(HealthState.PENDING, HOUR), NOW, 0, negative_until=forgotten)[0] == NOW + 3 * HOUR
    forgotten = NOW + 100 * DAY
    assert next_check(aged(HealthState.FAILED, 5 * DAY), NOW, 0, negative_until=forgotten)[0] == NOW + DAY


def test_the_more_urgent_watch_sets_the_pace() -> None:
    """A verified domain whose MAIL FROM is still pending is looked at as often as that needs."""
    pending = RecordHealth(state=HealthState.PENDING, since=NOW - 2 * HOUR)
    assert next_check(aged(HealthState.VERIFIED, DAY, mail_from_health=pending), NOW, 0)[0] == NOW + 5 * MINUTE
    resting = RecordHealth(state=HealthState.FAILED, since=NOW - 100 * DAY)
    assert next_check(aged(HealthState.VERIFIED, 90 * DAY, mail_from_health=resting), NOW, 0)[0] == NOW + DAY


def test_back_and_waiting_for_the_provider() -> None:
    """A failed domain whose record is back is looked at like a pending one, for three days."""
    back = RecordHealth(
        state=HealthState.FAILED,
        since=NOW - 50 * DAY,
        present_since=NOW,
        observations=(Observation(at=NOW, present=True),),
    )
    assert next_check(aged(HealthState.FAILED, DAY, dkim=back), NOW, 0)[0] == NOW + 6 * SECOND
    stale = replace(back, present_since=NOW - 3 * DAY)
    assert next_check(aged(HealthState.FAILED, DAY, dkim=stale), NOW, 0)[0] == NOW + 7 * DAY


def test_a_clock_set_back_does_no_harm() -> None:
    """A state entered in the future, by a clock that was set back, is looked at like a new one."""
    assert next_check(aged(HealthState.PENDING, -30 * DAY), NOW, 0)[0] == NOW + 6 * SECOND


RETRIES = [0, 5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400, None, None]


@pytest.mark.parametrize(("attempt", "wait"), list(enumerate(RETRIES)))
def test_retries(attempt: int, wait: int | None) -> None:
    """A delivery is tried ten times over three days, then it is dead."""
    assert retry_at(attempt, NOW) == (None if wait is None else NOW + wait * SECOND)
    if wait is not None:
        assert retry_at(attempt, NOW, 1.0) == NOW + wait * SECOND * 1.1


@pytest.mark.parametrize(
    ("burden", "wait"),
    [
        (CheckBurden(took=3 * SECOND), 12 * SECOND),
        (CheckBurden(took=10 * SECOND), 40 * SECOND),
        (CheckBurden(crowd=100), 6 * SECOND),
        (CheckBurden(crowd=10_000), 500 * SECOND),
        (CheckBurden(took=10 * SECOND, crowd=1000), 50 * SECOND),
        (CheckBurden(crowd=10**9), DAY),
    ],
)
def test_a_check_that_burdens_others_comes_later(burden: CheckBurden, wait: timedelta) -> None:
    """Four times as long as DNS took, and twenty a second of an account's names besides its fifty newest."""
    at, reason = next_check(aged(HealthState.PENDING, 0 * SECOND), NOW, 0, burden=burden)
    assert at == NOW + wait
    assert ("less often" in reason) == (wait > 6 * SECOND)


def test_an_open_page_is_no_crowd() -> None:
    """Whoever watches a domain sees it checked as ever, unless its zone is slow."""
    pending = aged(HealthState.PENDING, 0 * SECOND)
    burdens = CheckBurden(crowd=10_000), CheckBurden(took=10 * SECOND)
    assert [next_check(pending, NOW, 0, True, burden=burden)[0] for burden in burdens] == [
        NOW + WATCHED,
        NOW + 40 * SECOND,
    ]


@pytest.mark.parametrize(
    ("domain", "queue"),
    [
        (aged(HealthState.PENDING, DAY), CheckQueue.ONBOARDING),
        (aged(HealthState.VERIFIED, DAY), CheckQueue.ROUTINE),
        (aged(HealthState.FAILED, DAY), CheckQueue.ROUTINE),
        (aged(HealthState.PENDING, DAY, is_slow=True), CheckQueue.SLOW),
        (
            aged(HealthState.VERIFIED, DAY, mail_from_health=RecordHealth(state=HealthState.PENDING, since=NOW)),
            CheckQueue.ONBOARDING,
        ),
    ],
)
def test_what_a_domain_waits_among(domain: Domain, queue: CheckQueue) -> None:
    """A domain that is being set up, another one, or one whose zone is slow."""
    assert queue_of(domain) is queue

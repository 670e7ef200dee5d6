"""What an account may use, at its edges."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from letterhead.core.accounts.quotas import Limits, QuotaExceeded, QuotaKind, over_domains, over_requests, resets_at
from letterhead.errors import Kind

NOW = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)
NEXT = datetime(2027, 1, 1, tzinfo=UTC)


def test_unlimited_unless_set() -> None:
    """An account without limits is never over them."""
    assert over_domains(Limits(), 10**9) is None
    assert over_requests(Limits(), 10**9, NOW) is None


@pytest.mark.parametrize(("used", "over"), [(0, False), (2, False), (3, True), (4, True)])
def test_the_last_one_is_allowed(used: int, over: bool) -> None:
    """With three allowed the third goes through and the fourth does not."""
    limits = Limits(domains=3, requests_per_month=3)
    domains, requests = over_domains(limits, used), over_requests(limits, used, NOW)
    assert domains == (QuotaExceeded(what=QuotaKind.DOMAINS, used=used, allowed=3) if over else None)
    expected = QuotaExceeded(what=QuotaKind.REQUESTS, used=used, allowed=3, resets_at=NEXT)
    assert requests == (expected if over else None)


def test_nothing_is_a_limit_too() -> None:
    """A limit of zero allows none."""
    assert over_domains(Limits(domains=0), 0) is not None


@pytest.mark.parametrize(
    ("now", "then"),
    [
        (datetime(2026, 2, 28, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC)),
        (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC)),
        (NOW, NEXT),
        # already January in UTC
        (datetime(2026, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5))), datetime(2027, 2, 1, tzinfo=UTC)),
    ],
)
def test_resets_with_the_month(now: datetime, then: datetime) -> None:
    """The count starts anew with the next month of UTC, wherever the caller is."""
    assert resets_at(now) == then


def test_the_refusal_says_all() -> None:
    """The refusal says what is used, what is allowed, when it resets and what to do."""
    requests = QuotaExceeded(what=QuotaKind.REQUESTS, used=100, allowed=90, resets_at=NEXT).fault()
    assert requests.kind is Kind.USAGE_LIMIT_EXCEEDED
    assert all(word in requests.detail for word in ("100", "90", "2027-01-01T00:00:00Z"))
    assert requests.fix
    domains = QuotaExceeded(what=QuotaKind.DOMAINS, used=5, allowed=5).fault()
    assert domains.kind is Kind.USAGE_LIMIT_EXCEEDED
    assert "5" in domains.detail
    assert "Delete" in (domains.fix or "")

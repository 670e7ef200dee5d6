"""Quotas of an account: domains, domains without proof, requests per month."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

import msgspec

from letterhead.errors import Fault, Kind

PENDING_UNLESS_SET: Final = 10_000


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The quotas of an account; None is unlimited."""

    domains: int | None = None
    requests_per_month: int | None = None
    pending_claims: int | None = None  # PENDING_UNLESS_SET where None: no claim without proof is worth much


class QuotaKind(StrEnum):
    """What a quota counts, as the API spells it."""

    DOMAINS = "domains"
    REQUESTS = "requestsPerMonth"
    PENDING = "pendingClaims"


class QuotaExceeded(msgspec.Struct, frozen=True, kw_only=True):
    """A quota that is used up; `resets_at` is None where only deleting helps."""

    what: QuotaKind
    used: int
    allowed: int
    resets_at: datetime | None = None

    def fault(self) -> Fault:
        """Return Fault(usage-limit-exceeded) with what is used, what is allowed and when the count starts anew."""
        if self.what is QuotaKind.PENDING:
            return Fault(
                Kind.USAGE_LIMIT_EXCEEDED,
                f"The account has {self.used} sender domains that were never proven; {self.allowed} are allowed. "
                "This does not reset.",
                "Publish the records of those that are wanted, delete the others, or ask for a higher limit.",
            )
        if self.resets_at is None:
            detail = f"The account has {self.used} sender domains; {self.allowed} are allowed. This does not reset."
            return Fault(
                Kind.USAGE_LIMIT_EXCEEDED, detail, "Delete a domain that is not needed, or ask for a higher limit."
            )
        when = self.resets_at.strftime("%Y-%m-%dT%H:%M:%SZ")
        detail = f"The account made {self.used} requests this month; {self.allowed} are allowed. Resets at {when}."
        fix = f"Wait until {when}, or ask for a higher limit. Reading the usage and deleting still work."
        return Fault(Kind.USAGE_LIMIT_EXCEEDED, detail, fix)


def over_domains(limits: Limits, used: int) -> QuotaExceeded | None:
    """Return the quota that an account with `used` domains exceeds with another; None where it may have one."""
    allowed = limits.domains
    return (
        None if allowed is None or used < allowed else QuotaExceeded(what=QuotaKind.DOMAINS, used=used, allowed=allowed)
    )


def pending_allowed(limits: Limits) -> int:
    """Return how many domains without proof an account may have."""
    return PENDING_UNLESS_SET if limits.pending_claims is None else limits.pending_claims


def over_pending(limits: Limits, used: int) -> QuotaExceeded | None:
    """Return the quota that an account with `used` domains without proof exceeds with another, or None."""
    allowed = pending_allowed(limits)
    return None if used < allowed else QuotaExceeded(what=QuotaKind.PENDING, used=used, allowed=allowed)


def unproven_below_allowed(limits: Limits, unless_set: int) -> int | None:
    """Return how many names without proof an account may have below one zone; None: as many as without proof at all.

    An account with a limit of its own for domains without proof is held to that one alone.
    """
    return unless_set if limits.pending_claims is None else None


def over_unproven_below(zone: str, used: int, allowed: int) -> Fault:
    """Return Fault(usage-limit-exceeded) for too many names without proof at and below a zone."""
    return Fault(
        Kind.USAGE_LIMIT_EXCEEDED,
        f"The account has {used} sender domains at and below {zone} that were never proven; {allowed} are allowed "
        f"there until {zone} is proven. This does not reset.",
        f"Add and verify {zone} first: the names below it are not limited then. Or publish the records of those that "
        "are there, delete the others, or ask for a higher limit.",
    )


def over_requests(limits: Limits, used: int, now: datetime) -> QuotaExceeded | None:
    """Return the quota that an account with `used` requests this month exceeds with another, or None."""
    allowed = limits.requests_per_month
    if allowed is None or used < allowed:
        return None
    return QuotaExceeded(what=QuotaKind.REQUESTS, used=used, allowed=allowed, resets_at=resets_at(now))


def resets_at(now: datetime) -> datetime:
    """Return the first moment of the next month, UTC."""
    today = now.astimezone(UTC)
    year, month = (today.year + 1, 1) if today.month == 12 else (today.year, today.month + 1)
    return datetime(year, month, 1, tzinfo=UTC)

"""Knows what an account may use, and says what is used, what is allowed and when it starts anew."""

from datetime import datetime
from enum import StrEnum

import msgspec

from letterhead.errors import Fault


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what an account may use; None is unlimited."""

    domains: int | None = None
    requests_per_month: int | None = None


class Counted(StrEnum):
    """Names what is counted, as the API spells it."""

    DOMAINS = "domains"
    REQUESTS = "requestsPerMonth"


class Over(msgspec.Struct, frozen=True, kw_only=True):
    """Says that one more is too many; `resets_at` is None where only deleting helps."""

    what: Counted
    used: int
    allowed: int
    resets_at: datetime | None = None

    def fault(self) -> Fault:
        """Says it as a refusal."""
        raise NotImplementedError


def over_domains(limits: Limits, used: int) -> Over | None:
    """Says whether an account that has `used` domains may not have another."""
    raise NotImplementedError


def over_requests(limits: Limits, used: int, now: datetime) -> Over | None:
    """Says whether an account that made `used` requests this month may not make another."""
    raise NotImplementedError


def resets_at(now: datetime) -> datetime:
    """Gives the first moment of the next month, UTC."""
    raise NotImplementedError

"""Knows how to make ids that sort by time: UUIDs of version 7 (RFC 9562 5.7)."""

import secrets
from datetime import datetime
from uuid import UUID

from letterhead.adapters.storage.rows import ms


class Uuid7Generator:
    """Makes ids, each greater than the one before, even when the clock stands still or turns back.

    Another process's clock may be ahead: what is to sort behind an id of its names it.

    The 48 bits of milliseconds and the 12 bits behind the version count on as one number (RFC 9562 6.2, method 3).
    """

    def __init__(self) -> None:
        self._last = 0

    def next(self, at: datetime, after: str | None = None) -> str:
        """Makes the id of something that happened at a time, behind `after` too."""
        self._last = max(self._last + 1, ms(at) << 12)
        # Not kept: one account's odd clock is not to move the ids of all others.
        milliseconds, count = divmod(max(self._last, _number(after) + 1 if after else 0), 1 << 12)
        chance = secrets.randbits(62)
        return str(UUID(int=milliseconds << 80 | 7 << 76 | count << 64 | 0b10 << 62 | chance))


def _number(event_id: str) -> int:
    """Reads milliseconds and count out of an id, as one number."""
    whole = UUID(event_id).int
    return (whole >> 80) << 12 | whole >> 64 & 0xFFF

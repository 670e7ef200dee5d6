"""Ids that sort by time: UUIDs of version 7 (RFC 9562 5.7)."""

import secrets
from datetime import datetime
from uuid import UUID

from letterhead.adapters.storage.rows import ms


class Uuid7Generator:
    """A generator of ids, each greater than the one before, even when the clock stands still or turns back.

    The 48 bits of milliseconds and the 12 bits after the version are incremented as one number (RFC 9562 6.2, method
    3). Another process's clock may be ahead: `next` takes an id that the new one must follow.
    """

    def __init__(self) -> None:
        self._last = 0

    def next(self, at: datetime, after: str | None = None) -> str:
        """Return an id for something that happened at a time, greater than `after` too."""
        self._last = max(self._last + 1, ms(at) << 12)
        number = self._last
        if after is not None:
            # Not kept in `_last`: one account's odd clock is not to move the ids of all others.
            bits = UUID(after).int
            number = max(number, ((bits >> 80) << 12 | bits >> 64 & 0xFFF) + 1)
        milliseconds, count = divmod(number, 1 << 12)
        return str(UUID(int=milliseconds << 80 | 7 << 76 | count << 64 | 0b10 << 62 | secrets.randbits(62)))

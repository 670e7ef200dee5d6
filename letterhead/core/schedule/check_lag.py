"""Histogram of how late checks start: in powers of two, per five minutes."""

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from math import ceil, log2
from typing import Final

import msgspec

FIRST: Final = 0.125  # seconds that the first step goes up to; each further one goes up to twice as much
STEPS: Final = 22  # the last one goes up to three days, and takes what is later too
SLOT: Final = timedelta(minutes=5)


class HistogramCount(msgspec.Struct, frozen=True, kw_only=True):
    """The number of starts in one step of the histogram, in the five minutes from `at` on."""

    at: datetime
    step: int
    number: int


def slot_of(at: datetime) -> datetime:
    """Return the beginning of the five minutes that a time lies in."""
    seconds = int(at.timestamp())
    return datetime.fromtimestamp(seconds - seconds % int(SLOT.total_seconds()), UTC)


def step_of(late: timedelta) -> int:
    """Return the step that so much lateness belongs to; what starts early is not late."""
    seconds = late.total_seconds()
    return 0 if seconds <= FIRST else min(STEPS - 1, ceil(log2(seconds / FIRST)))


def upper_bound(step: int) -> float:
    """Return the seconds that a step goes up to."""
    return float(FIRST * 2**step)


def share_within(counted: Mapping[int, int], share: float) -> float | None:
    """Return the seconds within which this share started, interpolated inside its step; None where nothing started."""
    total = sum(counted.values())
    wanted, before = total * share, 0
    for step in sorted(counted):
        if counted[step] and before + counted[step] >= wanted:
            least = upper_bound(step - 1) if step else 0.0
            return least + (upper_bound(step) - least) * (wanted - before) / counted[step]
        before += counted[step]
    return None


def group_by_slot(counts: Iterable[HistogramCount], begins: datetime, slots: int) -> list[Counter[int]]:
    """Group counts into so many slots from `begins` on, and drop those outside."""
    grouped: list[Counter[int]] = [Counter() for _ in range(slots)]
    for each in counts:
        slot = (each.at - begins) // SLOT
        if 0 <= slot < slots:
            grouped[slot][each.step] += each.number
    return grouped

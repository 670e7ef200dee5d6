"""How late checks begin, summed up: steps, slots of five minutes, and the seconds that a share began within."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from letterhead.core.schedule.check_lag import (
    FIRST,
    SLOT,
    STEPS,
    HistogramCount,
    group_by_slot,
    share_within,
    slot_of,
    step_of,
    upper_bound,
)

T0 = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "step"),
    [(-3, 0), (0, 0), (FIRST, 0), (FIRST + 0.001, 1), (0.25, 1), (1, 3), (60, 9), (10**9, STEPS - 1)],
)
def test_a_step_goes_up_to_its_end(seconds: float, step: int) -> None:
    """Each goes up to twice the one before, and nothing is too late for the last."""
    assert step_of(timedelta(seconds=seconds)) == step
    assert seconds <= upper_bound(step) or step == STEPS - 1


def test_slots_are_five_minutes_of_the_clock() -> None:
    """From each fifth minute on."""
    assert slot_of(T0 + timedelta(minutes=4, seconds=59)) == T0
    assert slot_of(T0 + SLOT) == T0 + SLOT


def test_within_lies_inside_its_step() -> None:
    """Half of ten in the first step lie within half of it; the last of a hundred decides what all began within."""
    assert share_within({0: 10}, 0.5) == pytest.approx(FIRST / 2)
    assert share_within({0: 99, 9: 1}, 0.99) == pytest.approx(FIRST)
    assert share_within({0: 99, 9: 1}, 1.0) == pytest.approx(upper_bound(9))
    assert share_within({}, 0.5) is None
    assert share_within({3: 0}, 0.5) is None


def test_tallies_lie_in_their_slots() -> None:
    """Each in its own; what is outside of the picture is left away."""
    told = [HistogramCount(at=T0 + SLOT * number, step=1, number=2) for number in (-1, 0, 2, 3)]
    assert group_by_slot(told, T0, 3) == [Counter({1: 2}), Counter(), Counter({1: 2})]

"""What a figure is and when it holds; nothing here measures."""

import statistics
from collections.abc import Callable, Sequence

import msgspec


class Target(msgspec.Struct, frozen=True):
    """Says what a figure must reach: its `ratio` to the floor or its own `value`, at least or at most so much."""

    of: str
    sign: str
    number: float

    def __str__(self) -> str:
        return f"{self.of} {self.sign} {self.number:g}"

    def met(self, value: float, ratio: float | None) -> bool:
        """Say whether it is reached."""
        told = value if self.of == "value" else ratio
        if told is None:
            return False
        return told >= self.number if self.sign == "≥" else told <= self.number


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One figure beside its floor or peer; `ratio` is the median of paired ratios, so not value / floor."""

    name: str
    what: str
    value: float
    unit: str
    floor: float | None = None
    beside: str = ""  # what the floor is
    ratio: float | None = None
    target: str = ""
    holds: bool = True
    off: bool = False  # by more than a factor of two: what fails the short form
    note: str = ""


def at_least(number: float, of: str = "ratio") -> Target:
    """Want so much or more."""
    return Target(of, "≥", number)


def at_most(number: float, of: str = "value") -> Target:
    """Want so much or less."""
    return Target(of, "≤", number)


def row(
    name: str, what: str, value: float, unit: str, target: Target | None = None, *,
    floor: float | None = None, ratio: float | None = None, beside: str = "", note: str = "",
) -> Row:  # fmt: skip
    """Judge a figure by its target; without one it only tells."""
    far = None if target is None else msgspec.structs.replace(target, number=_doubled(target))
    return Row(
        name=name, what=what, value=rounded(value), unit=unit, floor=None if floor is None else rounded(floor),
        beside=beside, ratio=None if ratio is None else rounded(ratio), target=str(target or ""),
        holds=target is None or target.met(value, ratio), off=far is not None and not far.met(value, ratio), note=note,
    )  # fmt: skip


def _doubled(target: Target) -> float:
    return target.number / 2 if target.sign == "≥" else target.number * 2


def rounded(value: float) -> float:
    """Keep three digits that mean something."""
    return float(f"{value:.3g}") if abs(value) < 1000 else float(round(value))


class Paired(msgspec.Struct, frozen=True):
    """What two sides gave in turns."""

    ours: Sequence[float]
    floors: Sequence[float]

    @property
    def value(self) -> float:
        """Return our median."""
        return statistics.median(self.ours)

    @property
    def floor(self) -> float:
        """Return the floor's median."""
        return statistics.median(self.floors)

    @property
    def ratio(self) -> float:
        """Return the median of the ratios of neighbours in time: what disturbs both cancels out."""
        return statistics.median(ours / floor for ours, floor in zip(self.ours, self.floors, strict=True))


def interleaved(sides: Sequence[Callable[[], float]], rounds: int) -> list[list[float]]:
    """Run the sides in turns, every second round backwards, and return each one's figures."""
    figures: list[list[float]] = [[] for _ in sides]
    for number in range(rounds):
        order = list(enumerate(sides))
        for place, side in order if number % 2 == 0 else reversed(order):
            figures[place].append(side())
    return figures

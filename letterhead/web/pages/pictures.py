"""Charts as inline SVG, which the stylesheet colours; each has a title in words for who can't see it."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import ceil, log2

from markupsafe import Markup

from letterhead.core.domain.statistics import StatePeriod
from letterhead.web.templating.texts import Texts

WIDTH, HEIGHT = 720, 160
SERIES = ("failed", "at_risk", "pending", "verified")  # from the bottom up
SCALE = 56  # the width of the labels at the left of a chart
UNITS = (("days", 86400), ("hours", 3600), ("minutes", 60), ("seconds", 1))
LEAST = 8  # a span shorter than this could not be seen


def _svg(kind: str, height: int, title: str, body: str) -> Markup:
    return Markup(
        '<svg class="picture {kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{title}" '
        'preserveAspectRatio="none"><title>{title}</title>{body}</svg>'
    ).format(kind=kind, width=WIDTH, height=height, title=title, body=Markup(body))  # noqa: S704 numbers of our own


def draw_timeline(spans: Sequence[StatePeriod], title: str) -> Markup:
    """Draw the periods of one domain's states as a bar."""
    if not spans:
        return Markup("")
    lasted = [(span.ends - span.begins).total_seconds() for span in spans]
    wide = [max(LEAST, WIDTH * seconds / sum(lasted)) for seconds in lasted]
    pieces, left = [], 0.0
    for span, width in zip(spans, wide, strict=True):
        drawn = width * WIDTH / sum(wide)
        pieces.append(f'<rect class="of-{span.state}" x="{left:.1f}" y="0" width="{drawn:.1f}" height="20"/>')
        left += drawn
    return _svg("timeline", 20, title, "".join(pieces))


def draw_areas(counted: Sequence[Counter[str]], title: str) -> Markup:
    """Draw the number in each state over time as stacked areas, with a scale of whole numbers beside them."""
    highest = max((sum(each[name] for name in SERIES) for each in counted), default=0)
    step = _round_step(highest)
    most = max(1, ceil(highest / step)) * step
    across = [WIDTH * number / max(1, len(counted) - 1) for number in range(len(counted))]
    below = [0.0] * len(counted)
    pieces = []
    for name in SERIES:
        above = [low + each[name] for low, each in zip(below, counted, strict=True)]
        if above != below:
            top = _points(across, above, most)
            bottom = _points(across, below, most)[::-1]
            pieces.append(f'<polygon class="of-{name}" points="{" ".join(top + bottom)}"/>')
        below = above
    marks = {HEIGHT * (1 - value / most): str(value) for value in range(0, most + 1, step)}
    lines = "".join(f'<path class="rule" d="M0 {at:.1f}H{WIDTH}"/>' for at in marks)
    return _plot(marks, _svg("areas", HEIGHT, title, "".join(pieces) + lines))


def _round_step(highest: int) -> int:
    """Return 1, 2 or 5 times a power of ten, so that a scale up to `highest` has at most four steps."""
    size = 1
    while True:
        for step in (size, 2 * size, 5 * size):
            if highest <= 4 * step:
                return step
        size *= 10


def _plot(marks: Mapping[float, str], drawn: Markup) -> Markup:
    """Return a chart with a scale at its left: labels by their heights, from the top."""
    labels = Markup("").join(
        Markup('<text x="{}" y="{}">{}</text>').format(SCALE - 6, round(at + 4), label) for at, label in marks.items()
    )
    scale = Markup('<svg class="scale" viewBox="0 -8 {} {}" aria-hidden="true">{}</svg>').format(
        SCALE, HEIGHT + 16, labels
    )
    return Markup('<div class="plot">{}{}</div>').format(scale, drawn)


def _points(across: Sequence[float], values: Sequence[float], most: float) -> list[str]:
    return [f"{x:.1f},{HEIGHT - HEIGHT * value / most:.1f}" for x, value in zip(across, values, strict=True)]


def draw_lines(series: Mapping[str, Sequence[float | None]], marks: Mapping[float, str], title: str) -> Markup:
    """Draw numbers over time as steps, each series in its own colour, with a gap where there is none.

    The scale is logarithmic, from the least of the marks to the greatest; `marks` are the values and their labels.
    """
    least, most = log2(min(marks)), log2(max(marks))

    def height(value: float) -> float:
        return HEIGHT * (1 - (log2(min(max(value, 2**least), 2**most)) - least) / (most - least))

    paths = [f'<path class="drawn of-{name}" d="{_steps(values, height)}"/>' for name, values in series.items()]
    rules = [f'<path class="rule" d="M0 {height(mark):.1f}H{WIDTH}"/>' for mark in marks]
    labels = {height(mark): label for mark, label in marks.items()}
    return _plot(labels, _svg("lines", HEIGHT, title, "".join(rules + paths)))


def _steps(values: Sequence[float | None], height: Callable[[float], float]) -> str:
    """Return an SVG path of steps, each as wide as the others, with a gap for None."""
    wide, path, drawn = WIDTH / max(1, len(values)), [], False
    for number, value in enumerate(values):
        if value is not None:
            path.append(f"{'V' if drawn else f'M{number * wide:.1f} '}{height(value):.1f}H{(number + 1) * wide:.1f}")
        drawn = value is not None
    return "".join(path)


def draw_bars(labels: Sequence[str], values: Sequence[int], title: str) -> Markup:
    """Draw one bar for each label, with its number, as a list."""
    most = max([*values, 1])
    rows = [
        Markup(
            '<li><span class="label">{}</span><svg viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true">'
            '<rect class="track" width="100" height="6"/><rect class="bar" width="{}" height="6"/></svg>'
            '<span class="number">{}</span></li>'
        ).format(label, round(100 * value / most, 1), value)
        for label, value in zip(labels, values, strict=True)
    ]
    return Markup('<ul class="bars" aria-label="{}">{}</ul>').format(title, Markup("").join(rows))


def format_duration(t: Texts, seconds: float) -> str:
    """Format a duration for a person, in its largest unit."""
    unit, size = next((unit, size) for unit, size in UNITS if seconds >= size or size == 1)
    return t("unit." + unit, number=f"{seconds / size:.2g}" if seconds < 10 * size else f"{seconds / size:.0f}")

"""Knows how numbers become small pictures: inline SVG that the stylesheet colours, with a title that says it in words.

Knows neither domains nor accounts.
"""

from collections import Counter
from collections.abc import Sequence

from markupsafe import Markup

from letterhead.core.history import Span

WIDTH, HEIGHT = 720, 160
SERIES = ("failed", "at_risk", "pending", "verified")  # from the bottom up
LEAST = 8  # a span shorter than this could not be seen


def _svg(kind: str, height: int, title: str, body: str) -> Markup:
    return Markup(
        '<svg class="picture {kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{title}" '
        'preserveAspectRatio="none"><title>{title}</title>{body}</svg>'
    ).format(kind=kind, width=WIDTH, height=height, title=title, body=Markup(body))  # noqa: S704 numbers of our own


def timeline(spans: Sequence[Span], title: str) -> Markup:
    """Draws the states of one domain along its life."""
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


def areas(counted: Sequence[Counter[str]], title: str) -> Markup:
    """Draws how many were in each state over time, one upon the other."""
    most = max((sum(each[name] for name in SERIES) for each in counted), default=0) or 1
    across = [WIDTH * number / max(1, len(counted) - 1) for number in range(len(counted))]
    below = [0.0] * len(counted)
    pieces = []
    for name in SERIES:
        above = [low + each[name] for low, each in zip(below, counted, strict=True)]
        if above != below:
            forth = _points(across, above, most)
            back = _points(across, below, most)[::-1]
            pieces.append(f'<polygon class="of-{name}" points="{" ".join(forth + back)}"/>')
        below = above
    lines = "".join(f'<path class="rule" d="M0 {HEIGHT * part / 4:.0f}H{WIDTH}"/>' for part in (1, 2, 3))
    return _svg("areas", HEIGHT, title, "".join(pieces) + lines)


def _points(across: Sequence[float], values: Sequence[float], most: float) -> list[str]:
    return [f"{x:.1f},{HEIGHT - HEIGHT * value / most:.1f}" for x, value in zip(across, values, strict=True)]


def bars(labels: Sequence[str], values: Sequence[int], title: str) -> Markup:
    """Draws one bar for each label, with its number: a list that looks like a picture."""
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

"""The operator's colour, adjusted to a contrast of 4.5 to 1 with our backgrounds (WCAG 2.2 1.4.3). Pure."""

from collections.abc import Sequence

PAPER, NIGHT = "#ffffff", "#1b1e26"
READABLE = 4.5

Rgb = tuple[float, float, float]


def stylesheet(colour: str | None, background: str) -> str:
    """Return the CSS variables for an operator's colour on a theme's background; nothing where none is set."""
    if colour is None:
        return ""
    accent = adjust_contrast(colour, background)
    return f":root{{--accent:{accent};--on-accent:{text_colour(accent)}}}"


def adjust_contrast(colour: str, background: str) -> str:
    """Move a colour towards black or white until text in it can be read on the background."""
    goal = (0.0, 0.0, 0.0) if _luminance(_rgb(background)) > 0.5 else (255.0, 255.0, 255.0)
    start = _rgb(colour)
    for step in range(21):
        mixed = tuple(one + (other - one) * step / 20 for one, other in zip(start, goal, strict=True))
        if contrast(_hex(mixed), background) >= READABLE:
            return _hex(mixed)
    return _hex(goal)


def text_colour(colour: str) -> str:
    """Return black or white, whichever reads better on the colour."""
    return max(("#ffffff", "#000000"), key=lambda each: contrast(each, colour))


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, 1 to 21."""
    light, dark = sorted((_luminance(_rgb(one)), _luminance(_rgb(other))), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _rgb(colour: str) -> Rgb:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _hex(rgb: Sequence[float]) -> str:
    return "#" + "".join(f"{round(part):02x}" for part in rgb)


def _luminance(rgb: Rgb) -> float:
    parts = [part / 255 for part in rgb]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

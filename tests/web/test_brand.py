"""An operator's colour is one that everybody can read, whatever it was."""

import pytest

from letterhead.web.templating.brand import NIGHT, PAPER, adjust_contrast, contrast, stylesheet, text_colour

COLOURS = ["#ffff00", "#000000", "#ffffff", "#7a1f5c", "#2f4aa0", "#00ff00", "#808080", "#ff0000"]


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("background", [PAPER, NIGHT])
def test_any_colour_becomes_readable(colour: str, background: str) -> None:
    """Links in it, and the text on a button of it, have a contrast of 4.5 to 1 at least (WCAG 2.2 1.4.3)."""
    made = adjust_contrast(colour, background)
    assert contrast(made, background) >= 4.5
    assert contrast(made, text_colour(made)) >= 4.5


def test_a_colour_that_can_be_read_stays() -> None:
    """What is readable already is taken as it is; without a setting nothing is written."""
    assert adjust_contrast("#7a1f5c", PAPER) == "#7a1f5c"
    assert stylesheet(None, PAPER) == ""
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)

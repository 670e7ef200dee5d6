"""Nothing on the account's and the operator's pages is cut off, on a phone and on wide screens."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.browser.gallery import hung
from tests.browser.sights import sights_signed_in

pytestmark = pytest.mark.timeout(600)
WIDTHS = (390, 1280, 1920)
# A long value is folded to one line with an ellipsis, and its button copies it whole; a field scrolls what is typed;
# `.observed` shows a long value within a box that scrolls; `.unseen` is for ears alone.
CUT = """() => [...document.querySelectorAll("body *")]
  .filter(each => each.checkVisibility() && each.clientWidth > 1 && each.scrollWidth > each.clientWidth + 1)
  .filter(each => getComputedStyle(each).textOverflow !== "ellipsis")
  .filter(each => !each.closest("input, select, textarea, svg, .observed, .unseen, .skip, caption, thead"))
  .map(each => [each.outerHTML.slice(0, 80), each.scrollWidth, each.clientWidth, each.textContent.trim().slice(0, 60)])
"""


def test_nothing_is_cut_off(browser: Browser, tmp_path: Path) -> None:
    """No element of any page holds more than its width, whatever is in it: no region has to be scrolled sideways."""
    page = browser.new_page()
    found = {}
    with hung(tmp_path, failure_rate=0.001, failure_burst=6) as hall:
        for name, place in sights_signed_in(page, hall):
            for width in WIDTHS:
                page.set_viewport_size({"width": width, "height": 860})
                if cut := place.evaluate(CUT):
                    found[name, width] = cut
            page.set_viewport_size({"width": 1280, "height": 800})
    assert not found, "\n".join(f"{where}: {cut}" for where, cut in found.items())

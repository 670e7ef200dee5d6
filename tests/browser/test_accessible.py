"""Every page can be read and used by everybody: axe-core finds nothing in either theme, the keyboard is enough."""

from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Frame, Page, expect

from letterhead.web.pages import PAGES
from tests.browser.conftest import signed_in
from tests.browser.gallery import hung
from tests.browser.sights import NO_PAGES, shown_by, sights
from tests.rigs.letterhead import Serving

pytestmark = pytest.mark.timeout(600)  # a minute, where nobody else works
RULES = {"resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}}  # WCAG 2.5.8: 24 CSS pixels
THEMES: tuple[tuple[Literal["light", "dark"], int], ...] = (("light", 1280), ("dark", 320))
FOCUSED = """() => {
  const dim = [];
  const reached = "a[href], button, input:not([type=hidden]), select, summary, [tabindex='0']";
  for (const each of document.querySelectorAll(reached)) {
    if (!each.checkVisibility({ contentVisibilityAuto: true, visibilityProperty: true })) continue;
    each.focus();
    const style = getComputedStyle(each);
    if (document.activeElement !== each || style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2)
      dim.push(each.outerHTML.slice(0, 120));
  }
  return dim;
}"""
MOVING = "() => document.getAnimations().filter(each => each.playState === 'running').map(each => each.animationName)"
# What tells by its colour alone must keep it, what is told apart by a background must have a border (or be bold).
FORCED = """() => {
  const lost = [], canvas = getComputedStyle(document.body).backgroundColor;
  for (const each of document.querySelectorAll(".legend i, .steps i, .dot"))
    if (getComputedStyle(each).backgroundColor === canvas) lost.push(each.outerHTML.slice(0, 120));
  for (const each of document.querySelectorAll(".pill, .button, .quiet, .copy, .code-tag, input[type=text], select"))
    if (each.checkVisibility() && getComputedStyle(each).borderTopStyle === "none")
      lost.push(each.outerHTML.slice(0, 120));
  for (const each of document.querySelectorAll("[aria-current]")) {
    const style = getComputedStyle(each);
    if (style.fontWeight < 600 && style.borderTopColor === canvas) lost.push(each.outerHTML.slice(0, 120));
  }
  return lost;
}"""


def axe(place: Page | Frame, options: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """List what axe-core has to say of a page."""
    if not place.evaluate("'axe' in window"):
        place.evaluate(Axe().axe_script)
    found = place.evaluate("options => axe.run(document, options).then(results => results.violations)", options)
    return [(each["id"], [node["html"][:160] for node in each["nodes"]]) for each in found]


def barriers(page: Page, place: Page | Frame) -> list[object]:
    """List what stands in somebody's way: in both themes, wide and narrow; by the keyboard; in forced colours.

    Narrow is 320 CSS pixels, where nobody may have to scroll to the side (WCAG 1.4.10).
    """
    found: list[object] = []
    for theme, width in THEMES:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": 800})
        found += [(theme, width, *each) for each in axe(place, RULES)]
        wide = place.evaluate("document.documentElement.scrollWidth")
        found += [(width, f"is {wide} wide")] if wide > width else []
    found += [("moves", each) for each in place.evaluate(MOVING)]
    page.emulate_media(forced_colors="active")
    found += [("not seen in forced colours", each) for each in place.evaluate(FORCED)]
    page.emulate_media(forced_colors="none")
    page.keyboard.press("Tab")
    found += [("focus not seen", each) for each in place.evaluate(FOCUSED)]
    return found


def test_nothing_stands_in_anybody_s_way(browser: Browser, tmp_path: Path) -> None:
    """Every page of the list of routes, in every state that it can be in; a new page that is not walked past fails."""
    page = browser.new_page()
    shown, found = shown_by(page), {}
    with hung(tmp_path, failure_rate=0.001, failure_burst=6) as hall:
        for name, place in sights(page, hall):
            if barred := barriers(page, place):
                found[name] = barred
            page.set_viewport_size({"width": 1280, "height": 800})
    assert found == {}
    pages = {view.path for view in PAGES if view.method == "GET"} - NO_PAGES
    assert pages - {view.path for view in shown} == set()


def test_keyboard_goes_all_the_way(browser: Browser, service: Serving, sender: str) -> None:
    """With the keyboard alone: skip the navigation, add a domain, reach its copy buttons; the focus can be seen."""
    desk = signed_in(browser, service, permissions=["clipboard-read", "clipboard-write"])
    page = desk.page
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Add a domain")).to_be_focused()
    page.keyboard.type(sender)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(sender)
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.copy !== undefined"):
            break
    else:
        pytest.fail("the copy buttons can't be reached")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    wanted = page.evaluate("document.activeElement.dataset.copy")
    page.keyboard.press("Enter")
    page.wait_for_function("wanted => navigator.clipboard.readText().then(text => text === wanted)", arg=wanted)

"""A key is changed from the pages alone, with real DNS behind them: started, handed over, published, seen."""

from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PATIENCE, Desk, press, watched
from tests.browser.test_newcomer import CARDS, type_in
from tests.rigs.dns_lab import DnsLab

pytestmark = pytest.mark.timeout(600)


THEMES: tuple[tuple[Literal["light", "dark"], int], ...] = (("light", 1280), ("dark", 360))


def barriers(page: Page) -> list[object]:
    """List what axe-core finds on the page, in both themes and on a phone, and whether it is too wide there."""
    found: list[object] = []
    page.emulate_media(reduced_motion="reduce")
    for theme, width in THEMES:
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size({"width": width, "height": 800})
        found += [each["id"] for each in Axe().run(page).response["violations"]]
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found.append("too wide")
    return found


def test_a_key_is_changed_from_the_pages(
    desk: Desk, browser: Browser, lab: DnsLab, browser_zone: str, sender: str
) -> None:
    """The open set-up page asks for the new record by itself and turns it green; the dashboard says what is next."""
    desk.add(sender)
    colleague = browser.new_context(permissions=["clipboard-read", "clipboard-write"]).new_page()
    errors = watched(colleague)
    colleague.goto(desk.link(sender))
    for record_id in CARDS:
        type_in(lab, colleague, browser_zone, record_id)
    lab.flush()
    expect(colleague.get_by_role("heading", name=f"All done: {sender} is verified")).to_be_visible()
    colleague.evaluate("window.neverReloaded = true")

    page = desk.open(f"/dashboard/domains/{sender}")
    page.get_by_role("button", name="Change the key").click()
    expect(page.locator("#keys")).to_contain_text("Waiting for the new record")
    heading = colleague.get_by_role("heading", name="A new signing key waits for its record")
    expect(heading).to_be_visible()
    type_in(lab, colleague, browser_zone, "dkim_next")
    lab.flush()
    colleague.locator("#record-dkim_next.is-found").wait_for(timeout=PATIENCE)
    expect(page.locator("#keys")).to_contain_text("takes over at the earliest")
    assert colleague.evaluate("window.neverReloaded") is True
    assert [*barriers(page), *barriers(colleague)] == []

    press(page.get_by_role("link", name="Abandon the new key"))
    page.get_by_role("button", name="Abandon the new key").click()
    expect(page.get_by_role("button", name="Change the key")).to_be_visible()
    colleague.locator("#record-dkim_next").wait_for(state="detached", timeout=PATIENCE)
    assert errors == desk.errors == []

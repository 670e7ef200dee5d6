"""Every page can be read and used by everybody: axe-core finds nothing in either theme, the keyboard is enough."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import signed_in
from tests.rigs.letterhead import OPERATOR_TOKEN, Serving

pytestmark = pytest.mark.timeout(150)
WIDTHS = (1280, 360)


def pages(page: Page, service: Serving, sender: str) -> Iterator[str]:
    """Goes through every page of an account, of a link and of the operator; says where it is."""
    url = service.url
    page.goto(f"{url}/dashboard")
    yield "empty list"
    page.get_by_label("Add a domain").fill("http://")
    page.get_by_role("button", name="Add", exact=True).click()
    yield "refused domain"
    page.get_by_label("Add a domain").fill(sender)
    page.get_by_role("button", name="Add", exact=True).click()
    page.locator("#record-dkim.is-missing").wait_for(timeout=20_000)
    yield "domain"
    page.get_by_role("button", name="Make a link").click()
    yield "link made"
    link = page.locator("#links .once code").inner_text()
    lists = ("/dashboard", "/dashboard?problem=dkim.missing", "/dashboard?q=nothing")
    for path in (*lists, "/dashboard/keys", "/dashboard/account", "/dashboard/webhooks"):
        page.goto(f"{url}{path}")
        yield path
    page.goto(f"{url}/dashboard/domains/{sender}/delete")
    yield "delete"
    page.goto(f"{url}/dashboard/webhooks")
    page.get_by_label("Address").fill("https://hooks.example.com/letterhead")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("button", name="Send a test").click()
    yield "webhook"
    page.goto(link)
    page.get_by_text("I can't do this now").click()
    yield "set-up"
    page.goto(f"{url}/setup/none")
    yield "no link"
    page.context.clear_cookies()
    page.goto(f"{url}/sign-in")
    yield "sign-in"
    page.get_by_label("API key").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    yield "refused sign-in"
    page.get_by_label("API key").fill(OPERATOR_TOKEN)
    page.get_by_role("button", name="Sign in").click()
    yield "operator"
    page.goto(f"{url}/operator/audit")
    yield "audit"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(browser: Browser, service: Serving, sender: str, theme: str) -> None:
    """axe-core has nothing to say of any page, wide or on a phone, and no page is wider than its window."""
    desk = signed_in(browser, service, color_scheme=theme, reduced_motion="reduce")
    axe, found = Axe(), []
    for where in pages(desk.page, service, sender):
        for width in WIDTHS:
            desk.page.set_viewport_size({"width": width, "height": 800})
            wide = desk.page.evaluate("document.documentElement.scrollWidth")
            if wide > width:
                found.append((where, width, f"is {wide} wide"))
            said = axe.run(desk.page).response["violations"]
            found += [(where, width, each["id"], [node["html"][:160] for node in each["nodes"]]) for each in said]
        desk.page.set_viewport_size({"width": WIDTHS[0], "height": 800})
    assert found == []


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
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    wanted = page.evaluate("document.activeElement.dataset.copy")
    page.keyboard.press("Enter")
    page.wait_for_timeout(200)
    assert page.evaluate("navigator.clipboard.readText()") == wanted


def test_first_page_is_light_and_fast(browser: Browser, service: Serving) -> None:
    """All that the first page loads is under 100 KB, and its HTML comes within 100 ms on loopback."""
    page = browser.new_page()
    sizes: list[int] = []
    page.on("response", lambda answer: sizes.append(len(answer.body())))
    page.goto(f"{service.url}/sign-in", wait_until="networkidle")
    assert len(sizes) >= 4
    assert sum(sizes) < 100_000
    took = []
    for _ in range(5):
        page.goto(f"{service.url}/sign-in")
        took.append(page.evaluate("performance.getEntriesByType('navigation')[0].responseEnd"))
    assert min(took) < 100

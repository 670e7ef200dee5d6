"""Make pictures of every page, in both themes and two widths, from the gallery's domains: `./dev screenshots`."""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import structlog
from playwright.sync_api import Page, expect

from tests.browser.gallery import OPERATOR_TOKEN, Gallery, hung
from tests.browser.sights import sign_in
from tests.docs import pictures
from tests.rigs import browser as rig

FOLDER = Path(__file__).parents[2] / "docs" / "images"
WIDTHS = {"wide": (1280, 860), "phone": (390, 844)}
TALLER = {("setup", "wide"): 1220}  # down to what is wrong, and how it is mended
DOMAINS = {"domain": "mirror.example", "at-risk": "harbour.example", "rotation": "lighthouse.example"}
SETUPS = {"setup": "mirror.example", "waiting": "attic.example", "done": "lighthouse.example"}


def main() -> None:
    """Write all pictures into docs/images/."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, hung(Path(folder), working=True) as hall, rig.running() as browser:
        page = browser.new_page(locale="en-GB", timezone_id="UTC", reduced_motion="reduce")
        for shown in pages(page, hall):
            for theme in ("light", "dark"):
                for name, (width, height) in WIDTHS.items():
                    page.emulate_media(color_scheme=theme)
                    page.set_viewport_size({"width": width, "height": TALLER.get((shown, name), height)})
                    page.screenshot(path=FOLDER / f"{shown}-{theme}-{name}.png")
            print(f"docs/images/{shown}-*.png")
    pictures.write_fingerprints()


def pages(page: Page, hall: Gallery) -> Iterator[str]:
    """Go through the pages; return the name of each."""
    page.goto(f"{hall.url}/sign-in")
    yield "sign-in"
    for name, sender in SETUPS.items():
        page.goto(hall.link(sender))
        page.wait_for_timeout(500)
        yield name
    page.goto(hall.connected("willow.example"))
    expect(page.locator("#apply")).to_be_visible()
    yield "button"
    sign_in(page, hall.url, hall.world.key)
    yield "overview"
    hall.rotate(DOMAINS["rotation"])
    for name, sender in DOMAINS.items():
        page.goto(f"{hall.url}/dashboard/domains/{sender}")
        yield name
    page.goto(f"{hall.url}/dashboard/webhooks")
    page.get_by_label("Address").fill("https://hooks.example.com/letterhead")
    page.get_by_role("button", name="Add", exact=True).click()
    yield "webhook"
    for name in ("webhooks", "keys", "account"):
        page.goto(f"{hall.url}/dashboard/{name}")
        yield name
    sign_in(page, hall.url, hall.other("Fresh").key)
    yield "empty"
    sign_in(page, hall.url, OPERATOR_TOKEN)
    yield "operator"
    page.goto(f"{hall.url}/operator/audit")
    yield "audit"

"""Makes pictures of every page, in both themes and two widths, from the demo: `./dev screenshots`."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page

from tests.rigs import browser as rig
from tests.rigs.command import OPERATOR_TOKEN, Running, running

FOLDER = Path(__file__).parents[2] / "docs" / "images"
WIDTHS = {"wide": (1280, 860), "phone": (390, 844)}
DOMAINS = {"domain": "mirror.example", "at-risk": "harbour.example"}


def main() -> None:
    """Writes all pictures into docs/images/."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), "demo") as demo, rig.running() as browser:
        demo.process.wait_until(lambda: "Watching." in demo.output)
        key = demo.output.partition("Bearer ")[2].partition('"')[0]
        for theme in ("light", "dark"):
            for name, (width, height) in WIDTHS.items():
                size = {"width": width, "height": height}
                context = browser.new_context(color_scheme=theme, viewport=size, locale="en-GB", timezone_id="UTC")  # type: ignore[arg-type]
                page = context.new_page()
                for shown in pages(page, demo, key):
                    page.wait_for_timeout(200)
                    page.screenshot(path=FOLDER / f"{shown}-{theme}-{name}.png")
                    print(f"docs/images/{shown}-{theme}-{name}.png")
                context.close()


def pages(page: Page, demo: Running, key: str) -> Iterator[str]:
    """Goes through the pages; gives the name of each."""
    page.goto(f"{demo.url}/sign-in")
    yield "sign-in"
    sign_in(page, key)
    yield "overview"
    for name, sender in DOMAINS.items():
        page.goto(f"{demo.url}/dashboard/domains/{sender}")
        yield name
    for name, sender in {"setup": "mirror.example", "done": "lighthouse.example"}.items():
        page.goto(f"{demo.url}/dashboard/domains/{sender}")
        page.get_by_role("button", name="Make a link").click()
        page.goto(page.locator("#links .once code").inner_text())
        yield name
    for name in ("keys", "account"):
        page.goto(f"{demo.url}/dashboard/{name}")
        yield name
    page.context.clear_cookies()
    page.goto(f"{demo.url}/sign-in")
    sign_in(page, OPERATOR_TOKEN)
    yield "operator"
    page.goto(f"{demo.url}/operator/audit")
    yield "audit"


def sign_in(page: Page, key: str) -> None:
    """Signs in."""
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: "sign-in" not in url)

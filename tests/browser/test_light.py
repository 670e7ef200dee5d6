"""Pages are light and fast, nothing jumps in them, and times are the reader's own."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from letterhead.core.dns.records import quote, split_text
from tests.browser.conftest import PATIENCE, Desk, press, signed_in, wait_in
from tests.browser.gallery import Gallery, hung
from tests.browser.sights import sign_in
from tests.rigs.dns_lab import DnsLab
from tests.rigs.letterhead import Serving

pytestmark = pytest.mark.timeout(600)
LIGHT, FAST = 100_000, 100.0  # octets of all that a first page loads, milliseconds until its HTML is there
TRIES = 40  # a page that is slow is slow each time, a machine that is busy is not
SHIFTS = """window.shifted = 0; window.movers = [];
new PerformanceObserver(list => { for (const each of list.getEntries()) { window.shifted += each.value;
    window.movers.push(...each.sources.map(({ node }) => (node?.outerHTML ?? "gone").slice(0, 90))); } })
  .observe({ type: "layout-shift", buffered: true });"""


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    """Run the service with domains in every state."""
    with hung(tmp_path_factory.mktemp("hall")) as hall:
        yield hall


def weighed(page: Page, address: str) -> list[int]:
    """Open a page, and return the size of each response that it is made of; its stream of news goes on."""
    asked, sizes = list[Request](), list[int]()

    def answered(request: Request) -> None:
        sizes.append(request.sizes()["responseBodySize"])

    page.on("request", lambda request: asked.append(request) if request.resource_type != "eventsource" else None)
    page.on("requestfinished", answered)
    page.goto(address, wait_until="load")
    wait_in(page, lambda: len(sizes) >= max(len(asked), 4))
    return sizes


def test_first_pages_are_light_and_fast(browser: Browser, service: Serving, sender: str) -> None:
    """Sign-in, set-up page and dashboard: all that one loads is under 100 KB, its HTML is there within 100 ms."""
    desk = signed_in(browser, service)
    desk.add(sender)
    link = desk.link(sender)
    for address in (
        f"{service.url}/sign-in",
        link,
        f"{service.url}/dashboard",
        f"{service.url}/dashboard/domains/{sender}",
    ):
        window = browser.new_context(storage_state=None if "sign-in" in address else desk.context.storage_state())
        page = window.new_page()
        assert sum(weighed(page, address)) < LIGHT, address
        took = list[float]()
        while not took or (min(took) >= FAST and len(took) < TRIES):
            page.goto(address)
            took.append(page.evaluate("performance.getEntriesByType('navigation')[0].responseEnd"))
        assert min(took) < FAST, address
        window.close()


@pytest.mark.parametrize("width", [1280, 360])
def test_nothing_jumps_when_a_record_turns_green(desk: Desk, lab: DnsLab, sender: str, width: int) -> None:
    """From the first record to the last, wide or on a phone, Chromium counts no layout shift at all."""
    desk.add(sender)
    page = desk.page
    page.add_init_script(SHIFTS)
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(desk.link(sender))
    page.locator("#record-dkim.is-missing").wait_for(timeout=PATIENCE)
    page.evaluate("window.shifted = 0; window.movers = []")
    for record_id in ("mail_from_spf", "dkim", "mail_from_mx", "dmarc"):
        card = page.locator(f"#record-{record_id}")
        publish(lab, card.evaluate("card => [...card.querySelectorAll('code')].map(each => each.textContent)"), card)
        lab.flush()
        page.locator(f"#record-{record_id}.is-found").wait_for(timeout=PATIENCE)
    expect(page.get_by_role("heading", name=f"All done: {sender} is verified")).to_be_visible()
    page.wait_for_timeout(500)
    assert page.evaluate("[window.shifted, ...window.movers]") == [0]


def publish(lab: DnsLab, fields: list[str], card: object) -> None:
    """Publish what a card shows."""
    *priority, name, value = fields
    host = f"{name}.browser.test"
    if priority:
        lab.publish(host, "MX", f"{priority[0]} {value}.")
    else:
        lab.publish(host, "TXT", " ".join(quote(piece) for piece in split_text(value)))


@pytest.mark.parametrize(("zone", "offset"), [("America/New_York", -5), ("Asia/Kolkata", 5.5)])
def test_times_are_the_readers_own(browser: Browser, hall: Gallery, zone: str, offset: float) -> None:
    """What the server wrote in UTC is shown in the reader's time zone and form; without JavaScript it says UTC."""
    link = hall.link("lighthouse.example")
    plain = browser.new_context(java_script_enabled=False).new_page()
    plain.goto(link)
    expect(plain.locator("footer time")).to_contain_text("UTC")
    page = browser.new_context(timezone_id=zone, locale="en-GB").new_page()
    page.goto(link)
    told = page.locator("footer time")
    expect(told).not_to_contain_text("UTC")
    at = told.get_attribute("datetime")
    assert at is not None
    wanted = page.evaluate(
        "([at, hours]) => new Intl.DateTimeFormat('en-GB', {year: 'numeric', month: 'short', day: 'numeric',"
        " hour: 'numeric', minute: '2-digit', timeZone: 'UTC', timeZoneName: 'short'})"
        ".format(new Date(new Date(at).getTime() + hours * 3600000))",
        [at, offset],
    )
    text, _, told_zone = told.inner_text().rpartition(" ")
    assert text == wanted.removesuffix(" UTC")
    assert told_zone.startswith(("GMT", "IST", "EST"))


def test_a_long_list_comes_in_pages(browser: Browser, hall: Gallery) -> None:
    """With 200 domains a page shows 50, says how many there are, stays light, and leads on to the last."""
    fresh = hall.other("Busy", domains=200)
    page = browser.new_page()
    sign_in(page, hall.url, fresh.key)
    seen = names(page)
    assert len(page.content()) < LIGHT
    expect(page.get_by_role("link", name="All 200")).to_be_visible()
    while page.get_by_role("link", name="Further domains").count():
        press(page.get_by_role("link", name="Further domains"))
        seen += names(page)
    assert seen == [f"customer-{number:03}.example" for number in range(200)]


def names(page: Page) -> list[str]:
    """Read the domains of the list."""
    return page.locator(".domains th[scope=row]").all_inner_texts()

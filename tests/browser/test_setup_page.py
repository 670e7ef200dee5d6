"""The set-up page is one screen of work: the table, what comes next, what was copied, what is read aloud."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Desk, wait_in, watched
from tests.browser.gallery import Gallery, hung
from tests.browser.test_newcomer import CARDS, type_in
from tests.rigs.dns_lab import DnsLab

pytestmark = pytest.mark.timeout(600)
PLACES = """() => ({
  table: document.querySelector(".records").getBoundingClientRect().toJSON(),
  aside: document.querySelector("#outcome").getBoundingClientRect().toJSON(),
  copy: document.querySelector("button.copy").getBoundingClientRect().bottom,
  own: document.querySelector(".record .copy").getBoundingClientRect().bottom,
  small: [...document.querySelectorAll(".setup .copy")].filter(each => {
    const { width, height } = each.getBoundingClientRect(); return width < 44 || height < 44; }).length,
})"""
HEARD = """() => { window.heard = []; const region = document.getElementById("announcer");
  new MutationObserver(() => window.heard.push(region.textContent)).observe(region, { childList: true }); }"""


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    """Run the service with domains in every state."""
    with hung(tmp_path_factory.mktemp("hall")) as hall:
        yield hall


@pytest.mark.parametrize("sender", ["orchard.example", "mirror.example", "queue.example"])
def test_the_first_screen_is_the_work(browser: Browser, hall: Gallery, sender: str) -> None:
    """Four records end within 700 px at 1280; a phone shows the first record's copy button; 1920 px are used."""
    page = browser.new_page()
    page.goto(hall.link(sender))
    page.set_viewport_size({"width": 1280, "height": 800})
    wide = page.evaluate(PLACES)
    if not page.locator(".record .finding").count():
        assert wide["table"]["bottom"] <= 700
    assert wide["aside"]["left"] >= wide["table"]["right"]
    page.set_viewport_size({"width": 1920, "height": 1080})
    assert page.evaluate(PLACES)["table"]["width"] > 1000
    page.set_viewport_size({"width": 390, "height": 844})
    phone = page.evaluate(PLACES)
    assert max(phone["copy"], phone["own"]) < 844
    assert phone["small"] == 0


def test_the_deadline_is_the_first_thing(browser: Browser, hall: Gallery) -> None:
    """A domain at risk says above all else until when its mail flows, and the same in no other state."""
    page = browser.new_page()
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(hall.link("harbour.example"))
    deadline = page.locator("#deadline")
    expect(deadline).to_contain_text("Mail from harbour.example still flows until")
    assert page.evaluate("document.querySelector('main').firstElementChild.id") == "deadline"
    assert page.evaluate(PLACES)["copy"] < 844
    for sender in ("orchard.example", "lighthouse.example"):
        page.goto(hall.link(sender))
        expect(page.locator("#deadline")).to_be_hidden()


def test_what_is_done_asks_for_nothing(browser: Browser, hall: Gallery) -> None:
    """After the end there is no way to the DNS host, no next action, no hand-over, no promise to check."""
    page = browser.new_page()
    page.goto(hall.link("lighthouse.example"))
    expect(page.get_by_role("heading", name="All done")).to_be_visible()
    for asks in ("#way", "#more", "#outcome a"):
        assert page.locator(asks).locator("visible=true").count() == 0, asks
    assert "every 5 seconds" not in page.locator("main").inner_text()


def test_the_next_action_leads_to_what_is_wrong(browser: Browser, hall: Gallery) -> None:
    """One link names the record; in its row the wrong part is marked, and what to do stands before what was found."""
    page = browser.new_page()
    page.goto(hall.link("mirror.example"))
    page.get_by_role("link", name="Fix this: Signing key").click()
    assert page.evaluate("document.querySelector(':target').id") == "record-dkim"
    row = page.locator("#record-dkim")
    assert row.locator(".typed.is-wrong").evaluate_all("all => all.map(each => each.classList[1])") == ["name"]
    expect(row.locator(".typed.name dt")).to_contain_text("not right")
    assert row.locator(".finding .label").all_inner_texts()[:2] == ["What to do", "What we found"]
    expect(row.locator("mark").first).to_contain_text(".mirror.example.mirror.example")
    page.goto(hall.link("locksmith.example"))
    row = page.locator("#record-dkim")
    assert row.locator(".typed.is-wrong").evaluate_all("all => all.map(each => each.classList[1])") == ["value"]
    fix, value = row.locator(".fix").inner_text(), row.locator(".typed.value code").inner_text()
    assert f"with {value}" in fix.replace("\n", " ")
    assert fix.endswith(".")


def test_what_was_copied_stays_ticked(browser: Browser, hall: Gallery) -> None:
    """On this device, for this link; not at another link's records, nor once the text is another one."""
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page, link = context.new_page(), hall.link("orchard.example")
    page.goto(link)
    dkim = page.locator("#record-dkim")
    dkim.get_by_role("button", name="Copy the name of the Signing key").click()
    expect(dkim.locator(".typed.name .copy")).to_have_class("copy copied ticked")
    expect(dkim).not_to_have_class("record is-missing ticked")
    dkim.get_by_role("button", name="Copy the value of the Signing key").click()
    expect(dkim).to_have_class("record is-missing ticked")
    page.reload()
    expect(page.locator("#record-dkim")).to_have_class("record is-missing ticked")
    expect(page.locator(".copy.ticked")).to_have_count(2)
    assert link.rpartition("/")[2] not in page.evaluate("JSON.stringify(localStorage)")
    other = context.new_page()
    other.goto(hall.link("mirror.example"))
    expect(other.locator(".copy.ticked")).to_have_count(0)
    page.evaluate(
        "for (const key of Object.keys(localStorage)) localStorage[key] = localStorage[key].replace('p=', 'q=')"
    )
    page.reload()
    expect(page.locator(".copy.ticked")).to_have_count(1)


def test_all_records_are_copied_at_once(browser: Browser, hall: Gallery) -> None:
    """As text with the type, name and value of each, as the DNS host's form wants them."""
    page = browser.new_context(permissions=["clipboard-read", "clipboard-write"]).new_page()
    page.goto(hall.link("orchard.example"))
    page.get_by_role("button", name="Copy all records of orchard.example").click()
    expect(page.get_by_role("button", name="Copy all records")).to_have_text("Copied")
    text = page.evaluate("navigator.clipboard.readText()")
    for card in CARDS:
        row = page.locator(f"#record-{card}")
        name, value = (row.locator(f".typed.{part} code").inner_text() for part in ("name", "value"))
        assert f"Name: {name}\nValue: {value}\n" in text
    assert "Type: MX\nPriority: 10\n" in text


def test_a_copy_that_fails_says_so(browser: Browser, hall: Gallery) -> None:
    """In the button, aloud, and with the text selected, so that it can be copied by hand."""
    page = browser.new_page()
    errors = watched(page)
    page.goto(hall.link("orchard.example"))
    page.evaluate(
        "navigator.clipboard.writeText = () => Promise.reject(new Error()); document.execCommand = () => false"
    )
    button = page.locator("#record-dmarc").get_by_role("button", name="Copy the value")
    button.click()
    expect(button).to_have_text("Not copied")
    expect(page.get_by_role("status")).to_contain_text("copy it with Ctrl+C")
    assert page.evaluate("getSelection().toString()") == page.locator("#record-dmarc .value code").inner_text()
    expect(page.locator(".copy.ticked")).to_have_count(0)
    assert errors == []


def test_only_changes_are_read_aloud(desk: Desk, lab: DnsLab, browser_zone: str, sender: str) -> None:
    """Checks without a change leave the live region as it is, in the accessibility tree too; a change is a sentence."""
    desk.context.grant_permissions(["clipboard-read", "clipboard-write"])
    desk.add(sender)
    page = desk.page
    page.goto(desk.link(sender))
    region = page.get_by_role("status")
    expect(page.locator("#record-dkim")).to_have_attribute("data-state", "missing")
    before = region.aria_snapshot()
    page.evaluate(HEARD)
    for _ in range(2):
        _wait_for_another_check(page)
    assert page.evaluate("window.heard") == []
    assert region.aria_snapshot() == before
    assert page.locator("[aria-live], [role=alert]").count() == 0
    type_in(lab, page, browser_zone, "dmarc")
    lab.flush()
    expect(page.locator("#record-dmarc")).to_have_attribute("data-state", "found")
    expect(region).to_contain_text("Policy: Found; Waiting for the records: 1 of 4 published")
    said = [each for each in page.evaluate("window.heard") if "Found" in each]
    assert len(said) == 1
    assert said[0].count(".") == 1
    assert f"- status: {said[0]}" in region.aria_snapshot().replace('"', "")


def _wait_for_another_check(page: Page) -> None:
    checked = "document.querySelector('#outcome time').dateTime"
    before = page.evaluate(checked)
    wait_in(page, lambda: page.evaluate(checked) != before)


def test_a_frame_opens_the_host_in_a_window(browser: Browser, hall: Gallery) -> None:
    """The application that frames the page stays, since a DNS host shows itself in no frame."""
    hall.application.link = hall.connected("birch.example")
    page = browser.new_page()
    page.goto(hall.application.url)
    way = page.frame_locator("iframe").get_by_role("link", name="Add these records at Virtucon Domains")
    for _ in range(2):  # as the server wrote it, and as the script has put it there anew
        with page.expect_popup() as opened:
            way.click()
        assert "/apply?domain=birch.example" in opened.value.url
        assert page.url.rstrip("/") == hall.application.url
        page.frames[-1].evaluate("document.querySelector('#apply a').removeAttribute('target')")

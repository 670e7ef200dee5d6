"""Somebody who has never seen the product gets a domain green, with no help but the pages, and real DNS behind them."""

import contextlib
import re
import time

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from playwright.sync_api import TimeoutError as TookTooLong

from letterhead.core.dns.records import quote, split_text
from tests.browser.conftest import PATIENCE, Desk, wait_in, watched
from tests.rigs.dns_lab import DnsLab
from tests.rigs.letterhead import Serving
from tests.rigs.waiting import is_within

pytestmark = pytest.mark.timeout(600)
TURNS_GREEN = 10.0  # seconds
# The word stands for two seconds: it is noted when it comes, not looked for afterwards.
NOTE = """button => { const noted = [];
  new MutationObserver(() => noted.push(button.textContent)).observe(button, { childList: true });
  return noted; }"""
# Pieces that are higher than what is in them, and how often something jumped (the buffered entries are older).
HOLES = """() => [...document.querySelectorAll("[data-live]")].filter(each => {
  const before = each.getBoundingClientRect().height, kept = each.style.minHeight;
  each.style.minHeight = ""; const natural = each.getBoundingClientRect().height; each.style.minHeight = kept;
  return kept || Math.abs(before - natural) > 0.5; }).map(each => each.id)"""
SHIFTS = """window.shifted = 0; new PerformanceObserver(list => {
  for (const each of list.getEntries()) if (!each.hadRecentInput) window.shifted += each.value;
}).observe({ type: "layout-shift" })"""
CARDS = ("dkim", "mail_from_mx", "mail_from_spf", "dmarc")


def copied(page: Page, card: Locator, what: str) -> str:
    """Press a copy button and read the clipboard, octet for octet."""
    button = card.get_by_role("button", name=f"Copy the {what}")
    for patience in (2000, 10_000, 30_000):  # the live part of a page may replace the card, and the button in it
        noted = button.evaluate_handle(NOTE)
        button.click()
        with contextlib.suppress(TookTooLong):
            page.wait_for_function("noted => noted.includes('Copied')", arg=noted, timeout=patience)
            break
    else:
        pytest.fail(f"pressing “Copy the {what}” never said “Copied”")
    return str(page.evaluate("navigator.clipboard.readText()"))


def type_in(lab: DnsLab, page: Page, zone: str, record_id: str, *, spoil: bool = False) -> str:
    """Do what the page says at the DNS host, with what its buttons copy; return the name."""
    card = page.locator(f"#record-{record_id}")
    rdtype = card.locator(".type").inner_text()
    name, value = copied(page, card, "name"), copied(page, card, "value")
    host = zone if name == "@" else f"{name}.{zone}"
    if rdtype == "MX":
        value = f"{copied(page, card, 'priority')} {value}."
    else:
        value = value.replace("p=MII", "p=MIX") if spoil else value
        value = " ".join(quote(piece) for piece in split_text(value))
    lab.publish(host, rdtype, value)
    return host


def test_newcomer_gets_a_domain_green(
    desk: Desk, browser: Browser, service: Serving, lab: DnsLab, browser_zone: str, sender: str
) -> None:
    """Sign in, add a domain, send the link; the colleague copies what the page shows, and it turns green by itself."""
    desk.add(sender)
    expect(desk.page.get_by_role("heading", level=1)).to_have_text(sender)
    link = desk.link(sender)

    colleague = browser.new_context(permissions=["clipboard-read", "clipboard-write"]).new_page()
    errors = watched(colleague)
    colleague.goto(link)
    colleague.evaluate("window.neverReloaded = true")
    expect(colleague.get_by_text("Waiting for the records")).to_be_visible()
    for record_id in CARDS:
        type_in(lab, colleague, browser_zone, record_id)
        lab.flush()
        began = time.monotonic()
        card = colleague.locator(f"#record-{record_id}.is-found")
        card.wait_for(timeout=PATIENCE)
        assert is_within(time.monotonic() - began, TURNS_GREEN), record_id
        expect(card.get_by_text("Found", exact=True)).to_be_visible()
    expect(colleague.get_by_role("heading", name=f"All done: {sender} is verified")).to_be_visible()
    assert colleague.evaluate("window.neverReloaded") is True
    assert errors == desk.errors == []
    desk.open("/dashboard")
    expect(desk.page.get_by_role("row", name=sender)).to_contain_text("Verified")


def test_copy_buttons_give_what_the_api_gives(browser: Browser, desk: Desk, service: Serving, sender: str) -> None:
    """Each copy button puts exactly the record's own name, value and priority on the clipboard."""
    desk.context.grant_permissions(["clipboard-read", "clipboard-write"])
    desk.add(sender)
    page = desk.open(f"/dashboard/domains/{sender}")
    with service.client(desk.key) as client:
        records = client.get(f"/domains/{sender}").json()["verificationRecords"]
    assert set(records) == set(CARDS)
    for record_id, record in records.items():
        card = page.locator(f"#record-{record_id}")
        assert copied(page, card, "name") == record["recordName"]
        assert copied(page, card, "value") == record["recordValue"]
        if "priority" in record:
            assert copied(page, card, "priority") == str(record["priority"])


def test_wrong_record_is_explained_and_mended(desk: Desk, lab: DnsLab, browser_zone: str, sender: str) -> None:
    """A wrong record is told with what was found and what to do; mended, it turns green and nothing below it jumps."""
    desk.context.grant_permissions(["clipboard-read", "clipboard-write"])
    desk.add(sender)
    page = desk.page
    page.goto(desk.link(sender))
    host = type_in(lab, page, browser_zone, "dkim", spoil=True)
    lab.flush()
    card = page.locator("#record-dkim")
    expect(card).to_have_attribute("data-state", "wrong")
    expect(card.get_by_text("What we found")).to_be_visible()
    expect(card.get_by_text("What to do")).to_be_visible()
    assert re.search(r"dkim\.[a-z-]+", card.inner_text())

    page.evaluate(SHIFTS)
    type_in(lab, page, browser_zone, "dkim")
    lab.flush()
    expect(card).to_have_attribute("data-state", "found")
    wait_in(page, lambda: page.evaluate(HOLES) == [])
    wait_in(page, lambda: page.evaluate("document.getAnimations().every(each => each.playState !== 'running')"))
    assert page.evaluate("window.shifted") == 0
    assert host.startswith("lh")
    assert desk.errors == []

"""Without JavaScript everything works but the live part."""

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import signed_in, wait_in
from tests.rigs.dns_lab import DnsLab
from tests.rigs.letterhead import Serving

pytestmark = pytest.mark.timeout(600)


def test_the_whole_way_without_script(browser: Browser, service: Serving, lab: DnsLab, sender: str) -> None:
    """Sign in, add, link, read the records, publish, load again: found. The copy buttons are not shown."""
    desk = signed_in(browser, service, java_script_enabled=False)
    desk.add(sender)
    page = desk.page
    page.goto(desk.link(sender))
    expect(page.locator("button.copy:visible")).to_have_count(0)
    expect(page.get_by_text("load it again")).to_be_visible()
    name = page.locator("#record-dkim .name code").inner_text()
    value = page.locator("#record-dkim .field code").last.inner_text()
    pieces = " ".join(f'"{value[at : at + 200]}"' for at in range(0, len(value), 200))
    lab.publish(f"{name}.browser.test", "TXT", pieces)
    lab.flush()
    wait_in(page, lambda: page.reload() and page.locator("#record-dkim.is-found").count())
    expect(page.locator("#record-dkim header")).to_contain_text("Found")
    desk.open(f"/dashboard/domains/{sender}")
    page.get_by_role("link", name="Delete").click()
    page.get_by_label("To confirm, type").fill(sender)
    page.get_by_role("button", name="Delete the domain").click()
    expect(page.get_by_text("The domain is deleted")).to_be_visible()

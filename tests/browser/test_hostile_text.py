"""Text from DNS and from people is shown as text, whatever it holds."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Desk
from tests.rigs.dns_lab import DnsLab

pytestmark = pytest.mark.timeout(600)
EVIL = "<img src=x onerror=alert(1)></code></script><script>alert(2)</script>{{7*7}}"


def test_text_from_dns_stays_text(desk: Desk, lab: DnsLab, sender: str) -> None:
    """A TXT record full of markup is shown letter by letter, on the set-up page and the dashboard, and runs nothing."""
    desk.add(sender)
    with_name = desk.page.locator("#record-dkim .name code").inner_text()
    lab.publish(f"{with_name}.browser.test", "TXT", f'"v=DKIM1; k=rsa; p={EVIL}"')
    lab.flush()
    link = desk.link(sender)
    for address in (link, f"{desk.url}/dashboard/domains/{sender}"):
        desk.page.goto(address)
        expect(desk.page.locator("#record-dkim .observed")).to_contain_text(EVIL)
        assert desk.page.locator("img[src=x]").count() == 0
    assert desk.errors == []


def test_names_from_people_stay_text(desk: Desk) -> None:
    """A key named with markup, and a domain typed with markup, are shown as typed."""
    page = desk.open("/dashboard/keys")
    page.get_by_label("What it is for").fill(EVIL)
    page.get_by_role("button", name="Create", exact=True).click()
    expect(page.get_by_role("rowheader", name=EVIL)).to_be_visible()
    page = desk.add('"><script>alert(3)</script>')
    expect(page.get_by_role("alert")).to_be_visible()
    assert page.get_by_label("Add a domain").input_value() == '"><script>alert(3)</script>'
    page.goto(f"{desk.url}/dashboard?q=%22%3E%3Cscript%3Ealert(4)%3C/script%3E&status=%3Cb%3E&done=%3Cb%3E")
    assert [error for error in desk.errors if "400" not in error] == []

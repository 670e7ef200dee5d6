"""A set-up link opens one domain's page and nothing else, until it is revoked."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import Desk, press, watched

pytestmark = pytest.mark.timeout(600)


def test_revoked_link_closes_the_page_that_is_open(desk: Desk, browser: Browser, sender: str) -> None:
    """Revoked at the dashboard, the link's page says so by itself, within the stream's next sign of life."""
    desk.add(sender)
    link = desk.link(sender)
    visitor = browser.new_page()
    visitor.goto(link)
    expect(visitor.get_by_role("heading", level=1)).to_contain_text(sender)
    desk.open(f"/dashboard/domains/{sender}")
    press(desk.page.get_by_role("link", name="Revoke the link"))
    desk.page.get_by_role("button", name="Revoke the link").click()
    expect(desk.page.get_by_text("The link is revoked")).to_be_visible()
    expect(visitor.get_by_role("heading", level=1)).to_contain_text("This link has ended")
    gone = visitor.goto(link)
    assert gone is not None
    assert gone.status == 404


def test_unknown_link_says_what_to_do(browser: Browser, desk: Desk) -> None:
    """A link that never was is told as one, with what to do next."""
    page = browser.new_page()
    answer = page.goto(f"{desk.url}/setup/AAAAAAAAAAAAAAAAAAAAAA")
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_text("ask its sender for a new one")).to_be_visible()


def test_a_link_shows_one_domain_and_nothing_else(desk: Desk, browser: Browser, sender: str) -> None:
    """The page leads nowhere but to itself, its zone file and its mail, and names no other domain."""
    desk.add(f"other-{sender}")
    desk.add(sender)
    link = desk.link(sender)
    visitor = browser.new_page()
    errors = watched(visitor)
    visitor.goto(link)
    assert f"other-{sender}" not in visitor.content()
    addresses = visitor.locator("a").evaluate_all("links => links.map(link => link.getAttribute('href'))")
    assert addresses
    assert all(each.startswith(("#", "mailto:", "/setup/", "?lang=")) for each in addresses), addresses
    with visitor.expect_download() as download:
        visitor.get_by_role("link", name="Download a zone file").click()
    assert download.value.suggested_filename == f"{sender}.zone"
    text = download.value.path().read_text("utf-8")
    assert "IN TXT" in text
    assert "IN MX 10 bounces.mail-service.test." in text
    assert errors == []
    mail = visitor.get_by_role("link", name="Send this to a colleague").get_attribute("href")
    assert mail is not None
    message = dict(parse_qsl(urlsplit(mail).query))
    assert message["subject"] == f"DNS records for {sender}"
    assert link in message["body"].split()
    visitor.get_by_text("I can't do this now").click()
    expect(visitor.get_by_text("Nothing is lost")).to_be_visible()
    assert visitor.get_by_role("link", name="Mail me the link").get_attribute("href") == mail

"""Two accounts in two browser windows never see each other."""

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import press, signed_in
from tests.rigs.letterhead import Serving

pytestmark = pytest.mark.timeout(600)


def test_accounts_do_not_see_each_other(browser: Browser, service: Serving, sender: str) -> None:
    """The other account's domain is not in the list, and its page, zone file, news and forms are not there."""
    ours, theirs = signed_in(browser, service), signed_in(browser, service)
    theirs.add(sender)
    ours.open("/dashboard")
    assert sender not in ours.page.content()
    for path in ("", "/zone", "/news", "/delete"):
        answer = ours.context.request.get(f"{ours.url}/dashboard/domains/{sender}{path}")
        assert answer.status == 404, path
        assert "Signing key" not in answer.text()
    csrf = ours.page.locator("input[name=csrf]").first.input_value()
    for path in ("check", "start", "delete", "setup-links"):
        answer = ours.context.request.post(f"{ours.url}/dashboard/domains/{sender}/{path}", form={"csrf": csrf})
        assert answer.status == 404, path
    theirs.open("/dashboard")
    expect(theirs.page.get_by_role("link", name=sender)).to_be_visible()


def test_a_form_of_one_account_does_not_work_for_another(browser: Browser, service: Serving, sender: str) -> None:
    """A form's token belongs to its session: sent with another's cookie, nothing is done."""
    ours, theirs = signed_in(browser, service), signed_in(browser, service)
    theirs.add(sender)
    foreign = ours.page.locator("input[name=csrf]").first.input_value()
    for csrf in (foreign, "", "x" * 24):
        path = f"{theirs.url}/dashboard/domains/{sender}/delete"
        assert theirs.context.request.post(path, form={"csrf": csrf}).status == 403
    theirs.open("/dashboard")
    expect(theirs.page.get_by_role("link", name=sender)).to_be_visible()


def test_signed_out_is_signed_out(browser: Browser, service: Serving) -> None:
    """After signing out everywhere, another window of the same account has to sign in again."""
    one = signed_in(browser, service)
    other = signed_in(browser, service, one.key)
    one.open("/dashboard/account")
    press(one.page.get_by_role("link", name="Sign out everywhere"))
    press(one.page.get_by_role("button", name="Sign out everywhere"))
    expect(one.page.get_by_text("You are signed out, and so is every other browser.")).to_be_visible()
    other.open("/dashboard/keys")
    expect(other.page).to_have_url(f"{service.url}/sign-in?next=%2Fdashboard%2Fkeys&done=session_ended")
    expect(other.page.get_by_text("Your session has ended")).to_be_visible()
    other.page.get_by_label("API key").fill(one.key)
    other.page.get_by_role("button", name="Sign in").click()
    expect(other.page).to_have_url(f"{service.url}/dashboard/keys")

"""In a browser, by a certified OpenID Connect provider on another site: an invitation accepted, an account chosen."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import press, watched
from tests.browser.test_accessible import RULES, axe
from tests.rigs.letterhead import Installation
from tests.rigs.oidc_provider import OidcProvider, Sending

pytestmark = pytest.mark.timeout(600)
SENDING = Sending({"openid": ["sub"], "email": ["email", "email_verified"]}, userinfo=True)
ADA = {"email": "ada@acme.dev", "email_verified": True}


def signed_in_there(page: Page, sub: str) -> None:
    """Follow the link to the provider, and type a name and any password on its page."""
    press(page.get_by_role("link", name="Sign in with your organisation"))
    page.get_by_placeholder("Enter any login").fill(sub)
    page.get_by_placeholder("and password").fill("any")
    press(page.get_by_role("button", name="Sign-in"))
    press(page.get_by_role("button", name="Continue"))


def test_a_person_of_another_site_comes_in(browser: Browser, tmp_path: Path) -> None:
    """The cookies outlast the way there and back, no policy stands in it, and nothing is asked that axe can't read."""
    provider = OidcProvider("localhost")
    installation = Installation(tmp_path, **provider.settings, OIDC_SCOPES="openid email")
    with installation.serving() as service, service.operator() as operator:
        accounts = [
            operator.post("/accounts", json={"name": name, "email": "dns@acme.dev"}).json()["accountId"]
            for name in ("Acme", "Other")
        ]
        made = operator.post(f"/accounts/{accounts[0]}/invitations", json={"email": "ada@acme.dev", "role": "editor"})
        rules = {"emailDomains": {"acme.dev": "owner"}}
        assert operator.patch(f"/accounts/{accounts[1]}/sign-in", json=rules).status_code == 200
        with provider.running(tmp_path, service.url, SENDING, {"ada": ADA}):
            page = browser.new_page()
            page.route(re.compile("https:"), lambda route: route.fulfill(body=""))  # the provider's pages load a font
            page.goto(made.json()["url"])
            signed_in_there(page, "ada")
            errors = watched(page)
            expect(page.get_by_text("You are signed in as ada@acme.dev.")).to_be_visible()
            assert axe(page, RULES) == []
            press(page.get_by_role("button", name="Accept"))
            expect(page).to_have_url(f"{service.url}/dashboard")
            expect(page.get_by_label("Add a domain")).to_be_visible()
            page.context.clear_cookies()
            page.goto(f"{service.url}/dashboard/account")
            signed_in_there(page, "ada")
            assert axe(page, RULES) == []
            press(page.get_by_role("button", name="Other"))
            expect(page).to_have_url(f"{service.url}/dashboard/account")
            expect(page.get_by_text(accounts[1])).to_be_visible()
            assert errors == []

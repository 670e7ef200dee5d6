"""Give the browser tests a service with real DNS behind it, accounts of their own, and a browser."""

import itertools
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Dialog, Locator, Page, expect

from tests.rigs import browser as rig
from tests.rigs.dns_lab import RESOLVER, DnsLab
from tests.rigs.letterhead import Installation, Serving

PATIENCE = 60_000  # milliseconds: far longer than anything takes, also on a machine that is busy with other things
expect.set_options(timeout=PATIENCE)
MX, SPF = "10 bounces.mail-service.test", "include:spf.mail-service.test"
_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def service(lab: DnsLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """Run Letterhead with its worker, on the lab's DNS; every account's records are DKIM, MAIL FROM and DMARC."""
    installation = Installation(
        tmp_path_factory.mktemp("service"),
        DNS_RESOLVERS=f"{RESOLVER}:{lab.resolver_port}",
        DNS_AUTHORITATIVE_PORT=str(lab.authoritative_port),
        MAIL_FROM_MX=MX,
        MAIL_FROM_SPF=SPF,
        BRAND_NAME="Example Mail",
        SUPPORT="help@example.com",
        RATE_LIMIT="500/s burst 1000",
    )
    with installation.serving() as serving:
        yield serving


@pytest.fixture(scope="session")
def browser_zone(lab: DnsLab) -> Iterator[str]:
    """Return one zone that tests may add names below."""
    yield lab.zone("browser.test")


@pytest.fixture
def browser() -> Iterator[Browser]:
    """Run a browser."""
    with rig.running() as running:
        yield running


def press(button: Locator) -> None:
    """Press what leads to another page, and wait until that page is there."""
    with button.page.expect_navigation():
        button.click()


def wait_in(page: Page, holds: Callable[[], object]) -> None:
    """Wait until something holds that a page brings about; its events come in meanwhile."""
    end = time.monotonic() + PATIENCE / 1000
    while not holds():
        assert time.monotonic() < end, f"it did not come to hold within {PATIENCE} ms"
        page.wait_for_timeout(50)


@dataclass(frozen=True, slots=True)
class Desk:
    """A signed-in account in a browser window of its own; `errors` is what the page's script complained of."""

    context: BrowserContext
    page: Page
    url: str
    key: str
    errors: list[str]

    def open(self, path: str) -> Page:
        """Open a page of the service."""
        self.page.goto(f"{self.url}{path}")
        return self.page

    def add(self, sender: str) -> Page:
        """Add a domain, as a person does."""
        self.open("/dashboard")
        self.page.get_by_label("Add a domain").fill(sender)
        press(self.page.get_by_role("button", name="Add", exact=True))
        return self.page

    def link(self, sender: str) -> str:
        """Make a set-up link and return its address."""
        self.open(f"/dashboard/domains/{sender}")
        press(self.page.get_by_role("button", name="Make a link"))
        return self.page.locator("#links .once code").inner_text()


def watched(page: Page) -> list[str]:
    """Gather what goes wrong in a page: uncaught errors, refused scripts and styles, dialogs."""
    errors: list[str] = []

    def told(message: ConsoleMessage) -> None:
        if message.type == "error":
            errors.append(message.text)

    def opened(dialog: Dialog) -> None:
        errors.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", told)
    page.on("dialog", opened)
    return errors


def signed_in(browser: Browser, service: Serving, key: str | None = None, **context: Any) -> Desk:
    """Open an account and sign in with its key, as a person does."""
    key = key or service.open_account()
    window = browser.new_context(**context)
    page = window.new_page()
    errors = watched(page)
    page.goto(f"{service.url}/sign-in")
    page.get_by_label("API key").fill(key)
    press(page.get_by_role("button", name="Sign in"))
    page.wait_for_url("**/dashboard")
    return Desk(window, page, service.url, key, errors)


@pytest.fixture
def desk(browser: Browser, service: Serving) -> Desk:
    """Return a fresh account, signed in."""
    return signed_in(browser, service)


@pytest.fixture
def sender(browser_zone: str) -> str:
    """Return a name below the zone that no other test uses."""
    return f"m{next(_numbers)}.{browser_zone}"

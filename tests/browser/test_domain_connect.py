"""Whoever opens a set-up page has the DNS host add the records: Chromium, a DNS provider, real DNS, nothing typed."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import MX, SPF, Desk, press, signed_in, wait_in, watched
from tests.rigs.dns_lab import RESOLVER, DnsLab
from tests.rigs.domain_connect import DnsProvider, providing, records_of
from tests.rigs.letterhead import Installation, Serving
from tests.rigs.waiting import until

pytestmark = pytest.mark.timeout(600)
OPERATOR = "operator.test"
BUTTON = "Add these records at Virtucon Domains"
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Connected:
    """A service with a template and a key, and a DNS provider that has taken the template in."""

    service: Serving
    provider: DnsProvider
    lab: DnsLab

    def zone(self, *records: tuple[str, str, str]) -> str:
        """Begin a zone at the provider, with records (name below it, type, value) that stand there already."""
        zone = self.lab.zone(f"connected{next(_numbers)}.test")
        self.provider.serve(zone)
        for name, rdtype, value in records:
            self.lab.publish(f"{name}.{zone}" if name else zone, rdtype, value)
        return zone

    def records(self, zone: str) -> list[str]:
        """List all that is in a zone but its SOA and NS records."""
        kept = (each for each in records_of(zone, self.lab.ns1) if each["type"] != "NS")
        return sorted(f"{each['name']} {each['type']} {each['data']}" for each in kept)


@pytest.fixture(scope="module")
def connected(lab: DnsLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connected]:
    """Run both, set up as docs/domain-connect.md says: the template is on board, and the public key in DNS."""
    lab.zone(OPERATOR)
    with providing(lab) as provider:
        installation = Installation(
            tmp_path_factory.mktemp("connected"),
            DNS_RESOLVERS=f"{RESOLVER}:{lab.resolver_port}",
            DNS_AUTHORITATIVE_PORT=str(lab.authoritative_port),
            MAIL_FROM_MX=MX,
            MAIL_FROM_SPF=SPF,
            RATE_LIMIT="500/s burst 1000",
            DOMAIN_CONNECT_PROVIDER=OPERATOR,
            DOMAIN_CONNECT_HOSTS=provider.url,
            WEBHOOKS_ALLOW_HTTP="true",
            WEBHOOKS_ALLOW_PRIVATE="true",
        )
        with installation.serving() as service, service.operator() as operator:
            key = operator.post("/domain-connect/keys").json()
            lab.publish(key["host"], "TXT", *(f'"{text}"' for text in key["texts"]))
            told = operator.get("/domain-connect/template").json()
            assert [each for each in told["problems"] if each["severity"] == "error"] == []
            provider.onboard(told["template"])
            yield Connected(service, provider, lab)


def begin(desk: Desk, sender: str, **context: Any) -> Page:
    """Add a domain, and open its set-up page in a window of its own, where nobody is signed in."""
    desk.add(sender)
    browser = desk.context.browser
    assert browser is not None
    page = browser.new_context(**context).new_page()
    page.goto(desk.link(sender))
    return page


def agree(page: Page, words: str = "Connect") -> None:
    """Go to the DNS provider by the button, sign in there, and press a button of the page that asks."""
    press(page.get_by_role("link", name=BUTTON))
    while page.get_by_text("We get no answer from").count():  # DNS took too long on a busy machine: as the page says
        press(page.get_by_role("link", name=BUTTON))
    press(page.get_by_role("button", name="Sign in"))
    press(page.get_by_role("button", name=words))


@pytest.mark.parametrize("label", ["", "mail."])
def test_green_without_typing(connected: Connected, browser: Browser, label: str) -> None:
    """Three presses, and the domain is verified, at the top of a zone and below it; what others have is left alone."""
    desk = signed_in(browser, connected.service)
    zone = connected.zone(("", "TXT", '"a word of somebody else"'), ("www", "A", "192.0.2.7"))
    page = begin(desk, f"{label}{zone}")
    errors = watched(page)
    expect(page.locator(".records")).to_be_hidden()
    agree(page)
    page.wait_for_url("**/setup/*?applied=added")
    expect(page.locator("#returned")).to_contain_text("We now ask the DNS servers")
    expect(page.get_by_role("link", name=BUTTON)).to_have_count(0)
    expect(page.get_by_role("heading", name=f"All done: {label}{zone} is verified")).to_be_visible()
    kept = connected.records(zone)
    assert {"@ TXT a word of somebody else", "www A 192.0.2.7"} < set(kept)
    expect(page.locator("#returned")).to_be_hidden()
    page.goto(page.url.partition("?")[0])
    expect(page.locator("#apply")).to_be_hidden()
    assert errors == []


def test_without_script(connected: Connected, browser: Browser) -> None:
    """The same way without JavaScript; only the page has to be loaded again."""
    desk = signed_in(browser, connected.service)
    page = begin(desk, connected.zone(), java_script_enabled=False)
    agree(page)
    expect(page.locator("#returned")).to_contain_text("The records are added, says")
    wait_in(page, lambda: page.reload() and page.get_by_role("heading", name="All done").count())


def test_by_hand_is_one_press_away(connected: Connected, browser: Browser) -> None:
    """The records to type stand below the button, and open by pointer and by key."""
    desk = signed_in(browser, connected.service)
    page = begin(desk, connected.zone())
    page.get_by_text("Add the records by hand instead").click()
    expect(page.locator("#record-dkim")).to_be_visible()
    page.reload()
    page.get_by_text("Add the records by hand instead").press("Enter")
    expect(page.locator("#record-dkim")).to_be_visible()


def test_a_host_that_adds_nothing(connected: Connected, browser: Browser) -> None:
    """Whatever the host said: what it does not serve stays missing, and the way there can be gone again."""
    desk = signed_in(browser, connected.service)
    page = begin(desk, connected.zone())
    state = state_of(way_out(page.url))
    page.goto(f"{page.url}/applied?state={state}")
    expect(page.locator("#returned")).to_contain_text("The records are added, says Virtucon Domains")
    expect(page.locator("#record-dkim")).to_have_attribute("data-state", "missing")
    expect(page.get_by_role("link", name=BUTTON)).to_have_count(0)
    press(page.get_by_role("link", name="Begin again"))
    agree(page)
    expect(page.get_by_role("heading", name="All done")).to_be_visible()


def test_cancelled_at_the_host(connected: Connected, browser: Browser) -> None:
    """Nothing is changed, the page says so, and both ways stay open."""
    desk = signed_in(browser, connected.service)
    zone = connected.zone()
    page = begin(desk, zone)
    before = connected.records(zone)
    agree(page, "Cancel")
    expect(page.locator("#returned")).to_contain_text("You cancelled at Virtucon Domains, so nothing was changed")
    expect(page.get_by_role("link", name=BUTTON)).to_be_visible()
    expect(page.locator("#record-dkim")).to_be_visible()
    assert connected.records(zone) == before


@pytest.mark.parametrize("error", ["server_error", "temporarily_unavailable", "invalid_request", "<b>made up</b>"])
def test_errors_of_the_host_have_sentences(connected: Connected, browser: Browser, error: str) -> None:
    """Each error of the draft is told by its name; another one without a word of the host's."""
    desk = signed_in(browser, connected.service)
    page = begin(desk, connected.zone())
    connected.provider.error = error
    try:
        agree(page)
    finally:
        connected.provider.error = ""
    said = page.locator("#returned")
    expect(said).to_contain_text(f"({error})" if error.islower() and "<" not in error else "that we do not know")
    assert "made up" not in page.content()


def way_out(link: str) -> str:
    """Return where the button of a set-up page leads."""
    answer = httpx2.get(f"{link}/apply", timeout=60)
    assert answer.status_code == 303
    return answer.headers["location"]


def state_of(address: str) -> str:
    """Return the `state` of a link to the DNS provider."""
    return parse_qs(urlsplit(address).query)["state"][0]


def test_forged_foreign_and_repeated_returns(connected: Connected, browser: Browser) -> None:
    """A `state` that was made up, given to another account's link, or used before, is not believed."""
    desk, other = signed_in(browser, connected.service), signed_in(browser, connected.service)
    zone = connected.zone()
    page, theirs = begin(desk, zone), begin(other, connected.zone())
    link, state = page.url, state_of(way_out(page.url))
    moved, _, mac = state.rpartition(".")
    for wrong in ("", "x", "1.x.y", f"9{moved}.{mac}", f"{moved}.{mac[::-1]}", state_of(way_out(theirs.url))):
        page.goto(f"{link}/applied?state={wrong}")
        expect(page.locator("#returned")).to_contain_text("does not belong to this page")
    page.goto(f"{link}/applied?state={state}")
    expect(page.locator("#returned")).to_contain_text("The records are added")
    page.goto(f"{link}/applied?state={state}")
    expect(page.locator("#returned")).to_contain_text("used before")
    with connected.service.operator() as operator:
        rows = [each for each in operator.get("/audit").json() if each["action"] == "setup-link.applied"]
    assert [each["subject"].split()[0] for each in rows].count(zone) == 1


def test_changed_on_the_way(connected: Connected, browser: Browser) -> None:
    """A link that somebody changed is refused by the DNS provider, which shows its own page and changes nothing."""
    desk = signed_in(browser, connected.service)
    zone = connected.zone()
    page = begin(desk, zone)
    before = connected.records(zone)
    address = way_out(page.url)
    for what, by in (("dkimkey=MII", "dkimkey=MIX"), (f"domain={zone}", f"domain={connected.zone()}")):
        changed = address.replace(what, by)
        assert changed != address
        page.goto(changed)
        expect(page.get_by_role("heading")).to_contain_text("not")
        expect(page.get_by_role("button")).to_have_count(0)
    assert connected.records(zone) == before


def test_another_accounts_link(connected: Connected, browser: Browser) -> None:
    """A link to the provider holds for its own domain alone: used with another state, it comes back to its own page."""
    desk, other = signed_in(browser, connected.service), signed_in(browser, connected.service)
    zone, victim = connected.zone(), connected.zone()
    page, theirs = begin(desk, zone), begin(other, victim)
    before = connected.records(victim)
    address, state = way_out(page.url), state_of(way_out(theirs.url))
    theirs.goto(address.replace(state_of(address), state))
    expect(theirs.get_by_role("heading")).to_contain_text("not signed by")
    theirs.goto(address)
    press(theirs.get_by_role("button", name="Sign in"))
    press(theirs.get_by_role("button", name="Connect"))
    assert urlsplit(theirs.url).path == urlsplit(page.url).path
    assert connected.records(victim) == before
    assert connected.records(zone) != before


def test_the_public_key_is_missing(connected: Connected, browser: Browser) -> None:
    """Without its public key in DNS a link is refused at the provider; once we know, we lead nobody there."""
    desk = signed_in(browser, connected.service)
    page = begin(desk, connected.zone())
    expect(page.get_by_role("link", name=BUTTON)).to_be_visible()
    with connected.service.operator() as operator:
        (key,) = operator.get("/domain-connect").json()["keys"]
    connected.lab.withdraw(key["host"], "TXT")
    connected.lab.flush()
    try:
        before = len(connected.provider.refused)
        press(page.get_by_role("link", name=BUTTON))
        expect(page.get_by_role("heading")).to_contain_text("not signed by")
        assert len(connected.provider.refused) == before + 1
    finally:
        connected.lab.publish(key["host"], "TXT", *(f'"{text}"' for text in key["texts"]))
        connected.lab.flush()


IN_THE_WAY = [
    ("mail", "CNAME", "elsewhere.test.", "collides"),
    ("bounce", "MX", "10 mx.elsewhere.test.", "collides"),
]


@pytest.mark.parametrize(("label", "rdtype", "value", "said"), IN_THE_WAY)
def test_records_in_the_way(
    connected: Connected, browser: Browser, label: str, rdtype: str, value: str, said: str
) -> None:
    """Where adding our records would break what stands there, there is no button, and its address leads back."""
    desk = signed_in(browser, connected.service)
    zone = connected.zone()
    page = begin(desk, zone)
    expect(page.get_by_role("link", name=BUTTON)).to_be_visible()
    host = page.locator("#record-mail_from_mx .name code").first.text_content()
    connected.lab.publish(f"{host}.{zone}", rdtype, value)
    connected.lab.flush()
    expect(page.get_by_role("link", name=BUTTON)).to_be_hidden()
    asked, before = connected.provider.asked["apply"], connected.records(zone)
    address = f"{page.url}/apply"
    until(lambda: page.goto(address) and "A record is in the way" in page.locator("#returned").inner_text())
    assert connected.provider.asked["apply"] == asked
    assert connected.records(zone) == before


def test_a_slow_host_delays_no_page(connected: Connected, browser: Browser) -> None:
    """The page is there before a slow host has answered; the button comes by itself."""
    desk = signed_in(browser, connected.service)
    zone = connected.zone()
    desk.add(zone)
    link = desk.link(zone)
    connected.provider.pause = 3.0
    try:
        httpx2.get(link, timeout=2.5).raise_for_status()
        desk.page.goto(link)
        expect(desk.page.get_by_role("link", name=BUTTON)).to_be_visible()
    finally:
        connected.provider.pause = 0.0


def test_a_host_that_is_down_is_asked_again(connected: Connected, browser: Browser) -> None:
    """The page is of use without it, and the button comes by itself once the host answers."""
    desk = signed_in(browser, connected.service)
    zone = connected.zone()
    desk.add(zone)
    with connected.service.client(desk.key) as client:  # once it is checked, nothing but the host changes the page
        until(lambda: "checkedAt" in client.get(f"/domains/{zone}").json())
    asked = connected.provider.asked["settings"]
    connected.provider.is_down = True
    try:
        desk.page.goto(desk.link(zone))
        until(lambda: connected.provider.asked["settings"] > asked)
        expect(desk.page.locator("#record-dkim")).to_be_visible()
        expect(desk.page.get_by_role("link", name=BUTTON)).to_have_count(0)
    finally:
        connected.provider.is_down = False
    expect(desk.page.get_by_role("link", name=BUTTON)).to_be_visible()


def test_half_of_the_records_are_there(connected: Connected, browser: Browser) -> None:
    """What was typed before stays; the link adds the others, and an SPF record that has the term is not touched."""
    desk = signed_in(browser, connected.service)
    zone = connected.zone()
    page = begin(desk, zone)
    host = page.locator("#record-mail_from_spf .name code").first.text_content()
    connected.lab.publish(f"{host}.{zone}", "TXT", f'"v=spf1 {SPF} ~all"')
    connected.lab.publish(f"_dmarc.{zone}", "TXT", '"v=DMARC1; p=reject; rua=mailto:them@elsewhere.test"')
    connected.lab.flush()
    expect(page.locator("#record-dmarc")).to_have_attribute("data-state", "found")
    agree(page)
    expect(page.get_by_role("heading", name=f"All done: {zone} is verified")).to_be_visible()
    kept = connected.records(zone)
    assert "_dmarc TXT v=DMARC1; p=reject; rua=mailto:them@elsewhere.test" in kept
    assert kept.count(f"{host} TXT v=spf1 {SPF} ~all") == 1

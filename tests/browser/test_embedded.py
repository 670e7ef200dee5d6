"""The set-up page in an operator's own application: framed by whom the operator named, who hears of it."""

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import signed_in, wait_in, watched
from tests.docs.markdown import ROOT
from tests.rigs.dns_lab import RESOLVER, DnsLab
from tests.rigs.letterhead import Installation

pytestmark = pytest.mark.timeout(600)
SAMPLE = re.compile(r"```html\n(<iframe.*?)```", re.DOTALL)
RECORD = """<!doctype html><html lang="en"><title>An application</title><p>An application</p><script>
window.heard = []; addEventListener("message", event => heard.push([event.origin, event.data]));</script>"""


def sample(link: str) -> str:
    """Return the application's page: what docs/pages.md says, with the installation and the link put in."""
    found = SAMPLE.search((ROOT / "docs" / "pages.md").read_text("utf-8"))
    assert found is not None
    origin = link.partition("/setup/")[0]
    return RECORD + found[1].replace("https://letterhead.example.com/setup/…", link).replace(
        "https://letterhead.example.com", origin
    )


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 the name is theirs
        """Say nothing."""


@pytest.fixture
def application(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Serve a folder as another web site."""
    folder = tmp_path / "application"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_named_application_hears_when_it_is_done(
    browser: Browser, lab: DnsLab, browser_zone: str, sender: str, tmp_path: Path, application: tuple[Path, str]
) -> None:
    """The docs' sample is sized, resizes, copies and hears all messages; an application that was not named: nothing."""
    folder, origin = application
    installation = Installation(
        tmp_path,
        DNS_RESOLVERS=f"{RESOLVER}:{lab.resolver_port}",
        DNS_AUTHORITATIVE_PORT=str(lab.authoritative_port),
        EMBED_ORIGINS=origin,
    )
    with installation.serving() as service:
        desk = signed_in(browser, service)
        desk.add(sender)
        name = desk.page.locator("#record-dkim .name code").inner_text()
        value = desk.page.locator("#record-dkim .field code").last.inner_text()
        link = desk.link(sender)
        (folder / "index.html").write_text(sample(link), "utf-8")
        host = browser.new_context(permissions=["clipboard-read", "clipboard-write"]).new_page()
        errors = watched(host)
        host.goto(origin)
        inside = host.frame_locator("iframe")
        expect(inside.get_by_text("Waiting for the records")).to_be_visible()
        expect(inside.locator("header.top")).to_be_hidden()
        expect(inside.locator("body > footer")).to_be_hidden()
        frame = host.frames[-1]
        fits = "document.documentElement.scrollHeight <= innerHeight && innerHeight - body.offsetHeight < 2"
        wait_in(host, lambda: frame.evaluate(f"(body => {fits})(document.body)"))
        inside.get_by_role("button", name="Copy the name of the Signing key").click()
        expect(inside.get_by_role("status")).to_contain_text("Copied")
        assert host.evaluate("navigator.clipboard.readText()") == name
        lab.publish(f"{name}.{browser_zone}", "TXT", " ".join(f'"{value[at : at + 200]}"' for at in range(0, 600, 200)))
        lab.flush()
        told = {"type": "letterhead.verified", "sender": sender}
        wait_in(host, lambda: [service.url, told] in host.evaluate("heard"))
        wait_in(host, lambda: frame.evaluate(f"(body => {fits})(document.body)"))
        inside.get_by_role("button", name="Close").click()
        expect(host.locator("iframe")).to_be_hidden()
        heard = [each["type"].removeprefix("letterhead.") for _, each in host.evaluate("heard")]
        assert set(heard) == {"height", "progress", "verified", "closed"}
        assert (heard.count("verified"), heard.count("closed"), heard[-1]) == (1, 1, "closed")
        first = next(each for _, each in host.evaluate("heard") if each["type"] == "letterhead.progress")
        planned = first.pop("planned")
        assert first == {"type": "letterhead.progress", "sender": sender, "step": "waiting", "published": 0}
        assert planned > 0
        assert [each for each in errors if "404" not in each] == []  # the application has no icon
        for theme, paper in (("dark", "rgb(27, 30, 38)"), ("light", "rgb(255, 255, 255)")):
            # A page of its own each: the browser takes what was written within a second for the same.
            (folder / f"{theme}.html").write_text(sample(link).replace("theme=auto", f"theme={theme}"), "utf-8")
            host.emulate_media(color_scheme="light" if theme == "dark" else "dark")
            host.goto(f"{origin}/{theme}.html")
            expect(host.frame_locator("iframe").locator("body")).to_have_css("background-color", paper)

        nested = browser.new_page()  # the named application, itself framed by a stranger
        nested_errors = watched(nested)
        (folder / "outer.html").write_text(f'{RECORD}<iframe src="{origin}/index.html"></iframe>', "utf-8")
        nested.goto(f"{origin.replace('127.0.0.1', 'localhost')}/outer.html")
        wait_in(nested, lambda: any("frame-ancestors" in each for each in nested_errors))
        assert nested.evaluate("heard") == []

        stranger = browser.new_page()
        refused = watched(stranger)
        stranger.goto(origin.replace("127.0.0.1", "localhost"))
        wait_in(stranger, lambda: any("frame-ancestors" in each for each in refused))

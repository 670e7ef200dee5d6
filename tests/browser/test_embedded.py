"""The set-up page in an operator's own application: framed by whom the operator named, who hears when it is done."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import signed_in, wait_in, watched
from tests.rigs.dns_lab import RESOLVER, DnsLab
from tests.rigs.letterhead import Installation

pytestmark = pytest.mark.timeout(600)
PAGE = """<!doctype html><title>an operator's application</title><p id="heard"></p><iframe src="{link}" width="900"
height="900"></iframe><script>addEventListener("message", event => {{ document.querySelector("#heard").textContent =
event.origin + " " + JSON.stringify(event.data); }});</script>"""


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 the name is theirs
        """Says nothing."""


@pytest.fixture
def application(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Serves a folder as another web site."""
    folder = tmp_path / "application"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_named_application_hears_when_it_is_done(
    browser: Browser, lab: DnsLab, browser_zone: str, sender: str, tmp_path: Path, application: tuple[Path, str]
) -> None:
    """Its frame shows the page and gets a message with the domain; an application that was not named shows nothing."""
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
        (folder / "index.html").write_text(PAGE.format(link=link), "utf-8")
        host = browser.new_page()
        host.goto(origin)
        expect(host.frame_locator("iframe").get_by_text("Waiting for the records")).to_be_visible()
        lab.publish(f"{name}.{browser_zone}", "TXT", " ".join(f'"{value[at : at + 200]}"' for at in range(0, 600, 200)))
        lab.flush()
        heard = f'{service.url} {{"type":"letterhead.verified","sender":"{sender}"}}'
        expect(host.locator("#heard")).to_have_text(heard)

        stranger = browser.new_page()
        refused = watched(stranger)
        stranger.goto(origin.replace("127.0.0.1", "localhost"))
        wait_in(stranger, lambda: any("frame-ancestors" in each for each in refused))

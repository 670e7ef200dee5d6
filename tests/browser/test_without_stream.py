"""A page that finds no place for its event stream polls, so that it still updates by itself."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import httpx2
import pytest
from playwright.sync_api import expect

from letterhead.web.pages.stream import MOST
from tests.browser.conftest import Desk

pytestmark = pytest.mark.timeout(300)


@contextmanager
def taken(url: str, path: str, cookies: str = "") -> Iterator[None]:
    """Take all streams that a link or a session may have."""
    place = urlsplit(url)
    assert place.hostname
    with ExitStack() as stack:
        for _ in range(MOST):
            plug = stack.enter_context(socket.create_connection((place.hostname, place.port or 80), timeout=30))
            plug.sendall(f"GET {path} HTTP/1.1\r\nHost: {place.netloc}\r\nCookie: {cookies}\r\n\r\n".encode())
            assert plug.recv(12) == b"HTTP/1.1 200"
        yield


@pytest.mark.parametrize("where", ["set-up page", "domain's page"])
def test_a_page_without_a_stream_polls(desk: Desk, sender: str, where: str) -> None:
    """Its stream is refused; when the domain is deleted, the page says so all the same."""
    desk.add(sender)
    if where == "set-up page":
        path, cookies, gone = urlsplit(desk.link(sender)).path, "", "There is no set-up page at this address"
    else:
        path, gone = f"/dashboard/domains/{sender}", f"no sender domain '{sender}'"
        cookies = "; ".join(f"{each['name']}={each['value']}" for each in desk.context.cookies())
        desk.open("/dashboard")  # the page of the domain had a stream of its own
    with taken(desk.url, f"{path}/news", cookies):
        with desk.page.expect_response(lambda answer: answer.url.endswith("/news") and answer.status == 429):
            desk.open(path)
        headers = {"Authorization": f"Bearer {desk.key}"}
        assert httpx2.delete(f"{desk.url}/domains/{sender}", headers=headers).status_code == 200
        expect(desk.page.get_by_text(gone)).to_be_visible()

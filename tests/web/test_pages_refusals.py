"""A refusal is a page to people and an envelope to programs; each says what to do, and when it goes on."""

import re

import httpx2

from letterhead.web.templating.texts import Texts
from tests.cli.test_wording import SOURCES
from tests.web.conftest import Installation
from tests.web.test_pages import HTML, linked, sign_in


async def test_an_address_that_there_is_not(house: Installation, nobody: httpx2.AsyncClient) -> None:
    """A browser gets a page with a way on, a program the envelope; both with the same status and the same headers."""
    for path in ("/dashboard/nothing", "/nothing", "/setup/x/y"):
        page, told = await nobody.get(path, headers=HTML), await nobody.get(path)
        assert (page.status_code, told.status_code) == (404, 404)
        assert page.headers["content-type"] == "text/html; charset=utf-8"
        assert f"There is no page at {path}." in page.text
        assert ("Back to the first page" in page.text) == ("/setup/" not in path)
        assert "style-src 'self'" in page.headers["content-security-policy"]
        assert told.json()["error"]["code"] == "not-found"
    wrong = await nobody.request("PATCH", "/dashboard", headers=HTML)
    assert (wrong.status_code, "text/html" in wrong.headers["content-type"]) == (405, True)
    assert "GET" in wrong.headers["allow"]


async def test_an_address_is_shown_as_text(nobody: httpx2.AsyncClient) -> None:
    """Whatever stands in it."""
    page = await nobody.get("/%3Cscript%3Ealert(1)%3C/script%3E", headers=HTML)
    assert "<script>alert" not in page.text


async def test_who_comes_too_often_is_told_when_to_come_back(house: Installation, acme: httpx2.AsyncClient) -> None:
    """In words that are for people, and in the header that is for programs."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    path = await linked(acme)
    async with house.client() as client:
        opened = [client.stream("GET", f"{path}/news") for _ in range(20)]
        for each in opened:
            await each.__aenter__()
        refused = await client.get(f"{path}/news")
        for each in opened:
            await each.__aexit__(None, None, None)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "30")
    assert "Wait 30 seconds, then try again." in refused.text


async def test_pages_name_their_charset_once(house: Installation) -> None:
    """As every browser reads it."""
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        assert (await browser.get("/dashboard")).headers["content-type"] == "text/html; charset=utf-8"


def test_no_page_names_an_operation_of_the_api() -> None:
    """Each operation that a message of ours names is said as a place on the pages; domains in it stay out of it."""
    texts = Texts()
    spoken = [text for path in SOURCES for text in re.findall(r'"([^"\n]*)"', path.read_text("utf-8"))]
    speaking = [text for text in spoken if re.search(r"\b(GET|POST|PUT|PATCH|DELETE) /", text)]
    assert len(speaking) > 12
    for text in speaking:
        told = texts.without_operations(text)
        assert not re.search(r"\b(GET|POST|PUT|PATCH|DELETE) /", told)
        assert texts("operations.elsewhere") not in told, text
    said = "Abandon it with DELETE /domains/acme.dev/dkim-rotation, or GET /domains."
    assert texts.without_operations(said) == (
        "Abandon it with the button that abandons the new key, or the list of domains."
    )


async def test_an_unknown_domain_on_a_page(house: Installation) -> None:
    """Somebody who followed an old address is told of the list, not of a request."""
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        page = await browser.get("/dashboard/domains/none.dev")
    assert page.status_code == 404
    assert "Look at the list of domains for the names it has" in page.text
    assert "GET /" not in page.text

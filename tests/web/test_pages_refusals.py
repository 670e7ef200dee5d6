"""A refusal is a page to people and an envelope to programs; each says what to do, and when it goes on."""

import httpx2

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

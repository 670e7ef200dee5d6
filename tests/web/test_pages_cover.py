"""The domain's page says whether names below it may send, and has a switch for those who may write."""

import httpx2

from letterhead.core.accounts.accounts import Scope
from tests.web.conftest import Installation
from tests.web.test_pages import csrf, sign_in
from tests.web.test_pages_rotation import PAGE, section


async def test_the_cover_is_shown_and_switched(house: Installation, acme: httpx2.AsyncClient) -> None:
    """Each state has its words and the button to the other one; who may only read sees no button."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        page = await browser.get(PAGE)
        assert "Mail from names below acme.dev may be sent too" in section(page, "below")
        for covers, words in (("off", "Only mail from acme.dev itself"), ("on", "may be sent too")):
            form = {"csrf": csrf(page), "covers": covers}
            answer = await browser.post(f"{PAGE}/cover", data=form, follow_redirects=True)
            assert "Saved." in answer.text
            assert words in section(answer, "below")
            assert (await acme.get("/domains/acme.dev")).json()["coversSubdomains"] is (covers == "on")
    async with house.client() as reader:
        await sign_in(reader, await house.make_key("acme", Scope.READ))
        shown = await reader.get(PAGE)
        assert "may be sent too" in section(shown, "below")
        assert "Stop that for names below" not in shown.text
        refused = await reader.post(f"{PAGE}/cover", data={"csrf": csrf(shown), "covers": "off"})
        assert refused.status_code == 403

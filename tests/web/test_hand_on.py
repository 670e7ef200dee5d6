"""Hold what is mailed to hand a domain on: the records, the link, and how little whoever holds a link can trigger."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.operations.test_reminders import mail_settings
from tests.rigs.smtp import Ledger, Mood
from tests.web.conftest import Installation, running

HOST = "https://lh.example.com"
LINKS = "/domains/acme.dev/setup-links"


@pytest.fixture
async def sending(tmp_path: Path, ledger: Ledger) -> AsyncIterator[Installation]:
    """Run an installation that can send mail, with acme.dev in it."""
    mail = mail_settings(ledger) | {"BRAND_NAME": "Mailworks"}
    async with running(tmp_path, environment=mail) as house:
        async with house.client(house.keys["acme"]) as acme:
            assert (await acme.post("/domains", json={"sender": "acme.dev"})).status_code == 200
        yield house


def body(ledger: Ledger) -> str:
    """Read the plain part of the last message."""
    part = ledger.messages()[-1].get_body(("plain",))
    assert part is not None
    return str(part.get_content())


async def send_by_page(client: httpx2.AsyncClient, path: str, to: str) -> httpx2.Response:
    """Send the form of the set-up page, as a browser without script or cookies does."""
    page = await client.get(path)
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found
    return await client.post(f"{path}/send", data={"csrf": found[1], "to": to})


async def test_the_mail_has_the_records_and_the_link(sending: Installation, ledger: Ledger) -> None:
    """The API mails type, name and value of each record, the link, and the account's address for replies."""
    async with sending.client(sending.keys["acme"]) as acme:
        made = (await acme.post(LINKS, json={"sendTo": "dns@colleague.example"})).json()
        assert (made["sentTo"], "problem" in made) == ("dns@colleague.example", False)
        audit = await sending.deps.store.audit_rows(sending.accounts["acme"], None, 5)
    assert any(each.row.action == "setup-link.send" for each in audit)
    (message,) = ledger.messages()
    assert message["To"] == "dns@colleague.example"
    assert message["Reply-To"] == (await sending.deps.store.accounts())[0].email
    text = body(ledger)
    assert made["url"] in text
    assert "Mailworks" in text
    assert text.count("Type: ") >= 3
    assert "_domainkey" in text


@pytest.mark.parametrize(
    "to",
    [
        "a@b.example\r\nBcc: x@y.example",
        "a@b.example,c@d.example",
        "<a@b.example>",
        "root@localhost",
        "a@b.invalid",
        "x",
    ],
)
async def test_no_other_address_slips_in(sending: Installation, ledger: Ledger, to: str) -> None:
    """What is not one reachable address is refused, by API and page, and nothing is sent."""
    async with sending.client(sending.keys["acme"]) as acme, sending.client() as nobody:
        refused = await acme.post(LINKS, json={"sendTo": to})
        assert refused.status_code in (400, 422)
        assert (await acme.get(LINKS)).json()["setupLinks"] == []
        path = urlsplit((await acme.post(LINKS)).json()["url"]).path
        assert (await send_by_page(nobody, path, to)).status_code in (400, 422)
    assert ledger.messages() == []


async def test_a_link_sends_few_mails(sending: Installation, ledger: Ledger) -> None:
    """Of a hundred forms sent with one link five go out; the account can still send by itself."""
    async with sending.client(sending.keys["acme"]) as acme, sending.client() as nobody:
        path = urlsplit((await acme.post(LINKS)).json()["url"]).path
        codes = [
            (await send_by_page(nobody, path, f"c{number}@colleague.example")).status_code for number in range(100)
        ]
        assert (codes.count(303), codes.count(429)) == (5, 95)
        assert len(ledger.messages()) == 5
        assert (await acme.post(LINKS, json={"sendTo": "other@colleague.example"})).json()["sentTo"]


async def test_one_recipient_gets_few_mails(sending: Installation, ledger: Ledger) -> None:
    """Nobody is written to more than three times at once, however the address is spelt."""
    async with sending.client(sending.keys["acme"]) as acme:
        codes = [(await acme.post(LINKS, json={"sendTo": to})).status_code for to in ["d@c.example", "D@C.example"] * 3]
    assert codes == [200] * 3 + [429] * 3
    assert len(ledger.messages()) == 3


async def test_a_refused_mail_leaves_the_link(sending: Installation, ledger: Ledger) -> None:
    """Where the mail server takes nothing, the response has the link and says why nothing was sent."""
    ledger.mood = Mood.REFUSES
    async with sending.client(sending.keys["acme"]) as acme:
        made = (await acme.post(LINKS, json={"sendTo": "d@c.example"})).json()
    assert "did not take" in made["problem"]
    assert "sentTo" not in made


async def test_another_account_hands_on_nothing(sending: Installation, ledger: Ledger) -> None:
    """A domain of another account is not found, and nothing is sent."""
    zeta = await sending.open_account("zeta")
    async with sending.client(zeta) as client:
        assert (await client.post(LINKS, json={"sendTo": "d@c.example"})).status_code == 404
    assert ledger.messages() == []


async def test_without_a_mail_server_there_is_a_text(house: Installation, acme: httpx2.AsyncClient) -> None:
    """The page offers a message of one's own and a text to copy; the API says that no mail is sent."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    refused = await acme.post(LINKS, json={"sendTo": "d@c.example"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
    async with house.client() as nobody:
        page = await nobody.get(urlsplit((await acme.post(LINKS)).json()["url"]).path)
    assert "mailto:?" in page.text
    assert "/send" not in page.text
    assert "Copy this text" in page.text


async def test_a_preview_is_no_opening(house: Installation, acme: httpx2.AsyncClient) -> None:
    """HEAD and prefetching leave openedAt unset; a person's GET sets it."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    path = urlsplit((await acme.post(LINKS)).json()["url"]).path
    async with house.client() as nobody:
        await nobody.head(path)
        await nobody.get(path, headers={"Sec-Purpose": "prefetch;prerender"})
        assert "openedAt" not in (await acme.get(LINKS)).json()["setupLinks"][0]
        await nobody.get(path)
    assert "openedAt" in (await acme.get(LINKS)).json()["setupLinks"][0]

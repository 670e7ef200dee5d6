"""The language of the set-up page and its mail: by the browser's wish, by the address, and kept by the switch."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from letterhead.operations import checks
from tests.operations.test_reminders import mail_settings
from tests.rigs.smtp import Ledger
from tests.web.conftest import Installation, running
from tests.web.test_hand_on import body

ZONE = """
acme.dev. 3600 IN SOA ns1.hetzner.com. host.acme.dev. 1 3600 600 86400 60
acme.dev. 3600 IN NS helium.ns.hetzner.de.
_dmarc.acme.dev. 3600 IN TXT "v=DMARC1 p=none"
"""
GERMAN = {"Accept-Language": "de-CH,de;q=0.9,en;q=0.8"}
FOR_CONTACTS = ("/account/address/", "/reminders/opt-out/")
LINKS = "/domains/acme.dev/setup-links"


@pytest.fixture
async def sending(tmp_path: Path, ledger: Ledger) -> AsyncIterator[Installation]:
    """Run an installation that can send mail, with acme.dev in it, which was checked."""
    mail = mail_settings(ledger)
    async with running(tmp_path, zones=ZONE, environment=mail) as house:
        async with house.client(house.keys["acme"]) as acme:
            assert (await acme.post("/domains", json={"sender": "acme.dev"})).status_code == 200
        assert await checks.check(house.deps, await house.world.domain("acme.dev"), thorough=True)
        yield house


async def link(house: Installation, query: str = "") -> str:
    """Make a set-up link; return its path and query."""
    async with house.client(house.keys["acme"]) as acme:
        url: str = (await acme.post(LINKS + query)).json()["url"]
    return urlsplit(url).path


async def test_the_page_is_in_the_language_that_the_browser_asks_for(sending: Installation) -> None:
    """Texts, labels, the sentence on progress and the findings; and the response says which language, and why."""
    path = await link(sending)
    async with sending.client() as nobody:
        english, german = await nobody.get(path), await nobody.get(path, headers=GERMAN)
        other = await nobody.get(path, headers={"Accept-Language": "sv"})
    assert '<html lang="de">' in german.text
    assert german.headers["Content-Language"] == "de"
    assert {"accept-language", "cookie"} <= set(german.headers["Vary"].lower().split(", "))
    assert "acme.dev für den E-Mail-Versand einrichten" in german.text
    assert "0 von 4 veröffentlicht: Sie können noch nicht senden" in german.text
    assert "Signaturschlüssel" in german.text
    assert "Ein Teil des DMARC-Eintrags ist nicht lesbar" in german.text  # a finding
    assert "bei Hetzner (" in german.text  # a place within it
    assert "v=DMARC1 p=none" in german.text  # data stays
    assert (english.headers["Content-Language"], other.headers["Content-Language"]) == ("en", "en")
    assert "Set up acme.dev for sending mail" in english.text
    assert "set-cookie" not in german.headers


async def test_the_switch_keeps(sending: Installation) -> None:
    """The address decides before the browser's wish, each address on the page passes it on, and a cookie keeps it."""
    path = await link(sending)
    async with sending.client() as nobody:
        page = await nobody.get(f"{path}?theme=dark&close=1")
        assert 'href="?theme=dark&amp;close=1&amp;lang=de"' in page.text
        assert 'hreflang="de">Deutsch</a>' in page.text
        chosen = await nobody.get(f"{path}?lang=de")
        assert '<html lang="de">' in chosen.text
        for part in ("/zone", "/send"):
            assert f'{path}{part}?lang=de"' in chosen.text
        assert f'data-page="{path}?lang=de"' in chosen.text
        zone = await nobody.get(f"{path}/zone?lang=de")
        assert zone.text.startswith("; DNS-Einträge für den E-Mail-Versand von acme.dev")
        # Back from the DNS host, by an address of theirs.
        assert '<html lang="de">' in (await nobody.get(f"{path}?applied=cancelled")).text
        assert '<html lang="en">' in (await nobody.get(f"{path}?lang=en")).text
        assert '<html lang="en">' in (await nobody.get(f"{path}?lang=../de")).text


async def test_a_link_has_a_language(sending: Installation, ledger: Ledger) -> None:
    """`language` of the API is that of the mail and of the page, whatever the reader's browser asks for."""
    async with sending.client(sending.keys["acme"]) as acme, sending.client() as nobody:
        made = (await acme.post(f"{LINKS}?language=de", json={"sendTo": "dns@colleague.example"})).json()
        assert made["url"].endswith("?lang=de")
        parts = urlsplit(made["url"])
        page = await nobody.get(f"{parts.path}?{parts.query}", headers={"Accept-Language": "en"})
        assert '<html lang="de">' in page.text
        refused = await acme.post(f"{LINKS}?language=tlh")
        assert refused.status_code == 400
    (message,) = ledger.messages()
    assert str(message["Subject"]) == "DNS-Einträge für acme.dev"
    raw = message.as_bytes()
    assert b"Subject: =?utf-8?" in raw  # RFC 2047
    assert "DNS-Einträge" not in raw.split(b"\n\n")[0].decode("ascii")
    text = body(ledger)
    assert "fügen Sie bitte diese 4 Einträge bei Hetzner hinzu" in text
    assert "Wert: v=DKIM1" in text
    assert made["url"] in text
    html = message.get_body(("html",))
    assert html is not None
    assert html.get_content_charset() == "utf-8"
    assert '<html lang="de">' in html.get_content()


async def test_the_page_mails_in_its_language(sending: Installation, ledger: Ledger) -> None:
    """What its form sends to a colleague is in the language that the page is shown in; so is the answer."""
    path = await link(sending)
    async with sending.client() as nobody:
        page = await nobody.get(path, headers=GERMAN)
        assert "So bitten" not in page.text
        csrf = re.search(r'name="csrf" value="([^"]+)"', page.text)
        assert csrf
        sent = await nobody.post(
            f"{path}/send?lang=de", data={"csrf": csrf[1], "to": "a@b.example"}, follow_redirects=True
        )
        assert "Die Einträge und der Link sind versandt." in sent.text
        refused = await nobody.post(f"{path}/send", data={"csrf": csrf[1], "to": "root@localhost"}, headers=GERMAN)
        assert "ist eine Adresse, die keine E-Mail erreichen kann" in refused.text
    assert str(ledger.messages()[-1]["Subject"]) == "DNS-Einträge für acme.dev"


async def test_a_link_that_has_ended_says_so_in_the_language(sending: Installation) -> None:
    """The page of a fault is for the same reader."""
    async with sending.client() as nobody:
        gone = await nobody.get("/setup/AAAAAAAAAAAAAAAAAAAAAA", headers=GERMAN)
    assert gone.status_code == 404
    assert "Unter dieser Adresse gibt es keine Einrichtungsseite." in gone.text
    assert '<html lang="de">' in gone.text


async def test_what_a_mail_to_the_contact_leads_to_is_in_the_language(sending: Installation, ledger: Ledger) -> None:
    """The pages that confirm the address and end the mails, and what they did: by the browser's wish, or the switch."""
    async with sending.client(sending.keys["acme"]) as acme, sending.client() as nobody:
        assert (await acme.patch("/domains/acme.dev", json={"contact": "dns@customer.example"})).status_code == 200
        paths = [urlsplit(each).path for each in re.findall(r"https?://\S+", body(ledger))]
        confirm, refuse = (next(each for each in paths if each.startswith(begin)) for begin in FOR_CONTACTS)
        english, german = await nobody.get(confirm), await nobody.get(confirm, headers=GERMAN)
        assert "Confirm this address" in english.text
        assert '<html lang="de">' in german.text and "Diese Adresse bestätigen" in german.text
        assert 'href="?lang=ja"' in german.text
        assert german.headers["Content-Language"] == "de"
        assert "frame-ancestors 'none'" in german.headers["Content-Security-Policy"]
        assert "このアドレスを確認する" in (await nobody.get(f"{confirm}?lang=ja", headers=GERMAN)).text
        done = await nobody.post(f"{confirm}?lang=ja", headers=GERMAN)
        assert "確認しました" in done.text and 'class="languages"' not in done.text
        assert "Keine Nachrichten mehr zu dieser Domain" in (await nobody.get(refuse, headers=GERMAN)).text
        ended = await nobody.post(refuse, data={"List-Unsubscribe": "One-Click"}, headers=GERMAN)
        assert "Ihnen werden keine Nachrichten mehr zu dieser Domain gesendet." in ended.text
        for gone in (confirm, f"{refuse}x"):
            fault = await nobody.get(gone, headers=GERMAN)
            assert (fault.status_code, fault.headers["Content-Language"]) == (404, "de")
            assert "Nehmen Sie den ganzen Link aus der neuesten Nachricht" in fault.text
        assert "set-cookie" not in done.headers


async def test_the_api_and_the_dashboard_stay_english(sending: Installation) -> None:
    """Programs read the API, and the operator's people the dashboard: neither follows the browser."""
    async with sending.client(sending.keys["acme"]) as acme:
        domain = await acme.get("/domains/acme.dev", headers=GERMAN)
        signed_out = await acme.get("/sign-in?lang=de", headers=GERMAN)
    titles = {each["title"] for each in domain.json()["findings"]}
    assert "A part of the DMARC record can't be read" in titles
    assert "Content-Language" not in domain.headers
    assert '<html lang="en">' in signed_out.text

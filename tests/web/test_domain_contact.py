"""Hold how a domain gets a contact: named by its account, mailed a link, and confirmed by somebody there."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest

from letterhead.core.accounts.accounts import Scope
from tests.operations.test_reminders import mail_settings
from tests.operations.world import Clock
from tests.rigs.smtp import Ledger, Mood
from tests.web.conftest import Installation, running

HOST = "https://lh.example.com"
PATH = "/domains/acme.dev"
CONTACT, OTHER = "dns@customer.example", "it@customer.example"


@pytest.fixture
def clock() -> Clock:
    """Return a clock that the test turns."""
    return Clock(datetime.now(UTC))


@pytest.fixture
async def sending(tmp_path: Path, ledger: Ledger, clock: Clock) -> AsyncIterator[Installation]:
    """Run an installation that can send mail."""
    mail = mail_settings(ledger) | {"BRAND_NAME": "Mailworks"}
    async with running(tmp_path, environment=mail, now=clock) as house:
        async with house.client(house.keys["acme"]) as acme:
            await acme.post("/domains", json={"sender": "acme.dev"})
        yield house


def links(ledger: Ledger) -> tuple[str, str]:
    """Return the paths by which the last message confirms the address, and refuse it."""
    part = ledger.messages()[-1].get_body(("plain",))
    assert part is not None
    text = str(part.get_content())
    found = [re.search(rf"{re.escape(HOST + path)}\S+", text) for path in ("/account/address/", "/reminders/opt-out/")]
    return urlsplit(found[0][0] if found[0] else "").path, urlsplit(found[1][0] if found[1] else "").path


async def contact(client: httpx2.AsyncClient) -> dict[str, Any] | None:
    """Return the domain's contact."""
    found: dict[str, Any] | None = (await client.get(PATH)).json().get("contact")
    return found


async def test_a_contact_counts_once_it_is_confirmed(sending: Installation, ledger: Ledger) -> None:
    """Opening the link changes nothing, its button does, and only once; the mail says who asks and how to refuse."""
    async with sending.client(await sending.make_key("acme", Scope.WRITE)) as acme, sending.client() as nobody:
        asked = await acme.patch(PATH, json={"contact": CONTACT})
        assert asked.status_code == 200, asked.text
        assert asked.json()["contact"] | {"askedAt": ""} == {
            "email": CONTACT, "state": "waiting", "askedAt": "", "copyAccount": True, "language": "en",
        }  # fmt: skip
        (message,) = ledger.messages()
        assert message["To"] == CONTACT
        confirm, refuse = links(ledger)
        assert str(message["List-Unsubscribe"]) == f"<{HOST}{refuse}>"
        whole = message.as_string()
        for said in ("Acme", "acme.dev", "Mailworks", "ignore this message"):
            assert said in whole, said
        page = await nobody.get(confirm)
        assert (page.status_code, CONTACT in page.text, "acme.dev" in page.text) == (200, True, True)
        assert ((await contact(acme)) or {})["state"] == "waiting"
        assert (await nobody.post(confirm)).status_code == 200
        confirmed = await contact(acme) or {}
        assert confirmed["state"] == "confirmed" and "confirmedAt" in confirmed
        assert (await nobody.post(confirm)).status_code == 404
        assert (await acme.patch(PATH, json={"contact": CONTACT})).json()["contact"] == confirmed
        assert len(ledger.messages()) == 1  # the same address again asks nobody
        rows = await sending.deps.store.audit_rows(sending.accounts["acme"], None, 10)
        assert {"domain.change", "contact.ask", "contact.confirm"} <= {each.row.action for each in rows}
        assert not any("customer.example" in each.row.subject for each in rows)


async def test_a_contact_is_written_to_in_a_language(sending: Installation, ledger: Ledger) -> None:
    """The one that is set, with the mail and its links; then the one of the page on which it was confirmed."""
    wish = {"contact": CONTACT, "contactLanguage": "de"}
    german, polish = {"Accept-Language": "de"}, {"Accept-Language": "pl"}
    async with sending.client(sending.keys["acme"]) as acme, sending.client() as nobody:
        assert (await acme.patch(PATH, json=wish)).json()["contact"]["language"] == "de"
        (message,) = ledger.messages()
        assert str(message["Subject"]) == "Bestätigen Sie diese Adresse für Nachrichten zu acme.dev"
        assert str(message["List-Unsubscribe"]).endswith("?lang=de>")
        confirm, _ = links(ledger)
        assert f"{confirm}?lang=de" in message.as_string().replace("=\n", "").replace("=3D", "=")
        page = await nobody.get(f"{confirm}?lang=de", headers=polish)
        assert '<html lang="de">' in page.text  # the address comes before the browser
        await nobody.post(f"{confirm}?lang=nl", headers=polish)  # the switch before both
        confirmed = await contact(acme) or {}
        assert (confirmed["state"], confirmed["language"]) == ("confirmed", "nl")
        for changed, shown in (("ja", "ja"), (None, "en"), ("pt", "pt")):
            answer = await acme.patch(PATH, json={"contactLanguage": changed})
            assert answer.json()["contact"] == confirmed | {"language": shown}
        assert (await acme.patch(PATH, json={"contactLanguage": "tlh"})).status_code == 400
        assert (await acme.patch(PATH, json=wish)).json()["contact"] == confirmed | {"language": "de"}
        await acme.patch(PATH, json={"contact": OTHER})
        assert (await contact(acme) or {})["language"] == "en"  # somebody else
        second, refuse = links(ledger)
        assert "?lang=" not in ledger.messages()[-1].as_string()
        assert (await nobody.post(refuse, headers=german)).status_code == 200
        assert (await contact(acme) or {})["language"] == "en"
        await nobody.post(second, headers=german)  # nobody has set one: the browser says it
        assert (await contact(acme) or {})["language"] == "de"
        await acme.patch(PATH, json={"contact": None})
        refused = await acme.patch(PATH, json={"contactLanguage": "fr", "note": "x"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
        assert "note" not in (await acme.get(PATH)).json()
    assert len(ledger.messages()) == 2


async def test_a_change_starts_again(sending: Installation, ledger: Ledger, clock: Clock) -> None:
    """A link for an earlier address is void, also where that one is named again; and after a day any is."""
    async with sending.client(sending.keys["acme"]) as acme, sending.client() as nobody:
        await acme.patch(PATH, json={"contact": CONTACT})
        first, first_refuse = links(ledger)
        await nobody.post(first)
        await acme.patch(PATH, json={"contact": OTHER})
        assert (await contact(acme) or {})["state"] == "waiting"
        assert (await nobody.post(first_refuse)).status_code == 404  # it is about an address that is not there any more
        second, _ = links(ledger)
        clock.turn(minutes=1)
        await acme.patch(PATH, json={"contact": CONTACT})
        third, _ = links(ledger)
        for void in (first, second):
            assert (await nobody.post(void)).status_code == 404
        token = third.rpartition("/")[2]
        for at in range(0, len(token) - 1, 11):
            changed = "A" if token[at] != "A" else "B"
            assert (await nobody.get(f"/account/address/{token[:at]}{changed}{token[at + 1 :]}")).status_code == 404
        clock.turn(days=1, seconds=1)
        assert (await nobody.post(third)).status_code == 404
        assert (await contact(acme) or {})["state"] == "waiting"


async def test_whoever_is_named_can_refuse(sending: Installation, ledger: Ledger) -> None:
    """The link in the mail ends it before and after it is confirmed, and leaves the account's reminders on."""
    async with sending.client(sending.keys["acme"]) as acme, sending.client() as nobody:
        await acme.patch(PATH, json={"contact": CONTACT})
        confirm, refuse = links(ledger)
        asked = await nobody.get(refuse)
        assert "No more messages about this domain" in asked.text
        assert (await contact(acme) or {})["state"] == "waiting"
        assert (await nobody.post(refuse)).status_code == 200
        assert (await contact(acme) or {})["state"] == "ended"
        assert (await nobody.post(confirm)).status_code == 200  # they have thought again
        assert (await contact(acme) or {})["state"] == "confirmed"
        assert (await nobody.post(refuse)).status_code == 200
        assert (await contact(acme) or {})["state"] == "ended"
        assert (await acme.get("/account")).json()["reminders"] is True


async def test_a_contact_goes_with_the_domain(sending: Installation, ledger: Ledger) -> None:
    """Removed, or with the domain deleted: its link is void, also for the same name added again or by another."""
    async with sending.client(sending.keys["acme"]) as acme, sending.client() as nobody:
        await acme.patch(PATH, json={"contact": CONTACT, "labels": {"team": "web"}, "note": "x"})
        removed, _ = links(ledger)
        assert "contact" not in (await acme.patch(PATH, json={"contact": None})).json()
        assert (await nobody.post(removed)).status_code == 404
        await acme.patch(PATH, json={"contact": CONTACT})
        confirm, refuse = links(ledger)
        await acme.delete(PATH)
        await acme.post("/domains", json={"sender": "acme.dev"})
        async with sending.client(await sending.open_account("zeta")) as zeta:
            await zeta.post("/domains", json={"sender": "acme.dev"})
            for client in (acme, zeta):
                assert not {"contact", "labels", "note"} & set((await client.get(PATH)).json())
        for void in (confirm, refuse):
            assert (await nobody.post(void)).status_code == 404


async def test_who_can_be_named(sending: Installation, ledger: Ledger) -> None:
    """No address that mail can't reach, not more than a few times a day, and nothing changes where it is refused."""
    async with sending.client(sending.keys["acme"]) as acme:
        for to in ("root@localhost", "a@b.invalid", "a@b.example\r\nBcc: c@d.example", "a@b.example,c@d.example"):
            assert (await acme.patch(PATH, json={"contact": to, "note": "x"})).status_code == 400
        refused = await acme.patch(PATH, json={"contact": CONTACT, "labels": {"NO": "x"}})
        assert refused.json()["error"]["code"] == "label-invalid"
        assert not {"contact", "note"} & set((await acme.get(PATH)).json())
        assert ledger.messages() == []
        codes = [(await acme.patch(PATH, json={"contact": CONTACT})).status_code for _ in range(5)]
        assert codes == [200] * 3 + [429] * 2
        ledger.mood = Mood.REFUSES
        failed = await acme.patch(PATH, json={"contact": OTHER})
        assert failed.json()["error"]["code"] == "provider-failed"
        assert (await contact(acme) or {})["state"] == "waiting"
    assert len(ledger.messages()) == 3


async def test_without_a_mail_server_nobody_is_named(house: Installation, acme: httpx2.AsyncClient) -> None:
    """As for the account's own address."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    refused = await acme.patch(PATH, json={"contact": CONTACT})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
    assert await contact(acme) is None

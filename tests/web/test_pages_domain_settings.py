"""Hold the form by which a domain's page sets its note, labels and contact, and the list that a label narrows."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from letterhead.core.accounts.accounts import Scope
from tests.operations.test_reminders import mail_settings
from tests.rigs.smtp import Ledger
from tests.web.conftest import Installation, running
from tests.web.test_pages import csrf, sign_in

PAGE = "/dashboard/domains/acme.dev"
CONTACT = "dns@customer.example"


@pytest.fixture
async def sending(tmp_path: Path, ledger: Ledger) -> AsyncIterator[Installation]:
    """Run an installation that can send mail, with two domains."""
    async with running(tmp_path, environment=mail_settings(ledger)) as house:
        async with house.client(house.keys["acme"]) as acme:
            for sender in ("acme.dev", "other.dev"):
                await acme.post("/domains", json={"sender": sender})
        yield house


async def test_the_form_sets_what_it_shows(sending: Installation, ledger: Ledger) -> None:
    """All three, as the API has them; sent again unchanged it asks nobody; emptied it removes them."""
    form = {"note": "Ask <Jo>.", "labels": "team: web\r\n\r\nplan:gold", "contact": CONTACT, "copy": "on"}
    form["contact_language"] = "ja"
    async with sending.client(sending.keys["acme"]) as acme, sending.client() as browser:
        await sign_in(browser, sending.keys["acme"])
        form["csrf"] = csrf(await browser.get(PAGE))
        saved = await browser.post(f"{PAGE}/settings", data=form, follow_redirects=True)
        assert "A link is sent to the contact." in saved.text
        assert "Ask &lt;Jo&gt;." in saved.text and "waiting for confirmation" in saved.text
        shown = (await acme.get("/domains/acme.dev")).json()
        assert shown["labels"] == {"plan": "gold", "team": "web"}
        assert (shown["note"], shown["contact"]["email"], shown["contact"]["copyAccount"]) == (
            "Ask <Jo>.",
            CONTACT,
            True,
        )
        assert shown["contact"]["language"] == "ja"
        assert 'value="ja" lang="ja" selected' in saved.text
        again = await browser.post(f"{PAGE}/settings", data=form | {"contact_language": ""}, follow_redirects=True)
        assert "A link is sent" in again.text  # the contact has not confirmed yet: asked again, with another language
        assert (await acme.get("/domains/acme.dev")).json()["contact"]["language"] == "en"
        assert len(ledger.messages()) == 2
        listed = await browser.get("/dashboard?label=team:web&label=plan:gold")
        assert "acme.dev" in listed.text and ">other.dev<" not in listed.text
        assert "Only domains with the label" in listed.text
        emptied = {"csrf": form["csrf"], "note": "", "labels": "", "contact": ""}
        assert "Saved." in (await browser.post(f"{PAGE}/settings", data=emptied, follow_redirects=True)).text
        assert not {"note", "labels", "contact"} & set((await acme.get("/domains/acme.dev")).json())
        refused = await browser.post(f"{PAGE}/settings", data=form | {"labels": "Team: web"})
        assert refused.status_code == 400 and "no key of a label" in refused.text


async def test_a_reader_sees_it_and_has_no_form(sending: Installation) -> None:
    """With a key of the scope read; and the operator, who reads the domain as its account does."""
    async with sending.client(sending.keys["acme"]) as acme, sending.client() as browser:
        await acme.patch("/domains/acme.dev", json={"note": "Ask Jo.", "labels": {"team": "web"}, "contact": CONTACT})
        await sign_in(browser, await sending.make_key("acme", Scope.READ))
        page = (await browser.get(PAGE)).text
        assert all(said in page for said in ("Ask Jo.", "team:web", CONTACT))
        assert "/settings" not in page
        refused = await browser.post(f"{PAGE}/settings", data={"csrf": csrf(await browser.get(PAGE)), "note": "x"})
        assert refused.status_code == 403
        assert (await acme.get("/domains/acme.dev")).json()["note"] == "Ask Jo."


async def test_a_label_that_is_none_narrows_nothing(house: Installation, acme: httpx2.AsyncClient) -> None:
    """As a code that is none."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        assert ">acme.dev<" in (await browser.get("/dashboard?label=nonsense")).text
        assert ">acme.dev<" not in (await browser.get("/dashboard?label=team:web")).text

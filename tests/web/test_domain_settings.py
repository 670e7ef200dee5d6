"""Holds what an account sets of a domain: a note."""

from urllib.parse import urlsplit

import httpx2
import pytest

from letterhead.core.accounts.accounts import Scope
from tests.web.conftest import Installation

PATH = "/domains/acme.dev"


async def test_a_note_is_kept_and_removed(acme: httpx2.AsyncClient) -> None:
    """It comes with GET of the domain, not with the list; what is absent stays, and null removes it."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    listed = (await acme.get("/domains")).json()
    assert "note" not in (await acme.get(PATH)).json()
    changed = await acme.patch("/domains/ACME.dev.", json={"note": " Ask Jo.\r\nThen rotate.\n"})
    assert (changed.status_code, changed.json()["note"]) == (200, "Ask Jo.\nThen rotate.")
    assert (await acme.patch(PATH, json={})).json()["note"] == (await acme.get(PATH)).json()["note"]
    assert (await acme.get("/domains")).json() == listed
    for empty in (None, "  "):
        await acme.patch(PATH, json={"note": "x"})
        assert "note" not in (await acme.patch(PATH, json={"note": empty})).json()


@pytest.mark.parametrize("note", ["x" * 1001, "bell \a", "turned \u202e round"])
async def test_a_note_that_can_not_be_shown_is_refused(acme: httpx2.AsyncClient, note: str) -> None:
    """By its own code, and the note before it stays."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    await acme.patch(PATH, json={"note": "x" * 1000})
    refused = await acme.patch(PATH, json={"note": note})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "note-invalid")
    assert (await acme.get(PATH)).json()["note"] == "x" * 1000


async def test_who_may_set_it_and_who_sees_it(house: Installation, acme: httpx2.AsyncClient) -> None:
    """A key that may write, of this account; its audit has the change without the text; a set-up page has no note."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    async with house.client(await house.make_key("acme", Scope.READ)) as reader:
        refused = await reader.patch(PATH, json={"note": "secret plan"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "scope-missing")
    async with house.client(await house.open_account("zeta")) as zeta:
        assert (await zeta.patch(PATH, json={"note": "x"})).status_code == 404
        await zeta.post("/domains", json={"sender": "acme.dev"})
        await acme.patch(PATH, json={"note": "secret plan"})
        assert "note" not in (await zeta.get(PATH)).json()
    rows = await house.deps.store.audit_rows(house.accounts["acme"], None, 5)
    assert rows[0].row.action == "domain.change"
    assert rows[0].row.subject == "acme.dev: note"
    link = (await acme.post(f"{PATH}/setup-links")).json()["url"]
    async with house.client() as nobody:
        page = await nobody.get(urlsplit(link).path)
        assert page.status_code == 200 and "secret plan" not in page.text

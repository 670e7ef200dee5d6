"""Hold what an account sets of a domain: a note and labels, by which its list is filtered."""

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


async def test_labels_are_set_replaced_and_removed(acme: httpx2.AsyncClient) -> None:
    """Those that are named, and no others; null in place of all removes all."""
    await acme.post("/domains", json={"sender": "acme.dev"})

    async def change(labels: object) -> object:
        answer = await acme.patch(PATH, json={"labels": labels})
        assert answer.status_code == 200, answer.text
        return answer.json().get("labels")

    assert await change({"team": "web", "plan": "gold: 2026"}) == {"plan": "gold: 2026", "team": "web"}
    assert await change({"team": "post", "gone": None}) == {"plan": "gold: 2026", "team": "post"}
    assert await change({"plan": None}) == {"team": "post"}
    assert (await acme.get(PATH)).json()["labels"] == {"team": "post"}
    assert await change(None) is None


@pytest.mark.parametrize(
    "labels",
    [
        {"Team": "web"}, {"": "web"}, {"a" * 33: "web"}, {"te am": "web"}, {"a:b": "web"}, {"-a": "web"},
        {"team": ""}, {"team": "x" * 65}, {"team": " web"}, {"team": "a\nb"}, {"team": "turned \u202e round"},
        {f"k{number}": "v" for number in range(17)},
    ],
)  # fmt: skip
async def test_a_label_has_a_form(acme: httpx2.AsyncClient, labels: dict[str, str]) -> None:
    """Short, of one line, and up to 16 of them; what is refused changes nothing."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    refused = await acme.patch(PATH, json={"labels": labels})
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "label-invalid")
    assert "labels" not in (await acme.get(PATH)).json()
    full = {f"k{number}": "v" * 64 for number in range(16)}
    assert (await acme.patch(PATH, json={"labels": full})).status_code == 200
    assert (await acme.patch(PATH, json={"labels": {"k0": None, "k16": "v"}})).status_code == 200


async def test_the_list_is_filtered_by_labels(
    house: Installation, acme: httpx2.AsyncClient, operator: httpx2.AsyncClient
) -> None:
    """All of those named, with the other filters, page by page; and for the operator across accounts."""
    async with house.client(await house.open_account("zeta")) as zeta:
        for client, count in ((acme, 5), (zeta, 2)):
            for number in range(count):
                await client.post("/domains", json={"sender": f"d{number}.dev"})
                labels = {"team": "web", "odd": "yes" if number % 2 else "no"}
                await client.patch(f"/domains/d{number}.dev", json={"labels": labels})
        await acme.post("/domains", json={"sender": "plain.dev"})

        async def senders(client: httpx2.AsyncClient, url: str) -> list[str]:
            listed = []
            while url:
                answer = await client.get(url)
                assert answer.status_code == 200, answer.text
                assert all("labels" not in each for each in answer.json())
                listed += [each["sender"] for each in answer.json()]
                url = answer.links.get("next", {}).get("url", "")
            return listed

        assert await senders(acme, "/domains?label=team:web&limit=2") == [f"d{number}.dev" for number in range(5)]
        assert await senders(acme, "/domains?label=team:web&label=odd:yes&limit=1") == ["d1.dev", "d3.dev"]
        assert await senders(acme, "/domains?label=odd:yes&q=d3&status=PENDING") == ["d3.dev"]
        assert await senders(acme, "/domains?label=odd:yes&status=SUCCESS") == []
        assert await senders(acme, "/domains?label=team:post") == []
        assert await senders(zeta, "/domains?label=team:web") == ["d0.dev", "d1.dev"]
        everywhere = await senders(operator, "/accounts/domains?label=team:web&label=odd:no&limit=2")
        assert sorted(everywhere) == ["d0.dev", "d0.dev", "d2.dev", "d4.dev"]
        of_zeta = f"/accounts/domains?label=team:web&accountId={house.accounts['zeta']}&limit=1"
        assert await senders(operator, of_zeta) == ["d0.dev", "d1.dev"]
        for condition in ("failing", "refused", "at-risk"):
            assert await senders(operator, f"/accounts/domains?label=team:web&condition={condition}") == []
        for wrong in ("team", ":web", "Team:web", "team:"):
            refused = await acme.get("/domains", params={"label": wrong})
            assert refused.json()["error"]["code"] == "label-invalid", wrong
        assert (await acme.get("/domains?status=PENDING&status=FAILED")).status_code == 400

"""Webhooks for some domains over HTTP: what is asked for, what is sent, and what a bound key may do with which."""

from contextlib import AsyncExitStack
from typing import Any

import httpx2
import pytest

from tests.web.conftest import Installation
from tests.web.test_bound_keys import make
from tests.web.test_pages import csrf, sign_in

ALL: dict[str, Any] = {"webhook": "https://hooks.acme.dev/x", "events": ["*"]}
OWN, BELOW, OTHER = "own.dev", "team.own.dev", "other.dev"


async def add(client: httpx2.AsyncClient, **wish: Any) -> dict[str, Any]:
    """Add a webhook, and return what is told of it."""
    made = await client.post("/webhooks", json=ALL | wish)
    assert made.status_code == 200, made.text
    told: dict[str, Any] = made.json()
    return told


async def ids(client: httpx2.AsyncClient) -> list[str]:
    """List the ids of the webhooks that a key sees."""
    return [each["id"] for each in (await client.get("/webhooks")).json()["endpoints"]]


async def kinds(client: httpx2.AsyncClient, webhook_id: str) -> list[str]:
    """List what a webhook is sent, the oldest first."""
    listed = (await client.get(f"/webhooks/{webhook_id}/deliveries")).json()
    return [each["kind"] for each in reversed(listed)]


async def test_a_webhook_is_sent_the_events_of_its_domains(acme: httpx2.AsyncClient) -> None:
    """Of its names and of those below where it covers them; a test goes to it; it says what it is for."""
    whole, exact = await add(acme), await add(acme, domains=["OWN.dev"])
    below = await add(acme, domains=[OWN], coversSubdomains=True)
    assert "domains" not in whole
    assert (exact["domains"], exact["coversSubdomains"]) == ([OWN], False)
    assert (below["domains"], below["coversSubdomains"]) == ([OWN], True)
    assert (await acme.get("/webhooks")).json()["endpoints"] == [whole, exact, below]
    for name in (OWN, BELOW, "xown.dev", OTHER):
        await acme.post("/domains", json={"sender": name})
    await acme.delete(f"/domains/{OTHER}")
    await acme.delete(f"/domains/{OWN}")
    added = ["domain.created", "domain.pending"]
    assert await kinds(acme, exact["id"]) == [*added, "domain.deleted"]
    assert await kinds(acme, below["id"]) == [*added, *added, "domain.deleted"]
    assert len(await kinds(acme, whole["id"])) == 10
    assert (await acme.post(f"/webhooks/{exact['id']}/test")).status_code == 200
    assert (await kinds(acme, exact["id"]))[-1] == "webhook.test"


async def test_its_domains_change_when_that_is_said(acme: httpx2.AsyncClient) -> None:
    """A change that does not name them leaves them; null is for the whole account; what it is not for is dropped."""
    made = await add(acme, domains=[OWN, OTHER], coversSubdomains=True, events=["domain.created"])
    for name in (BELOW, OTHER):
        await acme.post("/domains", json={"sender": name})
    path = f"/webhooks/{made['id']}"
    kept = (await acme.put(path, json=ALL)).json()
    assert (kept["domains"], kept["coversSubdomains"]) == ([OWN, OTHER], True)
    assert await kinds(acme, made["id"]) == ["domain.created"] * 2
    narrowed = (await acme.put(path, json=ALL | {"domains": [OTHER]})).json()
    assert (narrowed["domains"], narrowed["coversSubdomains"]) == ([OTHER], False)
    assert await kinds(acme, made["id"]) == ["domain.created"]
    widened = (await acme.put(path, json=ALL | {"domains": None})).json()
    assert "domains" not in widened
    assert widened["secret"] == made["secret"]
    await acme.post("/domains", json={"sender": "new.dev"})
    assert len(await kinds(acme, made["id"])) == 3


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"domains": []}, "body-invalid"),
        ({"domains": [f"n{number}.dev" for number in range(21)]}, "body-invalid"),
        ({"domains": ["https://own.dev"]}, "domain-invalid"),
        ({"coversSubdomains": True}, "parameter-invalid"),
        ({"domains": None, "coversSubdomains": True}, "parameter-invalid"),
    ],
)
async def test_what_a_webhook_can_t_be_for(acme: httpx2.AsyncClient, wish: dict[str, Any], code: str) -> None:
    """Each is refused by a code, by POST and by PUT, and nothing is added or changed."""
    made = await add(acme)
    for answer in (
        await acme.post("/webhooks", json=ALL | wish),
        await acme.put(f"/webhooks/{made['id']}", json=ALL | wish),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert (await acme.get("/webhooks")).json()["endpoints"] == [made]


async def test_a_bound_key_has_the_webhooks_of_its_domains(house: Installation, acme: httpx2.AsyncClient) -> None:
    """It adds them for its names or fewer, and does with these, whoever added them, what any key may."""
    mine = await make(acme, domains=[OWN, OTHER], coversSubdomains=True, scope="write")
    async with house.client(mine["key"]) as bound:
        usual = await add(bound)
        assert (usual["domains"], usual["coversSubdomains"]) == ([OWN, OTHER], True)
        narrow = await add(bound, domains=[BELOW])
        theirs = await add(acme, domains=[OTHER])
        assert await ids(bound) == await ids(acme) == [usual["id"], narrow["id"], theirs["id"]]
        for wider in (["none.dev"], [OWN, "xown.dev"], None):
            answer = await bound.post("/webhooks", json=ALL | {"domains": wider})
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "key-bound")
            answer = await bound.put(f"/webhooks/{narrow['id']}", json=ALL | {"domains": wider})
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "key-bound")
        for each in (usual, narrow, theirs):
            path = f"/webhooks/{each['id']}"
            changed = await bound.put(path, json=ALL | {"webhook": "https://b.own.dev/"})
            assert changed.json() == each | {"webhook": "https://b.own.dev/"}
            assert (await bound.post(f"{path}/rotate-secret")).json()["secret"] != each["secret"]
            tested = (await bound.post(f"{path}/test")).json()["id"]
            assert (await bound.get(f"{path}/deliveries")).json()[0]["id"] == tested
            assert (await bound.post(f"{path}/deliveries/{tested}/redeliver")).status_code == 200
            assert (await bound.delete(path)).status_code == 204
        assert await ids(acme) == []


async def test_every_other_webhook_is_unknown_to_it(house: Installation, acme: httpx2.AsyncClient) -> None:
    """One that hears of a name more than the key, and those below where the key has none: the answer for no webhook."""
    async with AsyncExitStack() as stack:
        keys = [await make(acme, domains=[OWN], coversSubdomains=below, scope="write") for below in (False, True)]
        exact, wide = [await stack.enter_async_context(house.client(each["key"])) for each in keys]
        hidden = [(await add(acme, **bounds))["id"] for bounds in ({}, {"domains": [OTHER]}, {"domains": [OWN, OTHER]})]
        below = (await add(acme, domains=[OWN], coversSubdomains=True))["id"]
        child = (await add(acme, domains=[BELOW]))["id"]
        before = (await acme.get("/webhooks")).json()
        assert (await ids(exact), await ids(wide)) == ([], [below, child])
        for client, unseen in ((exact, [*hidden, below, child]), (wide, hidden)):
            for known in unseen:
                tested = (await acme.post(f"/webhooks/{known}/test")).json()["id"]
                answers = [
                    [await each(client, webhook_id, tested) for each in REQUESTS] for webhook_id in (known, "wh_none")
                ]
                assert answers[0] == answers[1]
                assert {status for status, _ in answers[0]} == {404}
        assert (await acme.get("/webhooks")).json() == before


def request(method: str, rest: str, body: dict[str, Any] | None = None) -> Any:
    """Make a request that a webhook's id and a delivery's are missing from."""

    async def send(client: httpx2.AsyncClient, webhook_id: str, delivery_id: str) -> tuple[int, str]:
        path = f"/webhooks/{webhook_id}{rest}".replace("DELIVERY", delivery_id)
        answer = await client.request(method, path, json=body)
        error = answer.json()["error"]
        return answer.status_code, str(error).replace(webhook_id, "ID")

    return send


REQUESTS = (
    request("PUT", "", ALL),
    request("PUT", "", ALL | {"domains": [OWN]}),
    request("POST", "/rotate-secret"),
    request("POST", "/test"),
    request("GET", "/deliveries"),
    request("POST", "/deliveries/DELIVERY/redeliver"),
    request("DELETE", ""),
)


async def test_what_a_webhook_was_sent_of_others_is_gone(house: Installation, acme: httpx2.AsyncClient) -> None:
    """Once it is for a bound key's domain alone, that key finds no message of another domain in it."""
    made = await add(acme)
    for name in (OWN, OTHER):
        await acme.post("/domains", json={"sender": name})
    mine = await make(acme, domains=[OWN], scope="write")
    async with house.client(mine["key"]) as bound:
        assert (await bound.get(f"/webhooks/{made['id']}/deliveries")).status_code == 404
        await acme.put(f"/webhooks/{made['id']}", json=ALL | {"domains": [OWN]})
        assert await kinds(bound, made["id"]) == ["domain.created", "domain.pending"]
        assert OTHER not in (await bound.get(f"/webhooks/{made['id']}/deliveries")).text


async def test_its_webhooks_stay_when_a_key_ends(house: Installation, acme: httpx2.AsyncClient) -> None:
    """They are the account's: they go on, for the same domains, until somebody deletes them."""
    mine = await make(acme, domains=[OWN])
    async with house.client(mine["key"]) as bound:
        made = await add(bound)
    await acme.delete(f"/keys/{mine['id']}")
    await acme.post("/domains", json={"sender": OWN})
    await acme.post("/domains", json={"sender": OTHER})
    assert await kinds(acme, made["id"]) == ["domain.created", "domain.pending"]
    assert (await acme.get("/webhooks")).json()["endpoints"] == [made]


async def test_a_full_account_counts_no_hidden_webhook(house: Installation, acme: httpx2.AsyncClient) -> None:
    """A bound key is told of the limit, in the words in which every key is told."""
    mine = await make(acme, domains=[OWN])
    for _ in range(20):
        await add(acme)
    async with house.client(mine["key"]) as bound:
        said = [(await client.post("/webhooks", json=ALL)).json()["error"] for client in (bound, acme)]
    assert said[0] == said[1]
    assert said[0]["code"] == "conflict"


async def test_the_form_of_webhooks(house: Installation, acme: httpx2.AsyncClient) -> None:
    """The page adds a webhook for some domains, keeps what was typed where it can't, and shows what each is for."""
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        form = {"csrf": csrf(await browser.get("/dashboard/webhooks")), "url": "https://hooks.own.dev/x"}
        refused = await browser.post("/dashboard/webhooks", data=form | {"domains": "a b..c"})
        assert refused.status_code == 400
        assert 'value="a b..c"' in refused.text
        added = await browser.post("/dashboard/webhooks", data=form | {"domains": "Own.dev, other.dev", "below": "on"})
        (made,) = (await acme.get("/webhooks")).json()["endpoints"]
        assert (made["domains"], made["coversSubdomains"]) == ([OWN, OTHER], True)
        for page in ("/dashboard/webhooks", added.headers["location"].partition("?")[0]):
            assert "own.dev, other.dev and below" in (await browser.get(page)).text
        await browser.post("/dashboard/webhooks", data=form)
        assert "the whole account" in (await browser.get("/dashboard/webhooks")).text

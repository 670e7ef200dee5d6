"""Keys with an end, from some networks and for some domains: who gets in, what they may make, and what pages show."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog

from letterhead.adapters.storage import key_rows
from letterhead.config.networks import read_networks
from letterhead.core.accounts.quotas import Limits
from letterhead.web.pages import PAGES
from letterhead.web.server import ServerSettings
from tests.operations.world import Clock
from tests.rigs.waiting import until_async
from tests.web.conftest import Installation, running
from tests.web.test_pages import csrf, sign_in
from tests.web.test_pages_isolation import things_of
from tests.web.test_signing_in import without_tracking

BEHIND: dict[str, Any] = {"server": ServerSettings(trusted_proxies=read_networks("127.0.0.1"))}
INSIDE, OUTSIDE = {"X-Forwarded-For": "192.0.2.7"}, {"X-Forwarded-For": "198.51.100.7"}


async def make(acme: httpx2.AsyncClient, **wish: Any) -> dict[str, Any]:
    """Make a key, and return what is told of it."""
    made = await acme.post("/keys", json={"keyType": "secret", "name": "bounded"} | wish)
    assert made.status_code == 200, made.text
    told: dict[str, Any] = made.json()
    return told


async def test_a_key_ends_at_its_time(tmp_path: Path) -> None:
    """From then on its 401 is that of a revoked key, cached or not, and its open page and waiting request end."""
    clock = Clock(datetime.now(UTC))
    async with running(tmp_path, now=clock) as house, house.client(house.keys["acme"]) as acme:
        await acme.post("/domains", json={"sender": "acme.dev"})
        ends = (clock.at + timedelta(hours=1)).replace(microsecond=0)
        ending = await make(acme, expiresAt=ends.isoformat())
        assert ending["endsAt"] == ends.isoformat().replace("+00:00", "Z")
        revoked = await make(acme)
        await acme.delete(f"/keys/{revoked['id']}")
        async with house.client(ending["key"]) as client, house.client(revoked["key"]) as dead, house.client() as page:
            assert (await client.get("/domains")).status_code == 200
            await sign_in(page, ending["key"])
            waiting = asyncio.create_task(client.get("/domains/acme.dev?wait=30"))
            await until_async(lambda: house.waiting() == 1)
            async with page.stream("GET", "/dashboard/domains/acme.dev/news") as news:
                lines = news.aiter_lines()
                assert (await anext(lines)).startswith("retry")
                clock.turn(hours=1)
                said = [line async for line in lines]
            assert "event: over" in said
            assert (await waiting).status_code == 401
            answers = [await client.get("/domains"), await dead.get("/domains")]
            assert {each.status_code for each in answers} == {401}
            assert len({str(without_tracking(each)) for each in answers}) == 1
            assert (await page.get("/dashboard")).headers["location"].startswith("/sign-in")


async def test_a_key_comes_from_its_networks(tmp_path: Path) -> None:
    """By the address that a trusted proxy names, cached or not; elsewhere it is a wrong key, and the log says why."""
    rates: dict[str, Any] = {"failure_rate": 1e6, "failure_burst": 10**6}
    async with running(tmp_path, **rates, **BEHIND) as house, house.client(house.keys["acme"]) as acme:
        made = await make(acme, networks=["192.0.2.0/24", "2001:db8::/32"])
        assert made["networks"] == ["192.0.2.0/24", "2001:db8::/32"]
        async with house.client(made["key"]) as client, house.client("lh_live_wrong") as wrong:
            alike = without_tracking(await wrong.get("/domains", headers=OUTSIDE))
            for headers in (OUTSIDE, INSIDE, OUTSIDE, {"X-Forwarded-For": "2001:db8::9"}, {}):
                with structlog.testing.capture_logs() as logs:
                    answer = await client.get("/domains", headers=headers)
                refused = [each for each in logs if each["event"] == "key.refused"]
                if headers in (OUTSIDE, {}):
                    assert without_tracking(answer) == alike
                    assert [(each["reason"], each["key"]) for each in refused] == [("network", made["id"])]
                else:
                    assert (answer.status_code, refused) == (200, [])
        async with house.client() as browser:
            browser.headers.update(OUTSIDE)
            assert (await sign_in(browser, made["key"])).status_code == 401
            browser.headers.update(INSIDE)
            assert (await sign_in(browser, made["key"])).status_code == 303
            assert (await browser.get("/dashboard")).status_code == 200
            browser.headers.update(OUTSIDE)
            assert (await browser.get("/dashboard")).headers["location"].startswith("/sign-in")


async def test_a_key_from_elsewhere_is_a_failed_sign_in(tmp_path: Path) -> None:
    """Also where the key is cached: who has taken one does not learn that it is right by not being slowed down."""
    rates: dict[str, Any] = {"failure_rate": 0.01, "failure_burst": 2}
    async with running(tmp_path, **rates, **BEHIND) as house, house.client(house.keys["acme"]) as acme:
        made = await make(acme, networks=["192.0.2.0/24"])
        async with house.client(made["key"]) as client:
            asked = (INSIDE, OUTSIDE, OUTSIDE, OUTSIDE, INSIDE)
            answers = [(await client.get("/domains", headers=headers)).status_code for headers in asked]
            assert answers == [200, 401, 401, 429, 200]


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"domains": []}, "body-invalid"),
        ({"domains": ["acme.dev"] * 21}, "body-invalid"),
        ({"domains": ["http://acme.dev"]}, "domain-invalid"),
        ({"domains": ["co.uk", "acme"]}, "domain-not-public"),
        ({"coversSubdomains": True}, "parameter-invalid"),
        ({"networks": []}, "body-invalid"),
        ({"networks": ["192.0.2.0/24"] * 21}, "body-invalid"),
        ({"networks": ["192.0.2.1/24"]}, "parameter-invalid"),
        ({"networks": ["everywhere"]}, "parameter-invalid"),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, "parameter-invalid"),
        ({"expiresAt": "2030-01-01T00:00:00"}, "body-invalid"),
        ({"expiresAt": "0001-01-01T00:00:00+12:00"}, "parameter-invalid"),
        ({"expiresAt": "9999-12-31T23:59:59-12:00"}, "parameter-invalid"),
    ],
)
async def test_what_a_key_can_t_be_held_to(acme: httpx2.AsyncClient, wish: dict[str, Any], code: str) -> None:
    """Each is refused by a code, and no key is made."""
    answer = await acme.post("/keys", json={"keyType": "secret", "name": "x"} | wish)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)
    assert len((await acme.get("/keys")).json()["keys"]) == 1


async def test_no_key_makes_one_that_reaches_further(tmp_path: Path) -> None:
    """One with an end or networks makes keys within them alone; one that is bound to domains makes none."""
    async with running(tmp_path, **BEHIND) as house, house.client(house.keys["acme"]) as acme:
        ends = datetime.now(UTC) + timedelta(days=9)
        kept = {"networks": ["192.0.2.0/24"], "expiresAt": ends.isoformat()}
        made = await make(acme, **kept)
        async with house.client(made["key"]) as client:
            client.headers.update(INSIDE)
            wide: tuple[dict[str, Any], ...] = ({}, {"networks": kept["networks"]}, {"expiresAt": kept["expiresAt"]})
            wider = ({**kept, "networks": ["192.0.0.0/16"]}, {**kept, "expiresAt": (ends + timedelta(1)).isoformat()})
            for wish in (*wide, *wider):
                answer = await client.post("/keys", json={"keyType": "secret", "name": "x", **wish})
                assert (answer.status_code, answer.json()["error"]["code"]) == (403, "scope-missing"), wish
            within = await make(client, networks=["192.0.2.128/25"], expiresAt=(ends - timedelta(1)).isoformat())
            assert within["networks"] == ["192.0.2.128/25"]


async def test_limits_count_no_hidden_domain(tmp_path: Path) -> None:
    """Where the account is full, a bound key is not told of how many domains."""
    async with running(tmp_path, limits=Limits(domains=2)) as house, house.client(house.keys["acme"]) as acme:
        for name in ("one.dev", "two.dev"):
            await acme.post("/domains", json={"sender": name})
        made = await make(acme, domains=["three.dev"])
        async with house.client(made["key"]) as bound:
            answer = await bound.post("/domains", json={"sender": "three.dev"})
            assert (answer.status_code, answer.json()["error"]["code"]) == (402, "usage-limit-exceeded")
            assert not any(each.isdigit() for each in answer.json()["error"]["message"] + answer.json()["error"]["fix"])


async def test_the_cover_of_names_below_is_for_who_has_them(house: Installation, acme: httpx2.AsyncClient) -> None:
    """Whether a domain signs for the names below it is set by a key that is bound to these, too."""
    await acme.post("/domains", json={"sender": "own.dev"})
    for below, status in ((False, 403), (True, 200)):
        made = await make(acme, domains=["own.dev"], coversSubdomains=below)
        async with house.client(made["key"]) as bound:
            answer = await bound.patch("/domains/own.dev", json={"coversSubdomains": False})
            assert answer.status_code == status, answer.text
            assert (await bound.patch("/domains/own.dev", json={"note": "ours"})).status_code == 200


async def test_an_idempotency_key_is_its_own(house: Installation, acme: httpx2.AsyncClient) -> None:
    """The text that another key of the account has used is a new one for a bound key, and repeats for itself."""
    used = {"Idempotency-Key": "same"}
    assert (await acme.post("/domains", json={"sender": "other.dev"}, headers=used)).status_code == 200
    made = await make(acme, domains=["own.dev"])
    async with house.client(made["key"]) as bound:
        for wish, status in (({}, 200), ({}, 200), ({"selector": "s2"}, 409)):
            answer = await bound.post("/domains", json={"sender": "own.dev", **wish}, headers=used)
            assert answer.status_code == status


async def test_older_versions_find_no_restricted_key(
    house: Installation, acme: httpx2.AsyncClient, tmp_path: Path
) -> None:
    """Its digest and that of its session are not the ones that they look for: they refuse it, and let it do nothing."""
    plain, bound, near = (
        await make(acme),
        await make(acme, domains=["own.dev"]),
        await make(acme, networks=["127.0.0.1"]),
    )
    async with house.client() as browser:
        await sign_in(browser, bound["key"])
        assert (await browser.get("/dashboard")).status_code == 200
    with closing(sqlite3.connect(tmp_path / "letterhead.db")) as file:
        stored = {row[0] for row in file.execute("SELECT digest FROM api_keys")}
    for made, is_found in ((plain, True), (bound, False), (near, False)):
        digest = house.deps.digest(made["key"])
        assert (digest in stored) is is_found
        assert (key_rows.restricted_digest(digest) in stored) is not is_found


@pytest.fixture
async def bound_page(house: Installation, acme: httpx2.AsyncClient) -> AsyncIterator[httpx2.AsyncClient]:
    """Sign in with a key of scope full that is bound to one domain."""
    await acme.post("/domains", json={"sender": "own-sender.dev"})
    made = await make(acme, domains=["own-sender.dev"])
    async with house.client() as browser:
        await sign_in(browser, made["key"])
        yield browser


async def test_pages_of_a_bound_key(
    house: Installation, acme: httpx2.AsyncClient, bound_page: httpx2.AsyncClient
) -> None:
    """Its domains and their pages work; every other page and form says nothing, and changes nothing."""
    house.accounts["canary"] = house.accounts["acme"]  # other domains of one account, in place of another account
    foreign = await things_of(house, acme)
    page = await bound_page.get("/dashboard")
    assert "/dashboard/keys" not in page.text  # nor leads there, where it is refused
    assert "own-sender.dev" in page.text
    assert "canary" not in page.text
    assert (await bound_page.get("/dashboard/domains/own-sender.dev")).status_code == 200
    before = [(await acme.get(path)).text for path in ("/domains", "/webhooks", "/account")]
    token, asked = csrf(page), 0
    for view in PAGES:
        if view.access.value not in ("read", "write", "full") or "news" in view.path:
            continue
        if (view.method, view.path) == ("POST", "/dashboard/webhooks"):
            continue  # adds one for its own domains: test_webhooks_of_a_bound_key
        path = view.path.format(**foreign)
        if view.method == "GET":
            answer = await bound_page.get(path)
        else:
            form = {"csrf": token, "sender": foreign["sender"], "url": "https://wider.dev/x", "email": "x@wider.dev"}
            answer = await bound_page.post(path, data=form | {"confirm": "yes", "name": "wider", "scope": "full"})
        is_hidden = view.names_sender or (view.for_bound and "{" in view.path)
        is_open = view.for_bound and view.method == "GET"
        assert answer.status_code == (404 if is_hidden else 200 if is_open else 403), path
        assert "canary" not in answer.text.replace(foreign["sender"], ""), path
        asked += 1
    assert asked > 25
    assert [(await acme.get(path)).text for path in ("/domains", "/webhooks", "/account")] == before


async def test_webhooks_of_a_bound_key(
    house: Installation, acme: httpx2.AsyncClient, bound_page: httpx2.AsyncClient
) -> None:
    """Its pages list, add and change webhooks for its own domains, and know no other."""
    other = (await acme.post("/webhooks", json={"webhook": "https://canary.dev/x", "events": ["*"]})).json()["id"]
    page = await bound_page.get("/dashboard/webhooks")
    assert "canary" not in page.text
    assert "the domains that your key is for" in page.text
    form = {"csrf": csrf(page), "url": "https://hooks.example.com/x"}
    wider = await bound_page.post("/dashboard/webhooks", data=form | {"domains": "other.dev"})
    assert (wider.status_code, 'role="alert"' in wider.text) == (403, True)
    one = (await bound_page.post("/dashboard/webhooks", data=form)).headers["location"].partition("?")[0]
    for wish, status in (
        ({"domains": "other.dev"}, 403),
        ({"below": "on", "domains": "own-sender.dev"}, 403),
        ({}, 303),
    ):
        assert (await bound_page.post(f"{one}/change", data=form | wish)).status_code == status
    listed = {each["id"]: each.get("domains") for each in (await acme.get("/webhooks")).json()["endpoints"]}
    assert listed == {other: None, one.rpartition("/")[2]: ["own-sender.dev"]}
    assert (await bound_page.get(f"/dashboard/webhooks/{other}")).status_code == 404


async def test_signing_out_everywhere_ends_its_own_sessions(
    house: Installation, bound_page: httpx2.AsyncClient
) -> None:
    """A bound key of scope full ends the sessions that it opened, and nobody else's."""
    async with house.client() as owner:
        await sign_in(owner, house.keys["acme"])
        token = csrf(await bound_page.get("/dashboard/account/sign-out"))
        await bound_page.post("/sign-out", data={"csrf": token, "everywhere": "yes"})
        assert (await bound_page.get("/dashboard")).status_code == 303
        assert (await owner.get("/dashboard")).status_code == 200


async def test_the_form_of_keys(house: Installation, acme: httpx2.AsyncClient) -> None:
    """The page makes a key for some domains, from some networks, until the end of a day, and lists all of it."""
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        form = {"csrf": csrf(await browser.get("/dashboard/keys")), "name": "mta", "scope": "write"}
        bounds = {"domains": "Acme.dev, b.dev", "below": "on", "networks": "192.0.2.0/24", "until": "2099-03-31"}
        made = await browser.post("/dashboard/keys", data=form | bounds)
        assert "acme.dev, b.dev and below" in made.text
        assert "192.0.2.0/24" in made.text
        (key,) = [each for each in (await acme.get("/keys")).json()["keys"] if each["name"] == "mta"]
        assert (key["domains"], key["coversSubdomains"], key["endsAt"]) == (
            ["acme.dev", "b.dev"], True, "2099-04-01T00:00:00Z",
        )  # fmt: skip
        for wrong in ({"domains": "a b..c"}, {"networks": "x"}, {"until": "tomorrow"}, {"until": "2020-01-01"}):
            refused = await browser.post("/dashboard/keys", data=form | {"name": "typed & kept"} | wrong)
            assert refused.status_code == 400
            assert "typed &amp; kept" in refused.text
        assert len((await acme.get("/keys")).json()["keys"]) == 2

"""Hold the pages to what a browser and its reader are owed: sessions, forms, headers, texts, links."""

import asyncio
import re
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
import structlog

from letterhead.core.accounts.accounts import Scope
from letterhead.core.accounts.setup_links import SetupLink, is_valid
from letterhead.core.domain.domain import EventKind
from letterhead.core.domain.statistics import STATES
from letterhead.core.findings.diagnosis import Severity
from letterhead.core.public.webhooks import DeliveryStatus, RetryDecision
from letterhead.operations.audit import audit_row
from letterhead.ports.store.webhooks import DeliveryAttempt, EndpointChoice
from letterhead.web.pages import PAGES
from letterhead.web.templating.texts import read_texts
from tests.operations.world import OPERATOR
from tests.rigs.waiting import CEILING, is_within, until_async
from tests.web.conftest import OPERATOR_TOKEN, Installation, running

HTML = {"Accept": "text/html"}


def csrf(page: httpx2.Response) -> str:
    """Read the token of a page's forms."""
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found, page.text
    return found[1]


async def sign_in(client: httpx2.AsyncClient, key: str) -> httpx2.Response:
    """Sign in as a browser does."""
    form = await client.get("/sign-in")
    return await client.post("/sign-in", data={"csrf": csrf(form), "key": key})


async def linked(acme: httpx2.AsyncClient) -> str:
    """Make a set-up link of acme.dev and return its path."""
    url: str = (await acme.post("/domains/acme.dev/setup-links")).json()["url"]
    return urlsplit(url).path


async def test_root_leads_people_and_not_programs(nobody: httpx2.AsyncClient) -> None:
    """Whoever does not ask for JSON alone is led to the dashboard, and from there to signing in."""
    for accept in (
        HTML["Accept"],
        "*/*",
        "",
        "application/json, text/html",
        "image/png",
        "application/json, */*;q=0.1",
    ):
        asked = await nobody.get("/", headers={"Accept": accept})
        assert (asked.status_code, asked.headers["location"]) == (303, "/dashboard")
    assert (await nobody.get("/dashboard")).headers["location"] == "/sign-in?next=%2Fdashboard"
    for accept in ("application/json", "application/json;q=0.9, application/problem+json"):
        program = await nobody.get("/", headers={"Accept": accept})
        assert (program.status_code, program.json()["error"]["code"]) == (404, "not-found")


async def test_session_is_no_api_key_and_no_api_key_a_session(house: Installation, acme: httpx2.AsyncClient) -> None:
    """The cookie opens pages alone, the header the API alone; the cookie can't be read or sent along by others."""
    async with house.client() as browser:
        opened = await sign_in(browser, house.keys["acme"])
        cookie = next(each for each in opened.headers.get_list("set-cookie") if "session" in each)
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert house.keys["acme"] not in str(opened.headers)
        assert (await browser.get("/dashboard")).status_code == 200
        assert (await browser.get("/domains")).status_code == 401
    assert (await acme.get("/dashboard")).status_code == 303


async def test_every_form_wants_its_token(house: Installation) -> None:
    """No form of any page works without the token of its session, nor from another site's page."""
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        token = csrf(await browser.get("/dashboard"))
        for view in (each for each in PAGES if each.method == "POST" and each.path != "/sign-in"):
            path = view.path.replace("{", "").replace("}", "")
            for form in ({"days": "1"}, {"csrf": "x"}, {"csrf": token[:-1]}):
                assert (await browser.post(path, data=form)).status_code in (303, 403), path
            elsewhere = await browser.post(path, data={"csrf": token}, headers={"Sec-Fetch-Site": "cross-site"})
            assert elsewhere.status_code in (303, 403), path
        assert (await browser.get("/dashboard")).status_code == 200  # not even signed out


async def test_session_ends_with_its_key(house: Installation, acme: httpx2.AsyncClient) -> None:
    """A revoked key's sessions are over at once; so are those of an account that signed out everywhere."""
    key = await house.make_key("acme", Scope.READ)
    async with house.client() as browser, house.client() as other:
        await sign_in(browser, key)
        await sign_in(other, house.keys["acme"])
        assert (await browser.get("/dashboard")).status_code == 200
        (made,) = [each for each in (await acme.get("/keys")).json()["keys"] if each["scope"] == "read"]
        await acme.delete(f"/keys/{made['id']}")
        assert (await browser.get("/dashboard")).status_code == 303
        token = csrf(await other.get("/dashboard/account"))
        await other.post("/sign-out", data={"csrf": token, "everywhere": "yes"})
        assert (await other.get("/dashboard")).status_code == 303


async def test_scope_of_the_key_holds_on_the_pages(house: Installation) -> None:
    """Who signed in with a key that may only read can change nothing, and is not shown how."""
    async with house.client() as browser:
        await sign_in(browser, await house.make_key("acme", Scope.READ))
        page = await browser.get("/dashboard")
        assert 'name="sender"' not in page.text
        for path in ("/dashboard/domains", "/dashboard/keys", "/dashboard/domains/acme.dev/delete"):
            answer = await browser.post(path, data={"csrf": csrf(page), "sender": "acme.dev"})
            assert answer.status_code == 403, path


async def test_operator_and_accounts_have_their_own_pages(house: Installation) -> None:
    """The operator sees accounts and no account's dashboard; an account sees nothing of the operator's."""
    async with house.client() as operator, house.client() as browser:
        assert (await sign_in(operator, OPERATOR_TOKEN)).headers["location"] == "/operator"
        assert "acme@" in (await operator.get("/operator")).text or "Acme" in (await operator.get("/operator")).text
        assert (await operator.get("/dashboard")).status_code == 303
        await sign_in(browser, house.keys["acme"])
        for path in ("/operator", "/operator/audit"):
            assert (await browser.get(path)).status_code == 303
        token = csrf(await operator.get("/operator"))
        made = await operator.post("/operator/accounts", data={"csrf": token, "name": "New", "email": "a@example.com"})
        assert "lh_live_" in made.text


async def test_failed_sign_ins_are_slowed_down(tmp_path: Path) -> None:
    """Guessing keys at the form is limited like everywhere else; a valid one still gets in."""
    async with running(tmp_path, failure_rate=0.001, failure_burst=3) as house, house.client() as browser:
        answers = [(await sign_in(browser, "lh_live_wrong")).status_code for _ in range(5)]
        assert answers == [401, 401, 401, 429, 429]
        assert (await sign_in(browser, house.keys["acme"])).status_code == 303


async def test_next_leads_nowhere_else(house: Installation) -> None:
    """After signing in nobody is led to another site."""
    for address in (
        "https://evil.example", "//evil.example", "/dashboard//evil", "/dashboard\\evil", "/operator", "/dashboardx",
        "/dashboard/../operator", "/dashboard/./x", "/dashboard/..", "/dashboard?a=b", "/dashboard#a",
    ):  # fmt: skip
        async with house.client() as browser:
            form = await browser.get("/sign-in")
            answer = await browser.post(
                "/sign-in", params={"next": address}, data={"csrf": csrf(form), "key": house.keys["acme"]}
            )
            assert answer.headers["location"] == "/dashboard", address


@pytest.mark.parametrize(
    ("wanted", "location"),
    [
        ("/dashboard/domains/b\u00fccher.example", "/dashboard/domains/b%C3%BCcher.example"),
        ("/dashboard/\u4e2d \u2028\U0001f600", "/dashboard/%E4%B8%AD%20%E2%80%A8%F0%9F%98%80"),
        ("/dashboard/a%2e%2e/\r\nX: y", "/dashboard/a%252e%252e/%0D%0AX:%20y"),
        ("/dashboard/\x00\x7f<'\">", "/dashboard/%00%7F%3C'%22%3E"),
    ],
)
async def test_next_may_be_any_text(house: Installation, wanted: str, location: str) -> None:
    """The page that somebody wanted is found again after signing in, whatever signs are in its path."""
    async with house.client() as browser:
        form = await browser.get("/sign-in")
        answer = await browser.post(
            "/sign-in", params={"next": wanted}, data={"csrf": csrf(form), "key": house.keys["acme"]}
        )
        assert (answer.status_code, answer.headers["location"]) == (303, location)
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("public_url", "session", "path"),
    [
        ("https://mail.example", "__Host-letterhead-session", "/"),
        ("https://mail.example/lh", "__Secure-letterhead-session", "/lh"),
        ("http://127.0.0.1:8025", "letterhead-session", "/"),
    ],
)
async def test_a_sibling_host_sets_no_session(tmp_path: Path, public_url: str, session: str, path: str) -> None:
    """Over https the names of the cookies have the prefix that browsers take from this host alone."""
    async with running(tmp_path, public_url=public_url) as house, house.client() as browser:
        form = await browser.get("/sign-in")
        seed = form.headers["set-cookie"].split(";")[0]
        assert seed.startswith(session.replace("session", "form="))
        body = {"csrf": csrf(form), "key": house.keys["acme"]}
        signed_in = await browser.post("/sign-in", data=body, headers={"Cookie": seed})
        name, _, rest = signed_in.headers["set-cookie"].partition("=")
        value, *attributes = rest.split("; ")
        assert (name, f"Path={path}" in attributes) == (session, True)
        assert ("Secure" in attributes) == public_url.startswith("https")
        assert not [each for each in attributes if each.startswith("Domain")]
        home = await browser.get("/dashboard", headers={"Cookie": f"{session}={value}"})
        assert home.status_code == 200
        if session != "letterhead-session":
            other = await browser.get("/dashboard", headers={"Cookie": f"letterhead-session={value}"})
            assert other.status_code == 303


async def test_a_stream_ends_with_its_session(house: Installation, acme: httpx2.AsyncClient) -> None:
    """The page of a domain hears nothing more once the key that opened its session is revoked."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    made = (await acme.post("/keys", json={"keyType": "secret", "name": "soon gone", "scope": "read"})).json()
    async with house.client() as browser:
        await sign_in(browser, made["key"])
        async with browser.stream("GET", "/dashboard/domains/acme.dev/news") as news:
            lines = news.aiter_lines()
            while not (await asyncio.wait_for(anext(lines), CEILING)).startswith("data"):
                pass
            await acme.delete(f"/keys/{made['id']}")
            began = asyncio.get_running_loop().time()
            rest = [line async for line in lines if line]
        assert rest[-2:] == ["event: over", "data: over"]
        assert is_within(asyncio.get_running_loop().time() - began, 3)


async def test_pages_are_dressed(house: Installation, acme: httpx2.AsyncClient) -> None:
    """Each page has the strict policy, holds no inline script or style, and is not kept by caches."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    link = await linked(acme)
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        for path in (link, "/dashboard", "/dashboard/domains/acme.dev", "/dashboard/keys", "/dashboard/account"):
            page = await browser.get(path)
            assert page.status_code == 200
            assert "default-src 'none'; script-src 'self'; style-src 'self'" in page.headers["content-security-policy"]
            assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
            assert page.headers["cache-control"] == "no-store"
            assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:|<script(?! src)|undefined", page.text)


async def test_assets_are_kept_by_their_content(nobody: httpx2.AsyncClient) -> None:
    """Stylesheet and script are linked by their hash, kept for a year, and answer 304 to who has them."""
    page = await nobody.get("/sign-in")
    for address in re.findall(r'(?:href|src)="(/assets/[^"]+)"', page.text):
        got = await nobody.get(address)
        assert got.status_code == 200
        assert "immutable" in got.headers["cache-control"]
        assert (await nobody.get(address, headers={"If-None-Match": got.headers["etag"]})).status_code == 304
    assert (await nobody.get("/assets/..%2fgate.py")).status_code == 404


async def test_link_expires(house: Installation, acme: httpx2.AsyncClient, nobody: httpx2.AsyncClient) -> None:
    """A link works until its day, and then says that it has ended; so do its zone file and its news."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    made = (await acme.post("/domains/acme.dev/setup-links", params={"expiresInDays": 1})).json()
    assert set(made) == {"id", "url", "expiresAt", "applyLink"}
    path = urlsplit(made["url"]).path
    assert (await nobody.get(path)).status_code == 200
    (listed,) = (await acme.get("/domains/acme.dev/setup-links")).json()["setupLinks"]
    assert (listed["id"], listed["ended"], "openedAt" in listed, "url" in listed) == (made["id"], False, True, False)
    await ended(house, "acme.dev", made["id"])
    for each in (path, f"{path}/zone", f"{path}/news"):
        answer = await nobody.get(each)
        assert answer.status_code == 404, each
        assert "This link has ended" in answer.text
    assert (await acme.get("/domains/acme.dev/setup-links")).json() == {"setupLinks": []}


async def test_five_links_of_a_domain_work(acme: httpx2.AsyncClient, nobody: httpx2.AsyncClient) -> None:
    """A sixth ends the one that was not used for longest, and says so to programs and on the page."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    made = [(await acme.post("/domains/acme.dev/setup-links")).json() for _ in range(5)]
    assert all("endedLinks" not in each for each in made)
    assert (await nobody.get(urlsplit(made[0]["url"]).path)).status_code == 200
    sixth = (await acme.post("/domains/acme.dev/setup-links")).json()
    assert sixth["endedLinks"] == [made[1]["id"]]
    assert "This link has ended" in (await nobody.get(urlsplit(made[1]["url"]).path)).text
    listed = (await acme.get("/domains/acme.dev/setup-links")).json()["setupLinks"]
    assert [each["id"] for each in listed] == [made[0]["id"], *(each["id"] for each in made[2:]), sixth["id"]]
    await sign_in(nobody, acme.headers["authorization"].removeprefix("Bearer "))
    page = await nobody.get("/dashboard/domains/acme.dev")
    shown = await nobody.post("/dashboard/domains/acme.dev/setup-links", data={"csrf": csrf(page), "days": "14"})
    assert "The one that was not used for longest has ended." in shown.text
    assert shown.text.count(">Revoke<") == 5


async def test_an_account_has_its_share_of_streams(house: Installation, acme: httpx2.AsyncClient) -> None:
    """All its links and sessions have 40 together; those of another account are there for it."""
    paths = []
    for sender in ("acme.dev", "acme.net", "acme.org"):
        await acme.post("/domains", json={"sender": sender})
        made = (await acme.post(f"/domains/{sender}/setup-links")).json()
        paths.append(f"{urlsplit(made['url']).path}/news")
    async with AsyncExitStack() as open_ones, house.client(await house.open_account("other")) as other:
        client = await open_ones.enter_async_context(house.client())
        for number in range(40):
            got = await open_ones.enter_async_context(client.stream("GET", paths[number % 3]))
            assert got.status_code == 200, number
        for path in paths:
            refused = await client.get(path)
            assert (refused.status_code, int(refused.headers["retry-after"])) == (429, 30)
        await other.post("/domains", json={"sender": "acme.dev"})
        theirs = (await other.post("/domains/acme.dev/setup-links")).json()
        got = await open_ones.enter_async_context(client.stream("GET", f"{urlsplit(theirs['url']).path}/news"))
        assert got.status_code == 200
    status = 0
    async with asyncio.timeout(CEILING), house.client() as client:
        while status != 200:  # once the server has seen that the others left
            async with client.stream("GET", paths[0]) as got:
                status = got.status_code


async def ended(house: Installation, sender: str, link_id: str) -> None:
    """Let a link's time be over, as its last day does."""
    domain = await house.world.domain(sender)
    row = audit_row(house.deps, OPERATOR, "setup-link.revoke", link_id)
    assert await house.deps.store.end_setup_link(domain.id, link_id, house.deps.now() - timedelta(seconds=1), row)


def test_a_link_works_until_its_end() -> None:
    """To the moment."""
    now = datetime(2026, 11, 23, tzinfo=UTC)
    link = SetupLink(id="l", account_id="a", domain_id="d", created_at=now, ends_at=now + timedelta(days=1))
    assert is_valid(link, now + timedelta(days=1, microseconds=-1))
    assert not is_valid(link, now + timedelta(days=1))


async def test_link_reads_and_writes_nothing_else(house: Installation, acme: httpx2.AsyncClient) -> None:
    """A link's token opens no other page and no part of the API."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    token = (await acme.post("/domains/acme.dev/setup-links")).json()["url"].rpartition("/")[2]
    async with house.client(token) as holder:
        assert (await holder.get("/domains")).status_code == 401
        holder.cookies.set("letterhead-session", token)
        assert (await holder.get("/dashboard")).status_code == 303
    assert (await acme.post("/domains/acme.dev/setup-links", params={"expiresInDays": 91})).status_code == 400
    async with house.client(await house.make_key("acme", Scope.READ)) as reader:
        assert (await reader.post("/domains/acme.dev/setup-links")).status_code == 403


async def test_a_links_token_is_in_no_log(house: Installation, acme: httpx2.AsyncClient) -> None:
    """Who reads the logs can't open the page."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    path = await linked(acme)
    with structlog.testing.capture_logs() as lines:
        await acme.get(path)
        await acme.get(f"{path}/zone")
    assert path.rpartition("/")[2] not in str(lines)
    assert [line["path"] for line in lines if "path" in line] == ["/setup/{token}", "/setup/{token}/zone"]


async def test_an_open_page_makes_us_look(tmp_path: Path) -> None:
    """Opened, the domain is due at once; watched, it is due again 5 s after each look, and says why."""
    zone = "$ORIGIN acme.dev.\n@ 60 SOA ns1 hostmaster 1 60 60 60 60\n@ 60 NS ns1\nns1 60 A 192.0.2.1\n"
    async with running(tmp_path, zone) as house, house.client(house.keys["acme"]) as acme:
        await acme.post("/domains", json={"sender": "acme.dev", "startVerification": False})
        path = await linked(acme)
        assert (await house.world.domain("acme.dev")).next_check_at is None
        await acme.get(path)
        due = (await house.world.domain("acme.dev")).next_check_at
        assert due is not None
        assert due <= house.deps.now()
        await acme.post("/domains/acme.dev/start-verification")
        before = house.deps.now()
        domain = await house.world.look("acme.dev")
        assert domain.next_check_at is not None
        assert is_within((domain.next_check_at - before).total_seconds(), 7)
        assert domain.check_reason == "somebody has the setup page open"


async def test_news_tell_of_each_look_and_end_with_the_server(tmp_path: Path) -> None:
    """An open page hears of a look within two seconds; a stopping server does not wait for it."""
    async with running(tmp_path) as house, house.client(house.keys["acme"]) as acme:
        await acme.post("/domains", json={"sender": "acme.dev"})
        path = await linked(acme)
        heard: list[str] = []

        async def listen() -> None:
            async with house.client() as nobody, nobody.stream("GET", f"{path}/news") as news:
                assert news.headers["content-type"].startswith("text/event-stream")
                async for line in news.aiter_lines():
                    heard.extend([line] if line.startswith("data") else [])

        listening = asyncio.create_task(listen())
        await until_async(lambda: len(heard) == 1)
        await house.world.look("acme.dev")
        await until_async(lambda: len(heard) == 2)
        assert heard[0] != heard[1]
        began = asyncio.get_running_loop().time()
    await asyncio.wait_for(listening, CEILING)
    assert is_within(asyncio.get_running_loop().time() - began, 3)


async def test_one_page_may_be_open_often_but_not_without_end(house: Installation, acme: httpx2.AsyncClient) -> None:
    """A link's streams are bounded, so that one leaked link does not take all connections."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    path = await linked(acme)
    async with AsyncExitStack() as open_ones:
        client = await open_ones.enter_async_context(house.client())
        for _ in range(20):
            got = await open_ones.enter_async_context(client.stream("GET", f"{path}/news"))
            assert got.status_code == 200
        assert (await client.get(f"{path}/news")).status_code == 429


async def test_white_label(tmp_path: Path) -> None:
    """Name, logo, colour and support are the operator's; only the set-up page may be framed, by those named alone."""
    white: dict[str, Any] = {
        "brand_name": "Example <Mail>",
        "brand_logo": "https://cdn.example/logo.svg",
        "brand_colour": "#7a1f5c",
        "support": "mailto:help@example.com",
        "embed_origins": ("https://app.example", "https://other.example"),
    }
    async with running(tmp_path, **white) as house, house.client(house.keys["acme"]) as acme:
        await acme.post("/domains", json={"sender": "acme.dev"})
        path = await linked(acme)
        page, other = await acme.get(path), await acme.get("/sign-in")
        policy = page.headers["content-security-policy"]
        assert "frame-ancestors https://app.example https://other.example" in policy
        assert "img-src 'self' https://cdn.example;" in policy
        assert "frame-ancestors 'none'" in other.headers["content-security-policy"]
        assert "Example &lt;Mail&gt;" in page.text
        assert 'data-tell="https://app.example https://other.example"' in page.text
        assert "mailto:help@example.com" in page.text
        style = re.search(r'href="(/assets/letterhead.css[^"]+)"', page.text)
        assert style is not None
        assert "--accent:#7a1f5c" in (await acme.get(style[1])).text
        ended = await acme.get(f"{path[:-4]}AAAA")
        assert (ended.status_code, ended.headers["content-security-policy"]) == (404, policy)


async def test_webhooks_on_the_pages(house: Installation) -> None:
    """Added, tried, changed, given a new secret and deleted; the secret is shown to who may change it alone."""
    async with house.client() as browser, house.client() as reader:
        await sign_in(browser, house.keys["acme"])
        token = csrf(await browser.get("/dashboard/webhooks"))
        bad = await browser.post("/dashboard/webhooks", data={"csrf": token, "url": "ftp://x"})
        assert (bad.status_code, 'role="alert"' in bad.text) == (400, True)
        form = {"csrf": token, "url": "https://hooks.example.com/x", "event-domain.verified": "on"}
        one = (await browser.post("/dashboard/webhooks", data=form)).headers["location"].partition("?")[0]
        page = await browser.get(one)
        secret = re.search(r"whsec_[\w+/=]+", page.text)
        assert secret is not None
        assert "domain.verified" in page.text
        assert (await browser.post(f"{one}/test", data={"csrf": token})).status_code == 303
        assert "webhook.test" in (await browser.get(one)).text
        wrong = await browser.post(f"{one}/change", data=form | {"url": "ftp://x"})
        assert (wrong.status_code, 'value="ftp://x"' in wrong.text, "<details open" in wrong.text) == (400, True, True)
        assert "<details open" not in (await browser.get(one)).text
        changed = {"csrf": token, "url": "https://hooks.example.com/y", "domains": "acme.dev, b.dev", "below": "on"}
        assert (await browser.post(f"{one}/change", data=changed)).status_code == 303
        page = await browser.get(one)
        for each in ("example.com/y", "all events", "acme.dev, b.dev and below", secret[0], 'value="acme.dev b.dev"'):
            assert each in page.text
        assert 'name="below" value="on" checked' in page.text
        sure = {"csrf": token, "confirm": "yes"}
        await browser.post(f"{one}/rotate-secret", data=sure)
        assert secret[0] not in (await browser.get(one)).text
        await sign_in(reader, await house.make_key("acme", Scope.READ))
        assert "whsec_" not in (await reader.get(one)).text
        assert (await browser.post(f"{one}/delete", data=sure)).status_code == 303
        assert (await browser.get(one)).status_code == 404


async def test_a_disabled_webhook_is_enabled_on_its_page(house: Installation) -> None:
    """It offers no test and no message again, which would be refused, but the form that enables it, open."""
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        form = {"csrf": csrf(await browser.get("/dashboard/webhooks")), "url": "https://hooks.example.com/x"}
        one = (await browser.post("/dashboard/webhooks", data=form)).headers["location"].partition("?")[0]
        await browser.post(f"{one}/test", data=form)
        offers = (f'action="{one}/test"', "/redeliver", "<details open")
        assert [each in (await browser.get(one)).text for each in offers] == [True, True, False]
        store, now = house.deps.store, house.deps.now()
        until, choice = now + timedelta(minutes=1), EndpointChoice(late=False, places=2)
        (owed,) = await store.claim_deliveries(now, until, "test", 9, endpoints=choice)
        attempt = DeliveryAttempt(at=now, milliseconds=7, status=410, said="Gone")
        await store.record_attempt(owed, attempt, RetryDecision(fate=DeliveryStatus.FAILED, gone=True))
        assert [each in (await browser.get(one)).text for each in offers] == [False, False, True]
        assert (await browser.post(f"{one}/change", data=form)).status_code == 303
        assert [each in (await browser.get(one)).text for each in offers] == [True, True, False]


def test_every_kind_of_event_has_its_text() -> None:
    """Whatever happens to a domain, and whatever state it is in, has a word on the pages."""
    there = read_texts()
    assert {f"event.{kind.value.replace('.', '-')}" for kind in EventKind} <= set(there)
    assert {f"state.{state}" for state in STATES.values()} <= set(there)
    assert {f"fate.{fate.value}" for fate in DeliveryStatus} <= set(there)
    assert {f"severity.{severity.value}" for severity in Severity} <= set(there)

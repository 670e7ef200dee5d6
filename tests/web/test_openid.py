"""Signing in by OpenID Connect, at a real provider with keys of its own: who gets in, and all that does not hold."""

import gzip
import resource
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog
from joserfc.jwk import OctKey, RSAKey

from tests.rigs.openid import CLIENT_ID, SECRET, OpenId, providing
from tests.web.conftest import Installation, running
from tests.web.test_pages import csrf, sign_in


@pytest.fixture
async def elsewhere() -> AsyncIterator[OpenId]:
    """Run the provider."""
    with providing() as provider:
        yield provider


@pytest.fixture
async def house(tmp_path: Path, elsewhere: OpenId) -> AsyncIterator[Installation]:
    """Run an installation that trusts the provider, which says that everybody belongs to the account acme."""
    async with running(tmp_path, environment=settings(elsewhere)) as installation:
        elsewhere.claims["letterhead_account"] = installation.accounts["acme"]
        elsewhere.claims["letterhead_scope"] = "full"
        yield installation


def settings(elsewhere: OpenId, **more: str) -> dict[str, str]:
    """Return the settings of an installation that trusts the provider."""
    return {"OIDC_ISSUER": elsewhere.url, "OIDC_CLIENT_ID": CLIENT_ID, "OIDC_CLIENT_SECRET": SECRET, **more}


async def led(browser: httpx2.AsyncClient, start: str = "/sign-in/openid") -> str:
    """Go to the provider as a browser does, and return the address that it leads back to."""
    left = await browser.get(start)
    assert left.status_code == 303, left.text
    async with httpx2.AsyncClient(trust_env=False) as there:
        return str((await there.get(left.headers["location"])).headers["location"])


async def test_signed_in_there_is_signed_in_here(house: Installation) -> None:
    """From the link on the sign-in page to the page that was asked for; the session is one like any other."""
    async with house.client() as browser:
        form = await browser.get("/sign-in?next=/dashboard/keys")
        assert 'href="/sign-in/openid?next=%2Fdashboard%2Fkeys"' in form.text
        back = await browser.get(await led(browser, "/sign-in/openid?next=%2Fdashboard%2Fkeys"))
        assert (back.status_code, back.headers["location"]) == (303, "/dashboard/keys")
        cookies = back.headers.get_list("set-cookie")
        assert cookies
        assert all("HttpOnly" in each and "SameSite=Lax" in each for each in cookies)
        page = await browser.get("/dashboard/account")
        assert house.accounts["acme"] in page.text
        made = await browser.post("/dashboard/keys", data={"csrf": csrf(page), "name": "ci", "scope": "read"})
        assert "lh_live_" in made.text
        assert (await browser.get("/domains")).status_code == 401
        await browser.post("/sign-out", data={"csrf": csrf(page), "everywhere": "yes"})
        assert (await browser.get("/dashboard")).status_code == 303
    rows = await house.deps.store.audit_rows(house.accounts["acme"], None, 10)
    assert "openid:ada" in {each.row.actor for each in rows if each.row.action == "session.open"}


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"}, {"aud": "another"}, {"aud": None}, {"nonce": "another"}, {"nonce": None},
        {"exp": int(time.time()) - 120}, {"exp": None}, {"iat": None}, {"sub": None},
        {"aud": [CLIENT_ID, "another"]}, {"azp": "another"},
        {"letterhead_account": None}, {"letterhead_account": "acc_other"}, {"letterhead_account": ["x"]},
        {"letterhead_scope": "admin"}, {"letterhead_scope": ""}, {"letterhead_scope": ["admin"]},
        {"letterhead_scope": {"full": True}}, {"letterhead_scope": False},
    ],
)  # fmt: skip
async def test_a_claim_that_does_not_hold_lets_nobody_in(
    house: Installation, elsewhere: OpenId, claims: dict[str, Any]
) -> None:
    """Issuer, audience, nonce, times, subject and account: each one alone is enough to be refused."""
    elsewhere.claims |= claims
    async with house.client() as browser:
        answer = await browser.get(await led(browser))
        assert (answer.status_code, 'role="alert"' in answer.text) == (401, True)
        assert (await browser.get("/dashboard")).status_code == 303


@pytest.mark.parametrize("how", ["another key", "none", "hmac", "unknown key"])
async def test_a_signature_that_does_not_hold_lets_nobody_in(house: Installation, elsewhere: OpenId, how: str) -> None:
    """Not by another key, not without one, not by the client's own secret, not by a key that is not published."""
    match how:
        case "another key":
            elsewhere.key = RSAKey.generate_key(2048)
        case "none":
            elsewhere.header = {"alg": "none"}
        case "hmac":
            elsewhere.header, elsewhere.key = {"alg": "HS256"}, OctKey.import_key(SECRET)
        case _:
            elsewhere.header = {"kid": "k2"}
    async with house.client() as browser:
        assert (await browser.get(await led(browser))).status_code == 401
        assert (await browser.get("/dashboard")).status_code == 303


async def test_another_state_is_refused_before_the_provider_is_asked(house: Installation, elsewhere: OpenId) -> None:
    """An answer to a question of somebody else's is dropped at once: its code is not spent."""
    async with house.client() as browser:
        back = await led(browser)
        assert (await browser.get(f"{back}x")).status_code == 401
        assert len(elsewhere.codes) == 1
        assert (await browser.get("/dashboard")).status_code == 303


async def test_the_way_back_belongs_to_the_browser_that_left(house: Installation) -> None:
    """Another browser, another state, no code, a code used before, and a later attempt's cookie: all refused."""
    async with house.client() as browser, house.client() as other:
        back = await led(browser)
        assert (await other.get(back)).status_code == 401
        await led(other)
        assert (await other.get(back)).status_code == 401
        assert (await browser.get(f"{back}x")).status_code == 401  # the cookie is gone after that
        assert (await browser.get(back)).status_code == 401
        assert (await browser.get((await led(browser)).replace("code=", "error="))).status_code == 401
        once = await led(browser)
        cookie = browser.cookies["letterhead-openid"]
        assert (await browser.get(once)).status_code == 303
        other.cookies.clear()
        other.cookies.set("letterhead-openid", cookie)
        assert (await other.get(once)).status_code == 401


async def test_nobody_is_led_elsewhere(house: Installation) -> None:
    """What stands in `next` leads to a page of the dashboard or to none."""
    async with house.client() as browser:
        for wanted in ("https://evil.example", "//evil.example", "/operator"):
            left = await browser.get("/sign-in/openid", params={"next": wanted})
            async with httpx2.AsyncClient(trust_env=False) as there:
                back = (await there.get(left.headers["location"])).headers["location"]
            assert (await browser.get(back)).headers["location"] == "/dashboard"


@pytest.mark.parametrize(
    "told",
    [
        {"issuer": "https://evil.example"}, {"token_endpoint": None}, {"jwks_uri": "/x"},
        {"authorization_endpoint": "http://a/\r\nSet-Cookie: a=b"}, {"authorization_endpoint": "javascript:alert(1)"},
        {"authorization_endpoint": "http://ü.example/"}, {"userinfo_endpoint": "file:///etc/passwd"},
    ],
)  # fmt: skip
async def test_a_provider_in_trouble_is_told_and_nothing_breaks(
    house: Installation, elsewhere: OpenId, told: dict[str, Any]
) -> None:
    """A discovery that speaks for somebody else, or half of one, is a page that says so; keys still sign in."""
    elsewhere.discovery = told
    async with house.client() as browser:
        left = await browser.get("/sign-in/openid")
        answer = left if left.status_code != 303 else await browser.get(await led(browser))
        assert answer.status_code in (502, 503)
        assert "OpenID Connect provider" in answer.text
        assert (await sign_in(browser, house.keys["acme"])).status_code == 303


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BOMB = gzip.compress(b'{"issuer":"' + bytes(60_000_000) + b'"}')


@pytest.mark.parametrize(
    "raw",
    [
        HEAD + b'\r\n{"issuer":"\xff"}', HEAD + b'\r\n{"a":' + b"[" * 100_000, HEAD + b"\r\n" + b"9" * 300_000,
        HEAD + b"Content-Encoding: gzip\r\n\r\n" + BOMB, HEAD + b"Content-Length: x\r\n\r\n{}", b"\0" * 5000,
        b"",
    ],
    ids=["no UTF-8", "brackets", "too long", "bomb", "length", "noise", "nothing"],
)  # fmt: skip
async def test_a_hostile_provider_breaks_nothing(house: Installation, elsewhere: OpenId, raw: bytes) -> None:
    """Whatever it answers, it is 502 with a page that says so, and costs no memory."""
    elsewhere.raw = raw
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with house.client() as browser:
        answer = await browser.get("/sign-in/openid")
    assert (answer.status_code, "OpenID Connect provider" in answer.text) == (502, True)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40 * 1024


async def test_a_provider_that_drips_is_waited_for_once(
    house: Installation, elsewhere: OpenId, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that comes octet by octet has as long as any other."""
    monkeypatch.setattr("letterhead.adapters.openid.SECONDS", 1.0)
    elsewhere.raw, elsewhere.drip = HEAD + b"\r\n" + b" " * 1000, 0.1
    began = time.monotonic()
    async with house.client() as browser:
        assert (await browser.get("/sign-in/openid")).status_code == 502
    assert time.monotonic() - began < 40  # where it takes 100 s to drip


async def test_secret_in_the_form_where_the_provider_wants_it(house: Installation, elsewhere: OpenId) -> None:
    """A provider that takes no Basic gets the secret as it takes it."""
    elsewhere.discovery = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}
    async with house.client() as browser:
        assert (await browser.get(await led(browser))).status_code == 303


async def test_no_code_and_no_secret_in_the_logs(house: Installation) -> None:
    """Who reads the logs can sign in as nobody."""
    async with house.client() as browser:
        with structlog.testing.capture_logs() as lines:
            back = await led(browser)
            await browser.get(back)
        assert back.partition("code=")[2].partition("&")[0] not in str(lines)
        assert SECRET not in str(lines)


async def test_without_a_provider_there_is_none(tmp_path: Path) -> None:
    """Unless it is set, the page offers no such link, and its addresses are not found."""
    async with running(tmp_path) as house, house.client() as browser:
        assert "openid" not in (await browser.get("/sign-in")).text
        for path in ("/sign-in/openid", "/sign-in/openid/back?code=x&state=y"):
            assert (await browser.get(path)).status_code == 404


async def test_sessions_end_with_the_provider(tmp_path: Path, elsewhere: OpenId) -> None:
    """Once the setting is taken away, who came by it is signed out; who came by a key is not."""
    async with running(tmp_path, environment=settings(elsewhere)) as house, house.client() as browser:
        elsewhere.claims["letterhead_account"] = house.accounts["acme"]
        await browser.get(await led(browser))
        token = browser.cookies["letterhead-session"]
        browser.cookies.clear()
        await sign_in(browser, house.keys["acme"])
        by_key = browser.cookies["letterhead-session"]
    async with running(tmp_path) as house:
        for held, status in ((token, 303), (by_key, 200)):
            async with house.client() as browser:
                browser.cookies.set("letterhead-session", held)
                assert (await browser.get("/dashboard")).status_code == status


async def test_strangers_cost_the_provider_nothing(house: Installation, elsewhere: OpenId) -> None:
    """However many begin to sign in, it is asked for its metadata once; from one network only some may begin."""
    async with house.client() as browser:
        answers = [await browser.get("/sign-in/openid") for _ in range(40)]
    assert [each.status_code for each in answers[:30]] == [303] * 30
    assert (answers[-1].status_code, int(answers[-1].headers["retry-after"]) >= 1) == (429, True)
    assert elsewhere.asked == {"/.well-known/openid-configuration": 1}


async def test_a_failure_is_not_repeated_at_once(house: Installation, elsewhere: OpenId) -> None:
    """A provider in trouble is asked again after some seconds only, whoever knocks."""
    elsewhere.discovery = {"issuer": "https://evil.example"}
    async with house.client() as browser:
        for _ in range(5):
            assert (await browser.get("/sign-in/openid")).status_code == 502
    assert elsewhere.asked == {"/.well-known/openid-configuration": 1}


async def test_new_keys_of_the_provider_are_found(house: Installation, elsewhere: OpenId) -> None:
    """A token by a key that is not known has the keys read again, at most once a minute; then its bearer gets in."""
    async with house.client() as browser:
        assert (await browser.get(await led(browser))).status_code == 303
        elsewhere.own_key = RSAKey.generate_key(2048, {"kid": "k2", "use": "sig"})
        elsewhere.header = {"kid": "k2"}
        assert (await browser.get(await led(browser))).status_code == 303
        assert elsewhere.asked["/keys"] == 2
        elsewhere.header = {"kid": "k3"}
        for _ in range(3):
            assert (await browser.get(await led(browser))).status_code == 401
    assert elsewhere.asked["/keys"] == 2

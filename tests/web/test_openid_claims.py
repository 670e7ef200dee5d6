"""Where the claims about a person are found: in the ID token or in UserInfo, as texts, lists or paths; and the log."""

from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog

from tests.rigs.openid import ACCESS_TOKEN, providing
from tests.web.conftest import Installation, running
from tests.web.test_openid import led, settings


async def came_back(house: Installation, browser: httpx2.AsyncClient) -> httpx2.Response:
    """Sign in at the provider and come back."""
    return await browser.get(await led(browser))


async def scope_of(house: Installation, browser: httpx2.AsyncClient) -> str:
    """Say what the session that a browser has may do."""
    page = (await browser.get("/dashboard/keys")).text
    assert (await browser.get("/dashboard")).status_code == 200
    return "full" if 'name="scope"' in page else "less"


async def test_the_scopes_of_the_setting_are_asked_for(tmp_path: Path) -> None:
    """Claims hang on scopes, so that the operator says which."""
    with providing() as elsewhere:
        environment = settings(elsewhere, OIDC_SCOPES="openid email groups")
        async with running(tmp_path, environment=environment) as house, house.client() as browser:
            elsewhere.claims["letterhead_account"] = house.accounts["acme"]
            back = await led(browser)
            assert [asked["scope"] for asked in elsewhere.codes.values()] == ["openid email groups"]
            assert (await browser.get(back)).status_code == 303


async def test_what_the_token_lacks_is_asked_of_userinfo(tmp_path: Path) -> None:
    """Providers put claims there alone, as oidc-provider does with those of other scopes than `openid`."""
    with providing() as elsewhere:
        async with running(tmp_path, environment=settings(elsewhere)) as house, house.client() as browser:
            elsewhere.userinfo = {"letterhead_account": house.accounts["acme"], "letterhead_scope": "full"}
            assert (await came_back(house, browser)).status_code == 303
            assert await scope_of(house, browser) == "full"
            assert elsewhere.asked["/userinfo"] == 1
            elsewhere.claims |= {"letterhead_account": house.accounts["acme"], "letterhead_scope": "read"}
            assert (await came_back(house, browser)).status_code == 303
            assert await scope_of(house, browser) == "less"
            assert elsewhere.asked["/userinfo"] == 1  # nothing was left to ask for


async def test_the_token_s_word_counts_before_userinfo_s(tmp_path: Path) -> None:
    """Its signature covers it; what is only in UserInfo is added."""
    with providing() as elsewhere:
        async with running(tmp_path, environment=settings(elsewhere)) as house, house.client() as browser:
            elsewhere.claims["letterhead_scope"] = "read"
            elsewhere.userinfo = {"letterhead_account": house.accounts["acme"], "letterhead_scope": "full"}
            assert (await came_back(house, browser)).status_code == 303
            assert await scope_of(house, browser) == "less"


@pytest.mark.parametrize("subject", ["bob", "", None, 7, ["ada"]])
async def test_userinfo_about_somebody_else_lets_nobody_in(tmp_path: Path, subject: object) -> None:
    """OpenID Connect Core 1.0, 5.3.2: its subject must be that of the ID token, or its claims are not used."""
    with providing() as elsewhere:
        async with running(tmp_path, environment=settings(elsewhere)) as house, house.client() as browser:
            elsewhere.userinfo = {"sub": subject, "letterhead_account": house.accounts["acme"]}
            with structlog.testing.capture_logs() as lines:
                answer = await came_back(house, browser)
            assert (answer.status_code, "openid-userinfo-of-another" in answer.text) == (401, True)
            assert [each["subject"] for each in lines if each["event"] == "openid.refused"] == ["ada"]
            assert (await browser.get("/dashboard")).status_code == 303


@pytest.mark.parametrize(
    "told",
    [
        {"userinfo_endpoint": "http://127.0.0.1:1/"}, {"userinfo_endpoint": "PROVIDER/nothing"},
        {"userinfo_endpoint": "PROVIDER/authorize?tenant=1"},
    ],
    ids=["closed", "404", "redirect"],
)  # fmt: skip
async def test_userinfo_in_trouble_is_told_and_lets_nobody_in(tmp_path: Path, told: dict[str, str]) -> None:
    """Without it the scope would be a guess; no redirect is followed, which would carry the access token elsewhere."""
    with providing() as elsewhere:
        elsewhere.discovery = {name: text.replace("PROVIDER", elsewhere.url) for name, text in told.items()}
        async with running(tmp_path, environment=settings(elsewhere)) as house, house.client() as browser:
            elsewhere.claims["letterhead_account"] = house.accounts["acme"]
            if "authorize" in told["userinfo_endpoint"]:
                elsewhere.discovery["userinfo_endpoint"] += (
                    "&response_type=code&client_id=letterhead&code_challenge_method=S256&scope=openid&code_challenge=x"
                    f"&state=x&redirect_uri={elsewhere.url}/keys"
                )
            answer = await came_back(house, browser)
            assert (answer.status_code, "OpenID Connect provider" in answer.text) == (502, True)
            assert elsewhere.asked["/keys"] == 1
            assert (await browser.get("/dashboard")).status_code == 303


@pytest.mark.parametrize(
    ("claims", "more", "scope"),
    [
        # Microsoft Entra ID: app roles are a list; Keycloak: so is an attribute with several values.
        ({"letterhead_account": ["ACME"], "letterhead_scope": ["full"]}, {}, "full"),
        ({"letterhead_account": ["ACME"], "roles": ["x", "write", "read"]}, {"OIDC_SCOPE_CLAIM": "roles"}, "less"),
        # Keycloak: roles are in an object.
        (
            {"letterhead_account": "ACME", "realm_access": {"roles": ["uma_authorization", "full"]}},
            {"OIDC_SCOPE_CLAIM": "realm_access.roles"},
            "full",
        ),
        # Auth0 and Okta: the name of a claim is a URL, whose dots are no path.
        (
            {"https://a.example/id": "ACME", "letterhead_scope": "full", "https://a": {"example/id": "x"}},
            {"OIDC_ACCOUNT_CLAIM": "https://a.example/id"},
            "full",
        ),
        ({"letterhead_account": [None, 7, "ACME", "ACME"], "letterhead_scope": []}, {"OIDC_SCOPE": "full"}, "full"),
    ],
)  # fmt: skip
async def test_claims_are_read_as_providers_send_them(
    tmp_path: Path, claims: dict[str, Any], more: dict[str, str], scope: str
) -> None:
    """As a text, as a list, and within an object."""
    with providing() as elsewhere:
        async with running(tmp_path, environment=settings(elsewhere, **more)) as house, house.client() as browser:
            account = house.accounts["acme"]
            for name, value in claims.items():
                given = [account if each == "ACME" else each for each in value] if isinstance(value, list) else value
                elsewhere.claims[name] = account if given == "ACME" else given
            assert (await came_back(house, browser)).status_code == 303
            assert await scope_of(house, browser) == scope


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({}, "account-missing"),
        ({"letterhead_account": "acc_other"}, "account-unknown"),
        ({"letterhead_account": None, "letterhead_scope": "boss"}, "scope-invalid"),
        ({"aud": ["letterhead", "x"]}, "token-audience"),
    ],
)
async def test_a_refusal_says_who_and_which_claims_came(tmp_path: Path, claims: dict[str, Any], code: str) -> None:
    """The log has the subject and the claims' names, and no value; the page a code, and the log's number for it."""
    with providing() as elsewhere:
        async with running(tmp_path, environment=settings(elsewhere)) as house, house.client() as browser:
            elsewhere.claims |= {"sub": "ada-7", "phone_number": "+49 secret", **claims}
            elsewhere.userinfo = {"address": {"locality": "a secret place"}}
            with structlog.testing.capture_logs() as lines:
                answer = await came_back(house, browser)
            assert (answer.status_code, f"<code>openid-{code}</code>" in answer.text) == (401, True)
            assert answer.headers["x-tracking-id"] in answer.text
            (line,) = [each for each in lines if each["event"] == "openid.refused"]
            assert (line["code"], line["subject"]) == (code, "ada-7")
            assert {"sub", "phone_number", "aud"} <= set(line["claims"])
            assert ("address" in line["claims"]) == (code != "token-audience")
            written = str(lines)
            assert "secret" not in written
            assert ACCESS_TOKEN not in written
            assert "acc_other" not in written


async def test_what_the_provider_calls_wrong_stands_in_the_log(tmp_path: Path) -> None:
    """A scope that it does not know sends people back without a code (RFC 6749 4.1.2.1); only its own word is kept."""
    with providing() as elsewhere:
        async with running(tmp_path, environment=settings(elsewhere)) as house, house.client() as browser:
            for error, logged in (("invalid_scope", "invalid_scope"), ("<b>\n", None)):
                back = httpx2.URL(await led(browser)).copy_set_param("error", error).copy_remove_param("code")
                with structlog.testing.capture_logs() as lines:
                    answer = await browser.get(back)
                assert (answer.status_code, "openid-came-back" in answer.text) == (401, True)
                assert [each["error"] for each in lines if each["event"] == "openid.refused"] == [logged]
            with structlog.testing.capture_logs() as lines:
                assert (await browser.get("/sign-in/openid/back?error=x&state=y")).status_code == 401
            assert not [each for each in lines if each["event"] == "openid.refused"]  # anybody can ask for that

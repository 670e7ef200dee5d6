"""Signing in at npm's certified oidc-provider, through its pages, with claims as well-known providers send them."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import structlog

from tests.rigs.oidc_provider import OidcProvider, Sending, signed_in_at
from tests.web.conftest import Installation, running
from tests.web.test_members import invited, people, sealed
from tests.web.test_openid_maps import GUID, map_to, role_of
from tests.web.test_pages import csrf

GOOGLE = Sending({"openid": ["sub"], "email": ["email", "email_verified", "hd"]})
ENTRA = Sending({"openid": ["sub", "oid", "tid", "groups"], "email": ["email"], "profile": ["preferred_username"]})
OKTA = Sending({"openid": ["sub"], "email": ["email", "email_verified"], "groups": ["groups"]}, userinfo=True)
KEYCLOAK = Sending(
    {"openid": ["sub", "groups", "realm_access"], "email": ["email", "email_verified"]},
    more={"clientAuthMethods": ["client_secret_post"]},
    client={"token_endpoint_auth_method": "client_secret_post"},
)
AS_GOOGLE = {"OIDC_SCOPES": "openid email", "OIDC_DOMAIN_CLAIM": "hd"}
AS_ENTRA = {"OIDC_SCOPES": "openid profile email", "OIDC_GROUPS_CLAIM": "groups"}
AS_OKTA = {"OIDC_SCOPES": "openid email groups", "OIDC_GROUPS_CLAIM": "groups"}
AS_KEYCLOAK = {"OIDC_SCOPES": "openid email", "OIDC_GROUPS_CLAIM": "groups"}
BY_ROLES = {"OIDC_SCOPES": "openid", "OIDC_GROUPS_CLAIM": "realm_access.roles"}
ADA = {"email": "ada@acme.dev", "email_verified": True}
BOB = {"email": "bob@acme.dev", "email_verified": True}
GOOGLE_SUB, ENTRA_SUB = "110169484474386276334", "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ"
LEFT_OUT = {
    "_claim_names": {"groups": "src1"},
    "_claim_sources": {"src1": {"endpoint": "http://127.0.0.1:1/users/ada/getMemberObjects"}},
}


@asynccontextmanager
async def trusting(
    folder: Path, sending: Sending, persons: Mapping[str, Any], **settings: str
) -> AsyncIterator[tuple[Installation, Path]]:
    """Run an installation and the provider that it trusts, and return the provider's log too."""
    provider = OidcProvider()
    async with running(folder, environment=provider.settings | settings) as house:
        await house.open_account("other")
        with provider.running(folder, house.url, sending, persons) as server:
            yield house, server.log


async def came_back(
    house: Installation, browser: httpx2.AsyncClient, sub: str | None, start: str = "/sign-in/openid"
) -> httpx2.Response:
    """Sign a person in at the provider, as a browser that nobody is signed in with, and come back."""
    left = await browser.get(start)
    assert left.status_code == 303, left.text
    return await browser.get(await signed_in_at(left.headers["location"], sub, house.url))


@pytest.mark.parametrize(
    ("sending", "settings", "rules", "sub", "claims", "role"),
    [
        (GOOGLE, AS_GOOGLE, {"emailDomains": {"acme.dev": "editor"}}, GOOGLE_SUB, ADA | {"hd": "acme.dev"}, "editor"),
        (GOOGLE, AS_GOOGLE, {"emailDomains": {"acme.dev": "editor"}}, GOOGLE_SUB, ADA, "none"),
        (ENTRA, AS_ENTRA, {"groups": {GUID: "editor"}}, ENTRA_SUB, {"groups": ["0", GUID], "tid": GUID}, "editor"),
        (ENTRA, AS_ENTRA, {"emailDomains": {"acme.dev": "owner"}}, ENTRA_SUB, {"email": "ada@acme.dev"}, "none"),
        (OKTA, AS_OKTA, {"groups": {"mail": "owner"}}, "00u1ab2cd", ADA | {"groups": ["Everyone", "mail"]}, "owner"),
        (OKTA, AS_OKTA, {"emailDomains": {"acme.dev": "viewer"}}, "00u1ab2cd", ADA, "viewer"),
        (OKTA, AS_OKTA | {"OIDC_SCOPES": "openid email"}, {"groups": {"mail": "owner"}}, "00u1ab2cd",
         ADA | {"groups": ["mail"]}, "none"),
        (KEYCLOAK, AS_KEYCLOAK, {"groups": {"/mail team": "editor"}}, GUID, {"groups": ["/mail team"]}, "editor"),
        (KEYCLOAK, AS_KEYCLOAK, {"groups": {"mail team": "editor"}}, GUID, {"groups": ["/mail team"]}, "none"),
        (KEYCLOAK, BY_ROLES, {"groups": {"mail": "viewer"}}, GUID,
         {"realm_access": {"roles": ["uma_authorization", "mail"]}}, "viewer"),
    ],
)  # fmt: skip
async def test_the_claims_of_well_known_providers(
    tmp_path: Path, sending: Sending, settings: dict[str, str], rules: dict[str, Any], sub: str,
    claims: dict[str, Any], role: str,
) -> None:  # fmt: skip
    """By Workspace domain, by groups as they are written there, and by claims that only UserInfo has."""
    async with trusting(tmp_path, sending, {sub: claims}, **settings) as (house, log), house.client() as browser:
        await map_to(house, "acme", **rules)
        with structlog.testing.capture_logs() as lines:
            answer = await came_back(house, browser, sub)
        assert answer.status_code == (401 if role == "none" else 303), answer.text
        assert await role_of(browser) == role
        refused = [(each["code"], each["subject"]) for each in lines if each["event"] == "openid.refused"]
        assert refused == ([("account-missing", sub)] if role == "none" else [])
        if sending.userinfo:
            assert "GET /me\n" in log.read_text("utf-8")


@pytest.mark.parametrize("sending", [ENTRA, Sending(ENTRA.claims, userinfo=True)])
async def test_groups_left_out_are_told(tmp_path: Path, sending: Sending) -> None:
    """Entra ID's word for too many groups comes through, in the token or in UserInfo; its address is not asked."""
    persons = {ENTRA_SUB: LEFT_OUT}
    async with trusting(tmp_path, sending, persons, **AS_ENTRA) as (house, _), house.client() as browser:
        await map_to(house, "acme", groups={GUID: "editor"})
        with structlog.testing.capture_logs() as lines:
            answer = await came_back(house, browser, ENTRA_SUB)
        assert (answer.status_code, "openid-groups-left-out" in answer.text) == (401, True)
        (refused,) = [each for each in lines if each["event"] == "openid.refused"]
        assert {"_claim_names", "sub"} <= set(refused["claims"])
        assert await role_of(browser) == "none"


async def test_a_person_chooses_and_a_group_operates(tmp_path: Path) -> None:
    """Of two accounts and the operator's pages; of these alone whoever is in the operators' group alone."""
    persons = {"ada": ADA | {"groups": ["mail", "ops"]}, "ops": {"groups": ["ops"]}, "eve": {"groups": ["op"]}}
    async with trusting(tmp_path, OKTA, persons, **AS_OKTA, OIDC_OPERATOR_GROUP="ops") as (house, _):
        await map_to(house, "acme", groups={"mail": "viewer"})
        await map_to(house, "other", emailDomains={"acme.dev": "owner"})
        async with house.client() as browser:
            page = await came_back(house, browser, "ada", "/sign-in/openid?next=%2Fdashboard%2Faccount")
            assert page.status_code == 200
            fields = sealed(page) | {"next": "/dashboard/account"}
            for name, role in (("acme", "viewer"), ("other", "owner")):
                data = fields | {"account": house.accounts[name]}
                entered = await browser.post("/sign-in/openid/account", data=data)
                assert (entered.status_code, entered.headers["location"]) == (303, "/dashboard/account")
                assert await role_of(browser) == role
                fields["csrf"] = csrf(await browser.get("/dashboard/account"))
            await browser.post("/sign-in/openid/account", data=fields | {"account": "operator"})
            assert "openid:ada" in (await browser.get("/operator/audit")).text
        for sub, status in (("ops", 303), ("eve", 401)):
            async with house.client() as browser:
                answer = await came_back(house, browser, sub)
                assert (answer.status_code, answer.headers.get("location")) == (status, {303: "/operator"}.get(status))
                assert (await browser.get("/operator")).status_code == {303: 200, 401: 303}[status]


async def test_an_invitation_is_accepted(tmp_path: Path) -> None:
    """By the person whose verified address, which UserInfo has, was invited; another's is refused and uses up none."""
    async with trusting(tmp_path, OKTA, {"ada": ADA, "bob": BOB}, OIDC_SCOPES="openid email") as (house, _):
        path = await invited(house)
        async with house.client() as browser:
            refused = await came_back(house, browser, "bob", f"/sign-in/openid?next={path}")
            assert (refused.status_code, "openid-invitation-of-another" in refused.text) == (409, True)
        async with house.client() as browser:
            page = await came_back(house, browser, "ada", f"/sign-in/openid?next={path}")
            assert (page.status_code, await role_of(browser)) == (200, "none")
            done = await browser.post(path, data=sealed(page))
            assert (done.status_code, done.headers["location"]) == (303, "/dashboard")
        async with house.client() as browser:
            assert (await came_back(house, browser, "ada")).status_code == 303
            assert await role_of(browser) == "editor"
        found = await people(house)
        assert [(each["subject"], each["role"]) for each in found["members"]] == [("ada", "editor")]


@pytest.mark.parametrize("algorithm", ["PS256", "ES256", "EdDSA", "Ed25519"])
async def test_each_kind_of_signature_holds(tmp_path: Path, algorithm: str) -> None:
    """The provider publishes keys of several kinds and signs by one of them; RS256 is what the others have."""
    sending = Sending(
        {"openid": ["sub", "email", "email_verified"]},
        client={"id_token_signed_response_alg": algorithm},
        more={"enabledJWA": {"idTokenSigningAlgValues": [algorithm, "RS256"]}},
    )
    async with trusting(tmp_path, sending, {"ada": ADA}) as (house, _), house.client() as browser:
        await map_to(house, "acme", emailDomains={"acme.dev": "viewer"})
        assert (await came_back(house, browser, "ada")).status_code == 303
        assert await role_of(browser) == "viewer"


@pytest.mark.parametrize(
    ("sub", "client", "error"),
    [("ada", {"scope": "openid email"}, "invalid_scope"), (None, {}, "access_denied")],
)
async def test_the_providers_refusal_is_logged(
    tmp_path: Path, sub: str | None, client: dict[str, Any], error: str
) -> None:
    """A scope that the client may not have, a person who cancels: the log has the provider's word."""
    sending = Sending(OKTA.claims, client=client)
    async with trusting(tmp_path, sending, {"ada": ADA}, **AS_OKTA) as (house, _), house.client() as browser:
        with structlog.testing.capture_logs() as lines:
            answer = await came_back(house, browser, sub)
        assert (answer.status_code, "openid-came-back" in answer.text) == (401, True)
        assert [each["error"] for each in lines if each["event"] == "openid.refused"] == [error]


async def test_another_secret_is_the_operators_to_mend(tmp_path: Path) -> None:
    """Nobody's sign-in has failed: the page says what is wrong, and the log has a code of its own."""
    sending = Sending(OKTA.claims, client={"client_secret": "another"})
    async with trusting(tmp_path, sending, {"ada": ADA}) as (house, _), house.client() as browser:
        with structlog.testing.capture_logs() as lines:
            answer = await came_back(house, browser, "ada")
        assert (answer.status_code, "client id and secret" in answer.text) == (502, True)
        refused = [(each["code"], each["error"]) for each in lines if each["event"] == "openid.refused"]
        assert refused == [("client-refused", "invalid_client")]

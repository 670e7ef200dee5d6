"""Who is led to which account by a mail domain or a group, with claims as well-known providers send them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.rigs.openid import OpenId, providing
from tests.web.conftest import OPERATOR_TOKEN, Installation, running
from tests.web.test_openid import led, settings
from tests.web.test_pages import csrf, sign_in

GROUPS = {"OIDC_GROUPS_CLAIM": "groups"}
GUID = "7f1d2c7e-6a2b-4c43-9d0a-0e3a5b9a7d11"
GOOGLE = {"OIDC_SCOPES": "openid email", "OIDC_DOMAIN_CLAIM": "hd"}
ADA = {"email": "ada@acme.dev", "email_verified": True}


async def map_to(house: Installation, name: str, **rules: dict[str, str]) -> None:
    """Set the rules of an account, as the operator."""
    async with house.client(OPERATOR_TOKEN) as operator:
        answer = await operator.patch(f"/accounts/{house.accounts[name]}/sign-in", json=rules)
        assert answer.status_code == 200, answer.text


async def role_of(browser: httpx2.AsyncClient) -> str:
    """Say what the session of a browser may do: nothing where there is none."""
    page = await browser.get("/dashboard/keys")
    if page.status_code != 200:
        return "none"
    if 'name="scope"' in page.text:
        return "owner"
    return "editor" if 'name="sender"' in (await browser.get("/dashboard")).text else "viewer"


@pytest.mark.parametrize(
    ("more", "rules", "claims", "role"),
    [
        # Google: `hd` is the domain of a Workspace; another's address was verified once, when the account was made.
        (GOOGLE, {"emailDomains": {"acme.dev": "editor"}}, ADA | {"hd": "acme.dev"}, "editor"),
        (GOOGLE, {"emailDomains": {"acme.dev": "editor"}}, ADA | {"hd": "ACME.dev"}, "editor"),
        (GOOGLE, {"emailDomains": {"acme.dev": "editor"}}, ADA, "none"),
        (GOOGLE, {"emailDomains": {"acme.dev": "editor"}}, ADA | {"hd": "evil.dev"}, "none"),
        # Others: the address, where it is verified. Entra ID never verifies one: anybody could write it there.
        ({}, {"emailDomains": {"acme.dev": "viewer"}}, ADA, "viewer"),
        ({}, {"emailDomains": {"acme.dev": "owner"}}, ADA | {"email": "Ada@ACME.dev"}, "owner"),
        ({}, {"emailDomains": {"acme.dev": "owner"}}, {"email": "ada@acme.dev"}, "none"),
        ({}, {"emailDomains": {"acme.dev": "owner"}}, ADA | {"email_verified": False}, "none"),
        ({}, {"emailDomains": {"acme.dev": "owner"}}, ADA | {"email_verified": "true"}, "none"),
        ({}, {"emailDomains": {"acme.dev": "owner"}}, ADA | {"email": "ada@sub.acme.dev"}, "none"),
        ({}, {"emailDomains": {"acme.dev": "owner"}}, ADA | {"email": "ada@evil.dev\n@acme.dev"}, "none"),
        ({}, {"emailDomains": {"acme.dev": "owner"}}, {"email_verified": True, "upn": "a@acme.dev"}, "none"),
        # Entra ID: groups are GUIDs.
        (GROUPS, {"groups": {GUID: "editor"}}, {"groups": ["0", GUID], "email": "ada@acme.dev"}, "editor"),
        # Okta: names; of several rules the widest counts.
        (GROUPS, {"groups": {"Everyone": "viewer", "mail": "owner"}}, {"groups": ["Everyone", "mail"]}, "owner"),
        # Keycloak: whole paths.
        (GROUPS, {"groups": {"/mail team": "editor"}}, {"groups": ["/mail team"]}, "editor"),
        (GROUPS, {"groups": {"mail team": "editor"}}, {"groups": ["/mail team"]}, "none"),
        (
            {"OIDC_GROUPS_CLAIM": "realm_access.roles"},
            {"groups": {"mail": "viewer"}},
            {"realm_access": {"roles": ["uma_authorization", "mail"]}},
            "viewer",
        ),
        ({}, {"groups": {"mail": "viewer"}}, {"groups": ["mail"]}, "none"),
        (GROUPS, {"groups": {"mail": "viewer"}}, {"groups": {"mail": True}}, "none"),
    ],
)  # fmt: skip
async def test_rules_let_in_whom_the_provider_vouches_for(
    tmp_path: Path, more: dict[str, str], rules: dict[str, dict[str, str]], claims: dict[str, Any], role: str
) -> None:
    """By the domain of a verified address or Google's `hd`, and by the groups as they are written there."""
    with providing() as elsewhere:
        async with running(tmp_path, environment=settings(elsewhere, **more)) as house, house.client() as browser:
            await house.open_account("other")
            await map_to(house, "other", emailDomains={"other.dev": "owner"}, groups={"other": "owner"})
            await map_to(house, "acme", **rules)
            elsewhere.claims |= claims
            answer = await browser.get(await led(browser))
            assert answer.status_code == (401 if role == "none" else 303), answer.text
            assert await role_of(browser) == role


async def test_too_many_groups_are_told(tmp_path: Path) -> None:
    """Entra ID names an address to ask in place of more than 200 groups: it is not followed, and the page says why."""
    with providing() as elsewhere:
        async with running(tmp_path, environment=settings(elsewhere, **GROUPS)) as house, house.client() as browser:
            elsewhere.claims |= {
                "_claim_names": {"groups": "src1"},
                "_claim_sources": {"src1": {"endpoint": f"{elsewhere.url}/groups"}},
            }
            answer = await browser.get(await led(browser))
            assert (answer.status_code, "openid-groups-left-out" in answer.text) == (401, True)
            assert not elsewhere.asked["/groups"]


async def test_the_account_claim_counts_before_the_rules(tmp_path: Path) -> None:
    """What the provider says of the account itself is not widened by a group."""
    with providing() as elsewhere:
        async with running(tmp_path, environment=settings(elsewhere, **GROUPS)) as house, house.client() as browser:
            await map_to(house, "acme", groups={"mail": "owner"})
            elsewhere.claims |= {"letterhead_account": house.accounts["acme"], "groups": ["mail"]}
            assert (await browser.get(await led(browser))).status_code == 303
            assert await role_of(browser) == "viewer"


async def test_a_person_of_several_accounts_chooses(tmp_path: Path) -> None:
    """Each account with its own role; what they may not enter is refused, and so is a choice that is not theirs."""
    with providing() as elsewhere:
        async with running(tmp_path, environment=settings(elsewhere, **GROUPS)) as house:
            await house.open_account("other")
            await house.open_account("third")
            await map_to(house, "acme", groups={"mail": "viewer"})
            await map_to(house, "other", emailDomains={"acme.dev": "owner"})
            elsewhere.claims |= ADA | {"groups": ["mail"]}
            async with house.client() as browser, house.client() as stranger:
                page = await browser.get(await led(browser, "/sign-in/openid?next=%2Fdashboard%2Faccount"))
                assert page.status_code == 200
                assert await role_of(browser) == "none"
                shown = [house.accounts[name] in page.text for name in ("acme", "other", "third")]
                assert shown == [True, True, False]
                sealed = page.text.partition('name="person" value="')[2].partition('"')[0]
                fields = {"csrf": csrf(page), "person": sealed, "next": "/dashboard/account"}
                for account, text in ((house.accounts["third"], sealed), ("operator", sealed),
                                      (house.accounts["other"], f"A{sealed[1:]}"), (house.accounts["other"], ""),
                                      (house.accounts["other"], sealed[:-8])):  # fmt: skip
                    refused = await browser.post(
                        "/sign-in/openid/account", data=fields | {"account": account, "person": text}
                    )
                    assert refused.status_code == 401, account
                    assert await role_of(browser) == "none"
                for name, role in (("acme", "viewer"), ("other", "owner")):
                    data = fields | {"account": house.accounts[name]}
                    entered = await browser.post("/sign-in/openid/account", data=data)
                    assert entered.headers["location"] == "/dashboard/account"
                    assert await role_of(browser) == role
                    fields["csrf"] = csrf(await browser.get("/dashboard/account"))
                foreign = await stranger.post(
                    "/sign-in/openid/account", data=fields | {"account": house.accounts["acme"]}
                )
                assert foreign.status_code == 403  # a form of ours, in the browser that we gave it to


async def test_a_choice_lasts_ten_minutes(tmp_path: Path) -> None:
    """After that the person signs in once more."""
    later = [timedelta()]
    with providing() as elsewhere:
        clock = lambda: datetime.now(UTC) + later[0]  # noqa: E731
        environment = settings(elsewhere, **GROUPS, OIDC_OPERATOR_GROUP="ops")
        async with running(tmp_path, environment=environment, now=clock) as house, house.client() as browser:
            await map_to(house, "acme", groups={"ops": "viewer"})
            elsewhere.claims["groups"] = ["ops"]
            page = await browser.get(await led(browser))
            sealed = page.text.partition('name="person" value="')[2].partition('"')[0]
            later[0] = timedelta(minutes=11)
            data = {"csrf": csrf(page), "person": sealed, "account": house.accounts["acme"]}
            answer = await browser.post("/sign-in/openid/account", data=data)
            assert (answer.status_code, "openid-choice-over" in answer.text) == (401, True)


async def test_a_group_signs_in_to_the_operator_s_pages(tmp_path: Path) -> None:
    """By their name in the audit; another group in the settings, or none, ends the session; nobody else gets in."""
    with providing() as elsewhere:
        environment = settings(elsewhere, **GROUPS, OIDC_OPERATOR_GROUP="ops")
        elsewhere.claims["groups"] = ["mail", "ops"]
        async with running(tmp_path, environment=environment) as house, house.client() as browser:
            back = await browser.get(await led(browser, "/sign-in/openid?next=%2Foperator%2Faudit"))
            assert (back.status_code, back.headers["location"]) == (303, "/operator/audit")
            page = await browser.get("/operator")
            assert page.status_code == 200
            data = {"csrf": csrf(page), "name": "New", "email": "new@acme.dev"}
            assert (await browser.post("/operator/accounts", data=data)).status_code == 200
            assert "openid:ada" in (await browser.get("/operator/audit")).text
            rows = await house.deps.store.audit_rows(None, None, 10)
            done = {each.row.action: each.row.actor for each in reversed(rows)}
            assert done["account.open"] == done["session.open"] == "operator:openid:ada"
            assert (await browser.get("/dashboard")).status_code == 303
            token = browser.cookies["letterhead-session"]
        for more, status in (
            ({**GROUPS, "OIDC_OPERATOR_GROUP": "ops"}, 200), ({**GROUPS, "OIDC_OPERATOR_GROUP": "others"}, 303),
            (GROUPS, 303),
        ):  # fmt: skip
            async with running(tmp_path, environment=settings(elsewhere, **more)) as house, house.client() as browser:
                browser.cookies.set("letterhead-session", token)
                assert (await browser.get("/operator")).status_code == status, more
        async with running(tmp_path) as house, house.client() as browser:
            browser.cookies.set("letterhead-session", token)
            assert (await browser.get("/operator")).status_code == 303
        elsewhere.claims["groups"] = ["mail", "ops2", "op"]
        async with running(tmp_path, environment=environment) as house, house.client() as browser:
            assert (await browser.get(await led(browser))).status_code == 401
            await map_to(house, "acme", groups={"ops": "owner"})  # an account's group is no operators' group
            assert (await browser.get(await led(browser))).status_code == 401


async def test_an_operator_with_an_account_chooses(tmp_path: Path) -> None:
    """Between the account and the operator's pages."""
    with providing() as elsewhere:
        environment = settings(elsewhere, **GROUPS, OIDC_OPERATOR_GROUP="ops")
        async with running(tmp_path, environment=environment) as house, house.client() as browser:
            elsewhere.claims |= {"groups": ["ops"], "letterhead_account": house.accounts["acme"]}
            page = await browser.get(await led(browser))
            sealed = page.text.partition('name="person" value="')[2].partition('"')[0]
            data = {"csrf": csrf(page), "person": sealed, "account": "operator"}
            assert (await browser.post("/sign-in/openid/account", data=data)).headers["location"] == "/operator"
            assert (await browser.get("/operator")).status_code == 200


async def test_new_rules_end_what_the_old_ones_opened(tmp_path: Path) -> None:
    """Who came in by a rule signs in anew; who came in by a key stays, and so do other accounts."""
    with providing() as elsewhere:
        async with running(tmp_path, environment=settings(elsewhere, **GROUPS)) as house:
            await house.open_account("other")
            await map_to(house, "acme", groups={"mail": "owner"})
            await map_to(house, "other", groups={"mail2": "owner"})
            async with house.client() as browser, house.client() as by_key, house.client() as other:
                elsewhere.claims["groups"] = ["mail"]
                await browser.get(await led(browser))
                elsewhere.claims["groups"] = ["mail2"]
                await other.get(await led(other))
                await sign_in(by_key, house.keys["acme"])
                assert [await role_of(each) for each in (browser, by_key, other)] == ["owner"] * 3
                await map_to(house, "acme", emailDomains={"acme.dev": "viewer"})
                assert [await role_of(each) for each in (browser, by_key, other)] == ["none", "owner", "owner"]
                await map_to(house, "acme", groups={})
                async with house.client(OPERATOR_TOKEN) as operator:
                    kept = (await operator.get(f"/accounts/{house.accounts['acme']}/sign-in")).json()
                assert kept == {"emailDomains": {"acme.dev": "viewer"}, "groups": {}}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"emailDomains": {"gmail.com": "viewer"}}, "domain-forbidden"),
        ({"emailDomains": {"co.uk": "viewer"}}, "domain-public-suffix"),
        ({"emailDomains": {"a b": "viewer"}}, "domain-charset"),
        ({"emailDomains": {"acme.dev": "boss"}}, "body-invalid"),
        ({"emailDomains": ["acme.dev"]}, "body-invalid"),
        ({"groups": {"": "viewer"}}, "parameter-invalid"),
        ({"groups": {"a\nb": "viewer"}}, "parameter-invalid"),
        ({"groups": {f"g{number}": "viewer" for number in range(101)}}, "body-invalid"),
        ({"groups": {f"g{number}": "viewer" for number in range(60)},
          "emailDomains": {f"d{number}.dev": "viewer" for number in range(60)}}, "parameter-invalid"),
    ],
)  # fmt: skip
async def test_rules_that_make_no_sense_are_refused(house: Installation, body: dict[str, Any], code: str) -> None:
    """Above all a domain where anybody can have an address; nothing is changed."""
    await map_to(house, "acme", groups={"kept": "viewer"})
    async with house.client(OPERATOR_TOKEN) as operator:
        place = f"/accounts/{house.accounts['acme']}/sign-in"
        answer = await operator.patch(place, json=body)
        assert (answer.status_code, answer.json()["error"]["code"]) in ((400, code), (422, code)), answer.text
        assert (await operator.get(place)).json()["groups"] == {"kept": "viewer"}
        assert (await operator.get("/accounts/acc_none/sign-in")).status_code == 404
        assert (await operator.patch("/accounts/acc_none/sign-in", json={"groups": {}})).status_code == 404
    async with house.client(house.keys["acme"]) as acme:
        assert (await acme.get(place)).status_code == 401


@pytest.fixture
async def elsewhere() -> Any:
    """Run the provider."""
    with providing() as provider:
        yield provider


async def test_the_operator_s_own_domain_may_be_mapped(tmp_path: Path, elsewhere: OpenId) -> None:
    """Accounts can't add it as a sender domain; people of it may sign in all the same."""
    async with running(tmp_path, environment=settings(elsewhere, OWN_DOMAINS="acme.dev")) as house:
        await map_to(house, "acme", emailDomains={"acme.dev": "viewer"})


async def test_the_operator_sets_rules_on_a_page(tmp_path: Path, elsewhere: OpenId) -> None:
    """A line each; what is no rule is named, and what was typed stays there."""
    async with running(tmp_path, environment=settings(elsewhere)) as house, house.client() as browser:
        await sign_in(browser, OPERATOR_TOKEN)
        place = f"/operator/accounts/{house.accounts['acme']}/people"
        listed = await browser.get(f"/operator/domains?account={house.accounts['acme']}")
        assert f'href="{place}"' in listed.text
        token = csrf(await browser.get(place))
        typed = {"csrf": token, "domains": "acme.dev = viewer\r\n\r\n", "groups": "a = b = owner\r\n<i>=editor"}
        saved = await browser.post(place, data=typed)
        assert (saved.status_code, saved.headers["location"]) == (303, f"{place}?done=saved")
        page = await browser.get(place)
        assert "acme.dev = viewer</textarea>" in page.text
        assert "a = b = owner" in page.text
        assert "&lt;i&gt; = editor" in page.text
        for wrong in ("acme.dev", "gmail.com = viewer", "acme.dev = boss"):
            refused = await browser.post(place, data=typed | {"domains": wrong})
            assert (refused.status_code, 'role="alert"' in refused.text, wrong in refused.text) == (400, True, True)
        async with house.client(OPERATOR_TOKEN) as operator:
            kept = (await operator.get(f"/accounts/{house.accounts['acme']}/sign-in")).json()
        assert kept == {"emailDomains": {"acme.dev": "viewer"}, "groups": {"a = b": "owner", "<i>": "editor"}}
        lost = "/operator/accounts/acc_none/people"
        assert (await browser.get(lost)).status_code == (await browser.post(lost, data=typed)).status_code == 404

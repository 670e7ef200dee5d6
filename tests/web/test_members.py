"""The people of an account: invited, joined once, with a role that their sessions follow, and removed with them."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from letterhead.core.accounts.accounts import Scope
from tests.operations.test_reminders import mail_settings
from tests.operations.world import Clock
from tests.rigs.openid import OpenId, providing
from tests.rigs.smtp import Ledger, Mood
from tests.web.conftest import OPERATOR_TOKEN, Installation, running
from tests.web.test_openid import led, settings
from tests.web.test_openid_maps import map_to, role_of
from tests.web.test_pages import csrf, sign_in

MAIL = "ada@acme.dev"
VERIFIED = {"email": MAIL, "email_verified": True}


@pytest.fixture
def clock() -> Clock:
    """Return a clock that the test turns."""
    return Clock(datetime.now(UTC))


@pytest.fixture
async def elsewhere() -> AsyncIterator[OpenId]:
    """Run the provider."""
    with providing() as provider:
        yield provider


@pytest.fixture
async def house(tmp_path: Path, elsewhere: OpenId, clock: Clock) -> AsyncIterator[Installation]:
    """Run an installation with a provider, and without a mail server."""
    async with running(tmp_path, environment=settings(elsewhere), now=clock) as installation:
        await installation.open_account("other")
        yield installation


async def invited(house: Installation, email: str = MAIL, role: str = "editor", name: str = "acme") -> str:
    """Invite somebody, and return the path of the link."""
    async with house.client(house.keys[name]) as owner:
        answer = await owner.post("/invitations", json={"email": email, "role": role})
        assert answer.status_code == 201, answer.text
        return str(httpx2.URL(answer.json()["url"]).path)


def sealed(page: httpx2.Response) -> dict[str, str]:
    """Return the fields of the form that accepts."""
    found = re.search(r'name="person" value="([^"]+)"', page.text)
    return {"csrf": csrf(page), "person": found[1] if found else ""}


async def accepted(browser: httpx2.AsyncClient, path: str) -> httpx2.Response:
    """Open the link, sign in and press the button, if there is one."""
    page = await browser.get(path)
    if page.status_code != 200:
        return page
    start = re.search(r'href="(/sign-in/openid\?next=[^"]+)"', page.text)
    assert start is not None
    page = await browser.get(await led(browser, start[1]))
    return page if page.status_code != 200 else await browser.post(path, data=sealed(page))


async def people(house: Installation, name: str = "acme") -> dict[str, Any]:
    """List the people of an account."""
    async with house.client(house.keys[name]) as owner:
        return dict((await owner.get("/members")).json())


async def joined(house: Installation, elsewhere: OpenId, browser: httpx2.AsyncClient, who: str, role: str) -> str:
    """Make a person a member, whose browser is signed in, and return the member's id."""
    elsewhere.claims |= {"sub": who, "email": f"{who}@acme.dev", "email_verified": True}
    answer = await accepted(browser, await invited(house, f"{who}@acme.dev", role))
    assert answer.status_code == 303, answer.text
    return next(str(each["id"]) for each in (await people(house))["members"] if each["subject"] == who)


async def test_an_invited_person_becomes_a_member(house: Installation, elsewhere: OpenId) -> None:
    """Looking accepts nothing, the button does, once; from then on the person signs in with the role given."""
    elsewhere.claims |= VERIFIED
    path = await invited(house, "Ada@ACME.dev")
    async with house.client() as browser, house.client() as scanner:
        assert MAIL in (await scanner.get(path)).text.lower()
        page = await browser.get(await led(browser, f"/sign-in/openid?next={path}"))
        assert (page.status_code, await role_of(browser)) == (200, "none")
        assert [each["email"] for each in (await people(house))["invitations"]] == ["Ada@ACME.dev"]
        done = await browser.post(path, data=sealed(page))
        assert (done.status_code, done.headers["location"]) == (303, "/dashboard")
        assert await role_of(browser) == "editor"
        again = await browser.post(path, data=sealed(page))
        assert (again.status_code, (await scanner.get(path)).status_code) == (404, 404)
        found = await people(house)
        assert found["invitations"] == []
        assert [(each["subject"], each["role"]) for each in found["members"]] == [("ada", "editor")]
        assert (await people(house, "other"))["members"] == []
        browser.cookies.clear()
        assert (await browser.get(await led(browser))).status_code == 303
        assert await role_of(browser) == "editor"
    rows = await house.deps.store.audit_rows(house.accounts["acme"], None, 20)
    done_by = {each.row.action: each.row.actor for each in rows}
    assert done_by["member.join"] == done_by["session.open"] == "openid:ada"
    assert done_by["member.invite"].startswith("key_")


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"email": "eve@acme.dev", "email_verified": True}, 409),
        ({"email": MAIL, "email_verified": True}, 303),
        # Entra ID verifies no address: the link, which was sent to one person, is what counts.
        ({"email": MAIL}, 303),
        ({"email": "eve@acme.dev", "email_verified": False}, 303),
        ({}, 303),
    ],
)
async def test_who_may_accept(house: Installation, elsewhere: OpenId, claims: dict[str, Any], status: int) -> None:
    """With a verified address only whoever has the one that was invited; nothing is used up by another's try."""
    elsewhere.claims |= claims
    path = await invited(house)
    async with house.client() as browser:
        answer = await accepted(browser, path)
        assert answer.status_code == status
        assert await role_of(browser) == ("editor" if status == 303 else "none")
        if status == 409:
            assert "openid-invitation-of-another" in answer.text
            assert 'name="person"' not in answer.text
            assert len((await people(house))["invitations"]) == 1
            elsewhere.claims |= VERIFIED
            assert (await accepted(browser, path)).status_code == 303


async def test_a_form_without_the_provider_s_word_accepts_nothing(house: Installation, elsewhere: OpenId) -> None:
    """Neither a made-up person, nor one of a page that was open too long, nor another's verified address."""
    elsewhere.claims |= VERIFIED
    path, others = await invited(house), await invited(house, "bob@acme.dev", "owner")
    async with house.client() as browser:
        page = await browser.get(await led(browser, f"/sign-in/openid?next={path}"))
        fields = sealed(page)
        elsewhere.claims |= {"email": "bob@acme.dev"}
        other = csrf(await browser.get(await led(browser, f"/sign-in/openid?next={others}")))
        for place, change, status in ((path, {"person": ""}, 401), (path, {"person": "A" + fields["person"][1:]}, 401),
                                      (path, {"csrf": "x"}, 403), (others, {"csrf": other}, 409)):  # fmt: skip
            # A page of an invitation has the token of its own path as the secret of its form.
            assert (await browser.post(place, data=fields | change)).status_code == status, change
            assert await role_of(browser) == "none"
        assert (await people(house))["members"] == []
        assert (await browser.post(path, data=fields)).status_code == 303


async def test_an_invitation_ends(house: Installation, elsewhere: OpenId, clock: Clock) -> None:
    """After a week, when it is revoked, and when another one to the same address is made."""
    elsewhere.claims |= VERIFIED
    first = await invited(house)
    second = await invited(house, "ADA@acme.dev", "viewer")
    async with house.client() as browser, house.client(house.keys["acme"]) as owner:
        assert (await accepted(browser, first)).status_code == 404
        (listed,) = (await people(house))["invitations"]
        assert (listed["role"], "url" in listed) == ("viewer", False)
        assert (await owner.delete(f"/invitations/{listed['id']}")).status_code == 204
        assert (await owner.delete(f"/invitations/{listed['id']}")).status_code == 404
        assert (await accepted(browser, second)).status_code == 404
        third = await invited(house)
        clock.turn(days=7)
        assert (await accepted(browser, third)).status_code == 404
        assert (await people(house))["invitations"] == []


async def test_sessions_follow_the_role_and_the_membership(house: Installation, elsewhere: OpenId) -> None:
    """What an open page may do changes with the role; with the removal it is signed out, and its stream ends."""
    async with house.client() as ada, house.client() as bob, house.client(house.keys["acme"]) as owner:
        await owner.post("/domains", json={"sender": "acme.dev"})
        of_ada = await joined(house, elsewhere, ada, "ada", "viewer")
        of_bob = await joined(house, elsewhere, bob, "bob", "owner")
        assert [await role_of(each) for each in (ada, bob)] == ["viewer", "owner"]
        changed = await owner.patch(f"/members/{of_ada}", json={"role": "editor"})
        assert (changed.status_code, changed.json()["role"]) == (200, "editor")
        assert await role_of(ada) == "editor"
        async with ada.stream("GET", "/dashboard/domains/acme.dev/news") as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == "retry: 2000"
            assert (await owner.delete(f"/members/{of_ada}")).status_code == 204
            assert "event: over" in [line async for line in lines]
        assert [await role_of(each) for each in (ada, bob)] == ["none", "owner"]
        elsewhere.claims |= {"sub": "ada", "email": "ada@acme.dev"}
        assert (await ada.get(await led(ada))).status_code == 401
        assert (await owner.delete(f"/members/{of_ada}")).status_code == 404
        assert (await owner.patch(f"/members/{of_ada}", json={"role": "owner"})).status_code == 404
        assert [each["id"] for each in (await people(house))["members"]] == [of_bob]


async def test_a_member_of_two_accounts_chooses(house: Installation, elsewhere: OpenId) -> None:
    """And the role of a membership counts before that of a rule; a person of another issuer is another."""
    async with house.client() as browser:
        await joined(house, elsewhere, browser, "ada", "viewer")
        assert (await accepted(browser, await invited(house, MAIL, "owner", "other"))).status_code == 303
        await map_to(house, "acme", emailDomains={"acme.dev": "owner"})
        page = await browser.get(await led(browser))
        fields = sealed(page)
        for name, role in (("acme", "viewer"), ("other", "owner")):
            chosen = fields | {"csrf": csrf(await browser.get("/dashboard/account")), "account": house.accounts[name]}
            await browser.post("/sign-in/openid/account", data=chosen)
            assert await role_of(browser) == role


async def test_another_issuer_s_person_is_somebody_else(tmp_path: Path, elsewhere: OpenId) -> None:
    """Who has the same `sub` at a provider that was set later is no member."""
    async with running(tmp_path, environment=settings(elsewhere)) as house, house.client() as browser:
        await joined(house, elsewhere, browser, "ada", "owner")
    with providing() as later:
        later.claims["sub"] = "ada"
        async with running(tmp_path, environment=settings(later)) as house, house.client() as browser:
            assert (await browser.get(await led(browser))).status_code == 401


async def test_the_last_owner_stays(house: Installation, elsewhere: OpenId) -> None:
    """By their own hand neither removed nor demoted; another owner, a key or the operator makes it possible."""
    async with house.client() as ada, house.client() as bob:
        of_ada = await joined(house, elsewhere, ada, "ada", "owner")
        place = f"/dashboard/people/{of_ada}"
        form = {"csrf": csrf(await ada.get("/dashboard/people")), "confirm": "yes", "role": "viewer"}
        for action in ("remove", "role"):
            refused = await ada.post(f"{place}/{action}", data=form)
            assert (refused.status_code, "last owner" in refused.text) == (409, True)
        of_bob = await joined(house, elsewhere, bob, "bob", "owner")
        form = {"csrf": csrf(await ada.get("/dashboard/people")), "confirm": "yes", "role": "viewer"}
        assert (await ada.post(f"{place}/role", data=form)).status_code == 303
        assert await role_of(ada) == "viewer"
        async with house.client(OPERATOR_TOKEN) as operator:
            gone = await operator.delete(f"/accounts/{house.accounts['acme']}/members/{of_bob}")
            assert gone.status_code == 204
        assert await role_of(bob) == "none"


async def test_an_owner_manages_people_on_a_page(house: Installation, elsewhere: OpenId) -> None:
    """Invites, sees the link once where no mail goes out, revokes, changes a role, and removes after a question."""
    async with house.client() as ada, house.client() as eve:
        await joined(house, elsewhere, ada, "ada", "owner")
        of_eve = await joined(house, elsewhere, eve, "eve", "viewer")
        assert 'href="/dashboard/people"' in (await ada.get("/dashboard/account")).text
        looked = await eve.get("/dashboard/people")
        assert (looked.status_code, "/remove" in looked.text, 'name="email"' in looked.text) == (200, False, False)
        form = {"csrf": csrf(await ada.get("/dashboard/people")), "confirm": "yes"}
        made = await ada.post("/dashboard/people/invitations", data=form | {"email": "new@acme.dev", "role": "owner"})
        assert re.search(r"/invitation/[\w-]{32}", made.text)
        (waiting,) = (await people(house))["invitations"]
        assert waiting["role"] == "owner"
        wrong = await ada.post("/dashboard/people/invitations", data=form | {"email": "nobody"})
        assert (wrong.status_code, 'role="alert"' in wrong.text) == (400, True)
        revoked = await ada.post(f"/dashboard/people/invitations/{waiting['id']}/revoke", data=form)
        assert revoked.headers["location"] == "/dashboard/people?done=saved"
        assert (await ada.post(f"/dashboard/people/{of_eve}/role", data=form | {"role": "editor"})).status_code == 303
        assert await role_of(eve) == "editor"
        asked = await ada.get(f"/dashboard/people/{of_eve}/remove")
        assert (asked.status_code, "eve@acme.dev" in asked.text) == (200, True)
        await ada.post(f"/dashboard/people/{of_eve}/remove", data=form)
        assert await role_of(eve) == "none"


async def test_the_operator_manages_people_of_any_account(house: Installation, elsewhere: OpenId) -> None:
    """By the API and on a page; an account sees its own people alone."""
    place = f"/accounts/{house.accounts['acme']}"
    async with house.client(OPERATOR_TOKEN) as operator, house.client() as browser, house.client() as pages:
        made = await operator.post(f"{place}/invitations", json={"email": MAIL})
        assert (made.status_code, made.json()["role"], made.json()["invitedBy"]) == (201, "viewer", "operator")
        elsewhere.claims |= VERIFIED
        assert (await accepted(browser, httpx2.URL(made.json()["url"]).path)).status_code == 303
        (member,) = (await operator.get(f"{place}/members")).json()["members"]
        changed = await operator.patch(f"{place}/members/{member['id']}", json={"role": "owner"})
        assert changed.json()["role"] == "owner"
        await sign_in(pages, OPERATOR_TOKEN)
        page = await pages.get(f"/operator{place}/people")
        assert MAIL in page.text
        form = {"csrf": csrf(page), "email": "bob@acme.dev", "role": "editor"}
        assert "/invitation/" in (await pages.post(f"/operator{place}/people/invitations", data=form)).text
        async with house.client(house.keys["other"]) as other:
            assert (await other.patch(f"/members/{member['id']}", json={"role": "viewer"})).status_code == 404
            assert (await other.delete(f"/members/{member['id']}")).status_code == 404
            for path in (f"{place}/members", f"{place}/sign-in"):
                assert (await other.get(path)).status_code == 401
        assert (await operator.get("/accounts/acc_none/members")).status_code == 404
        assert (await operator.post("/accounts/acc_none/invitations", json={"email": MAIL})).status_code == 404
        assert (await operator.delete(f"{place}/members/{member['id']}")).status_code == 204
    async with house.client(await house.make_key("acme", Scope.WRITE)) as writer:
        assert (await writer.get("/members")).status_code == 200
        assert (await writer.post("/invitations", json={"email": MAIL})).status_code == 403


async def test_the_invitation_is_mailed(tmp_path: Path, elsewhere: OpenId, ledger: Ledger, clock: Clock) -> None:
    """To the address alone; its link is in no answer, and a mail that is not taken leaves no invitation."""
    environment = settings(elsewhere) | mail_settings(ledger)
    async with (
        running(tmp_path, environment=environment, now=clock) as house,
        house.client(house.keys["acme"]) as owner,
    ):
        made = await owner.post("/invitations", json={"email": MAIL, "role": "owner"})
        assert (made.status_code, "url" in made.json()) == (201, False)
        (message,) = ledger.messages()
        part = message.get_body(("plain",))
        assert part is not None
        found = re.search(r"/invitation/\S+", part.get_content())
        assert (message["To"], found is not None) == (MAIL, True)
        elsewhere.claims |= VERIFIED
        async with house.client() as browser:
            assert found is not None
            assert (await accepted(browser, found[0])).status_code == 303
        ledger.mood = Mood.REFUSES
        refused = await owner.post("/invitations", json={"email": "bob@acme.dev"})
        assert refused.status_code == 502, refused.text
        assert (await people(house))["invitations"] == []


async def test_without_a_provider_nobody_is_invited(tmp_path: Path) -> None:
    """Nobody could accept it; the page says so."""
    async with running(tmp_path) as house, house.client(house.keys["acme"]) as owner, house.client() as browser:
        refused = await owner.post("/invitations", json={"email": MAIL})
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
        await sign_in(browser, house.keys["acme"])
        assert "No OpenID Connect provider is set" in (await browser.get("/dashboard/people")).text
        assert (await browser.get("/invitation/x")).status_code == 404

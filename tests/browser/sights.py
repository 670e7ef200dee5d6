"""Walk past every page of the service in every state that it can be in; say where it is. Judges nothing."""

import re
from collections.abc import Iterator

from playwright.sync_api import Frame, Page, expect

from letterhead.core.accounts.accounts import Scope
from letterhead.core.accounts.members import MemberRole
from letterhead.web.endpoint import Endpoint
from letterhead.web.pages import PAGES
from tests.browser.conftest import press
from tests.browser.gallery import OPERATOR_TOKEN, Gallery
from tests.rigs.hosted_zones import TOKEN
from tests.rigs.proving import given_to
from tests.rigs.signing import OWN, message, sealed

LANGUAGES = ("de", "ja")  # the longest words, and a script that breaks lines without spaces
Sight = tuple[str, Page | Frame]

# What a browser is given and shows no page of: files, streams, ways out.
NO_PAGES = {
    "/", "/assets/{name}", "/docs/{name}", "/setup/{token}/zone", "/setup/{token}/news",
    "/setup/{token}/apply", "/setup/{token}/applied",
    "/dashboard/domains/{sender}/zone",
    "/dashboard/domains/{sender}/news",
}  # fmt: skip
SETUPS = {
    "setup: first look": "sketch.example", "setup: waiting": "orchard.example", "setup: wrong name": "mirror.example",
    "setup: wrong value": "locksmith.example", "setup: not everywhere": "twins.example",
    "setup: no answer": "hermit.example", "setup: provider": "queue.example", "setup: done": "lighthouse.example",
    "setup: at risk": "harbour.example", "setup: failed": "attic.example",
}  # fmt: skip


def shown_by(page: Page) -> list[Endpoint]:
    """Gather the views whose pages a browser is led to from now on."""
    patterns = [(re.compile(re.sub(r"{\w+}", "[^/]+", view.path)), view) for view in PAGES if view.method == "GET"]
    seen: list[Endpoint] = []

    def note(frame: Frame) -> None:
        path = re.sub(r"^https?://[^/]+|[?#].*", "", frame.url)
        seen.extend(view for pattern, view in patterns if pattern.fullmatch(path))

    page.on("framenavigated", note)
    return seen


def sign_in(page: Page, url: str, key: str) -> None:
    """Sign in, out of whatever was there before."""
    page.context.clear_cookies()
    page.goto(f"{url}/sign-in")
    page.get_by_label("API key").fill(key)
    press(page.get_by_role("button", name="Sign in"))


def sights(page: Page, hall: Gallery) -> Iterator[Sight]:
    """Go everywhere."""
    for walk in (_setups, _outside):
        for where in walk(page, hall):
            yield where if isinstance(where, tuple) else (where, page)
    yield from sights_signed_in(page, hall)


def sights_signed_in(page: Page, hall: Gallery) -> Iterator[Sight]:
    """Go everywhere where an account or the operator is signed in."""
    for walk in (_account, _people, _changes, _proofs, _zone_plans, _reader, _operator, _faults, _beginnings, _outage):
        for name in walk(page, hall):
            yield name, page


def _setups(page: Page, hall: Gallery) -> Iterator[str | Sight]:
    for name, sender in SETUPS.items():
        page.goto(hall.link(sender))
        if sender != "lighthouse.example":
            page.get_by_text("I can't do this now").click()
        yield name
    hall.cached("queue.example")
    page.goto(hall.link("queue.example"))
    yield "setup: cached"
    connected = hall.connected("willow.example")
    page.goto(connected)
    expect(page.get_by_role("link", name="Add these records at Virtucon Domains")).to_be_visible()
    yield "setup: by button"
    page.get_by_text("Add the records by hand instead").click()
    yield "setup: by button, or by hand"
    for how in ("added", "access_denied", "foreign"):
        page.goto(f"{connected}?applied={how}")
        yield f"setup: returned, {how}"
    for language in LANGUAGES:
        page.goto(f"{hall.link('mirror.example')}?lang={language}")
        page.locator(".languages summary").click()
        yield f"setup: in {language}"
    page.context.clear_cookies()
    hall.application.link = hall.link("mirror.example")
    page.goto(hall.application.url)
    page.frame_locator("iframe").locator("#record-dkim").wait_for()
    yield "setup: embedded", page.frames[-1]


def _outside(page: Page, hall: Gallery) -> Iterator[str]:
    page.goto(f"{hall.url}/setup/AAAAAAAAAAAAAAAAAAAAAA")
    yield "404: no link"
    confirm, refuse = hall.contact("mirror.example", "dns@a-rather-long-label-that-does-not-end-soon.example")
    for language in ("en", *LANGUAGES):
        page.goto(f"{confirm}?lang={language}")
        yield f"contact: confirm, in {language}"
        page.goto(f"{refuse}?lang={language}")
        page.locator(".languages summary").click()
        yield f"contact: refuse, in {language}"
    press(page.locator("main button"))
    yield "contact: refused"
    page.goto(f"{confirm}x?lang=de")
    yield "404: no address to confirm"
    page.goto(f"{hall.url}/invitation/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")
    yield "404: no invitation"
    page.goto(hall.invited("somebody@a-rather-long-label-that-does-not-end-soon.example", MemberRole.EDITOR))
    yield "invitation"
    page.goto(f"{hall.url}/sign-in")
    expect(page.get_by_role("link", name="Sign in with your organisation")).to_be_visible()
    yield "sign-in"
    press(page.get_by_role("link", name="Sign in with your organisation"))
    yield "503: OpenID provider"
    page.goto(f"{hall.url}/sign-in/openid/back?code=x&state=y")
    yield "OpenID: came back without"
    page.get_by_label("API key").fill("wrong")
    press(page.get_by_role("button", name="Sign in", exact=True))
    yield "sign-in: refused"


def _account(page: Page, hall: Gallery) -> Iterator[str]:
    sign_in(page, hall.url, hall.world.key)
    yield "list"
    for query in ("problem=dkim.missing", "status=FAILED", "q=nothing-like-it"):
        page.goto(f"{hall.url}/dashboard?{query}")
        yield f"list: {query}"
    page.get_by_label("Search").fill("mirror")
    page.goto(f"{hall.url}/dashboard")
    page.get_by_label("Add a domain").fill("http://")
    press(page.get_by_role("button", name="Add", exact=True))
    yield "list: refused"
    for sender in SETUPS.values():
        page.goto(f"{hall.url}/dashboard/domains/{sender}")
        yield f"domain: {sender}"
    press(page.get_by_role("button", name="Make a link"))
    yield "domain: link made"
    page.get_by_label("Note", exact=True).fill("A note of more than one line,\nwhich says who is to be asked. " * 3)
    page.get_by_label("Labels, one in a line").fill(
        "team: web\nplan: a-value-that-is-as-long-as-one-can-be-" + "x" * 24
    )
    press(page.get_by_role("button", name="Save", exact=True))
    yield "domain: noted"
    press(page.get_by_role("link", name="team:web"))
    yield "list: label"
    page.goto(f"{hall.url}/dashboard/domains/{sender}")
    press(page.get_by_role("link", name=re.compile("Revoke the link made on")).first)
    yield "domain: revoke a link"
    for sender in ("mirror.example", "lighthouse.example"):
        page.goto(f"{hall.url}/dashboard/domains/{sender}/delete")
        yield f"domain: delete {sender}"
    page.get_by_label("To confirm, type").fill("another.example")
    press(page.get_by_role("button", name="Delete the domain"))
    yield "domain: delete, another name typed"
    page.goto(f"{hall.url}/dashboard/account")
    yield "account"
    press(page.get_by_role("link", name="Delete harbour.example"))
    yield "account: delete a credential"
    page.goto(f"{hall.url}/dashboard/account")
    page.locator("#alert-name").fill("on-call")
    page.locator("#alert-url").fill("ntfys://ntfy.example.com/a-topic")
    press(page.locator("section", has=page.locator("#alert-url")).get_by_role("button", name="Add"))
    press(page.get_by_role("link", name="Delete on-call"))
    yield "account: delete an alert channel"
    page.goto(f"{hall.url}/dashboard/account")
    press(page.get_by_role("link", name="Sign out everywhere"))
    yield "account: sign out everywhere"
    page.goto(f"{hall.url}/dashboard/keys")
    page.get_by_label("What it is for").fill("a name that is long enough to be wider than any phone's window " * 2)
    press(page.get_by_role("button", name="Create", exact=True))
    yield "keys: made"
    press(page.get_by_role("link", name=re.compile("End the key .* now")).first)
    yield "keys: end"
    press(page.get_by_role("link", name="Keep it"))
    press(page.get_by_role("link", name=re.compile("in 7 days")).first)
    yield "keys: end in 7 days"
    press(page.get_by_role("button", name="End it in 7 days"))
    yield "keys: ending"


def _people(page: Page, hall: Gallery) -> Iterator[str]:
    sign_in(page, hall.url, hall.world.key)
    page.goto(f"{hall.url}/dashboard/account")
    press(page.get_by_role("link", name="Members and invitations"))
    yield "people: none"
    hall.joined("ada@a-rather-long-label-that-does-not-end-soon.example", MemberRole.OWNER, "ada" * 30)
    hall.joined("bob@acme.example", MemberRole.VIEWER, "00u1ab2cd")
    page.get_by_label("E-mail").fill("eve@acme.example")
    press(page.get_by_role("button", name="Invite", exact=True))
    expect(page.locator(".once")).to_be_visible()
    yield "people: invited"
    page.get_by_label("E-mail").fill("nobody")
    page.locator("form").evaluate_all("forms => forms.forEach(form => form.noValidate = true)")
    press(page.get_by_role("button", name="Invite", exact=True))
    expect(page.get_by_role("alert")).to_be_visible()
    yield "people: refused"
    press(page.get_by_role("link", name="Remove bob@acme.example"))
    yield "people: remove"


def _changes(page: Page, hall: Gallery) -> Iterator[str]:
    sender = "lighthouse.example"
    at, link = f"{hall.url}/dashboard/domains/{sender}", hall.link(sender)
    for step, bring in (("waiting", hall.rotate), ("seen", hall.seen), ("switched", hall.switched)):
        bring(sender)
        for where, address in (("domain", at), ("setup", link)):
            page.goto(address)
            yield f"rotation: {step}, {where}"
        if step == "waiting":
            page.goto(f"{at}/dkim-rotation/abandon")
            yield "rotation: abandon"
    page.goto(f"{hall.url}/dashboard/webhooks")
    yield "webhooks: none"
    page.get_by_label("Address").fill("ftp://x")
    page.locator("form").evaluate_all("forms => forms.forEach(form => form.noValidate = true)")
    press(page.get_by_role("button", name="Add", exact=True))
    yield "webhooks: refused"
    page.get_by_label("Address").fill("https://hooks.example.com/letterhead/a-rather-long-path-that-does-not-end-soon")
    press(page.get_by_role("button", name="Add", exact=True))
    yield "webhook: new"
    press(page.get_by_role("button", name="Send a test"))
    page.get_by_text("Signing secret").click()
    yield "webhook: tried"
    page.get_by_text("Change it").click()
    page.get_by_text("Only some events").click()
    yield "webhook: change"
    page.get_by_label("Address").fill("ftp://x")
    page.locator("form").evaluate_all("forms => forms.forEach(form => form.noValidate = true)")
    press(page.get_by_role("button", name="Save", exact=True))
    yield "webhook: change refused"
    for name in ("New secret", "Delete"):
        press(page.get_by_role("link", name=name))
        yield f"webhook: {name}"
        press(page.get_by_role("link", name="Keep it"))
    page.goto(f"{hall.url}/dashboard/webhooks")
    yield "webhooks"


def _proofs(page: Page, hall: Gallery) -> Iterator[str]:
    box, sender = given_to(hall.world.deps), "lighthouse.example"
    page.goto(f"{hall.url}/dashboard/domains/{sender}/proof")
    yield "proof"
    text = sealed(message(sender), OWN, sender, "a-selector-that-is-not-published")
    page.get_by_label("The message’s source").fill(text.decode())
    page.get_by_label("Address that handed it over").fill("203.0.113.9")
    page.get_by_label("Envelope sender").fill(f"bounce@a-rather-long-label-that-does-not-end-soon.{sender}")
    press(page.get_by_role("button", name="Judge this message"))
    yield "proof: judged"
    press(page.get_by_role("link", name="Another message"))
    press(page.get_by_role("button", name="Send a message"))
    yield "proof: waiting"
    box.arrived[box.letters[0].name] = b"Return-Path: <>\r\n" + message(sender)
    while page.get_by_role("link", name="Look again").count():  # the last look stands for 5 s
        press(page.get_by_role("link", name="Look again"))
    expect(page.get_by_text("The message has no signature.")).to_be_visible()
    yield "proof: arrived"


def _zone_plans(page: Page, hall: Gallery) -> Iterator[str]:
    for sender, state in (("mirror.example", "refused"), ("sketch.example", "planned")):
        page.goto(f"{hall.url}/dashboard/domains/{sender}/dns")
        if state == "refused":
            yield "records: which host"
        press(page.get_by_role("button", name="Go on"))
        if state == "refused":
            yield "records: credential"
            page.get_by_label("API token").fill("wrong")
            press(page.get_by_role("button", name="Make a plan"))
            yield "records: credential refused"
        page.get_by_label("API token").fill(TOKEN)
        press(page.get_by_role("button", name="Make a plan"))
        yield f"records: {state}"
    hall.write_plan("sketch.example", page.url.rpartition("/")[2])
    page.reload()
    page.get_by_text("Undo it").click()
    yield "records: written"
    page.get_by_label("API token").last.fill(TOKEN)
    press(page.get_by_role("button", name="Undo this plan"))
    yield "records: undone"


def _reader(page: Page, hall: Gallery) -> Iterator[str]:
    sign_in(page, hall.url, hall.key(Scope.READ))
    for path in ("", "/domains/harbour.example", "/keys", "/account", "/people", "/webhooks"):
        page.goto(f"{hall.url}/dashboard{path}")
        yield f"reader: {path}"
    page.goto(f"{hall.url}/dashboard/domains/mirror.example/delete")
    yield "403: reader"


def _operator(page: Page, hall: Gallery) -> Iterator[str]:
    sign_in(page, hall.url, OPERATOR_TOKEN)
    yield "operator"
    page.get_by_label("Name").fill("Somebody")
    page.get_by_label("E-mail").fill("nobody")
    page.locator("form").evaluate_all("forms => forms.forEach(form => form.noValidate = true)")
    press(page.get_by_role("button", name="Open", exact=True))
    expect(page.get_by_role("alert")).to_be_visible()
    yield "operator: refused"
    page.get_by_label("Name").fill("Somebody")
    page.get_by_label("E-mail").fill("somebody@example.com")
    press(page.get_by_role("button", name="Open", exact=True))
    expect(page.locator(".once")).to_be_visible()
    yield "operator: opened"
    page.goto(f"{hall.url}/operator/accounts/{hall.world.account.id}/people")
    yield "operator: people"
    press(page.get_by_role("link", name="Remove bob@acme.example"))
    yield "operator: people, remove"
    page.go_back()
    page.get_by_label("Groups").fill("mail-team")
    press(page.get_by_role("button", name="Save", exact=True))
    expect(page.get_by_role("alert")).to_be_visible()
    yield "operator: people, refused"
    page.goto(f"{hall.url}/operator/domains")
    yield "operator: domains"
    for query in ("condition=at-risk", "condition=failing", "condition=refused&q=nothing-like-it"):
        page.goto(f"{hall.url}/operator/domains?{query}")
        yield f"operator: domains, {query}"
    for sender in ("harbour.example", "mirror.example"):
        page.goto(f"{hall.url}/operator/accounts/{hall.world.account.id}/domains/{sender}")
        yield f"operator: {sender}"
    page.goto(f"{hall.url}/operator/audit")
    yield "audit"
    page.goto(f"{hall.url}/operator")
    page.locator("table").get_by_role("link", name="Somebody").first.click()
    page.get_by_role("link", name="Close the account").click()
    yield "operator: close"
    page.get_by_role("textbox").fill("somebody else")
    press(page.get_by_role("button", name="Close the account"))
    yield "operator: close, another word"
    page.get_by_role("textbox").fill("Somebody")
    press(page.get_by_role("button", name="Close the account"))
    expect(page.get_by_role("heading", name="The account Somebody is closed")).to_be_visible()
    yield "operator: closed"


def _faults(page: Page, hall: Gallery) -> Iterator[str]:
    sign_in(page, hall.url, hall.world.key)
    for name, path in {"404: no page": "/dashboard/nothing", "404: no domain": "/dashboard/domains/no.example"}.items():
        page.goto(f"{hall.url}{path}")
        yield name
    sane, hall.provider.return_path = hall.provider.return_path, "none"  # type: ignore[assignment] # a bug
    page.goto(f"{hall.url}/dashboard/domains/mirror.example")
    hall.provider.return_path = sane
    expect(page.get_by_text("500")).to_be_visible()
    yield "500"
    page.context.clear_cookies()
    for _ in range(12):
        page.goto(f"{hall.url}/sign-in")
        page.get_by_label("API key").fill("wrong")
        press(page.get_by_role("button", name="Sign in", exact=True))
        if page.get_by_text("429").count():
            break
    expect(page.get_by_text("429")).to_be_visible()
    yield "429"


def _beginnings(page: Page, hall: Gallery) -> Iterator[str]:
    fresh = hall.other("Fresh")
    sign_in(page, hall.url, fresh.key)
    for path in ("", "/keys", "/account", "/webhooks"):
        page.goto(f"{hall.url}/dashboard{path}")
        yield f"empty: {path}"
    page.goto(f"{hall.url}/docs/plain")
    yield "reference without scripts"
    sign_in(page, hall.url, hall.other("Busy", domains=200).key)
    yield "list of 200"
    for _ in range(3):
        press(page.get_by_role("link", name="Further domains"))
    expect(page.get_by_role("rowheader", name="customer-199.example")).to_be_visible()
    yield "list of 200: the last page"


def _outage(page: Page, hall: Gallery) -> Iterator[str]:
    hall.silent(["mirror.example", "twins.example", "hermit.example", "locksmith.example"])
    sign_in(page, hall.url, hall.world.key)
    expect(page.get_by_text("the trouble is ours")).to_be_visible()
    yield "outage: list"
    sign_in(page, hall.url, OPERATOR_TOKEN)
    expect(page.get_by_text("degraded")).to_be_visible()
    yield "outage: operator"

"""The change of DKIM keys at the dashboard and on the set-up page: each step, its forms, and what changed when."""

import html
import re
from datetime import timedelta
from urllib.parse import urlsplit

import httpx2
import pytest
from msgspec.structs import replace

from letterhead.core.accounts.accounts import Scope
from letterhead.core.domain.domain import Event, EventKind, OldKey, RecordChange
from letterhead.core.domain.health import WIRE_STATUS, HealthState
from letterhead.core.plan.plan import RecordId, Verdict
from letterhead.core.rotation.rotation import Stage
from letterhead.ports.store.domains import DomainUpdate
from letterhead.web.templating.texts import read_texts
from tests.web.conftest import Installation
from tests.web.test_pages import csrf, sign_in
from tests.web.test_rotations import PATH as API
from tests.web.test_rotations import verified

PAGE = "/dashboard/domains/acme.dev"


async def set_up(acme: httpx2.AsyncClient) -> httpx2.Response:
    """Open the domain's set-up page."""
    link = (await acme.post("/domains/acme.dev/setup-links")).json()["url"]
    return await acme.get(urlsplit(link).path)


def section(page: httpx2.Response, name: str) -> str:
    """Return one section's words."""
    found = re.search(rf'<section[^>]*id="{name}".*?</section>', page.text, re.DOTALL)
    assert found is not None, page.text
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", found[0])).split())


async def test_started_shown_and_abandoned(house: Installation, acme: httpx2.AsyncClient) -> None:
    """One button starts it; the page says the step, what is waited for and the record; another button ends it."""
    await verified(house, acme)
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        before = await browser.get(PAGE)
        assert "Change the key" in section(before, "keys")
        assert 'id="record-dkim_next"' not in before.text
        form = {"csrf": csrf(before)}
        started = await browser.post(f"{PAGE}/dkim-rotation", data=form)
        assert (started.status_code, started.headers["location"]) == (303, f"{PAGE}?done=rotation_started")
        told = (await acme.get(API)).json()
        page = await browser.get(started.headers["location"])
        assert "A new key is made." in page.text
        keys = section(page, "keys")
        assert told["selector"] in keys
        assert told["nextSelector"] in keys
        assert told["waitsFor"] in keys
        assert "Change the key" not in keys
        assert f'data-copy="{told["record"]["recordValue"]}"' in page.text
        await browser.post(f"{PAGE}/dkim-rotation/abandon", data=form | {"confirm": "yes"})
        assert (await acme.get(API)).json()["step"] == "none"
        assert told["nextSelector"] not in section(await browser.get(PAGE), "keys")


async def test_the_forms_are_for_who_may_write_and_when_it_may_be(
    house: Installation, acme: httpx2.AsyncClient
) -> None:
    """A reader sees the step without its forms; a domain that was never proven is told when, and starts nothing."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    async with house.client() as reader, house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        page = await browser.get(PAGE)
        assert "Once the domain is verified" in section(page, "keys")
        refused = await browser.post(f"{PAGE}/dkim-rotation", data={"csrf": csrf(page)})
        assert (refused.status_code, "Publish its records first" in refused.text) == (409, True)
        domain = await house.world.domain("acme.dev")
        watch = replace(domain.dkim, state=HealthState.VERIFIED)
        assert await house.deps.store.save(DomainUpdate(domain=replace(domain, dkim=watch, is_holder=True)))
        await acme.post(API)
        await sign_in(reader, await house.make_key("acme", Scope.READ))
        seen = await reader.get(PAGE)
        assert "Waiting for the new record" in section(seen, "keys")
        assert "/dkim-rotation" not in seen.text
        for path in ("dkim-rotation", "dkim-rotation/abandon"):
            assert (await reader.post(f"{PAGE}/{path}", data={"csrf": csrf(seen)})).status_code == 403
        assert (await acme.get(API)).json()["step"] == "waiting"


async def test_set_up_page_asks_for_the_new_record(house: Installation, acme: httpx2.AsyncClient) -> None:
    """While a new key waits, its record stands beside the others and the page says so; the domain stays verified."""
    await verified(house, acme)
    domain = await house.world.domain("acme.dev")
    assert await house.deps.store.save(DomainUpdate(domain=replace(domain, mail_from_health=domain.dkim)))
    assert "You can send now" in (await set_up(acme)).text
    told = (await acme.post(API)).json()
    page = await set_up(acme)
    assert "A new signing key waits for its record" in section(page, "outcome")
    assert 'data-outcome="done"' in page.text
    assert f'data-copy="{told["record"]["recordValue"]}"' in page.text
    assert told["record"]["host"] in (await acme.get(f"{page.url.path}/zone")).text
    assert re.search(r'id="old-keys"[^>]* hidden>', page.text)


async def test_an_old_record_is_said_to_be_safe_to_remove(house: Installation, acme: httpx2.AsyncClient) -> None:
    """Until then the page names the day up to which it stays; the set-up page speaks of it only once it can go."""
    await verified(house, acme)
    domain, now = await house.world.domain("acme.dev"), house.deps.now()
    old = OldKey(selector="lhold", replaced_at=now - timedelta(days=2))
    assert await house.deps.store.save(DomainUpdate(domain=replace(domain, rotated_at=now, old_keys=(old,))))
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        keys = section(await browser.get(PAGE), "keys")
        assert "lhold leave its record in place until" in keys
        assert "Change the key" in keys
        assert "lhold" not in (await set_up(acme)).text
        domain = await house.world.domain("acme.dev")
        assert await house.deps.store.save(DomainUpdate(domain=replace(domain, old_keys=(replace(old, safe=True),))))
        assert "lhold safe to remove" in section(await browser.get(PAGE), "keys")
    page = await set_up(acme)
    assert "lhold._domainkey.acme.dev" in section(page, "old-keys")
    assert not re.search(r'id="old-keys"[^>]* hidden>', page.text)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (RecordChange(record="dkim", was="present", now="absent"), "Signing key right → then not there"),
        (RecordChange(record="mail_from", was="PENDING", now="SUCCESS"), "MAIL FROM domain Pending → then Verified"),
    ],
)
async def test_timeline_says_what_changed(
    house: Installation, acme: httpx2.AsyncClient, change: RecordChange, words: str
) -> None:
    """Which record, from what, to what."""
    await verified(house, acme)
    domain = await house.world.domain("acme.dev")
    event = Event(kind=EventKind.RECORD_CHANGED, at=house.deps.now(), detail="it changed", change=change)
    assert await house.deps.store.save(DomainUpdate(domain=domain, events=(event,)))
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        assert words in section(await browser.get(PAGE), "events")


def test_every_step_and_record_has_its_text() -> None:
    """Whatever is planned, found, or under way has a word on the pages."""
    there = read_texts()
    assert {f"rotation.{stage.value}" for stage in Stage if stage not in (Stage.NONE, Stage.RETIRED)} <= set(there)
    assert {f"record.{each.value}{end}" for each in RecordId for end in ("", "_why")} <= set(there)
    assert {f"stands.{each.value}" for each in Verdict if each is not Verdict.UNANSWERED} <= set(there)
    assert {f"status.{word}" for word in WIRE_STATUS.values()} <= set(there)

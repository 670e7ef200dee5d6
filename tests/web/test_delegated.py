"""Delegated keys over HTTP and on the pages: what is shown to publish, once, and what is refused."""

import re
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from msgspec.structs import replace
from pingram import Pingram
from pingram.models.domain_dns_check import DomainDnsCheck

from letterhead.core.domain.domain import OldKey
from letterhead.core.domain.health import HealthState, new_health
from letterhead.core.plan.plan import RecordId, Verdict
from letterhead.ports.store.domains import DomainUpdate
from tests.rigs.processes import free_port
from tests.web.conftest import Installation, running
from tests.web.test_pages import csrf, sign_in
from tests.web.test_pages_rotation import PAGE, section
from tests.web.test_rotations import PATH

WISH = {"sender": "acme.dev", "dkimMode": "delegated"}
ZONE = {
    "DKIM_ZONE": "keys.example.net",
    "DKIM_ZONE_TSIG": "letterhead:hmac-sha256:c2l4dGVlbiBvY3RldHMgb3IgbW9yZQ==",
}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Installation]:
    """Run an installation with a zone of its own, whose server nobody is at."""
    there = {"DKIM_ZONE_SERVER": f"127.0.0.1:{free_port('127.0.0.1')}"}
    async with running(tmp_path, environment=ZONE | there) as installation:
        yield installation


async def verified(house: Installation, acme: httpx2.AsyncClient, **more: object) -> None:
    """Add a domain with delegated keys and have it verified."""
    await acme.post("/domains", json=WISH)
    domain = await house.world.domain("acme.dev")
    watch = new_health(HealthState.VERIFIED, house.deps.now())
    changed = replace(domain, dkim=watch, is_holder=True, **more)
    assert await house.deps.store.save(DomainUpdate(domain=changed))


async def test_two_records_are_told_and_stay_the_same(house: Installation, acme: httpx2.AsyncClient) -> None:
    """The list has both CNAMEs under keys of our own; after a change of keys they are the same to the letter."""
    (domain,) = (await acme.post("/domains", json=WISH)).json()
    records = domain["verificationRecords"]
    first, second = records["dkim_lh1"], records["dkim_lh2"]
    assert "dkim" not in records
    assert "dkim_next" not in records
    assert (domain["selector"], domain["dkimMode"]) == ("lh1", "delegated")
    target = re.fullmatch(r"lh1\.([a-z2-7]{16}\.keys\.example\.net)", first["recordValue"])
    assert target is not None
    assert first == {
        "recordType": "CNAME", "recordName": "lh1._domainkey", "host": "lh1._domainkey.acme.dev",
        "recordValue": f"lh1.{target[1]}", "required": True,
    }  # fmt: skip
    assert second["recordValue"] == f"lh2.{target[1]}"
    assert (await acme.post("/domains", json=WISH)).json()[0]["verificationRecords"] == records
    kept = await house.world.domain("acme.dev")
    assert await house.deps.store.save(DomainUpdate(domain=replace(kept, selector="lh2")))
    (after,) = (await acme.get("/domains")).json()
    told = after["verificationRecords"]
    assert after["selector"] == "lh2"
    assert {name: record["recordValue"] for name, record in told.items() if name.startswith("dkim")} == {
        "dkim_lh1": first["recordValue"], "dkim_lh2": second["recordValue"],
    }  # fmt: skip


async def test_the_official_client_reads_such_a_domain(house: Installation, acme: httpx2.AsyncClient) -> None:
    """Its types know no CNAME to publish: the list can be read all the same, and the look at DNS whole."""
    await acme.post("/domains", json=WISH)
    async with Pingram(api_key=house.keys["acme"], base_url=house.url) as client:
        (domain,) = await client.domains.domains_list_domains()
    assert domain.verification_records is not None
    assert domain.verification_records.mail_from_mx is not None
    looked = (await acme.get("/domains/acme.dev/dns-check")).json()
    read = DomainDnsCheck.from_dict(looked)
    assert read is not None
    assert next((each.id, each.record_type) for each in read.records) == ("dkim", "CNAME")
    assert (looked["nextKey"]["recordType"], looked["nextKey"]["host"]) == ("CNAME", "lh2._domainkey.acme.dev")


async def test_what_can_not_be_is_refused_by_name(acme: httpx2.AsyncClient) -> None:
    """A selector beside it, and another mode than there is."""
    for more in ({"selector": "own"}, {"dkimMode": "elsewhere"}):
        answer = await acme.post("/domains", json=WISH | more)
        assert answer.status_code == 400
        assert answer.json()["error"]["fix"]
    assert (await acme.get("/domains")).json() == []


async def test_without_a_zone_the_setting_is_named(tmp_path: Path) -> None:
    """An installation that has no zone says which settings it takes; its pages do not offer it."""
    async with running(tmp_path) as house, house.client(house.keys["acme"]) as acme, house.client() as browser:
        answer = await acme.post("/domains", json=WISH)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "parameter-invalid")
        assert "LETTERHEAD_DKIM_ZONE" in answer.json()["error"]["fix"]
        await sign_in(browser, house.keys["acme"])
        assert 'name="delegated"' not in (await browser.get("/dashboard")).text


async def test_a_change_of_keys_asks_for_nothing(house: Installation, acme: httpx2.AsyncClient) -> None:
    """The step says so, there is never an old record to remove, and a busy slot is a conflict that says until when."""
    await verified(house, acme)
    started = (await acme.post(PATH)).json()
    assert (started["step"], started["selector"], started["nextSelector"]) == ("waiting", "lh1", "lh2")
    assert "published for you" in started["waitsFor"]
    assert started["record"]["recordType"] == "CNAME"
    kept = await house.world.domain("acme.dev")
    old = (OldKey(selector="lh1", replaced_at=house.deps.now(), public_key=kept.public_key),)
    changed = replace(kept, selector="lh2", rotation=None, old_keys=old)
    assert await house.deps.store.save(DomainUpdate(domain=changed))
    told = (await acme.get(PATH)).json()
    assert (told["step"], told["oldSelectors"], "record" in told) == ("switched", [], False)
    refused = await acme.post(PATH)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
    assert re.search(r"until \d{4}-\d\d-\d\d", refused.json()["error"]["message"])


async def test_the_pages_show_both_and_say_that_nothing_is_to_be_done(
    house: Installation, acme: httpx2.AsyncClient
) -> None:
    """Added by the tick of the form; each CNAME has its name and value to copy, on both pages, with the promise."""
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        form = {"csrf": csrf(await browser.get("/dashboard")), "sender": "acme.dev", "delegated": "yes"}
        assert (await browser.post("/dashboard/domains", data=form)).status_code == 303
        (domain,) = (await acme.get("/domains")).json()
        page = await browser.get(PAGE)
        link = (await acme.post("/domains/acme.dev/setup-links")).json()["url"]
        for each in (page, await acme.get(urlsplit(link).path)):
            for slot in ("dkim_lh1", "dkim_lh2"):
                record = domain["verificationRecords"][slot]
                assert f'data-copy="{record["recordName"]}"' in each.text
                assert f'data-copy="{record["recordValue"]}"' in each.text
            assert 'id="delegated"' in each.text
        assert "keys.example.net" in section(page, "keys")
        await verified(house, acme)
        started = await browser.post(f"{PAGE}/dkim-rotation", data=form)
        assert started.headers["location"] == f"{PAGE}?done=rotation_started_delegated"
        await browser.get(started.headers["location"])
        page = await acme.get(urlsplit(link).path)
        assert 'data-outcome="next"' not in page.text
        assert "to be added" not in page.text


async def test_an_alias_that_a_routine_look_leaves_out_stays_found(
    house: Installation, acme: httpx2.AsyncClient
) -> None:
    """The other alias is not asked for while no key is behind it: what was seen of it last is what the page shows."""
    await verified(house, acme)
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        shown = []
        for verdicts in ((), ((RecordId.DKIM_NEXT, Verdict.PRESENT),), ((RecordId.DKIM_NEXT, Verdict.ABSENT),)):
            domain = await house.world.domain("acme.dev")
            assert await house.deps.store.save(DomainUpdate(domain=replace(domain, verdicts=verdicts)))
            page = (await browser.get(PAGE)).text
            (state,) = re.findall(r'id="record-dkim_next"[^>]* data-state="(\w+)"', page)
            shown.append(state)
    assert shown[1] == "found"
    assert "found" not in (shown[0], shown[2])


async def test_the_form_keeps_the_tick_where_it_was_refused(house: Installation) -> None:
    """What was chosen stays chosen beside what is said to be wrong."""
    async with house.client() as browser:
        await sign_in(browser, house.keys["acme"])
        form = {"csrf": csrf(await browser.get("/dashboard")), "sender": "no name", "delegated": "yes"}
        page = await browser.post("/dashboard/domains", data=form)
    assert page.status_code == 400
    assert re.search(r'name="delegated"[^>]* checked', page.text)

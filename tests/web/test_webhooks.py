"""Hold /webhooks and /events to the contract: shapes, codes, scopes, pages."""

import dataclasses
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import get_args

import httpx2
import msgspec
import pytest
import structlog
from msgspec.structs import replace

from letterhead.adapters.dns.zonefile import ZoneFileResolver
from letterhead.core.accounts.accounts import Scope
from letterhead.core.domain.domain import EventKind
from letterhead.operations import checks, deliveries
from letterhead.ports.store.webhooks import EndpointChoice
from letterhead.web.schemas_events import EventName
from letterhead.web.serialize_events import MASKED
from tests.web.conftest import Installation, damage, running

EMPTY_ZONE = """$ORIGIN acme.dev.
@ 3600 SOA ns1 hostmaster 1 7200 3600 1209600 600
@ 3600 NS ns1
@ 3600 NS ns2
ns1 3600 A 192.0.2.1
ns2 3600 A 192.0.2.2
"""
NEW = {"webhook": "https://hooks.acme.dev/letterhead", "events": ["domain.verified", "record.changed"]}


async def test_the_shape_of_the_contract(acme: httpx2.AsyncClient) -> None:
    """Id, webhook, events, secret through add, list, change and delete; the secret stays through a change."""
    assert (await acme.get("/webhooks")).json() == {"endpoints": []}
    added = await acme.post("/webhooks", json=NEW)
    made = added.json()
    assert {name: made[name] for name in NEW} == NEW
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/]{43}=", made["secret"])
    assert added.headers["cache-control"] == "no-store"
    assert (await acme.get("/webhooks")).json() == {"endpoints": [made]}
    changed = (
        await acme.put(f"/webhooks/{made['id']}", json={"webhook": "https://b.acme.dev/", "events": ["*"]})
    ).json()
    assert changed == made | {"webhook": "https://b.acme.dev/", "events": ["*"]}
    rotated = (await acme.post(f"/webhooks/{made['id']}/rotate-secret")).json()
    assert rotated["secret"] != made["secret"]
    assert datetime.fromisoformat(rotated["oldSecretEndsAt"]) > datetime.now(UTC)
    deleted = await acme.delete(f"/webhooks/{made['id']}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert (await acme.delete(f"/webhooks/{made['id']}")).status_code == 404


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"webhook": "http://hooks.acme.dev/"}, "webhook-not-https"),
        ({"webhook": "https://10.0.0.1/"}, "webhook-not-public"),
        ({"webhook": "https://[64:ff9b::7f00:1]/"}, "webhook-not-public"),
        ({"webhook": "https://localhost/"}, "webhook-not-public"),
        ({"webhook": "https://2130706433/"}, "webhook-url-invalid"),
        ({"webhook": "https://me:pw@acme.dev/"}, "webhook-url-invalid"),
        ({"webhook": ""}, "webhook-url-invalid"),
        ({"events": []}, "webhook-events-invalid"),
        ({"events": ["EMAIL_OPEN"]}, "webhook-events-invalid"),
        ({"events": "*"}, "body-invalid"),
        ({"secret": "whsec_mine"}, "body-invalid"),
    ],
)
async def test_refusals_have_code_and_fix(acme: httpx2.AsyncClient, change: dict[str, object], code: str) -> None:
    """What can't be is refused when it is added, with a stable code and what to do instead."""
    answer = await acme.post("/webhooks", json=NEW | change)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["fix"]


async def test_scopes(house: Installation, acme: httpx2.AsyncClient) -> None:
    """A key of scope `read` sees no secret and changes nothing."""
    made = (await acme.post("/webhooks", json=NEW)).json()
    async with house.client(await house.make_key("acme", Scope.READ)) as reader:
        answer = await reader.get("/webhooks")
        assert made["secret"] not in answer.text
        assert answer.json()["endpoints"][0]["secret"] == "whsec_…"
        assert (await reader.post("/webhooks", json=NEW)).status_code == 403
        assert (await reader.post(f"/webhooks/{made['id']}/rotate-secret")).status_code == 403
        assert (await reader.get(f"/webhooks/{made['id']}/deliveries")).status_code == 200


async def test_deliveries_and_their_repeats(house: Installation, acme: httpx2.AsyncClient) -> None:
    """What is owed is listed before and after each attempt, newest first in pages; a repeat keeps its id."""
    made = (await acme.post("/webhooks", json=NEW | {"webhook": "https://nobody.invalid.dev/", "events": ["*"]})).json()
    await acme.post("/domains", json={"sender": "acme.dev"})
    tried = (await acme.post(f"/webhooks/{made['id']}/test")).json()
    assert (tried["kind"], tried["state"], tried["attempts"]) == ("webhook.test", "pending", [])
    path = f"/webhooks/{made['id']}/deliveries"
    listed = (await acme.get(path)).json()
    assert [each["kind"] for each in listed] == ["webhook.test", "domain.pending", "domain.created"]
    pages, url = [], f"{path}?limit=1"
    while url:
        page = await acme.get(url)
        pages += page.json()
        url = page.links.get("next", {}).get("url", "")
    assert pages == listed
    events = (await acme.get("/events")).json()
    assert {each["id"] for each in events} < {each["id"] for each in listed}
    again = await acme.post(f"{path}/{tried['id']}/redeliver")
    assert again.json()["id"] == tried["id"]
    assert (await acme.post(f"{path}/{'0' * 36}/redeliver")).status_code == 404
    assert (await acme.get(path, params={"cursor": "nonsense"})).status_code == 400


async def test_message_and_list_tell_one_domain(house: Installation, acme: httpx2.AsyncClient) -> None:
    """`data` is the object that GET /domains answers, without the private key; the body fits its described shape."""
    await acme.post("/webhooks", json=NEW | {"events": ["*"]})
    await acme.post("/domains", json={"sender": "acme.dev"})
    now = house.deps.now()
    owed = await house.deps.store.claim_deliveries(now, now, "test", 9, endpoints=EndpointChoice(late=False, places=9))
    (listed,) = (await acme.get("/domains")).json()
    assert listed.pop("privateDKIMKey")
    assert len(owed) == 2
    for each in owed:
        told = msgspec.json.decode(deliveries.message_body(house.deps, each))
        assert told["data"] == listed
        assert set(told) == {"id", "type", "timestamp", "detail", "progress", "data"}


async def test_the_timeline(tmp_path: Path) -> None:
    """Events oldest first in pages, by domain or name, each with the check behind it, after the deletion too."""
    async with running(tmp_path, zones="") as house, house.client(house.keys["acme"]) as acme:
        await acme.post("/domains", json={"sender": "acme.dev"})
        await acme.post("/domains", json={"sender": "zeta.dev"})
        listed = (await acme.get("/domains/acme.dev/events")).json()
        assert [each["kind"] for each in listed] == ["domain.created", "domain.pending"]
        assert {each["domain"] for each in listed} == {"acme.dev"}
        assert (await acme.delete("/domains/acme.dev")).status_code == 200
        assert (await acme.get("/domains/acme.dev/events")).status_code == 404
        timeline = (await acme.get("/events", params={"sender": "acme.dev"})).json()
        assert [each["kind"] for each in timeline] == ["domain.created", "domain.pending", "domain.deleted"]
        pages, url = [], "/events?limit=2"
        while url:
            page = await acme.get(url)
            pages += page.json()
            url = page.links.get("next", {}).get("url", "")
        assert pages == (await acme.get("/events")).json()
        assert len(pages) == len({each["id"] for each in pages}) == 5
        shown = (await acme.get(f"/events/{listed[0]['id']}")).json()
        assert shown == listed[0]
        assert (await acme.get("/events/nothing")).status_code == 404


async def test_an_event_shows_what_was_seen(house: Installation, acme: httpx2.AsyncClient) -> None:
    """An event of a check leads to its snapshot, findings and records as they were then."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    domain = await house.world.domain("acme.dev")
    long_ago = replace(domain.dkim, since=domain.created_at - timedelta(days=4))
    deps = dataclasses.replace(house.deps, resolver=ZoneFileResolver(EMPTY_ZONE))
    assert await checks.check(deps, replace(domain, dkim=long_ago))
    last = (await acme.get("/events")).json()[-1]
    assert last["kind"] == "domain.failed"
    shown = (await acme.get(f"/events/{last['id']}")).json()
    assert shown["check"]["id"] == last["checkId"]
    assert {each["verdict"] for each in shown["check"]["records"]} == {"absent"}
    assert shown["check"]["snapshot"]
    assert shown["check"]["findings"]


def test_names_are_those_of_the_core() -> None:
    """The document lists every kind of event, and no other."""
    assert set(get_args(EventName)) == {kind.value for kind in EventKind}


async def test_one_secret_that_does_not_open(tmp_path: Path, acme: httpx2.AsyncClient) -> None:
    """It is masked and logged, the others are shown, and a new secret mends it."""
    first, second = [(await acme.post("/webhooks", json=NEW)).json() for _ in range(2)]
    damage(tmp_path, "webhooks", "id", first["id"])
    with structlog.testing.capture_logs() as lines:
        listed = (await acme.get("/webhooks")).json()["endpoints"]
    assert [each["secret"] for each in listed] == [MASKED, second["secret"]]
    assert [line["webhook"] for line in lines if line["event"] == "webhook-secret.unreadable"] == [first["id"]]
    rotated = (await acme.post(f"/webhooks/{first['id']}/rotate-secret")).json()
    mended = (await acme.get("/webhooks")).json()["endpoints"]
    assert [each["secret"] for each in mended] == [rotated["secret"], second["secret"]]

"""Hold the endpoints of sender domains to the contract."""

from datetime import datetime, timedelta
from pathlib import Path

import httpx2
import msgspec
import structlog

from letterhead.core.accounts.accounts import Scope
from letterhead.ports.store.domains import DomainUpdate
from tests.web.conftest import Installation, damage

LISTED = {"sender", "status", "lastSync", "createdAt", "selector", "verificationRecords", "mailFromDomainStatus"}


async def test_new_account_has_a_bare_empty_array(acme: httpx2.AsyncClient) -> None:
    """GET /domains is a bare JSON array, empty on the first day."""
    answer = await acme.get("/domains")
    assert (answer.status_code, answer.text) == (200, "[]")
    assert answer.headers["content-type"] == "application/json"


async def test_adding_answers_with_the_whole_array(acme: httpx2.AsyncClient) -> None:
    """POST /domains answers 200 with every domain of the account, each with what must be published."""
    await acme.post("/domains", json={"sender": "zeta.dev"})
    answer = await acme.post("/domains", json={"sender": "ACME.dev."})
    assert answer.status_code == 200
    first, second = answer.json()
    assert (first["sender"], second["sender"]) == ("acme.dev", "zeta.dev")
    assert set(first) == LISTED
    assert first["status"] == "PENDING"
    assert datetime.fromisoformat(first["lastSync"]).tzinfo is not None
    assert set(first["verificationRecords"]) == {"dkim", "mail_from_mx", "mail_from_spf", "dmarc"}
    dkim = first["verificationRecords"]["dkim"]
    assert dkim["recordName"] == f"{first['selector']}._domainkey"
    assert dkim["host"] == f"{first['selector']}._domainkey.acme.dev"


async def test_the_same_name_again_changes_nothing(acme: httpx2.AsyncClient) -> None:
    """POST /domains is idempotent for the same account and name."""
    once = (await acme.post("/domains", json={"sender": "acme.dev"})).json()
    again = (await acme.post("/domains", json={"sender": "acme.dev"})).json()
    assert once == again


async def test_pages_lead_through_all(acme: httpx2.AsyncClient) -> None:
    """Pages of `limit` lead by their Link header through every domain once, filters included."""
    names = [f"d{number}.dev" for number in range(5)]
    for name in names:
        await acme.post("/domains", json={"sender": name})
    seen, url = [], "/domains?limit=2&q=D&status=PENDING"
    while url:
        answer = await acme.get(url)
        seen += [each["sender"] for each in answer.json()]
        url = answer.links.get("next", {}).get("url", "")
    assert seen == names
    assert [each["sender"] for each in (await acme.get("/domains?q=d3")).json()] == ["d3.dev"]
    assert (await acme.get("/domains?status=SUCCESS")).json() == []


async def test_bad_parameters_are_named(acme: httpx2.AsyncClient) -> None:
    """A query parameter that does not fit is 400 and named; an unknown one is left alone."""
    for query in ("limit=0", "limit=x", "limit=1001", "status=success", "expand=all", "refresh=maybe",
                  "cursor=%25", "cursor=w7w=", "q=%ff", "q=%00", "limit=1&limit=2"):  # fmt: skip
        answer = await acme.get(f"/domains?{query}")
        error = answer.json()["error"]
        assert (answer.status_code, error["code"]) == (400, "parameter-invalid"), query
        assert query.partition("=")[0] in error["message"]
    assert (await acme.get("/domains?colour=red")).status_code == 200


async def test_unchanged_list_is_304(house: Installation) -> None:
    """If-None-Match with the last ETag is 304 without a body, until something changes."""
    async with house.client(await house.make_key("acme", Scope.WRITE)) as client:
        await client.post("/domains", json={"sender": "acme.dev"})
        first = await client.get("/domains")
        for known in (first.headers["etag"], f'"other", W/{first.headers["etag"]}', "*"):
            again = await client.get("/domains", headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == first.headers["etag"]
        lines = [("If-None-Match", '"other"'), ("If-None-Match", first.headers["etag"])]  # RFC 9110 5.3: one list
        assert (await client.get("/domains", headers=lines)).status_code == 304
        await client.post("/domains", json={"sender": "zeta.dev"})
        changed = await client.get("/domains", headers={"If-None-Match": first.headers["etag"]})
        assert changed.status_code == 200


async def test_name_in_any_spelling(acme: httpx2.AsyncClient) -> None:
    """`{sender}` may be upper case, a U-label, end in a dot; answered is the A-label with the U-label beside it."""
    await acme.post("/domains", json={"sender": "Bücher.dev"})
    for spelling in ("b%C3%BCcher.dev", "B%C3%9CCHER.DEV", "xn--bcher-kva.dev.", "XN--BCHER-KVA.dev"):
        shown = (await acme.get(f"/domains/{spelling}")).json()
        assert (shown["sender"], shown["unicode"]) == ("xn--bcher-kva.dev", "bücher.dev")


async def test_detail_before_and_after_a_check(acme: httpx2.AsyncClient) -> None:
    """The detail adds verdicts, findings, canSend, what comes next and, once looked at, the snapshot as it was seen."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    fresh = (await acme.get("/domains/acme.dev")).json()
    assert {record["verdict"] for record in fresh["records"]} == {"unanswered"}
    assert (fresh["canSend"], fresh["findings"], fresh["attempts"]) == (False, [], 0)
    assert "snapshot" not in fresh
    looked = await acme.post("/domains/acme.dev/check")
    assert looked.status_code == 200, looked.text
    after = (await acme.get("/domains/acme.dev")).json()
    after.pop("privateDKIMKey")
    assert after == looked.json()
    again = await acme.post("/domains/acme.dev/check")
    told = again.json()
    assert int(again.headers["Age"]) == told.pop("lastCheckAge") < 5
    assert 1 <= int(again.headers["Retry-After"]) <= 5
    checked_at, checkable_at = (datetime.fromisoformat(told[name]) for name in ("checkedAt", "checkableAt"))
    assert abs(checkable_at - checked_at - timedelta(seconds=5)) < timedelta(milliseconds=2)
    told.pop("checkableAt")
    assert told == after
    assert after["snapshot"]["exchanges"]
    assert after["provider"] == {"name": "simulated"}
    health = (await acme.get("/domains?expand=health")).json()[0]["health"]
    assert health["canSend"] is False
    assert health["checkedAt"] == after["checkedAt"]


async def test_dns_check_changes_nothing(acme: httpx2.AsyncClient) -> None:
    """GET …/dns-check looks now, in the shape that the newer clients know, and leaves the domain as it was."""
    before = (await acme.post("/domains", json={"sender": "acme.dev"})).json()
    looked = (await acme.get("/domains/acme.dev/dns-check")).json()
    assert looked["canStartVerification"] is False
    assert {record["id"] for record in looked["records"]} == {"dkim", "mail_from_mx", "mail_from_spf", "dmarc"}
    after = (await acme.get("/domains")).json()
    after[0].pop("privateDKIMKey")
    assert after == before


async def test_draft_starts_when_asked(acme: httpx2.AsyncClient) -> None:
    """`startVerification: false` leaves a domain NOT_STARTED, until verification is started."""
    draft = await acme.post("/domains", json={"sender": "acme.dev", "startVerification": False})
    assert draft.json()[0]["status"] == "NOT_STARTED"
    assert "mailFromDomainStatus" not in draft.json()[0]
    started = await acme.post("/domains/acme.dev/start-verification")
    assert [each["status"] for each in started.json()] == ["PENDING"]


async def test_own_selector_and_mail_from(acme: httpx2.AsyncClient) -> None:
    """A selector and a MAIL FROM name of one's own are taken; a selector used before at the name is 409."""
    body = {"sender": "acme.dev", "selector": "Mine", "mailFrom": "bounce"}
    added = (await acme.post("/domains", json=body)).json()[0]
    assert added["selector"] == "mine"
    assert added["verificationRecords"]["mail_from_mx"]["host"] == "bounce.acme.dev"
    assert (await acme.delete("/domains/acme.dev")).json() == {"success": True}
    again = await acme.post("/domains", json=body)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "selector-used")


async def test_idempotency_key(acme: httpx2.AsyncClient) -> None:
    """An Idempotency-Key answers a repeated request alike, and is refused for another one."""
    header = {"Idempotency-Key": "5b1c"}
    first = await acme.post("/domains", json={"sender": "acme.dev"}, headers=header)
    assert (await acme.post("/domains", json={"sender": "acme.dev"}, headers=header)).json() == first.json()
    other = await acme.post("/domains", json={"sender": "zeta.dev"}, headers=header)
    assert (other.status_code, other.json()["error"]["code"]) == (409, "idempotency-key-reused")
    for bad in ("", "a b", "x" * 256):
        refused = await acme.post("/domains", json={"sender": "a.dev"}, headers={"Idempotency-Key": bad})
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "parameter-invalid")


async def test_provider_that_can_not_be_asked(house: Installation, acme: httpx2.AsyncClient) -> None:
    """`refresh=true` is where 502 comes from, with provider and providerCode; without it the list is answered."""
    await acme.post("/domains", json={"sender": "throttled.dev"})
    domain = await house.world.domain("throttled.dev")
    told = msgspec.structs.replace(domain, registered_at=house.deps.now())
    assert await house.deps.store.save(DomainUpdate(domain=told))
    refused = await acme.get("/domains?refresh=true")
    error = refused.json()["error"]
    assert (refused.status_code, error["code"], error["provider"]) == (502, "provider-failed", "simulated")
    assert error["providerCode"]
    assert (await acme.get("/domains")).status_code == 200


async def test_foreign_and_unknown_names_are_alike(house: Installation, acme: httpx2.AsyncClient) -> None:
    """A name of another account answers as one that nobody has; nothing of another account shows anywhere."""
    await house.open_account("zeta")
    async with house.client(house.keys["zeta"]) as zeta:
        await zeta.post("/domains", json={"sender": "canary.dev"})
        key_id = (await zeta.get("/keys")).json()["keys"][0]["id"]
        for method, path in (
            ("GET", "/domains/{}"), ("DELETE", "/domains/{}"), ("POST", "/domains/{}/check"),
            ("POST", "/domains/{}/start-verification"), ("GET", "/domains/{}/dns-check"),
        ):  # fmt: skip
            foreign = await acme.request(method, path.format("canary.dev"))
            unknown = await acme.request(method, path.format("nobody.dev"))
            assert foreign.status_code == unknown.status_code == 404
            assert foreign.json()["error"]["message"].replace("canary", "nobody") == unknown.json()["error"]["message"]
        foreign, unknown = await acme.delete(f"/keys/{key_id}"), await acme.delete("/keys/key_x")
        assert foreign.status_code == unknown.status_code == 404
        for path in ("/domains", "/domains?q=canary", "/domains?cursor=YQ==", "/keys", "/account", "/account/usage"):
            told = (await acme.get(path)).text
            assert "canary" not in told
            assert house.accounts["zeta"] not in told
        assert len((await zeta.get("/domains")).json()) == 1


async def test_one_private_key_that_does_not_open(
    tmp_path: Path, house: Installation, acme: httpx2.AsyncClient
) -> None:
    """That domain is listed without its key, and logged; all others are listed with theirs."""
    for sender in ("acme.dev", "other.dev"):
        await acme.post("/domains", json={"sender": sender})
    damaged = await house.world.domain("acme.dev")
    damage(tmp_path, "domain_keys", "domain_id", damaged.id)
    with structlog.testing.capture_logs() as lines:
        listed = (await acme.get("/domains")).json()
    assert ["privateDKIMKey" in each for each in listed] == [False, True]
    assert [line["domain"] for line in lines if line["event"] == "private-key.unreadable"] == ["acme.dev"]
    assert "privateDKIMKey" not in (await acme.get("/domains/acme.dev")).json()

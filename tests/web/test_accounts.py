"""Hold accounts, keys and limits to the contract."""

import asyncio
from pathlib import Path

import httpx2

from letterhead.core.accounts.quotas import Limits
from tests.web.conftest import OPERATOR_TOKEN, Installation, running

NEW = {"name": "Zeta Ltd", "email": "dns@zeta.dev"}


async def test_life_of_an_account(house: Installation, operator: httpx2.AsyncClient) -> None:
    """The operator opens an account, with its first full key told this once, changes and closes it."""
    opened = (await operator.post("/accounts", json=NEW | {"limits": {"domains": 3}})).json()
    path = f"/accounts/{opened['accountId']}"
    assert opened["limits"] == {"domains": 3}
    shown = (await operator.get(path)).json()
    assert shown == {name: value for name, value in opened.items() if name != "key"}
    assert shown in (await operator.get("/accounts")).json()
    async with house.client(opened["key"]) as zeta:
        assert (await zeta.post("/keys", json={"keyType": "secret", "name": "second"})).status_code == 200
        assert (await zeta.get("/account")).json() == shown
        changed = (await operator.patch(path, json={"limits": {"requestsPerMonth": 9, "domains": None}})).json()
        assert changed["limits"] == {"requestsPerMonth": 9}
        assert (await operator.patch(path, json={"name": "Z"})).json()["limits"] == {"requestsPerMonth": 9}
        closed = (await operator.delete(path)).json()
        assert closed["success"]
        assert closed["receipt"]["accountId"] == opened["accountId"]
        assert closed["receipt"]["deleted"] == {"api_keys": 2}
        assert (await zeta.get("/domains")).status_code == 401
    assert (await operator.get(path)).status_code == 404


async def test_account_with_domains_is_not_closed(
    house: Installation, operator: httpx2.AsyncClient, acme: httpx2.AsyncClient
) -> None:
    """An account that still has domains is not closed, and the refusal names one."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    refused = await operator.delete(f"/accounts/{house.accounts['acme']}")
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
    assert "acme.dev" in refused.json()["error"]["message"]


async def test_bad_accounts_are_refused(operator: httpx2.AsyncClient) -> None:
    """An account without a name, with a strange email or a strange limit is refused with the field's name."""
    for change, field in (
        ({"name": ""}, "name"), ({"email": "x"}, "email"), ({"limits": {"domains": -1}}, "limits.domains"),
        ({"limits": {"domains": "3"}}, "limits.domains"), ({"limits": {"x": 1}}, "x"),
    ):  # fmt: skip
        refused = await operator.post("/accounts", json=NEW | change)
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "body-invalid")
        assert field in refused.json()["error"]["message"]


async def test_life_of_a_key(house: Installation, acme: httpx2.AsyncClient) -> None:
    """A key is told once, then masked; it may live on for some days after it is ended."""
    made = (await acme.post("/keys", json={"keyType": "public", "name": "web", "environmentId": "e1"})).json()
    assert (made["keyType"], made["environmentId"], made["scope"]) == ("public", "e1", "read")
    listed = next(key for key in (await acme.get("/keys")).json()["keys"] if key["id"] == made["id"])
    assert listed["key"] != made["key"]
    assert listed["key"].endswith("…")
    assert (listed["revoked"], listed["accountId"]) == (False, house.accounts["acme"])
    async with house.client(made["key"]) as public:
        assert (await public.get("/domains")).status_code == 200
        assert "7 days" in (await acme.delete(f"/keys/{made['id']}?endsInDays=7")).json()["message"]
        assert (await public.get("/domains")).status_code == 200
        assert (await acme.delete(f"/keys/{made['id']}?endsInDays=8")).status_code == 400
        await acme.delete(f"/keys/{made['id']}")
        assert (await public.get("/domains")).status_code == 401
    listed = next(key for key in (await acme.get("/keys")).json()["keys"] if key["id"] == made["id"])
    assert listed["revoked"] is True


async def test_requests_per_month(tmp_path: Path) -> None:
    """Over its monthly requests an account gets 402 with used, allowed and reset; usage and DELETE still work."""
    async with (
        running(tmp_path, limits=Limits(requests_per_month=3), flush_every=0.05) as house,
        house.client(house.keys["acme"]) as acme,
        house.client(OPERATOR_TOKEN) as operator,
    ):
        await acme.post("/domains", json={"sender": "acme.dev"})
        statuses = [(await acme.get("/domains")).status_code for _ in range(4)]
        assert statuses == [200, 200, 402, 402]
        error = (await acme.get("/domains")).json()["error"]
        assert error["code"] == "usage-limit-exceeded"
        assert "3 requests" in error["message"]
        assert "Resets at" in error["message"]
        await asyncio.sleep(0.2)  # counted on after it was written
        assert (await acme.get("/domains")).status_code == 402
        usage = (await acme.get("/account/usage")).json()
        assert (usage["requestsPerMonth"]["used"], usage["requestsPerMonth"]["allowed"]) == (3, 3)
        assert usage["domains"] == {"used": 1}
        assert (await acme.delete("/domains/acme.dev")).status_code == 200
        await operator.patch(f"/accounts/{house.accounts['acme']}", json={"limits": {"requestsPerMonth": None}})
        assert (await acme.get("/domains")).status_code == 200


async def test_domains_allowed(tmp_path: Path) -> None:
    """One domain more than allowed is 402 with used and allowed; one that is there already is no more."""
    async with running(tmp_path, limits=Limits(domains=1)) as house, house.client(house.keys["acme"]) as acme:
        assert (await acme.post("/domains", json={"sender": "acme.dev"})).status_code == 200
        assert (await acme.post("/domains", json={"sender": "acme.dev"})).status_code == 200
        refused = await acme.post("/domains", json={"sender": "zeta.dev"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (402, "usage-limit-exceeded")


async def test_counts_survive_the_process(tmp_path: Path) -> None:
    """What was counted is in the store after a clean stop, and the next process counts on."""
    async with running(tmp_path, flush_every=60.0) as house, house.client(house.keys["acme"]) as acme:
        account = house.accounts["acme"]
        for _ in range(5):
            await acme.get("/domains")
    async with running(tmp_path) as house:
        month = f"{house.deps.now():%Y-%m}"
        assert (await house.deps.store.count_requests(month, {account: 0}, {}))[account] == 5


async def test_pending_claims_have_their_limit(tmp_path: Path) -> None:
    """Past it: 402 with used, allowed and a fix; the operator's change and a deletion help at once."""
    async with running(tmp_path, limits=Limits(pending_claims=1)) as house, house.client(house.keys["acme"]) as acme:
        assert (await acme.post("/domains", json={"sender": "a.dev"})).status_code == 200
        refused = await acme.post("/domains", json={"sender": "b.dev"})
        assert refused.status_code == 402
        error = refused.json()["error"]
        assert error["code"] == "usage-limit-exceeded"
        assert error["fix"]
        assert "1 sender domains that were never proven; 1 are allowed" in error["message"]
        assert (await acme.get("/account/usage")).json()["pendingClaims"] == {"used": 1, "allowed": 1}
        async with house.client(OPERATOR_TOKEN) as operator:
            path = f"/accounts/{house.accounts['acme']}"
            changed = (await operator.patch(path, json={"limits": {"pendingClaims": 2}})).json()
            assert changed["limits"] == {"pendingClaims": 2}
        assert (await acme.post("/domains", json={"sender": "b.dev"})).status_code == 200
        assert (await acme.delete("/domains/a.dev")).status_code == 200
        assert (await acme.post("/domains", json={"sender": "c.dev"})).status_code == 200


async def test_the_audit_is_the_operators(
    house: Installation, acme: httpx2.AsyncClient, operator: httpx2.AsyncClient
) -> None:
    """Who did what, when, from where, by which key and in which request, newest first; nobody else reads it."""
    await acme.post("/domains", json={"sender": "acme.dev"})
    read = await acme.get("/domains")
    assert (await acme.get("/audit")).status_code == 401
    newest = (await operator.get("/audit", params={"limit": 1})).json()
    keys = (await acme.get("/keys")).json()["keys"]
    assert newest == [
        {
            "at": newest[0]["at"], "actor": keys[0]["id"], "accountId": house.accounts["acme"],
            "action": "private-key.read", "subject": "acme.dev", "address": "127.0.0.1",
            "trackingId": read.headers["x-tracking-id"],
        }
    ]  # fmt: skip
    rows, url = [], "/audit?limit=1"
    while url:
        page = await operator.get(url)
        rows += page.json()
        url = page.links.get("next", {}).get("url", "")
    assert rows == (await operator.get("/audit")).json()
    assert rows[-1]["action"] == "account.open"
    mine = (await operator.get("/audit", params={"accountId": house.accounts["acme"]})).json()
    assert [each["action"] for each in mine] == ["private-key.read"]


async def test_nobody_locks_an_account(house: Installation, acme: httpx2.AsyncClient) -> None:
    """The last full key is not ended, now or later; with another one made it is."""
    (only,) = [key for key in (await acme.get("/keys")).json()["keys"] if key["keyType"] == "secret"]
    await acme.post("/keys", json={"keyType": "secret", "name": "of less", "scope": "write"})
    for query in ({}, {"endsInDays": 7}):
        refused = await acme.delete(f"/keys/{only['id']}", params=query)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
        assert "first" in refused.json()["error"]["fix"]
    second = (await acme.post("/keys", json={"keyType": "secret", "name": "second"})).json()
    async with house.client(second["key"]) as other:
        assert (await acme.delete(f"/keys/{only['id']}")).status_code == 200
        assert (await other.delete(f"/keys/{second['id']}")).status_code == 409
        assert (await other.get("/domains")).status_code == 200


async def test_the_operator_makes_a_key_for_who_lost_it(house: Installation, operator: httpx2.AsyncClient) -> None:
    """It has the scope that was asked for, opens that account and no other, and is in the audit."""
    path = f"/accounts/{house.accounts['acme']}/keys"
    made = (await operator.post(path, json={"keyType": "secret", "name": "found again"})).json()
    assert made["scope"] == "full"
    async with house.client(made["key"]) as owner:
        assert (await owner.get("/account")).json()["accountId"] == house.accounts["acme"]
        assert (await owner.post(path, json={"keyType": "secret", "name": "x"})).status_code == 401
    assert (await operator.post("/accounts/acc_none/keys", json={"keyType": "secret", "name": "x"})).status_code == 404
    assert "key.make" in [row["action"] for row in (await operator.get("/audit")).json()]

"""Holds the endpoints of sender domains to the contract."""

from datetime import datetime

import httpx2

from tests.web.conftest import Installation

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
    dkim = first["verificationRecords"]["dkim"]
    assert dkim["recordName"] == f"{first['selector']}._domainkey"
    assert dkim["host"] == f"{first['selector']}._domainkey.acme.dev"


async def test_the_same_name_again_changes_nothing(acme: httpx2.AsyncClient) -> None:
    """POST /domains is idempotent for the same account and name."""
    once = (await acme.post("/domains", json={"sender": "acme.dev"})).json()
    again = (await acme.post("/domains", json={"sender": "acme.dev"})).json()
    assert once == again

"""The archive of an account over the API: for the operator alone, sealed to a recipient, of one account, audited."""

import base64
from pathlib import Path

import httpx2

from letterhead.adapters.recipient import HpkeRecipient
from letterhead.core.secret import Secret, reveal
from letterhead.operations.account_archive import read_archive
from tests.web.conftest import OPERATOR_TOKEN, Installation, running

RECIPIENT = HpkeRecipient(Secret(b"r" * 32))
ASKED = {"recipient": RECIPIENT.public_text}


async def test_an_archive_has_one_account_and_opens_for_its_recipient(
    house: Installation, acme: httpx2.AsyncClient, operator: httpx2.AsyncClient
) -> None:
    """Every domain and webhook of the account with its secrets, nothing of a neighbour, and a row in the audit."""
    await house.open_account("zeta")
    async with house.client(house.keys["zeta"]) as zeta:
        (theirs,) = (await zeta.post("/domains", json={"sender": "zeta.dev"})).json()
    await acme.post("/domains", json={"sender": "acme.dev"})
    (ours,) = (await acme.get("/domains")).json()
    hook = (await acme.post("/webhooks", json={"webhook": "https://hooks.acme.dev/x", "events": ["*"]})).json()
    account = house.accounts["acme"]
    answer = await operator.post(f"/accounts/{account}/archive", json=ASKED)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    archive = read_archive(answer.content.splitlines(keepends=True))
    assert ([each.domain.sender for each in archive.domains], len(archive.webhooks)) == (["acme.dev"], 1)
    assert len(archive.events) >= 2
    ((key,), domain) = archive.domains[0].keys, archive.domains[0].domain
    purpose = f"dkim|{account}|acme.dev|{domain.selector}"
    opened = base64.b64encode(reveal(RECIPIENT.unseal(base64.b64decode(key.sealed), purpose))).decode()
    assert opened == ours["privateDKIMKey"]
    for secret in (ours["privateDKIMKey"], hook["secret"].removeprefix("whsec_"), "zeta.dev", theirs["selector"]):
        assert secret not in answer.text
    rows = (await operator.get("/audit")).json()
    exported = [each for each in rows if each["action"] == "account.export"]
    assert [(each["actor"], each["subject"]) for each in exported] == [("operator", account)]


async def test_it_is_the_operators_alone(
    house: Installation, acme: httpx2.AsyncClient, nobody: httpx2.AsyncClient, operator: httpx2.AsyncClient
) -> None:
    """No key of an account gets it, not even of its own account; nor does anybody a wrong recipient or account."""
    path = f"/accounts/{house.accounts['acme']}/archive"
    for client in (acme, nobody):
        assert (await client.post(path, json=ASKED)).status_code == 401
    wrong = await operator.post(path, json={"recipient": "lhr_none"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "parameter-invalid")
    unknown = await operator.post("/accounts/acc_none/archive", json=ASKED)
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "not-found")
    rows = (await operator.get("/audit")).json()
    assert not [each for each in rows if each["action"] == "account.export"]
    again = await operator.post(path, json=ASKED)  # the place of the refused ones is free
    assert again.status_code == 200


async def test_a_service_that_shows_no_keys_exports_none(tmp_path: Path) -> None:
    """Whoever holds the operator's token could name a recipient of their own."""
    async with (
        running(tmp_path, environment={"EXPOSE_PRIVATE_DKIM": "never"}) as house,
        house.client(OPERATOR_TOKEN) as operator,
    ):
        refused = await operator.post(f"/accounts/{house.accounts['acme']}/archive", json=ASKED)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
        assert "letterhead export account" in refused.json()["error"]["fix"]

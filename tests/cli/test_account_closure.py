"""An account is closed with all that it had: the receipt says what, and no table names it any more."""

import asyncio
import base64
import hashlib
import json
from collections import Counter
from pathlib import Path

import pytest

from letterhead.adapters.storage.store import read_tables
from tests.rigs.letterhead import Installation
from tests.rigs.postgres import Postgres

QUIET = {"KEY_POOL": "1", "RATE_LIMIT": "1000/s burst 2000", "DNS_RESOLVERS": "127.0.0.1:9", "ED25519": "true"}


@pytest.fixture(params=["sqlite", "postgres"])
def installation(request: pytest.FixtureRequest, tmp_path: Path, postgres: Postgres) -> Installation:
    """Return an installation on each engine, with its schema."""
    where = {"DATABASE_URL": postgres.url(postgres.create())} if request.param == "postgres" else {}
    made = Installation(tmp_path, **QUIET, **where)
    assert made.run("migrate").returncode == 0
    made.stock(4)
    return made


async def cells(installation: Installation) -> list[tuple[str, str, str]]:
    """List every text and number of every table, with table and column."""
    url = installation.settings.get("LETTERHEAD_DATABASE_URL", f"sqlite:///{installation.folder / 'letterhead.db'}")
    found = []
    async with read_tables(url) as reader:
        for table in reader.tables:
            async for rows in reader.rows(table):
                for record in table.records(rows):
                    found += [(table.name, column, str(value)) for column, value in record.items()]
    return found


def test_nothing_of_a_closed_account_is_left(installation: Installation) -> None:
    """Of names, ids and addresses of the account only the audit has some; its neighbour keeps all."""
    with installation.serving("--no-worker") as serving, serving.operator() as operator:
        opened = operator.post("/accounts", json={"name": "Canary Ltd", "email": "post@canary.test"}).json()
        account = opened["accountId"]
        neighbour = serving.open_account()
        with serving.client(neighbour) as client:
            assert client.post("/domains", json={"sender": "canary.test"}).status_code == 200
        with serving.client(opened["key"]) as client:
            for sender in ("canary.test", "two.canary.test"):
                assert client.post("/domains", json={"sender": sender}).status_code == 200
            listed = client.get("/domains").json()
            hook = client.post("/webhooks", json={"webhook": "https://hooks.canary.dev/x", "events": ["*"]}).json()
            assert client.post("/domains/canary.test/setup-links", json={}).status_code < 300
            assert client.post("/keys", json={"keyType": "secret", "name": "canary key"}).status_code == 200
            client.delete("/domains/two.canary.test")
            events = client.get("/events").json()
        assert events
        refused = operator.delete(f"/accounts/{account}")
        assert refused.status_code == 409
        assert "withDomains" in refused.json()["error"]["fix"]
        receipt = operator.delete(f"/accounts/{account}", params={"withDomains": "true"}).json()["receipt"]
        assert operator.get(f"/accounts/{account}").status_code == 404
        with serving.client(neighbour) as client:
            assert [each["sender"] for each in client.get("/domains").json()] == ["canary.test"]
    assert receipt["accountId"] == account
    deleted = receipt["deleted"]
    assert (deleted["domains"], deleted["api_keys"], deleted["webhooks"], deleted["setup_links"]) == (1, 2, 1, 1)
    assert deleted["events"] >= 3
    rsa = next(each for each in listed if each["sender"] == "canary.test")["verificationRecords"]["dkim"]
    public = base64.b64decode(rsa["recordValue"].split("p=")[1])
    assert Counter(each["keyType"] for each in receipt["keys"]) == {"rsa": 1, "ed25519": 1}
    assert hashlib.sha256(public).hexdigest() in {each["publicKeySha256"] for each in receipt["keys"]}
    assert {"audit", "backups"} <= {word for each in receipt["remains"] for word in each["what"].split()}
    left = asyncio.run(cells(installation))
    traces = [account, hook["id"], "Canary Ltd", "post@canary.test", "hooks.canary.dev", "canary key"]
    traces += [each["id"] for each in listed if "id" in each]
    found = {(table, column) for table, column, value in left if any(trace in value for trace in traces)}
    # The server counts by the minute: what was under way for the account is written as it stops.
    assert found <= {("audit", "account_id"), ("audit", "subject"), ("account_work", "account_id")}
    assert not [value for table, _, value in left if "two.canary.test" in value and table != "audit"]


def test_an_account_with_many_domains_is_closed_in_parts(installation: Installation) -> None:
    """No call takes long however many domains there are, and the receipt has them all."""
    installation.settings["LETTERHEAD_ED25519"] = "false"
    installation.stock(101)
    with installation.serving("--no-worker") as serving:
        installation.settings["LETTERHEAD_URL"] = serving.url
        key = serving.open_account()
        with serving.client(key) as client:
            for number in range(101):
                assert client.post("/domains", json={"sender": f"d{number}.test"}).status_code == 200
            account = client.get("/account").json()["accountId"]
        told = installation.run("accounts", "delete", account, "--with-domains", "--yes", "--json")
        assert told.returncode == 0, told.stderr
        with serving.operator() as operator:
            assert operator.get(f"/accounts/{account}").status_code == 404
    receipt = json.loads(told.stdout)["receipt"]
    assert receipt["deleted"]["domains"] == 101
    assert receipt["deleted"]["domain_keys"] == 101
    assert receipt["deleted"]["api_keys"] == 1
    assert len({each["sender"] for each in receipt["keys"]}) == 101


def test_the_command_prints_the_receipt(installation: Installation) -> None:
    """A person reads what was destroyed and what stays; a script gets it as JSON."""
    with installation.serving("--no-worker") as serving:
        installation.settings["LETTERHEAD_URL"] = serving.url
        with serving.operator() as operator:
            ids = []
            for name in ("one", "two"):
                opened = operator.post("/accounts", json={"name": name, "email": "a@b.test"}).json()
                ids.append(opened["accountId"])
                with serving.client(opened["key"]) as client:
                    assert client.post("/domains", json={"sender": f"{name}.test"}).status_code == 200
        refused = installation.run("accounts", "delete", ids[0], "--yes")
        assert "--with-domains" in refused.stderr
        told = installation.run("accounts", "delete", ids[0], "--with-domains", "--yes")
        assert told.returncode == 0, told.stderr
        assert "._domainkey.one.test  rsa  " in told.stdout
        assert "What stays:" in told.stdout
        machine = installation.run("accounts", "delete", ids[1], "--with-domains", "--yes", "--json")
        assert json.loads(machine.stdout)["receipt"]["deleted"]["domains"] == 1

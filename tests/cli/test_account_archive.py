"""An account that moves to another installation: signing goes on, and DNS decides what arrives."""

import base64
import json
import secrets
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_der_private_key

from letterhead.adapters.recipient import HpkeRecipient, HpkeSealer
from letterhead.core.secret import Secret, reveal
from letterhead.errors import Fault, Kind
from tests.docs.commands import blocks_of
from tests.docs.markdown import ROOT
from tests.install.main_job import publish, run_main_job
from tests.rigs.canary import Canary
from tests.rigs.dns_lab import DnsLab
from tests.rigs.letterhead import Installation
from tests.rigs.postgres import Postgres
from tests.rigs.processes import free_port

OTHER_KEYS = "n1:" + base64.b64encode(bytes(range(7, 39))).decode()


def keyed(lab: DnsLab) -> dict[str, str]:
    """Return the settings by which an installation asks the lab."""
    return {
        "KEY_POOL": "2",
        "DNS_RESOLVERS": f"127.0.0.1:{lab.resolver_port}",
        "DNS_AUTHORITATIVE_PORT": str(lab.authoritative_port),
        "ED25519": "true",
    }


@pytest.fixture(params=[("sqlite", "postgres"), ("postgres", "sqlite")], ids=lambda pair: f"{pair[0]}-{pair[1]}")
def pair(
    request: pytest.FixtureRequest, tmp_path: Path, lab: DnsLab, postgres: Postgres
) -> tuple[Installation, Installation]:
    """Return two installations on different engines, with different keys."""
    made = []
    for place, engine in enumerate(request.param):
        folder = tmp_path / f"installation{place}"
        folder.mkdir()
        where = {"DATABASE_URL": postgres.url(postgres.create())} if engine == "postgres" else {}
        made.append(Installation(folder, **keyed(lab), **where))
        assert made[-1].run("migrate").returncode == 0
    made[1].settings["LETTERHEAD_KEYS"] = OTHER_KEYS
    return made[0], made[1]


def test_an_account_moves(pair: tuple[Installation, Installation], lab: DnsLab, tmp_path: Path) -> None:
    """A verified domain is SUCCESS at once with its key; one that DNS lacks, or another holds, must prove itself."""
    source, target = pair
    zone, gone, taken, waits = (lab.zone(f"{name}-{secrets.token_hex(4)}.test") for name in ("a", "b", "c", "d"))
    with source.serving() as serving, serving.operator() as operator:
        opened = operator.post("/accounts", json={"name": "Acme", "email": "dns@acme.test"}).json()
        account, key = opened["accountId"], opened["key"]
        for each in (zone, gone, taken):
            run_main_job(serving.url, key, lab, each)
        with serving.client(key) as client:
            assert client.post("/domains", json={"sender": waits}).status_code == 200
            hook = client.post("/webhooks", json={"webhook": "https://hooks.acme.dev/x", "events": ["*"]}).json()
            bounds = {"domains": [zone], "coversSubdomains": True, "events": ["domain.lost"]}
            bound = client.post("/webhooks", json={"webhook": "https://hooks.acme.dev/y"} | bounds).json()
            kept = {"note": "Ask Jo.", "labels": {"team": "web"}, "coversSubdomains": True}
            assert client.patch(f"/domains/{zone}", json=kept).status_code == 200
            before = {each["sender"]: each for each in client.get("/domains").json()}
    with target.serving() as serving:
        for record in before[taken]["verificationRecords"].values():
            lab.withdraw(record["host"], record["recordType"])
        neighbour = serving.open_account()
        run_main_job(serving.url, neighbour, lab, taken)
    lab.withdraw(before[gone]["verificationRecords"]["dkim"]["host"])
    lab.flush()

    recipient = target.run("import", "recipient").stdout.strip()
    file = tmp_path / "account.jsonl"
    done = source.run("export", "account", account, str(file), "--recipient", recipient)
    assert done.returncode == 0, done.stderr
    assert file.stat().st_mode & 0o777 == 0o600
    privates = [base64.b64decode(each["privateDKIMKey"]) for each in before.values()]
    assert not Canary(load_der_private_key(each, None) for each in privates).hits(file.read_bytes())  # type: ignore[misc]
    assert hook["secret"].removeprefix("whsec_") not in file.read_text()
    lines = [json.loads(each) for each in file.read_text().splitlines()]
    assert [each["webhook"]["events"] for each in lines if each["kind"] == "webhook"] == [["*"], []]  # older versions

    planned = target.run("import", "account", str(file), "--plan")
    assert planned.returncode == 1, planned.stderr
    arrives = {line.split()[0]: line for line in planned.stdout.splitlines() if line.split()[0] in before}
    assert "as it is" in arrives[zone]
    assert f"DNS does not serve its key at {before[gone]['selector']}" in arrives[gone]
    assert "holds it here" in arrives[taken]
    assert "it was not verified" in arrives[waits]
    assert "Nothing was written." in planned.stdout

    imported = target.run("import", "account", str(file))
    assert (imported.returncode, "Imported" in imported.stderr) == (1, True), imported.stderr
    new_key = imported.stdout.splitlines()[-1]
    with target.serving("--no-worker") as serving, serving.client(new_key) as client:
        after = {each["sender"]: each for each in client.get("/domains").json()}
        assert {name: each["status"] for name, each in after.items()} == {
            zone: "SUCCESS", gone: "PENDING", taken: "PENDING", waits: "PENDING",
        }  # fmt: skip
        for name, each in after.items():
            assert each["privateDKIMKey"] == before[name]["privateDKIMKey"]
            assert each["verificationRecords"]["dkim"] == before[name]["verificationRecords"]["dkim"]
        shown = client.get(f"/domains/{zone}").json()
        assert {name: shown.get(name) for name in kept} == kept
        assert client.get("/webhooks").json()["endpoints"] == [hook, bound]
        assert client.get("/events").json()
        assert client.get("/account").json()["accountId"] == account
        with serving.operator() as operator:
            assert "account.import" in operator.get("/audit").text
    with source.serving("--no-worker") as serving, serving.operator() as operator:
        assert "account.export" in operator.get("/audit").text
    again = target.run("import", "account", str(file))
    assert "[conflict]" in again.stderr
    said = " ".join(again.stderr.split())
    assert ("can't come back with their selectors" in said, "accounts delete" in said) == (True, False)
    with target.serving() as serving, serving.client(new_key) as client:
        for record in before[gone]["verificationRecords"].values():
            publish(lab, record)
        checked = client.post(f"/domains/{zone}/check")
        assert checked.status_code == 200
        assert client.get(f"/domains/{zone}").json()["status"] == "SUCCESS"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> tuple[Installation, str, Path]:
    """Return an installation, its account, and the account's file, sealed to the installation itself."""
    folder = tmp_path_factory.mktemp("archive")
    made = Installation(folder, KEY_POOL="1", DNS_RESOLVERS="127.0.0.1:9")
    assert made.run("migrate").returncode == 0
    with made.serving("--no-worker") as serving, serving.operator() as operator:
        opened = operator.post("/accounts", json={"name": "Acme", "email": "dns@acme.test"}).json()
        with serving.client(opened["key"]) as client:
            assert client.post("/domains", json={"sender": "acme.test"}).status_code == 200
    recipient = made.run("import", "recipient").stdout.strip()
    assert made.run("import", "recipient").stdout.strip() == recipient
    file = folder / "account.jsonl"
    assert made.run("export", "account", opened["accountId"], str(file), "--recipient", recipient).returncode == 0
    return made, opened["accountId"], file


def test_an_account_is_exported_while_the_service_runs(archive: tuple[Installation, str, Path], tmp_path: Path) -> None:
    """The command asks the service that has the database open, or the one that LETTERHEAD_URL names."""
    made, account, _ = archive
    recipient = made.run("import", "recipient").stdout.strip()
    port = free_port("127.0.0.1")
    before = dict(made.settings)
    serving = made.serve("--no-worker", port=port)
    try:
        for name, settings in (
            ("beside", {"LETTERHEAD_BIND": f"127.0.0.1:{port}"}),
            ("from-afar", {"LETTERHEAD_URL": serving.url, "LETTERHEAD_DATA_DIR": str(tmp_path / "none")}),
        ):
            made.settings |= settings
            file = tmp_path / f"{name}.jsonl"
            done = made.run("export", "account", account, str(file), "--recipient", recipient)
            assert (done.returncode, "1 domains" in done.stdout) == (0, True), done.stdout + done.stderr
            assert file.stat().st_mode & 0o777 == 0o600
            refused = made.run("export", "account", account, str(tmp_path / "no"), "--recipient", "lhr_none")
            assert ("is no recipient" in refused.stderr, (tmp_path / "no").exists()) == (True, False), refused.stderr
    finally:
        made.settings.clear()
        made.settings |= before
        serving.stop()


def sealed_again(lines: list[dict[str, Any]]) -> bytes:
    """Write lines with a digest that fits."""
    encoded = [json.dumps(each).encode() + b"\n" for each in lines[:-1]]
    end = lines[-1] | {"lines": len(encoded), "sha256": sha256(b"".join(encoded)).hexdigest()}
    return b"".join(encoded) + json.dumps(end).encode() + b"\n"


def changed(lines: list[dict[str, Any]]) -> bytes:
    """Change a line without the digest."""
    lines[0]["account"]["name"] = "Evil"
    return b"".join(json.dumps(each).encode() + b"\n" for each in lines)


def cut(lines: list[dict[str, Any]]) -> bytes:
    """Leave the end out."""
    return b"".join(json.dumps(each).encode() + b"\n" for each in lines[:-1])


def foreign(lines: list[dict[str, Any]]) -> bytes:
    """Put a domain of another account among them."""
    lines[1]["domain"]["account_id"] = "acc_other"
    return sealed_again(lines)


def elsewhere(lines: list[dict[str, Any]]) -> bytes:
    """Name another recipient."""
    lines[0]["recipient"] = HpkeRecipient(Secret(bytes(32))).public_text
    return sealed_again(lines)


def no_account(lines: list[dict[str, Any]]) -> bytes:
    """Leave the first line out."""
    return sealed_again(lines[1:])


@pytest.mark.parametrize("harm", [changed, cut, foreign, elsewhere, no_account])
def test_a_harmed_file_is_refused(
    archive: tuple[Installation, str, Path], tmp_path: Path, harm: Callable[[list[dict[str, Any]]], bytes]
) -> None:
    """Whatever was cut, changed or sealed to others is refused, and says why."""
    made, _, file = archive
    harmed = tmp_path / "harmed.jsonl"
    harmed.write_bytes(harm([json.loads(line) for line in file.read_bytes().splitlines()]))
    refused = made.run("import", "account", str(harmed))
    assert "[archive-invalid]" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_commands_of_the_page(archive: tuple[Installation, str, Path], tmp_path: Path) -> None:
    """What docs/data.md has a reader type works, once the account is not here any more."""
    made, account, _ = archive
    recipient = made.run("import", "recipient").stdout.strip()
    file = tmp_path / "account.jsonl"
    ran = []
    for block in blocks_of("docs/data.md", (ROOT / "docs" / "data.md").read_text("utf-8")):
        if block.run_by != "tests/cli/test_account_archive.py":
            continue
        for line in block.commands.replace("\\\n", " ").splitlines():
            words = [
                account if each.startswith("acc_") else recipient if each.startswith("lhr_") else each
                for each in line.split()[1:]
            ]
            words = [str(file) if each == "acme.jsonl" else each for each in words]
            ran.append(words[:2])
            done = made.run(*words)
            there = "There is an account" in done.stderr  # it is the same installation
            assert done.returncode == 0 or there, done.stderr
    assert ran == [["import", "recipient"], ["export", "account"], ["import", "account"], ["import", "account"]]


@pytest.mark.parametrize("text", ["", "lhr_", "lhr_AAAA", "age1qqqq", "lhr_" + "=" * 43])
def test_no_recipient(text: str) -> None:
    """What is no recipient is refused before anything is opened."""
    with pytest.raises(Fault) as refused:
        HpkeSealer(text)
    assert refused.value.kind is Kind.CONFIG_INVALID


def test_secrets_are_sealed_for_one_purpose() -> None:
    """What is sealed opens for its recipient and its purpose alone."""
    mine, other = HpkeRecipient(Secret(b"a" * 32)), HpkeRecipient(Secret(b"b" * 32))
    sealed = HpkeSealer(mine.public_text).seal(Secret(b"canary"), "dkim|acc|acme.dev|lh1")
    assert reveal(mine.unseal(sealed, "dkim|acc|acme.dev|lh1")) == b"canary"
    for key, purpose in ((mine, "dkim|acc|acme.dev|lh2"), (other, "dkim|acc|acme.dev|lh1")):
        with pytest.raises(Fault) as refused:
            key.unseal(sealed, purpose)
        assert refused.value.kind is Kind.ARCHIVE_INVALID

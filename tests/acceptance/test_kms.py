"""AWS KMS keeps a key-encryption key: real processes against moto's KMS, and what they do when it will not have it."""

import asyncio
import contextlib
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from letterhead import config
from letterhead.core.secret import Secret, reveal
from letterhead.wiring.assemble import migrate, open_deps
from tests.acceptance.test_rewrap import OLD, private_keys, rewrapping
from tests.rigs import kms as rig
from tests.rigs.kms import Kms
from tests.rigs.letterhead import Installation, Serving
from tests.rigs.waiting import is_within

pytestmark = pytest.mark.timeout(600)

ALONE = {"PROVIDER": "simulated", "DNS_RESOLVERS": "127.0.0.1:9"}


@pytest.fixture
def kms() -> Iterator[Kms]:
    """Run a KMS."""
    with rig.running() as running:
        yield running


def installed(folder: Path, kms: Kms, keys: str, **settings: str) -> Installation:
    """Set up an installation under these keys that finds this KMS."""
    made = Installation(folder, KEYS=keys, **ALONE, **settings)
    made.settings |= kms.environment
    assert made.run("migrate").returncode == 0
    return made


@pytest.fixture(params=["sqlite", "postgres"])
def installation(request: pytest.FixtureRequest, tmp_path: Path, kms: Kms) -> Installation:
    """Set up an installation on either database whose one key AWS KMS keeps."""
    url = {"DATABASE_URL": request.getfixturevalue("postgres_url")} if request.param == "postgres" else {}
    return installed(tmp_path, kms, f"k1:kms:{kms.key()}", **url)


def keys_of(installation: Installation, keys: str) -> None:
    """Change LETTERHEAD_KEYS for the processes that start from now on."""
    installation.settings["LETTERHEAD_KEYS"] = keys


def sql(installation: Installation, text: str) -> list[tuple[Any, ...]]:
    """Do something at the database itself."""
    url = installation.settings.get("LETTERHEAD_DATABASE_URL")
    if url:
        return asyncio.run(_at_postgres(url, text))
    with contextlib.closing(sqlite3.connect(installation.folder / "letterhead.db")) as file:
        rows = file.execute(text).fetchall()
        file.commit()
        return rows


async def _at_postgres(url: str, text: str) -> list[tuple[Any, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(text)]
    finally:
        await connection.close()


def vault(installation: Installation) -> list[tuple[Any, ...]]:
    """Read what the vault holds."""
    return sql(installation, "SELECT name, blob FROM vault ORDER BY name")


def filled(serving: Serving, domains: int = 2) -> str:
    """Open an account with some domains, and return its key."""
    key = serving.open_account()
    with serving.client(key) as client:
        for number in range(domains):
            assert client.post("/domains", json={"sender": f"d{number}.test"}).status_code == 200
    return key


def refused(installation: Installation, *words: str) -> str:
    """See a start refused with these words and nothing written, and return all that it said."""
    before = vault(installation)
    ended = installation.run("serve", "--no-worker")
    assert ended.returncode in (3, 4), ended.stderr
    assert all(word in ended.stderr for word in words), ended.stderr
    assert vault(installation) == before
    return ended.stderr


def test_kms_is_asked_at_the_start_alone(installation: Installation, kms: Kms) -> None:
    """One use of the key for each start, none for any secret; while it is away the service goes on, restarts do not."""
    with installation.serving("--no-worker") as serving:
        assert [action for action, _ in kms.calls] == ["GenerateDataKeyWithoutPlaintext", "Decrypt"]
        key = filled(serving)
        before = private_keys(serving, key)
        kms.stop()
        assert private_keys(serving, key) == before
        with serving.client(key) as client:
            assert client.post("/domains", json={"sender": "later.test"}).status_code == 200
    assert len(kms.calls) == 2
    arn = installation.settings["LETTERHEAD_KEYS"].removeprefix("k1:kms:")
    began = time.monotonic()
    refused(installation, "unreachable", "'k1'", arn, "port 443")
    assert is_within(time.monotonic() - began, 25)
    kms.start()
    with installation.serving("--no-worker") as serving:
        assert private_keys(serving, key).items() >= before.items()
    assert [action for action, _ in kms.calls[2:]] == ["Decrypt"]


def test_a_wrong_key_refuses_to_start(installation: Installation, kms: Kms) -> None:
    """Another key of KMS under the id, one that is off, one that is to be deleted: refused by id, ARN, code and fix."""
    with installation.serving("--no-worker") as serving:
        key = filled(serving)
        before = private_keys(serving, key)
    right = installation.settings["LETTERHEAD_KEYS"]
    arn, other = right.removeprefix("k1:kms:"), kms.key()
    key_id = arn.rpartition("/")[2]  # moto wants no ARN here
    keys_of(installation, f"k1:kms:{other}")
    refused(installation, "keyring-wrong", "'k1'", other, "AccessDeniedException", "another key before")
    keys_of(installation, right)
    kms.client().disable_key(KeyId=key_id)
    refused(installation, "keyring-wrong", "'k1'", arn, "DisabledException", "aws kms enable-key")
    kms.client().schedule_key_deletion(KeyId=key_id, PendingWindowInDays=7)
    refused(installation, "KMSInvalidStateException", "cancel-key-deletion")
    kms.client().cancel_key_deletion(KeyId=key_id)
    kms.client().enable_key(KeyId=key_id)
    with installation.serving("--no-worker") as serving:
        assert private_keys(serving, key) == before


def test_a_blob_opens_for_its_own_id_alone(installation: Installation, kms: Kms) -> None:
    """What KMS encrypted for one id is refused under another one, and in another installation."""
    with installation.serving("--no-worker") as serving:
        filled(serving, 1)
    right = installation.settings["LETTERHEAD_KEYS"]
    sql(installation, "INSERT INTO vault (name, blob) SELECT 'kek|k2', blob FROM vault WHERE name = 'kek|k1'")
    keys_of(installation, f"k2:{right.removeprefix('k1:')},{right}")
    refused(installation, "'k2'", "InvalidCiphertextException", "another id")
    keys_of(installation, right)
    sql(installation, "UPDATE vault SET blob = CAST('elsewhere' AS " + _octets(installation) + ") "
                      "WHERE name = 'installation'")  # fmt: skip
    refused(installation, "'k1'", "InvalidCiphertextException", "another installation")


def _octets(installation: Installation) -> str:
    return "BYTEA" if "LETTERHEAD_DATABASE_URL" in installation.settings else "BLOB"


def test_nothing_is_made_for_a_database_that_other_keys_sealed(installation: Installation, kms: Kms) -> None:
    """A new key of KMS alone does not open an old database: refused, and KMS is not even asked."""
    with installation.serving("--no-worker") as serving:
        filled(serving, 1)
    arn = kms.key()
    kms.calls.clear()
    keys_of(installation, f"k9:kms:{arn}")
    refused(installation, "keyring-wrong", "'k1'", "only 'k9'")
    assert kms.calls == []
    keys_of(installation, f"k9:kms:{arn},{OLD}")
    refused(installation, "keyring-wrong", "'k1'", "only 'k9', 'old'")
    assert kms.calls == []


def test_a_lost_blob_is_told(installation: Installation, kms: Kms) -> None:
    """Where the row with the encrypted key is gone no new key is made in its place."""
    with installation.serving("--no-worker") as serving:
        filled(serving, 1)
    kms.calls.clear()
    sql(installation, "DELETE FROM vault WHERE name = 'kek|k1'")
    refused(installation, "keyring-wrong", "'k1'", "gone from the vault", "backup")
    assert kms.calls == []


async def test_starts_at_once_agree(
    tmp_path: Path, kms: Kms, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six first starts side by side on one database: one key is kept, and each opens what the others sealed."""
    installation = Installation(tmp_path, KEYS=f"k1:kms:{kms.key()}", DATABASE_URL=postgres_url, **ALONE)
    for name, value in kms.environment.items():
        monkeypatch.setenv(name, value)
    await migrate(postgres_url)
    settings = config.read(installation.settings, tmp_path)
    async with AsyncExitStack() as opened:
        starts = [opened.enter_async_context(open_deps(settings)) for _ in range(6)]
        rings = [deps.keyring for deps in await asyncio.gather(*starts)]
        sealed = [ring.seal(Secret(b"canary"), "here") for ring in rings]
        assert all(reveal(ring.unseal(each, "here")) == b"canary" for ring in rings for each in sealed)
    made = [action for action, _ in kms.calls if action != "Decrypt"]
    assert len(made) > 1, "they did race"
    rows = await _at_postgres(postgres_url, "SELECT name FROM vault ORDER BY name")
    assert [name for (name,) in rows if str(name).startswith("kek|")] == ["kek|k1"]


def test_an_alias_that_leads_elsewhere_is_refused(tmp_path: Path, kms: Kms) -> None:
    """An alias serves like its key, until it leads to another one: the fix says how keys are changed."""
    first, second, client = kms.key(), kms.key(), kms.client()
    client.create_alias(AliasName="alias/letterhead", TargetKeyId=first)
    alias = first.rpartition(":")[0] + ":alias/letterhead"
    installation = installed(tmp_path, kms, f"k1:kms:{alias}")
    with installation.serving("--no-worker") as serving:
        key = filled(serving, 1)
        before = private_keys(serving, key)
    client.update_alias(AliasName="alias/letterhead", TargetKeyId=second)
    refused(installation, "'k1'", alias)
    kms.refuse = "IncorrectKeyException"  # what AWS itself says, where moto denies access
    refused(installation, "IncorrectKeyException", "alias", "letterhead keys rewrap")
    kms.refuse = ""
    keys_of(installation, f"k1:kms:{first}")
    with installation.serving("--no-worker") as serving:
        assert private_keys(serving, key) == before


def test_from_a_local_key_to_kms_and_back(tmp_path: Path, kms: Kms) -> None:
    """Online and killed on the way, both times: no secret is lost, and then the key of before is not needed."""
    installation = installed(tmp_path, kms, OLD)
    with installation.serving("--no-worker") as serving:
        key = filled(serving, 8)
        before = private_keys(serving, key)
    kept = f"k2:kms:{kms.key()}"
    third = OLD.replace("old:", "third:")
    for keys, last in ((f"{kept},{OLD}", kept), (f"{third},{kept}", third)):
        keys_of(installation, keys)
        serving = installation.serve("--no-worker")
        try:
            for lines in (1, 3):
                _killed(rewrapping(serving), lines)
                assert private_keys(serving, key) == before
            serving.kill()
            serving = installation.serve("--no-worker")
            out, err = rewrapping(serving).communicate(timeout=60)
            assert "The older keys can go" in out, err
        finally:
            serving.stop()
        keys_of(installation, last)
        with installation.serving("--no-worker") as serving:
            assert private_keys(serving, key) == before
    kms.stop()
    with installation.serving("--no-worker") as serving:
        assert private_keys(serving, key) == before


def _killed(command: subprocess.Popen[str], lines: int) -> None:
    assert command.stdout is not None
    for _ in range(lines):
        command.stdout.readline()
    command.send_signal(signal.SIGKILL)
    command.communicate(timeout=30)


def test_doctor_tells_who_keeps_the_key(tmp_path: Path, kms: Kms) -> None:
    """Doctor names the key and its ARN; and says what is wrong where KMS does not open it."""
    arn = kms.key()
    installation = installed(tmp_path, kms, f"k1:kms:{arn}")
    assert f"'k1' by {arn}" in installation.run("doctor").stdout.replace("\n", "")
    kms.refuse = "DisabledException"
    said = installation.run("doctor").stdout
    assert "DisabledException" in said
    assert "enable-key" in said

"""Backups, restored on either engine, and copies of a database: whole or not at all, and every key opened."""

import asyncio
import base64
import gzip
import json
import re
import shlex
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from letterhead.adapters.storage.schema import HEAD, REVISIONS
from letterhead.adapters.storage.store import read_tables, write_tables
from letterhead.adapters.storage.tables import schema_tables
from letterhead.operations.sealed_rows import SEALED
from tests.acceptance.test_kms import sql
from tests.docs.commands import blocks_of
from tests.docs.markdown import ROOT
from tests.rigs.letterhead import KEYS, Installation
from tests.rigs.postgres import Postgres
from tests.rigs.processes import free_port

QUIET = {"KEY_POOL": "1", "RATE_LIMIT": "10000/s burst 20000", "DNS_RESOLVERS": "127.0.0.1:9"}
OTHER_KEY = "k2:" + base64.b64encode(bytes(range(1, 33))).decode()
SAME_NAME = OTHER_KEY.replace("k2:", "k1:")
DIGESTS = {  # columns of octets with nothing sealed in them
    ("api_keys", "digest"), ("domains", "path"), ("idempotency", "digest"), ("sessions", "digest"),
    ("invitations", "digest"), ("sessions", "mark"), ("setup_links", "digest"),
}  # fmt: skip
Elsewhere = Callable[[str], Installation]


@pytest.fixture(params=["sqlite", "postgres"])
def engine(request: pytest.FixtureRequest) -> str:
    """Name the engine that is backed up."""
    return str(request.param)


@pytest.fixture
def new(tmp_path: Path, postgres: Postgres) -> Elsewhere:
    """Make an installation on a new, empty database of an engine, each in a folder of its own."""
    made: list[Installation] = []

    def make(engine: str) -> Installation:
        folder = tmp_path / f"installation{len(made)}"
        folder.mkdir()
        where = {"DATABASE_URL": postgres.url(postgres.create())} if engine == "postgres" else {}
        made.append(Installation(folder, **QUIET, **where))
        return made[-1]

    return make


def fill(installation: Installation) -> tuple[str, bytes]:
    """Give an installation an account with domains, an Ed25519 key, a webhook and a session, and list its domains."""
    installation.settings["LETTERHEAD_ED25519"] = "true"
    assert installation.run("migrate").returncode == 0
    installation.stock(4)
    with installation.serving("--no-worker") as serving:
        key = serving.open_account()
        with serving.client(key) as client:
            for sender in ("acme.test", "a.acme.test", "b.acme.test"):
                assert client.post("/domains", json={"sender": sender}).status_code == 200
            assert client.post("/webhooks", json={"webhook": "https://hooks.dev/x", "events": ["*"]}).status_code < 300
            assert client.delete("/domains/b.acme.test").status_code == 200
            return key, client.get("/domains").content


def domains_of(installation: Installation, key: str) -> bytes:
    """Serve from an installation, and list the domains of a key."""
    with installation.serving("--no-worker") as serving, serving.client(key) as client:
        answer = client.get("/domains")
        assert answer.status_code == 200, answer.text
        return answer.content


def backed_up(installation: Installation) -> Path:
    """Take a backup, and return its file."""
    path = installation.folder / "backup.jsonl.gz"
    done = installation.run("backup", str(path))
    assert done.returncode == 0, done.stderr
    assert path.stat().st_mode & 0o777 == 0o600
    return path


def lines_of(path: Path) -> list[Any]:
    """Read the lines of a backup."""
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


def counts_of(said: str) -> dict[str, int]:
    """Read how many rows of each table were told."""
    return {name: int(number) for number, name in re.findall(r"^ *(\d+)  (\w+)$", said, re.MULTILINE)}


def test_a_backup_is_restored_on_either_engine(engine: str, new: Elsewhere) -> None:
    """Every row comes back on both engines, so that the list of domains is the same, octet for octet."""
    source = new(engine)
    key, listed = fill(source)
    path = backed_up(source).with_name("second.gz")
    told = counts_of(source.run("backup", str(path)).stdout)
    assert told["domains"] == 2
    assert told["webhooks"] == 1
    for other in ("sqlite", "postgres"):
        target = new(other)
        done = target.run("restore", str(path))
        assert done.returncode == 0, done.stderr
        assert counts_of(done.stdout) == told
        again = target.run("restore", str(path))
        assert "[conflict]" in again.stderr
        assert "2 in domains" in again.stderr
        with target.serving("--no-worker") as serving, serving.client(key) as client:
            assert client.get("/domains").content == listed
            # The numbers that the database gives go on: the audit has a row more, and none twice.
            assert client.delete("/domains/acme.test").status_code == 200
            with serving.operator() as operator:
                assert operator.get("/audit").json()[0]["action"] == "domain.delete"


def test_the_audit_has_each_backup(engine: str, new: Elsewhere) -> None:
    """Who made it, when, and the file's digest: while the service runs and while it does not, on either engine."""
    source = new(engine)
    fill(source)
    digests = [sha256(backed_up(source).read_bytes()).hexdigest()]
    port = free_port("127.0.0.1")
    source.settings["LETTERHEAD_BIND"] = f"127.0.0.1:{port}"
    serving = source.serve("--no-worker", port=port)
    try:
        done = source.run("backup", str(source.folder / "running.gz"))
        assert (done.returncode, "audit has no row" in done.stderr) == (0, False), done.stderr
        digests.append(sha256((source.folder / "running.gz").read_bytes()).hexdigest())
        with serving.operator() as operator:
            rows = [each for each in operator.get("/audit").json() if each["action"] == "backup.make"]
        token = source.settings.pop("LETTERHEAD_OPERATOR_TOKEN")
        without = source.run("backup", str(source.folder / "without.gz"))
        source.settings["LETTERHEAD_OPERATOR_TOKEN"] = token
        assert (without.returncode, "audit has no row of it" in without.stderr) == (0, engine == "sqlite")
    finally:
        serving.stop()
    assert [each["subject"].rpartition(" ")[2] for each in rows] == digests[::-1]
    assert {each["actor"] for each in rows} == {"operator"}
    assert "acme.test" not in json.dumps(rows)


def test_sessions_end_and_due_reminders_are_not_sent(new: Elsewhere) -> None:
    """What may have happened since the backup does not happen again; a copy of the database keeps it all."""
    source, restored, copied = new("sqlite"), new("sqlite"), new("sqlite")
    fill(source)
    with closing(sqlite3.connect(source.folder / "letterhead.db")) as database, database:
        domain, account = database.execute("SELECT id, account_id FROM domains").fetchone()
        database.execute("DELETE FROM reminders")
        database.execute(
            "INSERT INTO sessions (digest, account_id, mark, created_at, ends_at)"
            " VALUES (x'01', ?, x'02', 1, 4000000000000)",
            (account,),
        )
        for step, due in (("past", 1), ("future", 4_000_000_000_000)):
            database.execute(
                "INSERT INTO reminders (domain_id, account_id, kind, step, spell, due_at, attempts)"
                " VALUES (?, ?, 'pending', ?, 's', ?, 0)",
                (domain, account, step, due),
            )
        database.execute("UPDATE domains SET lease_until = 4000000000000, lease_owner = 'w'")
    assert restored.run("restore", str(backed_up(source))).returncode == 0
    done = source.run("copy-database", "--to", f"sqlite:///{copied.folder / 'letterhead.db'}")
    assert done.returncode == 0, done.stderr
    for target, sessions, outcomes in ((restored, 0, ["restored", None]), (copied, 1, [None, None])):
        with closing(sqlite3.connect(target.folder / "letterhead.db")) as database:
            assert database.execute("SELECT count(*) FROM sessions").fetchone() == (sessions,)
            found = database.execute("SELECT outcome FROM reminders ORDER BY due_at").fetchall()
            assert [each for (each,) in found] == outcomes
            assert database.execute("SELECT count(*) FROM domains WHERE lease_owner IS NOT NULL").fetchone() == (0,)


def test_sqlite_is_copied_to_postgres(new: Elsewhere) -> None:
    """One command brings all to the other engine; where a process still serves, it is refused."""
    source, target = new("sqlite"), new("postgres")
    key, listed = fill(source)
    to = target.settings["LETTERHEAD_DATABASE_URL"]
    with source.serving("--no-worker"):
        refused = source.run("copy-database", "--to", to)
    assert "[database-in-use]" in refused.stderr
    done = source.run("copy-database", "--to", to)
    assert done.returncode == 0, done.stderr
    assert counts_of(done.stdout)["domains"] == 2
    assert domains_of(target, key) == listed
    with target.serving("--no-worker") as serving:
        with serving.operator() as operator:
            operator.get("/readyz")
        refused = target.run("copy-database", "--to", f"sqlite:///{source.folder / 'new.db'}")
    assert "[database-in-use]" in refused.stderr
    assert not (source.folder / "new.db").exists()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Return an installation with a backup of it, for what is refused."""
    installation = Installation(tmp_path_factory.mktemp("made"), **QUIET)
    fill(installation)
    backed_up(installation)
    return installation


def cut(path: Path) -> None:
    """Cut the end off."""
    path.write_bytes(path.read_bytes()[:-40])


def cut_between_lines(path: Path) -> None:
    """Leave out the last line, in a whole gzip file."""
    path.write_bytes(gzip.compress(b"\n".join(gzip.decompress(path.read_bytes()).splitlines()[:-1]) + b"\n"))


def flip(path: Path) -> None:
    """Change one octet."""
    octets = bytearray(path.read_bytes())
    octets[len(octets) // 2] ^= 1
    path.write_bytes(octets)


def forge(path: Path) -> None:
    """Change a row and write a digest that fits, as somebody can who has no key."""
    from hashlib import sha256

    lines = gzip.decompress(path.read_bytes()).replace(b"dns@acme.test", b"dns@evil.test").splitlines(keepends=True)
    end = json.loads(lines[-1]) | {"sha256": sha256(b"".join(lines[:-1])).hexdigest()}
    path.write_bytes(gzip.compress(b"".join(lines[:-1]) + json.dumps(end).encode() + b"\n"))


def drop_row(path: Path) -> None:
    """Take a row away."""
    lines = lines_of(path)
    next(each for each in lines if each.get("table") == "accounts")["rows"].clear()
    path.write_bytes(
        gzip.compress(b"".join(json.dumps(each, separators=(",", ":")).encode() + b"\n" for each in lines))
    )


def append(path: Path) -> None:
    """Add a line behind the end."""
    path.write_bytes(path.read_bytes() + gzip.compress(b"{}\n"))


def plain(path: Path) -> None:
    """Write what is no gzip file."""
    path.write_text("no backup\n")


def newer(path: Path) -> None:
    """Make it a backup of a later version."""
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(HEAD.encode(), b"9999", 1)))


@pytest.mark.parametrize(
    ("harm", "code"),
    [
        *((each, "archive-invalid") for each in (cut, cut_between_lines, flip, forge, drop_row, append, plain)),
        (newer, "schema-outdated"),
    ],
)
def test_a_harmed_backup_is_refused(
    made: Installation, tmp_path: Path, harm: Callable[[Path], None], code: str
) -> None:
    """Whatever was cut, changed or forged is noticed before anything is written."""
    path, target = tmp_path / "backup.gz", Installation(tmp_path / "new", **QUIET)
    target.folder.mkdir()
    shutil.copy(made.folder / "backup.jsonl.gz", path)
    harm(path)
    refused = target.run("restore", str(path))
    assert f"[{code}]" in refused.stderr, refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (target.folder / "letterhead.db").exists()


@pytest.mark.parametrize("keys", [OTHER_KEY, SAME_NAME])
def test_a_wrong_key_is_refused(made: Installation, tmp_path: Path, keys: str) -> None:
    """With other keys nothing is written, and the key that is needed is named."""
    target = Installation(tmp_path, **QUIET)
    target.settings["LETTERHEAD_KEYS"] = keys
    refused = target.run("restore", str(made.folder / "backup.jsonl.gz"))
    assert "[keyring-wrong]" in refused.stderr
    assert "'k1'" in refused.stderr
    assert not (tmp_path / "letterhead.db").exists()


def test_every_missing_key_is_named(made: Installation, tmp_path: Path) -> None:
    """Secrets that older keys sealed need them; a backup by a ring without them is not called good."""
    source = Installation(tmp_path, **QUIET)
    shutil.copy(made.folder / "letterhead.db", tmp_path)
    source.settings["LETTERHEAD_KEYS"] = f"{OTHER_KEY},{KEYS}"
    source.stock(2)  # sealed by the new key
    path = backed_up(source)
    source.settings["LETTERHEAD_KEYS"] = KEYS
    refused = source.run("backup", str(tmp_path / "second.gz"))
    assert "[keyring-wrong]" in refused.stderr
    assert "missing: 'k2'" in refused.stderr
    target = Installation(tmp_path / "target", **QUIET)
    target.folder.mkdir()
    refused = target.run("restore", str(path))
    assert "[keyring-wrong]" in refused.stderr or "[archive-invalid]" in refused.stderr
    assert "'k2'" in refused.stderr


def test_a_damaged_key_is_named_and_the_rest_is_kept(made: Installation, tmp_path: Path) -> None:
    """A row that was damaged before is reported by backup and restore, and does not keep the others from it."""
    source, target = Installation(tmp_path, **QUIET), Installation(tmp_path / "target", **QUIET)
    target.folder.mkdir()
    shutil.copy(made.folder / "letterhead.db", tmp_path)
    with closing(sqlite3.connect(tmp_path / "letterhead.db")) as database, database:
        (mine, sealed), (other, taken) = database.execute("SELECT domain_id, sealed FROM domain_keys").fetchall()
        database.execute("UPDATE domain_keys SET sealed = ? WHERE domain_id = ?", (taken, mine))
    for done in (source.run("backup", str(tmp_path / "b.gz")), target.run("restore", str(tmp_path / "b.gz"))):
        assert done.returncode == 1, done.stderr
        assert "acme.test" in done.stderr
        assert "1 sealed secrets do not open" in done.stderr
    assert sealed not in (taken, b"")
    assert other


DAMAGE = {
    "sqlite": (
        "CREATE TRIGGER damaged AFTER INSERT ON domain_keys BEGIN UPDATE domain_keys "
        "SET sealed = CAST(substr(sealed, 1, length(sealed) - 1) AS BLOB) WHERE sealed = new.sealed; END",
    ),
    "postgres": (
        "CREATE FUNCTION damage() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "new.sealed := substr(new.sealed, 1, length(new.sealed) - 1); RETURN new; END $$",
        "CREATE TRIGGER damaged BEFORE INSERT ON domain_keys FOR EACH ROW EXECUTE FUNCTION damage()",
    ),
}


def test_what_was_written_is_opened_too(engine: str, new: Elsewhere, made: Installation) -> None:
    """A database that changes a key on its way in is found out before the end, and nothing of it is kept."""
    target = new(engine)
    assert target.run("migrate").returncode == 0
    for statement in DAMAGE[engine]:
        sql(target, statement)
    backup = str(made.folder / "backup.jsonl.gz")
    url = target.settings.get("LETTERHEAD_DATABASE_URL") or f"sqlite:///{target.folder / 'letterhead.db'}"
    for source, words in ((target, ("restore", backup)), (made, ("copy-database", "--to", url))):
        done = source.run(*words)
        assert (done.returncode != 0, "other secrets than were read" in done.stderr) == (True, True), done.stderr
        assert "_domainkey." in done.stderr
    sql(target, "DROP TRIGGER damaged" if engine == "sqlite" else "DROP TRIGGER damaged ON domain_keys")
    again = target.run("restore", backup)
    assert again.returncode == 0, f"it was empty still: {again.stderr}"


def test_a_domain_that_can_not_be_read_is_named(made: Installation, tmp_path: Path) -> None:
    """A row of a domain that is damaged keeps no other one from the backup, and its keys are named."""
    source = Installation(tmp_path, **QUIET)
    shutil.copy(made.folder / "letterhead.db", tmp_path)
    with closing(sqlite3.connect(tmp_path / "letterhead.db")) as database, database:
        database.execute("UPDATE domains SET life = '{' WHERE sender = 'acme.test'")
    done = source.run("backup", str(tmp_path / "b.gz"))
    assert done.returncode == 1, done.stderr
    assert "which is unreadable" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_is_half(engine: str, new: Elsewhere, made: Installation) -> None:
    """Interrupted in the middle, the target has nothing, and the next restore succeeds."""
    target = new(engine)
    url = target.settings.get("LETTERHEAD_DATABASE_URL") or f"sqlite:///{target.folder / 'letterhead.db'}"

    async def interrupted() -> None:
        source = f"sqlite:///{made.folder / 'letterhead.db'}"
        async with read_tables(source) as reader, write_tables(url) as writer:
            await writer.make_schema(reader.revision)
            for table in reader.tables:
                async for rows in reader.rows(table):
                    await writer.write(table, rows)
            await writer.finish(moved=False, now=0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(interrupted())
    done = target.run("restore", str(made.folder / "backup.jsonl.gz"))
    assert done.returncode == 0, done.stderr


def test_an_existing_file_is_kept_and_a_folder_names_the_file(made: Installation, tmp_path: Path) -> None:
    """No backup replaces another one, and no draft is left."""
    refused = made.run("backup", str(made.folder / "backup.jsonl.gz"))
    assert "[conflict]" in refused.stderr
    assert made.run("backup", str(tmp_path)).returncode == 0
    assert [each.name[:11] for each in tmp_path.iterdir()] == ["letterhead-"]
    for name in ("none/b.gz", "x" * 300):  # not there; not even to be looked at
        assert "[config-invalid]" in made.run("backup", str(tmp_path / name)).stderr


def test_no_secret_is_in_clear(made: Installation) -> None:
    """Nothing of the key-encryption key is in a backup; what seals it is named alone."""
    octets = gzip.decompress((made.folder / "backup.jsonl.gz").read_bytes())
    key = bytes(range(32))
    assert not any(form in octets for form in (key, base64.b64encode(key).rstrip(b"="), key.hex().encode()))


@pytest.mark.parametrize("revision", [REVISIONS[7], REVISIONS[-2]])
def test_an_older_backup_is_brought_up_to_date(revision: str, tmp_path: Path, postgres: Postgres) -> None:
    """Rows of an older schema are written into that schema, which is then migrated, on either engine."""
    url = f"sqlite:///{tmp_path / 'old.db'}"

    async def copied(source: str, target: str) -> None:
        async with read_tables(source) as reader, write_tables(target) as writer:
            await writer.make_schema(reader.revision)
            for table in reader.tables:
                async for rows in reader.rows(table):
                    await writer.write(table, rows)
            await writer.finish(moved=True, now=0)

    from letterhead.adapters.storage.schema import migration
    from letterhead.adapters.storage.statements import Dialect

    with closing(sqlite3.connect(tmp_path / "old.db")) as database:
        database.executescript(migration(Dialect.SQLITE, None, revision))
        database.execute("INSERT INTO accounts (id, name, email, created_at) VALUES ('acc_1', 'a', 'a@b.test', 1)")
        database.commit()
    for target in (f"sqlite:///{tmp_path / 'new.db'}", postgres.url(postgres.create())):
        asyncio.run(copied(url, target))

        async def read(target: str = target) -> tuple[str, int]:
            async with read_tables(target) as reader:
                accounts = next(each for each in reader.tables if each.name == "accounts")
                return reader.revision, sum([len(rows) async for rows in reader.rows(accounts)])

        assert asyncio.run(read()) == (HEAD, 1)


def test_the_commands_of_the_page(made: Installation, new: Elsewhere, tmp_path: Path) -> None:
    """What docs/data.md has a reader type works, with the folders and addresses of here."""
    (tmp_path / "backups").mkdir()
    restored, moved = new("sqlite"), new("postgres")
    where = {"backup": made, "restore": restored, "copy-database": made}
    for block in blocks_of("docs/data.md", (ROOT / "docs" / "data.md").read_text("utf-8")):
        if block.run_by != "tests/cli/test_backups.py":
            continue
        words = shlex.split(block.commands)
        assert words.pop(0) == "letterhead"
        written = [str(each) for each in (tmp_path / "backups").iterdir()]
        here = {
            "/var/backups/letterhead": str(tmp_path / "backups"),
            "postgresql://letterhead@db.internal/letterhead": moved.settings["LETTERHEAD_DATABASE_URL"],
        }
        words = [written[0] if each.endswith(".jsonl.gz") else here.get(each, each) for each in words]
        done = where[words[0]].run(*words)
        assert done.returncode == 0, done.stderr
    assert moved.run("doctor").stdout


def test_every_sealed_column_is_opened() -> None:
    """A new column of octets has either a purpose that it opens for, or a line among the digests."""
    octets = {(table.name, column) for table in schema_tables(HEAD) for column in table.octets}
    assert octets == set(SEALED) | DIGESTS

"""P19: a backup taken while the service works restores elsewhere, with all that was acknowledged before it began.

By `letterhead backup` each engine's backup comes back on the other one. SQLite is also copied as docs/data.md says
(`sqlite3 FILE ".backup COPY"`, which is the backup API that Python has too), Postgres by pg_dump.
"""

import base64
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key

from tests.faults.conftest import Figures
from tests.rigs.letterhead import Installation, Serving
from tests.rigs.postgres import Postgres

QUIET = {"KEY_POOL": "1", "RATE_LIMIT": "10000/s burst 20000", "DNS_RESOLVERS": "127.0.0.1:9"}


class Writer:
    """Adds and deletes domains until it is told to stop, and knows what was acknowledged."""

    def __init__(self, serving: Serving, key: str) -> None:
        self.acked: set[str] = set()
        self.deleted: set[str] = set()
        self._serving, self._key = serving, key
        self._stop, self._grown = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._write)

    def __enter__(self) -> "Writer":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def wait(self) -> None:
        """Wait until something more was written."""
        self._grown.clear()
        assert self._grown.wait(20)

    def _write(self) -> None:
        with self._serving.client(self._key) as client:
            number = 0
            while not self._stop.is_set():
                self._one(client, number := number + 1)
                self._grown.set()

    def _one(self, client: httpx2.Client, number: int) -> None:
        sender = f"d{number}.test"
        if client.post("/domains", json={"sender": sender}).status_code == 200:
            self.acked.add(sender)
        if number % 5 == 0 and client.delete(f"/domains/{sender}").status_code == 200:
            self.deleted.add(sender)


def copied(file: Path, copy: Path) -> None:
    """Copy an SQLite database that is in use, as `.backup` does."""
    copy.parent.mkdir(exist_ok=True)
    with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
        assert target.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def whole(installation: Installation, key: str) -> set[str]:
    """Serve from an installation, and list its domains; each private key opens, and is that of its record."""
    with installation.serving("--no-worker") as serving, serving.client(key) as client:
        listed = client.get("/domains").json()
    assert all(matches(each) for each in listed)
    return {each["sender"] for each in listed}


def matches(domain: dict[str, Any]) -> bool:
    """Say whether the private key belongs to the public one."""
    return public_key(domain["privateDKIMKey"]) in domain["verificationRecords"]["dkim"]["recordValue"]


@cache  # they are one key under many names, each sealed for its own domain
def public_key(private: str) -> str:
    """Compute the public key, in base64, of a private one."""
    public = load_der_private_key(base64.b64decode(private), None).public_key()
    return base64.b64encode(public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def backed_up(installation: Installation, size: int, backup: Callable[[int], Installation]) -> int:
    """Take backups under load, restore each elsewhere, and count what must be there and is not."""
    assert installation.run("migrate").returncode == 0
    installation.stock(600)
    taken: list[tuple[Installation, set[str], set[str]]] = []
    with installation.serving() as serving:
        key = serving.open_account()
        with Writer(serving, key) as writer:
            for number in range(size):
                writer.wait()
                before, gone = set(writer.acked), set(writer.deleted)
                taken.append((backup(number), before, gone))
                writer.wait()
    lost = 0
    for restored, before, gone in taken:
        found = whole(restored, key)
        lost += len((before - writer.deleted) - found) + len(gone & found)
    return lost


@pytest.mark.timeout(600)
def test_a_copy_of_sqlite_restores(tmp_path: Path, size: int, figures: Figures) -> None:
    """Copied while it is written, the file opens elsewhere with all that was acknowledged, and every key."""

    def backup(number: int) -> Installation:
        folder = tmp_path / f"copy{number}"
        copied(tmp_path / "letterhead.db", folder / "letterhead.db")
        return Installation(folder, **QUIET)

    lost = backed_up(Installation(tmp_path, **QUIET), size, backup)
    figures(backups=size, lost=lost)
    assert lost == 0


@pytest.mark.timeout(600)
def test_a_dump_of_postgres_restores(tmp_path: Path, size: int, postgres: Postgres, figures: Figures) -> None:
    """Dumped while it is written, the database is restored elsewhere with all that was acknowledged, and every key."""
    source = postgres.create()

    def backup(number: int) -> Installation:
        dump, target, folder = tmp_path / f"dump{number}", postgres.create(), tmp_path / f"restored{number}"
        postgres.dump(source, dump)
        postgres.restore(dump, target)
        folder.mkdir()
        return Installation(folder, DATABASE_URL=postgres.url(target), **QUIET)

    lost = backed_up(Installation(tmp_path, DATABASE_URL=postgres.url(source), **QUIET), size, backup)
    figures(backups=size, lost=lost)
    assert lost == 0


@pytest.mark.timeout(600)
@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_our_own_backup_restores(tmp_path: Path, size: int, postgres: Postgres, figures: Figures, engine: str) -> None:
    """Backed up while it is written, the database comes back on the other engine with all that was acknowledged."""

    def on(kind: str) -> dict[str, str]:
        return {"DATABASE_URL": postgres.url(postgres.create())} if kind == "postgres" else {}

    source = Installation(tmp_path, **on(engine), **QUIET)
    other = "sqlite" if engine == "postgres" else "postgres"

    def backup(number: int) -> Installation:
        path, folder = tmp_path / f"backup{number}.gz", tmp_path / f"restored{number}"
        folder.mkdir()
        restored = Installation(folder, **on(other), **QUIET)
        for done in (source.run("backup", str(path)), restored.run("restore", str(path))):
            assert done.returncode == 0, done.stderr
        return restored

    lost = backed_up(source, size, backup)
    figures(backups=size, lost=lost)
    assert lost == 0


def test_a_mere_copy_of_the_file_loses(tmp_path: Path) -> None:
    """Copied as any file, without its log, the database lacks what was acknowledged: the tests above can fail."""
    installation, copy = Installation(tmp_path, **QUIET), tmp_path / "copy"
    assert installation.run("migrate").returncode == 0
    installation.stock(10)
    copy.mkdir()
    with installation.serving("--no-worker") as serving, serving.client(serving.open_account()) as client:
        acked = {each["sender"] for each in client.post("/domains", json={"sender": "acme.test"}).json()}
        shutil.copy(tmp_path / "letterhead.db", copy)
    with closing(sqlite3.connect(copy / "letterhead.db")) as found:
        kept = {row[0] for row in found.execute("SELECT sender FROM domains")}
    assert acked - kept == {"acme.test"}

"""From every release whose database is kept to this version, with its data, on both engines, and back again.

tests/data/releases/ has each release's database, as its own processes wrote it: `./dev release` keeps it. The processes
of the release itself are installed from its commit. tests/faults/test_p20_upgrades.py begins at the very first schema.
"""

import hashlib
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from release.database import ACCOUNT, OTHER
from tests.faults.test_p19_backups import matches
from tests.rigs.dns_lab import DnsLab
from tests.rigs.letterhead import Installation, Serving
from tests.rigs.postgres import Postgres
from tests.rigs.releases import KEPT, command_of, kept_releases
from tests.rigs.waiting import until

ROUNDS = 6  # of each client, before, while and after the schema changes
CLIENTS = 3
STATUSES = ("success", "temporary-failure", "failed", "pending", "not-started")
Fingerprints = dict[str, tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Database:
    """One kept database in one engine, with how it is asked."""

    release: str
    settings: dict[str, str]
    folder: Path
    select: Callable[[str], list[tuple[Any, ...]]]

    def columns(self) -> dict[str, list[str]]:
        """Return the columns of each table that there is now."""
        found: dict[str, list[str]] = {}
        for table, column in self.select(self.settings["COLUMNS"]):
            found.setdefault(table, []).append(column)
        return found

    def fingerprints(self, columns: dict[str, list[str]]) -> Fingerprints:
        """Count the rows of each table, and digest what is in these columns."""
        found: Fingerprints = {}
        for table, names in columns.items():
            rows = sorted(map(repr, self.select(f"SELECT {', '.join(names)} FROM {table}")))
            found[table] = (len(rows), hashlib.sha256("\n".join(rows).encode()).hexdigest())
        return found

    def new(self, **settings: str) -> Installation:
        """Return this version on the database."""
        mine = {name: value for name, value in self.settings.items() if name != "COLUMNS"}
        return Installation(self.folder, **{"KEY_POOL": "1", "DNS_RESOLVERS": "127.0.0.1:9", **mine, **settings})

    def old(self, **settings: str) -> Installation:
        """Return the release itself on the database."""
        made = self.new(**settings)
        made.command = command_of(self.release)
        del made.settings["LETTERHEAD_UNPROVEN_BELOW"]  # the first release refuses what it does not know
        return made


@pytest.fixture(params=kept_releases())
def release(request: pytest.FixtureRequest) -> str:
    """Name one release."""
    return str(request.param)


@pytest.fixture(params=["sqlite", "postgres"])
def kept(request: pytest.FixtureRequest, release: str, tmp_path: Path) -> Iterator[Database]:
    """Put the database of the release into an engine."""
    text = KEPT / release / f"{request.param}.sql"
    if request.param == "postgres":
        yield in_postgres(request.getfixturevalue("postgres"), release, tmp_path)
        return
    with closing(sqlite3.connect(tmp_path / "letterhead.db", isolation_level=None)) as connection:
        connection.executescript(text.read_text("utf-8"))

    def select(statement: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(tmp_path / "letterhead.db")) as connection:
            return connection.execute(statement).fetchall()

    columns = (
        "SELECT m.name, c.name FROM sqlite_master m, pragma_table_info(m.name) c "
        "WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name <> 'alembic_version' ORDER BY 1, c.cid"
    )
    yield Database(release, {"COLUMNS": columns}, tmp_path, select)


def in_postgres(postgres: Postgres, release: str, folder: Path) -> Database:
    """Put the database of a release into PostgreSQL."""
    name = postgres.create()
    postgres.read_sql(KEPT / release / "postgres.sql", name)
    columns = (
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND table_name <> 'alembic_version' ORDER BY 1, ordinal_position"
    )

    def select(statement: str) -> list[tuple[Any, ...]]:
        return [tuple(line.split("|")) for line in postgres.run(statement, name).splitlines()]

    return Database(release, {"COLUMNS": columns, "DATABASE_URL": postgres.url(name)}, folder, select)


def sign_in(serving: Serving, name: str) -> httpx2.Client:
    """Return a client of the account of this name, with a new key from the operator: none is kept with the data."""
    with serving.operator() as operator:
        (account,) = (each for each in operator.get("/accounts").json() if each["name"] == name)
        made = operator.post(f"/accounts/{account['accountId']}/keys", json={"keyType": "secret", "name": "kept"})
    assert made.is_success, made.text
    return serving.client(made.json()["key"])


def stands_as_it_stood(serving: Serving) -> None:
    """Every domain has the status that its first label names, and a private key that opens."""
    with sign_in(serving, ACCOUNT) as client, sign_in(serving, OTHER) as other:
        listed = client.get("/domains").json()
        named = {each["sender"].partition(".")[0]: each["status"].lower().replace("_", "-") for each in listed}
        assert {name: name for name in STATUSES} == named
        assert [each["status"] for each in other.get("/domains").json()] == ["FAILED"]  # it never held the name
        assert all(matches(each) for each in [*listed, *other.get("/domains").json()])
        (webhook,) = client.get("/webhooks").json()["endpoints"]
        assert client.get(f"/webhooks/{webhook['id']}/deliveries").json()
        assert {"domain.verified", "domain.at_risk", "domain.failed"} <= {
            e["kind"] for e in client.get("/events").json()
        }


def test_nothing_is_lost_on_the_way(kept: Database) -> None:
    """Each table has the rows that it had, with the same in every column; the new version stands and works on them."""
    before = kept.columns()
    was = kept.fingerprints(before)
    assert was["domains"][0] == 6
    migrated = kept.new().run("migrate")
    assert migrated.returncode == 0, migrated.stderr
    assert kept.fingerprints(before) == was
    installation = kept.new()
    with installation.serving("--no-worker") as serving:
        stands_as_it_stood(serving)
        with sign_in(serving, ACCOUNT) as client:
            sender = client.get("/domains").json()[0]["sender"]
            assert client.post("/domains", json={"sender": f"new.{sender}"}).status_code == 200
            assert client.delete(f"/domains/{sender}").status_code == 200
    assert_no_trouble(installation)


def test_the_way_back(kept: Database) -> None:
    """The release runs on the schema of this version, adds to it, and this version reads what it added."""
    assert kept.new().run("migrate").returncode == 0
    for installation, name in ((kept.old(), "by-old.test"), (kept.new(), "by-new.test"), (kept.old(), "again.test")):
        with installation.serving("--no-worker") as serving:
            key = serving.open_account()
            with serving.client(key) as client:
                assert client.post("/domains", json={"sender": name}).status_code == 200
                assert client.delete(f"/domains/{name}").status_code == 200
    with kept.new().serving("--no-worker") as serving:
        stands_as_it_stood(serving)
    assert_no_trouble(kept.new())


def test_a_webhook_for_some_domains_is_nothing_to_the_release(kept: Database) -> None:
    """What the release does is sent to no such webhook, be it of its domain or of another, and it can't change one."""
    assert kept.new().run("migrate").returncode == 0
    whole = {"webhook": "https://hooks.acme.dev/x", "events": ["*"]}
    with kept.new().serving("--no-worker") as serving, serving.client(key := serving.open_account()) as client:
        made = [client.post("/webhooks", json=whole | each).json() for each in ({}, {"domains": ["own.test"]})]
    with kept.old().serving("--no-worker") as serving, serving.client(key) as client:
        for name in ("own.test", "other.test"):
            assert client.post("/domains", json={"sender": name}).status_code == 200
        assert client.put(f"/webhooks/{made[1]['id']}", json=whole).status_code == 409
    with kept.new().serving("--no-worker") as serving, serving.client(key) as client:
        assert client.get("/webhooks").json()["endpoints"] == made
        assert client.delete("/domains/own.test").status_code == 200
        sent = [[each["kind"] for each in client.get(f"/webhooks/{each['id']}/deliveries").json()] for each in made]
    assert (len(sent[0]), sent[1]) == (5, ["domain.deleted"])


def test_old_and_new_side_by_side(release: str, postgres: Postgres, lab: DnsLab, tmp_path: Path) -> None:
    """Both serve and both work while the schema changes beneath them: no answer of either is an error."""
    database = in_postgres(postgres, release, tmp_path)
    dns = {
        "DNS_RESOLVERS": f"127.0.0.1:{lab.resolver_port}", "DNS_AUTHORITATIVE_PORT": str(lab.authoritative_port),
        "RATE_LIMIT": "10000/s burst 20000",
    }  # fmt: skip
    # On a busy machine a connection may take longer than the two seconds that an operator waits; 0.1.0 has no such key.
    patient = {"DATABASE_URL": f"{database.settings['DATABASE_URL']}?connect_timeout=30"}
    old, new = database.old(**dns), database.new(**dns, **patient)
    with old.serving("--no-worker") as before, ExitStack() as started:
        workers = [old.worker()]
        with Clients(before.open_account(), before) as clients:
            clients.wait_for_rounds()
            migrated = new.run("migrate")
            assert migrated.returncode == 0, migrated.stderr
            clients.wait_for_rounds()
            after = started.enter_context(new.serving("--no-worker"))
            clients.join(after)
            workers.append(new.worker())
            until(lambda: '"event":"worker.ready"' in new.logs(), 150)  # before that a signal ends it at once
            clients.wait_for_rounds()
        assert clients.errors == []
        assert [worker.stop() for worker in workers] == [0, 0]
        with sign_in(after, ACCOUNT) as client:
            listed = client.get("/domains").json()
    assert len(listed) == 5
    assert all(matches(each) for each in listed)
    assert clients.answers >= 3 * ROUNDS * CLIENTS * 6
    assert_no_trouble(new)


class Clients:
    """Clients that add, read, check and delete domains, at each server in turn, until the block ends."""

    def __init__(self, key: str, *servers: Serving) -> None:
        self.errors: list[str] = []
        self.answers = 0
        self._key, self._servers = key, list(servers)
        self._rounds = [0] * CLIENTS
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(CLIENTS)]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(60)

    def join(self, serving: Serving) -> None:
        """Let every second request go to this server from now on."""
        self._servers = [*self._servers, serving]

    def wait_for_rounds(self) -> None:
        """Wait until each client has done its rounds once more."""
        wanted = [done + ROUNDS for done in self._rounds]
        until(lambda: self.errors or all(done >= goal for done, goal in zip(self._rounds, wanted, strict=True)), 150)

    def _work(self, number: int) -> None:
        connections: dict[str, httpx2.Client] = {}
        while not self._ended.is_set():
            name = f"c{number}-{self._rounds[number]}.test"
            for method, path, body in (
                ("POST", "/domains", {"sender": name}),
                ("GET", f"/domains/{name}", None),
                ("GET", "/domains", None),
                ("POST", f"/domains/{name}/start-verification", None),
                ("GET", f"/domains/{name}/events", None),
                ("DELETE", f"/domains/{name}", None),
            ):
                serving = self._servers[self.answers % len(self._servers)]
                if serving.url not in connections:
                    connections[serving.url] = serving.client(self._key)
                try:
                    answer = connections[serving.url].request(method, path, json=body)
                except httpx2.HTTPError as error:
                    self.errors.append(f"{method} {path} at {serving.url}: {error!r}")
                else:
                    self.answers += 1
                    if not answer.is_success:
                        self.errors.append(f"{method} {path} at {serving.url}: {answer.status_code} {answer.text}")
            self._rounds[number] += 1
        for connection in connections.values():
            connection.close()


def assert_no_trouble(installation: Installation) -> None:
    """No process met what it does not know."""
    logs = installation.logs()
    for word in ("Traceback", "request.broken", "domain.unreadable", '"level":"error"'):
        assert word not in logs, [line for line in logs.splitlines() if word in line][:3]

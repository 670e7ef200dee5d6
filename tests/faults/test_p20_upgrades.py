"""P20: the database of the first release migrates forward with what is in it, and the new version works on with it.

tests/data/database-0001.json was written by that release itself: two accounts, domains verified, pending and draft.
"""

import asyncio
import base64
import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from letterhead.adapters.storage import migrate, schema
from letterhead.adapters.storage.statements import Dialect
from tests.faults.conftest import Figures
from tests.faults.test_p19_backups import matches
from tests.rigs.letterhead import Installation
from tests.rigs.postgres import Postgres

FIRST = json.loads((Path(__file__).parents[1] / "data" / "database-0001.json").read_text("utf-8"))
NUMBERED = {"audit", "intents"}  # PostgreSQL gives the numbers itself
STATUSES = {"first.test": "SUCCESS", "sub.first.test": "PENDING", "draft.first.test": "NOT_STARTED"}
Rows = list[list[Any]]


def tables() -> Iterator[tuple[str, list[str], Rows]]:
    """Return each table of the first release with its rows."""
    for name, table in FIRST["tables"].items():
        kept = [at for at, column in enumerate(table["columns"]) if name not in NUMBERED or column != "id"]
        rows = [[decoded(row[at]) for at in kept] for row in table["rows"]]
        yield name, [table["columns"][at] for at in kept], rows


def decoded(cell: Any) -> Any:
    """Read octets."""
    return base64.b64decode(cell["base64"]) if isinstance(cell, dict) else cell


def in_sqlite(path: Path, revision: str = FIRST["revision"]) -> None:
    """Write what the first release wrote into a file with the schema of a revision."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(schema.migration(Dialect.SQLITE, None, revision))
        for name, columns, rows in tables():
            places = ", ".join("?" * len(columns))
            connection.executemany(f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({places})", rows)


async def in_postgres(url: str, revision: str = FIRST["revision"]) -> None:
    """Write the same into PostgreSQL."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(schema.migration(Dialect.POSTGRES, None, revision))
        for name, columns, rows in tables():
            places = ", ".join(f"${number}" for number in range(1, len(columns) + 1))
            await connection.executemany(f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({places})", rows)
    finally:
        await connection.close()


@pytest.fixture(params=["sqlite", "postgres"])
def installation(request: pytest.FixtureRequest, tmp_path: Path) -> Installation:
    """Return the new version on the first release's database."""
    quiet = {"KEY_POOL": "1", "DNS_RESOLVERS": "127.0.0.1:9"}
    if request.param == "sqlite":
        in_sqlite(tmp_path / "letterhead.db")
        return Installation(tmp_path, **quiet)
    postgres: Postgres = request.getfixturevalue("postgres")
    url = postgres.url(postgres.create())
    asyncio.run(in_postgres(url))
    return Installation(tmp_path, DATABASE_URL=url, **quiet)


def test_the_first_release_migrates_forward(installation: Installation, figures: Figures) -> None:
    """Its key signs in, its domains stand as they stood, every private key opens, and new work goes on."""
    migrated = installation.run("migrate")
    assert migrated.returncode == 0, migrated.stderr
    with installation.serving() as serving, serving.client(FIRST["key"]) as client:
        listed = client.get("/domains").json()
        assert {each["sender"]: each["status"] for each in listed} == STATUSES
        assert all(matches(each) for each in listed)
        told = [each["kind"] for each in client.get("/events").json()]
        assert told.count("domain.verified") == 1
        assert client.get("/account/usage").json()
        wish = {"sender": "sub.first.test", "selector": "mine", "mailFrom": "bounce"}
        again = client.post("/domains", json=wish, headers={"Idempotency-Key": "a-key-of-idempotency"})
        assert (again.status_code, len(again.json())) == (200, 3)
        assert len(client.post("/domains", json={"sender": "new.first.test"}).json()) == 4
        assert client.post("/domains/draft.first.test/check").status_code == 200
        assert client.delete("/domains/first.test").status_code == 200
        assert len(client.get("/domains").json()) == 3
    figures(tables=len(FIRST["tables"]), rows=sum(len(rows) for _, _, rows in tables()), migrations=schema.HEAD)
    assert "request.broken" not in installation.logs()
    assert "domain.unreadable" not in installation.logs()


@pytest.mark.parametrize("engine", ["sqlite", "postgres"])
def test_the_old_release_may_write_on_after_the_migration(
    engine: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """What processes of the first release write into the newest schema is taken, and read by the new version."""
    where = {"KEY_POOL": "1", "DNS_RESOLVERS": "127.0.0.1:9"}
    if engine == "sqlite":
        in_sqlite(tmp_path / "letterhead.db", schema.HEAD)
    else:
        where["DATABASE_URL"] = request.getfixturevalue("postgres_url")
        asyncio.run(in_postgres(where["DATABASE_URL"], schema.HEAD))
        asyncio.run(migrate(where["DATABASE_URL"]))  # builds the indexes that are not part of the migration
    installation = Installation(tmp_path, **where)
    with installation.serving("--no-worker") as serving, serving.client(FIRST["key"]) as client:
        listed = client.get("/domains").json()
        assert {each["sender"]: each["status"] for each in listed} == STATUSES
        assert all(matches(each) for each in listed)
        assert client.post("/domains", json={"sender": "new.first.test"}).status_code == 200
    assert "request.broken" not in installation.logs()


def test_before_the_migration_it_says_so(tmp_path: Path, postgres: Postgres) -> None:
    """On Postgres the new version does not start on the old schema, changes nothing, and says what to run."""
    url = postgres.url(postgres.create())
    asyncio.run(in_postgres(url))
    refused = Installation(tmp_path, DATABASE_URL=url).run("serve")
    assert refused.returncode != 0
    assert "letterhead migrate" in refused.stderr
    assert asyncio.run(revision(url)) == FIRST["revision"]


async def revision(url: str) -> object:
    """Read the revision of a schema."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval("SELECT version_num FROM alembic_version")
    finally:
        await connection.close()

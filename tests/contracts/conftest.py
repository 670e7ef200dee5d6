"""Give the contract tests a store on each engine: a SQLite file, a real PostgreSQL, and the same behind a pooler."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from letterhead.adapters.storage import migrate, open_store
from letterhead.ports.store import Store
from tests.contracts.samples import Shop
from tests.rigs import pooler
from tests.rigs.postgres import Postgres

ENGINES = ("sqlite", "postgresql", "pgbouncer")


@pytest.fixture(scope="session")
def migrated(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Make the schema once for each engine: a file to copy, and a template database to clone."""
    import asyncio

    path, template = tmp_path_factory.mktemp("template") / "letterhead.db", postgres.create()
    asyncio.run(migrate(f"sqlite:///{path}"))
    asyncio.run(migrate(postgres.url(template)))
    return {"sqlite": str(path), "postgresql": template}


@pytest.fixture(scope="session")
def pooler_port(postgres: Postgres) -> Iterator[int]:
    """Run one PgBouncer."""
    with pooler.running(postgres) as port:
        yield port


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    """Name the engine under test."""
    return str(request.param)


@pytest.fixture
def url(
    request: pytest.FixtureRequest, engine: str, migrated: dict[str, str], postgres: Postgres, tmp_path: Path
) -> Iterator[str]:
    """Return the address of a database of the test's own, with the schema in it."""
    if engine == "sqlite":
        path = tmp_path / "letterhead.db"
        path.write_bytes(Path(migrated["sqlite"]).read_bytes())
        yield f"sqlite:///{path}"
    else:
        with postgres.database(migrated["postgresql"]) as address:
            if engine == "pgbouncer":
                yield address.replace(f":{postgres.port}/", f":{request.getfixturevalue('pooler_port')}/")
            else:
                yield address


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """Open the store."""
    async with open_store(url) as opened:
        yield opened


@pytest.fixture
async def stores(url: str, engine: str, store: Store) -> AsyncIterator[tuple[Store, Store]]:
    """Open two stores on one database, as two processes do; on SQLite there is only one, which is asked twice."""
    if engine == "sqlite":
        yield store, store
    else:
        async with open_store(url) as other:
            yield store, other


@pytest.fixture
def shop(store: Store) -> Shop:
    """Fill the store."""
    return Shop(store)

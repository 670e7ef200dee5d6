"""The store behind a database URL, on SQLite or PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from letterhead.adapters.storage import schema
from letterhead.adapters.storage.accounts import SqlAccounts
from letterhead.adapters.storage.domains import SqlDomains
from letterhead.adapters.storage.engine import Engine
from letterhead.adapters.storage.heartbeats import SqlHeartbeats
from letterhead.adapters.storage.histograms import SqlHistograms
from letterhead.adapters.storage.leases import SqlLeases
from letterhead.adapters.storage.pages import SqlSessions
from letterhead.adapters.storage.reminders import SqlReminders
from letterhead.adapters.storage.retention import SqlRetention
from letterhead.adapters.storage.secrets import SqlSecrets
from letterhead.adapters.storage.sqlite import migrate_sqlite, open_sqlite, revision_of_sqlite
from letterhead.adapters.storage.webhooks import SqlWebhooks
from letterhead.errors import Fault, Kind
from letterhead.ports.store import Store

SQLITE: Final = "sqlite:///"
POSTGRES: Final = ("postgresql://", "postgres://")


class SqlStore(
    SqlAccounts,
    SqlDomains,
    SqlLeases,
    SqlReminders,
    SqlSecrets,
    SqlWebhooks,
    SqlSessions,
    SqlRetention,
    SqlHistograms,
    SqlHeartbeats,
):
    """The SQL implementation of every protocol of `Store`, on either engine."""

    def __init__(self, engine: Engine) -> None:
        SqlAccounts.__init__(self, engine)
        SqlDomains.__init__(self, engine)
        SqlLeases.__init__(self, engine)
        SqlReminders.__init__(self, engine)
        SqlSessions.__init__(self, engine)
        SqlSecrets.__init__(self, engine)
        SqlWebhooks.__init__(self, engine)
        SqlRetention.__init__(self, engine)
        SqlHistograms.__init__(self, engine)
        SqlHeartbeats.__init__(self, engine)


@asynccontextmanager
async def open_store(url: str, *, migrate_first: bool = False, connections: int = 10) -> AsyncIterator[Store]:
    """Open the store at `sqlite:///PATH` (`sqlite:////PATH` from the root) or `postgresql://…`.

    `migrate_first` creates or updates the schema, as the embedded database does when it starts; otherwise raise Fault
    `schema-outdated` for an outdated one. Raise Fault `database-in-use` where another process owns the SQLite file,
    `storage-unavailable` where the database can't be opened, `config-invalid` for another URL. `connections` bounds the
    pool on PostgreSQL.
    """
    path = _path(url)
    if path is not None:
        async with open_sqlite(path, migrate_first=migrate_first) as engine:
            yield SqlStore(engine)
        return
    from letterhead.adapters.storage.postgres import open_postgres  # only those who use its driver load it

    async with open_postgres(url, migrate_first=migrate_first, connections=connections) as pool:
        yield SqlStore(pool)


async def migrate(url: str) -> None:
    """Bring the schema up to date; do nothing where it is, or where it is newer."""
    path = _path(url)
    if path is not None:
        await migrate_sqlite(path)
        return
    from letterhead.adapters.storage.postgres import migrate_postgres

    await migrate_postgres(url)


async def schema_state(url: str) -> schema.SchemaState:
    """Return how the schema relates to the one of this version."""
    return schema.state_of(await schema_revision(url))


async def schema_revision(url: str) -> str | None:
    """Return the revision of the schema; None where there is none."""
    path = _path(url)
    if path is not None:
        return await revision_of_sqlite(path)
    from letterhead.adapters.storage.postgres import revision_of_postgres

    return await revision_of_postgres(url)


def _path(url: str) -> Path | None:
    """Return the path in a URL of SQLite, and None for a URL of PostgreSQL."""
    if url.startswith(SQLITE) and len(url) > len(SQLITE):
        return Path(url.removeprefix(SQLITE))
    if url.startswith(POSTGRES):
        return None
    raise Fault(
        Kind.CONFIG_INVALID,
        "The address of the database is neither sqlite:///PATH nor postgresql://USER@HOST/NAME.",
        "Set it to one of these forms; a path from the root has four slashes.",
    )

"""The store behind a database URL, on SQLite or PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from letterhead.adapters.storage import schema
from letterhead.adapters.storage.account_imports import SqlAccountImports
from letterhead.adapters.storage.accounts import SqlAccounts
from letterhead.adapters.storage.alerts import SqlAlerts
from letterhead.adapters.storage.bound_domains import SqlBoundDomains
from letterhead.adapters.storage.dns_credentials import SqlDnsCredentials
from letterhead.adapters.storage.dns_plans import SqlDnsPlans
from letterhead.adapters.storage.domains import SqlDomains
from letterhead.adapters.storage.engine import Engine
from letterhead.adapters.storage.heartbeats import SqlHeartbeats
from letterhead.adapters.storage.histograms import SqlHistograms
from letterhead.adapters.storage.leases import SqlLeases
from letterhead.adapters.storage.members import SqlMembers
from letterhead.adapters.storage.pages import SqlSessions
from letterhead.adapters.storage.profiles import SqlProfiles
from letterhead.adapters.storage.reminders import SqlReminders
from letterhead.adapters.storage.retention import SqlRetention
from letterhead.adapters.storage.secrets import SqlSecrets
from letterhead.adapters.storage.sqlite import migrate_sqlite, open_sqlite, revision_of_sqlite
from letterhead.adapters.storage.sqlite_tables import read_sqlite_tables, write_sqlite_tables
from letterhead.adapters.storage.subdomain_covers import SqlSubdomainCovers
from letterhead.adapters.storage.webhooks import SqlWebhooks
from letterhead.errors import Fault, Kind
from letterhead.ports.store import Store
from letterhead.ports.store.tables import TableReader, TableWriter

SQLITE: Final = "sqlite:///"
POSTGRES: Final = ("postgresql://", "postgres://")


class SqlStore(
    SqlAccountImports,
    SqlAccounts,
    SqlAlerts,
    SqlDomains,
    SqlBoundDomains,
    SqlProfiles,
    SqlDnsCredentials,
    SqlDnsPlans,
    SqlLeases,
    SqlMembers,
    SqlReminders,
    SqlSecrets,
    SqlSubdomainCovers,
    SqlWebhooks,
    SqlSessions,
    SqlRetention,
    SqlHistograms,
    SqlHeartbeats,
):
    """The SQL implementation of every protocol of `Store`, on either engine."""

    def __init__(self, engine: Engine) -> None:
        SqlAccountImports.__init__(self, engine)
        SqlAccounts.__init__(self, engine)
        SqlAlerts.__init__(self, engine)
        SqlDomains.__init__(self, engine)
        SqlBoundDomains.__init__(self, engine)
        SqlProfiles.__init__(self, engine)
        SqlDnsCredentials.__init__(self, engine)
        SqlDnsPlans.__init__(self, engine)
        SqlLeases.__init__(self, engine)
        SqlMembers.__init__(self, engine)
        SqlReminders.__init__(self, engine)
        SqlSessions.__init__(self, engine)
        SqlSecrets.__init__(self, engine)
        SqlSubdomainCovers.__init__(self, engine)
        SqlWebhooks.__init__(self, engine)
        SqlRetention.__init__(self, engine)
        SqlHistograms.__init__(self, engine)
        SqlHeartbeats.__init__(self, engine)


@asynccontextmanager
async def open_store(
    url: str,
    *,
    migrate_first: bool = False,
    connections: int = 10,
    prepared: bool | None = None,
    read_url: str | None = None,
) -> AsyncIterator[Store]:
    """Open the store at `sqlite:///PATH` (`sqlite:////PATH` from the root) or `postgresql://…`.

    `migrate_first` creates or updates the schema, as the embedded database does when it starts; otherwise raise Fault
    `schema-outdated` for an outdated one. Raise Fault `database-in-use` where another process owns the SQLite file,
    `storage-unavailable` where the database can't be opened, `config-invalid` for another URL. `connections` bounds the
    pool on PostgreSQL; `prepared` says whether its statements are prepared by name (None: unless a pooler is found),
    and `read_url` leads to a replica from which lists are read while it follows.
    """
    path = _path(url)
    if path is not None:
        async with open_sqlite(path, migrate_first=migrate_first) as file:
            yield SqlStore(file)
        return
    from letterhead.adapters.storage.postgres import open_postgres  # only those who use its driver load it

    opening = open_postgres(
        url, migrate_first=migrate_first, connections=connections, prepared=prepared, read_url=read_url
    )
    async with opening as engine:
        yield SqlStore(engine)


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
    path = _path(url)
    if path is not None:
        return schema.state_of(await revision_of_sqlite(path))
    from letterhead.adapters.storage.postgres import state_of_postgres

    return await state_of_postgres(url)


async def schema_revision(url: str) -> str | None:
    """Return the revision of the schema; None where there is none."""
    path = _path(url)
    if path is not None:
        return await revision_of_sqlite(path)
    from letterhead.adapters.storage.postgres import revision_of_postgres

    return await revision_of_postgres(url)


def read_tables(url: str, *, alone: bool = False) -> AbstractAsyncContextManager[TableReader]:
    """Open all tables of a database as they are now; others go on writing, unless it is to be had `alone`.

    Faults: `database-in-use` where it can't be had alone, `storage-unavailable`, `schema-outdated`.
    """
    if (path := _path(url)) is not None:
        return read_sqlite_tables(path, alone=alone)
    from letterhead.adapters.storage.postgres_tables import read_postgres_tables

    return read_postgres_tables(url, alone=alone)


def write_tables(url: str) -> AbstractAsyncContextManager[TableWriter]:
    """Open an empty database; all is written at the end of the block, and nothing where the block raises.

    Faults: `conflict` where it has rows, `database-in-use`, `storage-unavailable`, `schema-outdated`.
    """
    if (path := _path(url)) is not None:
        return write_sqlite_tables(path)
    from letterhead.adapters.storage.postgres_tables import write_postgres_tables

    return write_postgres_tables(url)


def _path(url: str) -> Path | None:
    """Return the path in a URL of SQLite, and None for a URL of PostgreSQL."""
    if url.startswith(SQLITE) and len(url) > len(SQLITE):
        return Path(url.removeprefix(SQLITE))
    if url.startswith(POSTGRES):
        if find_spec("asyncpg") is None:
            raise Fault(
                Kind.CONFIG_INVALID,
                "LETTERHEAD_DATABASE_URL names PostgreSQL, and its driver is not installed.",
                "Install the extra `postgres` (docs/install/pip.md).",
            )
        return None
    raise Fault(
        Kind.CONFIG_INVALID,
        "The address of the database is neither sqlite:///PATH nor postgresql://USER@HOST/NAME.",
        "Set it to one of these forms; a path from the root has four slashes.",
    )

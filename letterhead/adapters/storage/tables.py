"""The tables of each revision of the schema, and what is done to their rows in another database."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from functools import cache
from typing import Final

from letterhead.adapters.storage import schema
from letterhead.adapters.storage.engine import DatabaseSession
from letterhead.adapters.storage.statements import Dialect
from letterhead.errors import Fault, Kind
from letterhead.ports.store.tables import StoredTable

AT_ONCE: Final = 250  # rows: those of `evidence` have some ten thousand octets each
_FIRST: Final = "vault"  # with it the keys can be opened that open the rest
_LEFT_OUT: Final = ("alembic_version", "sqlite_sequence", "heartbeats")  # the last are of processes that run here


@cache
def schema_tables(revision: str) -> tuple[StoredTable, ...]:
    """Return the tables of a revision in the order in which they can be filled.

    They come from the migrations, run in memory: tables and columns have the same names on both engines.
    """
    with closing(sqlite3.connect(":memory:")) as memory:
        memory.executescript(schema.migration(Dialect.SQLITE, None, revision))
        found = memory.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY rowid").fetchall()
        tables = []
        for name, definition in found:
            columns = memory.execute("SELECT name, type FROM pragma_table_info(?)", (name,)).fetchall()
            tables.append(
                StoredTable(
                    name=name,
                    columns=tuple(column for column, _ in columns),
                    octets=frozenset(column for column, kind in columns if kind == "BYTEA"),
                    numbers=frozenset(column for column, kind in columns if kind in ("BIGINT", "SMALLINT", "INTEGER")),
                    is_numbered="AUTOINCREMENT" in definition,
                )
            )
    kept = (each for each in tables if each.name not in _LEFT_OUT)
    return tuple(sorted(kept, key=lambda each: each.name != _FIRST))


def readable_revision(revision: str | None, where: str) -> str:
    """Return the revision of a schema that this version can read; raise Fault `schema-outdated` for any other."""
    if revision is None:
        fix = "Name the database of the service: give this command its settings."
        raise Fault(Kind.SCHEMA_OUTDATED, f"{where} has no schema of Letterhead.", fix)
    if revision not in schema.REVISIONS:
        raise Fault(
            Kind.SCHEMA_OUTDATED,
            f"{where} has the schema {revision}, and this version knows those up to {schema.HEAD}.",
            "Use the version of Letterhead that wrote it, or a newer one.",
        )
    return revision


def refuse_rows(counts: Mapping[str, int], where: str) -> None:
    """Raise Fault `conflict` for a database that has rows already."""
    found = ", ".join(f"{number} in {name}" for name, number in counts.items() if number)
    if found:
        raise Fault(
            Kind.CONFLICT,
            f"{where} is not empty: it has rows ({found}). Nothing was written.",
            "Name an empty database. One that a service has used only to start may be dropped, or its file moved away, "
            "once the service is stopped.",
        )


def refuse_revision(found: str, wanted: str, where: str) -> None:
    """Raise Fault `conflict` for an empty database with the schema of another revision than the rows to write."""
    if found != wanted:
        raise Fault(
            Kind.CONFLICT,
            f"{where} has the schema {found} already, and the rows to write are of {wanted}. Nothing was written.",
            "Name a database without a schema: it is made as it was, filled, and then brought up to date.",
        )


async def end_what_was_held(session: DatabaseSession, *, moved: bool, now: int) -> None:
    """End leases, which no process holds here; unless the database `moved`, sessions and reminders due `now` too."""
    for statement in (
        "release_all_domains",
        "release_all_intents",
        "release_all_reminders",
        "release_all_alerts",
        "release_all_deliveries",
        "release_all_dns_credentials",
    ):
        await session.rows(statement)
    if not moved:
        await session.rows("delete_all_sessions")
        await session.rows("settle_reminders_of_the_past", now=now)
        await session.rows("settle_alerts_of_the_past", now=now)


def count_rows_of(table: StoredTable) -> str:
    """Return the statement that counts a table's rows."""
    return f'SELECT count(*) FROM "{table.name}"'  # noqa: S608 a name of our own schema


def select_rows_of(table: StoredTable) -> str:
    """Return the statement that reads a table whole."""
    columns = ", ".join(f'"{column}"' for column in table.columns)
    return f'SELECT {columns} FROM "{table.name}"'  # noqa: S608 names of our own schema

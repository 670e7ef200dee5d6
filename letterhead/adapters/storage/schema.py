"""The migrations that this version ships, and how a database's schema stands to them.

A migration is a file `migrations/NNNN_name.sql`, in one text for both engines; NNNN is the revision that it leads to.
The table `alembic_version` names the revision of a database, as it did when Alembic wrote it.

An index that a migration adds to a table of earlier releases is written `CREATE INDEX /*postgresql CONCURRENTLY */`: on
PostgreSQL it is built after the migration's transaction, so that the service goes on writing meanwhile. A large table
takes minutes. One that it replaces is written `DROP INDEX /*postgresql CONCURRENTLY */`, and goes after that.
"""

import re
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

from letterhead.adapters.storage.statements import Dialect, for_engine
from letterhead.errors import Fault, Kind

MIGRATIONS: Final = {path.name[:4]: path for path in sorted((Path(__file__).parent / "migrations").glob("*.sql"))}
REVISIONS: Final = tuple(MIGRATIONS)
HEAD: Final = REVISIONS[-1]
# Numbers that no migration got, and that none gets now: databases are past them and would not run it.
LEFT_OUT: Final = frozenset({"0010", "0011", "0012", "0024", "0026"})
VERSION_TABLE: Final = """
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
"""
_ONLINE: Final = re.compile(r"^CREATE (?:UNIQUE )?INDEX CONCURRENTLY\s+(\w+) .*?;$", re.MULTILINE | re.DOTALL)
_DROPPED: Final = re.compile(r"^DROP INDEX (?:CONCURRENTLY\s+)?(\w+);$", re.MULTILINE)
_DROPPED_ONLINE: Final = re.compile(r"^DROP INDEX CONCURRENTLY\s+(\w+);$", re.MULTILINE)


class SchemaState(StrEnum):
    """How a database's schema stands to this version of the service."""

    EMPTY = "empty"
    OUTDATED = "outdated"
    INCOMPLETE = "incomplete"  # the revision is this version's, and an index is not built yet
    CURRENT = "current"
    NEWER = "newer"  # made by a later version: migrations are additive, so this version runs with it


def state_of(revision: str | None) -> SchemaState:
    """Return the state of a schema by the revision that its database names."""
    if revision is None:
        return SchemaState.EMPTY
    if revision not in REVISIONS:
        return SchemaState.NEWER
    return SchemaState.CURRENT if revision == HEAD else SchemaState.OUTDATED


def refuse_outdated(state: SchemaState, where: str) -> None:
    """Raise Fault `schema-outdated` for a database that must be migrated first."""
    if state not in (SchemaState.CURRENT, SchemaState.NEWER):
        what = "indexes are missing" if state is SchemaState.INCOMPLETE else f"this version needs revision {HEAD}"
        raise Fault(Kind.SCHEMA_OUTDATED, f"The schema of {where} is {state}: {what}.", "Run: letterhead migrate")


def migration(dialect: Dialect, revision: str | None, to: str = HEAD) -> str:
    """Return the SQL that brings a database from a revision to a newer one, without a transaction of its own.

    The caller runs it in one transaction, so that a process killed in the middle leaves the old revision whole.
    """
    done = 0 if revision is None else REVISIONS.index(revision) + 1
    files = [
        _DROPPED_ONLINE.sub("", _ONLINE.sub("", text(each, dialect)))
        for each in REVISIONS[done : REVISIONS.index(to) + 1]
    ]
    if revision is None:
        version = f"{VERSION_TABLE}\nINSERT INTO alembic_version (version_num) VALUES ('{to}');\n"
    else:
        version = f"UPDATE alembic_version SET version_num = '{to}';\n"  # noqa: S608 it is the name of a file of ours
    return "\n".join([*files, version])


def online_indexes() -> Mapping[str, str]:
    """Return the statements that build indexes of PostgreSQL outside of the migrations' transaction, by index."""
    indexes: dict[str, str] = {}
    for revision in REVISIONS:
        script = text(revision, Dialect.POSTGRES)
        indexes |= {found[1]: found[0] for found in _ONLINE.finditer(script)}
        for dropped in _DROPPED.findall(script):
            indexes.pop(dropped, None)
    return indexes


def replaced_indexes() -> Sequence[str]:
    """Return the indexes of PostgreSQL that go once those that replace them are built."""
    return [name for each in REVISIONS for name in _DROPPED_ONLINE.findall(text(each, Dialect.POSTGRES))]


def text(revision: str, dialect: Dialect) -> str:
    """Return what the migration to a revision says to one engine."""
    return for_engine(MIGRATIONS[revision].read_text("utf-8"), dialect)

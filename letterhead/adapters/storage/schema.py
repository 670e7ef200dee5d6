"""The migrations that this version ships, and how a database's schema stands to them.

A migration is a file `migrations/NNNN_name.sql`, in one text for both engines; NNNN is the revision that it leads to.
The table `alembic_version` names the revision of a database, as it did when Alembic wrote it.
"""

from enum import StrEnum
from pathlib import Path
from typing import Final

from letterhead.adapters.storage.statements import Dialect, for_engine
from letterhead.errors import Fault, Kind

MIGRATIONS: Final = {path.name[:4]: path for path in sorted((Path(__file__).parent / "migrations").glob("*.sql"))}
REVISIONS: Final = tuple(MIGRATIONS)
HEAD: Final = REVISIONS[-1]
VERSION_TABLE: Final = """
CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL,
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
"""


class SchemaState(StrEnum):
    """How a database's schema stands to this version of the service."""

    EMPTY = "empty"
    OUTDATED = "outdated"
    CURRENT = "current"
    NEWER = "newer"  # made by a later version: migrations are additive, so this version runs with it


def state_of(revision: str | None) -> SchemaState:
    """Return the state of a schema by the revision that its database names."""
    if revision is None:
        return SchemaState.EMPTY
    if revision not in REVISIONS:
        return SchemaState.NEWER
    return SchemaState.CURRENT if revision == HEAD else SchemaState.OUTDATED


def refuse_outdated(revision: str | None, where: str) -> None:
    """Raise Fault `schema-outdated` for a database that must be migrated first."""
    state = state_of(revision)
    if state in (SchemaState.EMPTY, SchemaState.OUTDATED):
        raise Fault(
            Kind.SCHEMA_OUTDATED,
            f"The schema of {where} is {state}; this version needs revision {HEAD}.",
            "Run: letterhead migrate",
        )


def migration(dialect: Dialect, revision: str | None, to: str = HEAD) -> str:
    """Return the SQL that brings a database from a revision to a newer one, without a transaction of its own.

    The caller runs it in one transaction, so that a process killed in the middle leaves the old revision whole.
    """
    done = 0 if revision is None else REVISIONS.index(revision) + 1
    files = [MIGRATIONS[each].read_text("utf-8") for each in REVISIONS[done : REVISIONS.index(to) + 1]]
    if revision is None:
        version = f"{VERSION_TABLE}\nINSERT INTO alembic_version (version_num) VALUES ('{to}');\n"
    else:
        version = f"UPDATE alembic_version SET version_num = '{to}';\n"  # noqa: S608 it is the name of a file of ours
    return for_engine("\n".join([*files, version]), dialect)

"""Knows which schema this version wants, and how to tell an outdated one without loading Alembic."""

from enum import StrEnum
from io import StringIO
from pathlib import Path
from typing import Final

from letterhead.adapters.storage.statements import Dialect
from letterhead.errors import Fault, Kind

REVISIONS: Final = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009", "0013", "0014")
HEAD: Final = REVISIONS[-1]


class SchemaState(StrEnum):
    """Says how a database's schema stands to this version of the service."""

    EMPTY = "empty"
    OUTDATED = "outdated"
    CURRENT = "current"
    NEWER = "newer"  # made by a later version: migrations are additive, so this version runs with it


def state_of(revision: str | None) -> SchemaState:
    """Judges the revision that a database names."""
    if revision is None:
        return SchemaState.EMPTY
    if revision not in REVISIONS:
        return SchemaState.NEWER
    return SchemaState.CURRENT if revision == HEAD else SchemaState.OUTDATED


def refuse_outdated(revision: str | None, where: str) -> None:
    """Fault `schema-outdated` for a database that must be migrated first."""
    state = state_of(revision)
    if state in (SchemaState.EMPTY, SchemaState.OUTDATED):
        raise Fault(
            Kind.SCHEMA_OUTDATED,
            f"The schema of {where} is {state}; this version needs revision {HEAD}.",
            "Run: letterhead migrate",
        )


def migration(dialect: Dialect, revision: str | None, to: str = HEAD) -> str:
    """Writes the SQL that brings a database from a revision to a newer one, without a transaction of its own.

    Alembic only writes: our own drivers run it, in one transaction on both engines.
    """
    from alembic import command  # here, since it takes a third of a second and only migrating wants it
    from alembic.config import Config

    script = StringIO()
    config = Config(attributes={"dialect": dialect.value, "script": script})
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    command.upgrade(config, f"{revision}:{to}" if revision else to, sql=True)
    return script.getvalue()

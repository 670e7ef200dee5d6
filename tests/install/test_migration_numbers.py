"""What a release has shipped as a migration stays as it was: a database of that release has run it, by that number."""

import re
import sqlite3
from contextlib import closing

import pytest

from letterhead.adapters.storage import schema
from letterhead.adapters.storage.statements import Dialect
from tests.rigs.releases import KEPT, kept_releases

Shape = dict[str, list[tuple[object, ...]]]


def shape(script: str) -> Shape:
    """Return the columns of each table, and the columns of each index, of a database that this script makes."""
    found: Shape = {}
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.executescript(script)
        for kind, name in connection.execute("SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'"):
            columns = connection.execute(f"PRAGMA {kind}_info({name})").fetchall()
            found[name] = sorted(each[1:] for each in columns) if kind == "table" else [each[2:] for each in columns]
    return found


@pytest.mark.parametrize("release", kept_releases())
def test_a_released_migration_stays_as_it_was(release: str) -> None:
    """The migrations up to a release's revision make, today too, the tables that its own processes worked on."""
    kept = (KEPT / release / "sqlite.sql").read_text("utf-8")
    (revision,) = re.findall(r"""INSERT INTO "alembic_version" VALUES\('(\d{4})'\)""", kept)
    assert revision in schema.REVISIONS
    assert shape(schema.migration(Dialect.SQLITE, None, revision)) == shape(kept)


def test_numbers_only_grow() -> None:
    """A number that a later one has passed is never given: a database past it would not run the migration."""
    assert re.fullmatch(r"(?:\d{4} )+", " ".join(schema.REVISIONS) + " ")
    assert len({path.name[4:] for path in schema.MIGRATIONS.values()}) == len(schema.REVISIONS)
    passed = {f"{number:04}" for number in range(1, int(max(schema.LEFT_OUT)) + 1)}
    assert passed - set(schema.REVISIONS) == schema.LEFT_OUT
    assert max(schema.LEFT_OUT) < schema.HEAD

"""All rows of a database as they are stored, read at one moment and written into an empty database."""

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

StoredValue = str | int | bytes | None
StoredRow = tuple[StoredValue, ...]
ShowRows = Callable[[str, int], None]  # is told the name of a table, and how many of its rows are done


class StoredTable(msgspec.Struct, frozen=True, kw_only=True):
    """One table of the schema; `octets` and `numbers` are those of its columns that are no text."""

    name: str
    columns: tuple[str, ...]
    octets: frozenset[str]
    numbers: frozenset[str]
    is_numbered: bool = False  # the database makes the column `id`

    def records(self, rows: Sequence[StoredRow]) -> list[dict[str, Any]]:
        """Return rows as columns by name."""
        return [dict(zip(self.columns, row, strict=True)) for row in rows]


class TableReader(Protocol):
    """The rows of every table as they were at one moment."""

    @property
    def revision(self) -> str:
        """The revision of the schema."""
        ...

    @property
    def tables(self) -> Sequence[StoredTable]:
        """The tables, each after those that its rows refer to."""
        ...

    def rows(self, table: StoredTable) -> AsyncGenerator[list[StoredRow], None]:
        """Return the rows of a table, some at a time; a table that another one refers to is read before it."""
        ...


class TableWriter(Protocol):
    """One transaction on an empty database, to which the schema belongs as well."""

    async def make_schema(self, revision: str) -> None:
        """Make the schema of a revision, where there is none."""
        ...

    async def write(self, table: StoredTable, rows: Sequence[StoredRow]) -> None:
        """Add rows to a table."""
        ...

    def rows(self, table: StoredTable) -> AsyncGenerator[list[StoredRow], None]:
        """Return the rows of a table as they were written, some at a time."""
        ...

    async def finish(self, *, moved: bool, now: int) -> Mapping[str, int]:
        """Bring the schema up to date, end what was held by processes, and return how many rows each table has.

        Unless the database `moved`, sessions and reminders that are due `now` (milliseconds) are ended as well: what
        happened since the rows were read is not known.
        """
        ...

"""A backup: the rows of every table in one file, which says at its end how many there are, and is sealed."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from letterhead.ports.store.tables import StoredRow, StoredTable, TableReader


class BackupWriter(Protocol):
    """A new file, which has its name once `finish` has returned."""

    def write(self, table: StoredTable, rows: Sequence[StoredRow]) -> None:
        """Add rows; those of a table follow each other."""
        ...

    def digest(self) -> bytes:
        """Return the digest of all that was written (SHA-256)."""
        ...

    def finish(self, counts: Mapping[str, int], seal: bytes) -> None:
        """Write how many rows each table has, and the sealed digest."""
        ...


class BackupReader(TableReader, Protocol):
    """A file, read in the order in which it was written; raise Fault `archive-invalid` where it is not as it was."""

    def end(self) -> bytes:
        """Return the sealed digest, once every row was read and counted, and what was read has this digest."""
        ...

    def digest(self) -> bytes:
        """Return the digest of what was read (SHA-256)."""
        ...

"""The file of a backup: lines of JSON, compressed by gzip, the same for both engines.

The first line says what made it: {"format", "version", "letterhead", "madeAt", "schema", "tables"}. Then come the rows
of one table after the other, some in a line: {"table", "rows"}; octets are base64. The last line ends the file:
{"counts", "sha256", "seal"}. The digest is that of all lines before it, and the seal is the digest, sealed with the
first key-encryption key: only somebody who has a key could have written what opens.
"""

import base64
import errno
import gzip
import os
import tempfile
import zlib
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from letterhead import __version__
from letterhead.adapters.storage.tables import readable_revision, schema_tables
from letterhead.errors import Fault, Kind
from letterhead.ports.store.tables import StoredRow, StoredTable, StoredValue

FORMAT: Final = "letterhead-backup"
VERSION: Final = 1
LEVEL: Final = 3  # of gzip: most of its gain for a quarter of the time of the highest
NO_LINKS: Final = (errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)  # vfat, CIFS, FUSE
LONGEST: Final = 64_000_000  # octets of a line; those that are written have some millions at most


class BackupHead(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The first line of a backup."""

    format: str
    version: int
    letterhead: str
    made_at: datetime
    schema: str
    tables: dict[str, tuple[str, ...]]


class _Rows(msgspec.Struct, frozen=True, kw_only=True):
    table: str
    rows: list[list[str | int | None]]


class _End(msgspec.Struct, frozen=True, kw_only=True):
    counts: dict[str, int]
    sha256: str
    seal: str


class BackupFileWriter:
    """The implementation of `BackupWriter`."""

    def __init__(self, out: Any, revision: str, now: datetime) -> None:
        self._out, self._digest = out, sha256()
        self._encoder = msgspec.json.Encoder()
        tables = {each.name: each.columns for each in schema_tables(revision)}
        self._line(
            BackupHead(
                format=FORMAT, version=VERSION, letterhead=__version__, made_at=now, schema=revision, tables=tables
            )
        )

    def write(self, table: StoredTable, rows: Sequence[StoredRow]) -> None:
        """Add rows; those of a table follow each other."""
        self._line({"table": table.name, "rows": rows})  # octets are encoded as base64

    def digest(self) -> bytes:
        """Return the digest of all that was written."""
        return self._digest.digest()

    def finish(self, counts: Mapping[str, int], seal: bytes) -> None:
        """Write the last line."""
        digest = self._digest.hexdigest()
        self._line(_End(counts=dict(counts), sha256=digest, seal=base64.b64encode(seal).decode()))

    def _line(self, value: object) -> None:
        line = self._encoder.encode(value) + b"\n"
        self._digest.update(line)
        self._out.write(line)


class BackupFileReader:
    """The implementation of `BackupReader`; the tables are read in their order, each once."""

    def __init__(self, lines: Any, path: Path) -> None:
        self._lines, self._path = lines, path
        self._digest, self._counts = sha256(), dict[str, int]()
        line = self._next_line()
        self._digest.update(line)
        head = self._decode(line, BackupHead)
        if head.format != FORMAT or head.version != VERSION:
            raise self._invalid("it is no backup of a form that this version reads")
        self.head = head
        self.revision = readable_revision(head.schema, f"The backup {path}")
        self.tables = schema_tables(self.revision)
        if head.tables != {each.name: each.columns for each in self.tables}:
            raise self._invalid("its tables are not those of its schema")
        self._waiting = self._next_line()

    async def rows(self, table: StoredTable) -> AsyncGenerator[list[StoredRow], None]:
        """Return the rows of a table, some at a time."""
        self._counts[table.name] = 0
        places = [number for number, column in enumerate(table.columns) if column in table.octets]
        while self._waiting.startswith(b'{"table":"%s",' % table.name.encode()):
            found = self._decode(self._waiting, _Rows)
            self._digest.update(self._waiting)
            self._waiting = self._next_line()
            self._counts[table.name] += len(found.rows)
            yield [self._row(table, places, row) for row in found.rows]

    def end(self) -> bytes:
        """Return the sealed digest; raise Fault `archive-invalid` where the file is not as it was written."""
        end = self._decode(self._waiting, _End)
        if end.sha256 != self._digest.hexdigest():
            raise self._invalid("its digest is another one: it was changed")
        if end.counts != self._counts:
            raise self._invalid("it has not as many rows as it says")
        if self._read():
            raise self._invalid("something follows its end")
        try:
            return base64.b64decode(end.seal, validate=True)
        except ValueError as error:
            raise self._invalid("its seal can't be read") from error

    def digest(self) -> bytes:
        """Return the digest of what was read."""
        return self._digest.digest()

    def _row(self, table: StoredTable, places: Sequence[int], row: list[Any]) -> StoredRow:
        if len(row) != len(table.columns):
            raise self._invalid(f"a row of {table.name} is not whole")
        try:
            for place in places:
                if row[place] is not None:
                    row[place] = base64.b64decode(row[place], validate=True)
        except (TypeError, ValueError) as error:
            raise self._invalid(f"a row of {table.name} can't be read") from error
        cells: list[StoredValue] = row
        return tuple(cells)

    def _next_line(self) -> bytes:
        line = self._read()
        if not line.endswith(b"\n"):
            raise self._invalid("it was cut short" if len(line) < LONGEST else "a line is too long")
        return line

    def _read(self) -> bytes:
        try:
            line: bytes = self._lines.readline(LONGEST)
        except (OSError, EOFError, zlib.error) as error:
            raise self._invalid("it is no gzip file, or was cut short or changed") from error
        return line

    def _decode(self, line: bytes, form: Any) -> Any:
        try:
            return msgspec.json.decode(line, type=form)
        except (msgspec.DecodeError, ValueError) as error:
            raise self._invalid("a line of it can't be read") from error

    def _invalid(self, why: str) -> Fault:
        return Fault(
            Kind.ARCHIVE_INVALID,
            f"The backup {self._path} can't be used: {why}. Nothing was written.",
            "Bring the file again from where it is kept, or use another backup.",
        )


@contextmanager
def write_private_file(path: Path) -> Iterator[BinaryIO]:
    """Write a new file that only its owner can read: it has its name once it is whole and on the disk.

    Raise Fault `conflict` where there is such a file, `config-invalid` where it can't be written.
    """
    draft: Path | None = None
    try:
        if path.exists():
            raise FileExistsError
        descriptor, name = tempfile.mkstemp(prefix=".letterhead-", suffix=".draft", dir=path.parent)
        draft = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        give_name(draft, path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except FileExistsError as error:
        fix = "Name another file."
        raise Fault(Kind.CONFLICT, f"There is a file {path} already. Nothing was written.", fix) from error
    except OSError as error:
        raise Fault(
            Kind.CONFIG_INVALID,
            f"{path} could not be written: {error.strerror}. Nothing is left of it.",
            "Name a file in a folder that this user may write to, on a disk with room.",
        ) from error
    finally:
        if draft is not None:
            with suppress(OSError):
                draft.unlink(missing_ok=True)


def give_name(draft: Path, path: Path) -> None:
    """Give a file its name; raise FileExistsError where there is one of that name, also one that is made just now."""
    try:
        os.link(draft, path)  # unlike a rename it never replaces
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        draft.replace(path)


@contextmanager
def write_backup_file(path: Path, revision: str, now: datetime) -> Iterator[BackupFileWriter]:
    """Write a new backup; raise as `write_private_file` does."""
    with (
        write_private_file(path) as file,
        gzip.GzipFile(filename="", fileobj=file, mode="wb", compresslevel=LEVEL) as out,
    ):
        yield BackupFileWriter(out, revision, now)


@contextmanager
def read_backup_file(path: Path) -> Iterator[BackupFileReader]:
    """Open a backup and read its first lines; raise Fault `archive-invalid`, `config-invalid` where there is none."""
    try:
        lines = gzip.open(path, "rb")  # noqa: SIM115 closed below
    except OSError as error:
        fix = "Name a file that letterhead backup wrote, and that this user may read."
        raise Fault(Kind.CONFIG_INVALID, f"The backup {path} can't be read: {error.strerror}.", fix) from error
    with lines:
        yield BackupFileReader(lines, path)


def name_backup(now: datetime) -> str:
    """Return the name of a backup by its time."""
    return f"letterhead-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.jsonl.gz"

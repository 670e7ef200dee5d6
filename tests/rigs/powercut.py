"""Cut the power under SQLite: a VFS that notes what was synced and what was not, so that any instant can be kept.

What was synced survives. Of what was written since, each sector survives or not, as chance has it: disks reorder, and
a write of several sectors can be torn. What is not simulated: a disk that lies about a sync, and the loss of a file's
own entry in its folder (files are made before the run begins).
"""

import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import apsw

SECTOR = 512
Write = tuple[int, bytes | None]  # where, and what; nothing where the file was cut to that size


class Disk(apsw.VFS):
    """Keeps, for each file that is opened through it, what is safe and what is still on its way."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "")
        self.name = name
        self.safe: dict[str, bytearray] = {}
        self.unsafe: dict[str, list[Write]] = {}
        self.written = 0
        self.at_write: Callable[[int], None] = lambda _: None

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 apsw's name
        return _File(self, name, flags)

    def note(self, path: str, write: Write) -> None:
        """Take in one write."""
        self.unsafe.setdefault(path, []).append(write)
        self.written += 1
        self.at_write(self.written)

    def sync(self, path: str) -> None:
        """Make safe what was written."""
        image = self.safe.setdefault(path, bytearray())
        for write in self.unsafe.pop(path, []):
            _apply(image, write)

    def wreck(self, chance: random.Random) -> Mapping[str, bytes]:
        """Return what a power cut at this instant would leave of each file."""
        return {path: self._left(path, chance) for path in (*self.safe, *(self.unsafe.keys() - self.safe.keys()))}

    def _left(self, path: str, chance: random.Random) -> bytes:
        image = bytearray(self.safe.get(path, b""))
        for where, what in self.unsafe.get(path, []):
            for write in _torn(where, what):
                if chance.random() < 0.5:
                    _apply(image, write)
        return bytes(image)


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self._disk = disk
        self._path = name.filename() if isinstance(name, apsw.URIFilename) else name or ""
        super().__init__("", name, flags)
        if self._path and self._path not in disk.safe:
            disk.safe[self._path] = bytearray(Path(self._path).read_bytes())

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        super().xWrite(data, offset)
        self._disk.note(self._path, (offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        super().xTruncate(newsize)
        self._disk.note(self._path, (newsize, None))

    def xSync(self, flags: int) -> None:  # noqa: N802
        super().xSync(flags)
        self._disk.sync(self._path)


def _torn(where: int, what: bytes | None) -> Sequence[Write]:
    if what is None:
        return [(where, None)]
    return [(where + at, what[at : at + SECTOR]) for at in range(0, len(what), SECTOR)]


def _apply(image: bytearray, write: Write) -> None:
    where, what = write
    if what is None:
        del image[where:]
        return
    image.extend(bytes(max(0, where + len(what) - len(image))))
    image[where : where + len(what)] = what

"""Free space on the disks that the service writes to."""

from collections.abc import Callable, Sequence

import msgspec


class FreeSpace(msgspec.Struct, frozen=True, kw_only=True):
    """The octets that are free on the disk of one folder, and how many should stay free."""

    use: str  # what the folder is for: "database", "relay queue"
    folder: str
    octets: int
    reserve: int


FreeSpaces = Callable[[], Sequence[FreeSpace]]  # of each folder of this machine; it may wait for a disk

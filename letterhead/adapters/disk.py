"""Size and free space of a file system, by statvfs(3)."""

import os
from pathlib import Path


def size_octets(folder: Path) -> int:
    """Return the size of the disk of a folder; 0 where that can't be told."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return 0
    return found.f_blocks * found.f_frsize


def free_octets(folder: Path) -> int | None:
    """Return how much this user may still write on the disk of a folder; None where that can't be told."""
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    # Some file systems keep blocks for the superuser alone.
    blocks = found.f_bfree if os.geteuid() == 0 else found.f_bavail
    return blocks * found.f_frsize

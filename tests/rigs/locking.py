"""Locks between the processes of a test run: for a folder that all fetch into, and for the machine's network."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NETWORK = Path(__file__).parents[2] / ".cache" / "network"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def network(*, changes: bool) -> Iterator[None]:
    """Hold the machine's network addresses as they are, beside others who do, or change them while nobody does.

    Chromium breaks off what is connecting when an address comes or goes (ERR_NETWORK_CHANGED), and a page whose script
    was not loaded stays as it is. Each network of containers has addresses of its own.
    """
    NETWORK.mkdir(parents=True, exist_ok=True)
    with (NETWORK / "addresses").open("w") as file:
        with locked(NETWORK):  # whoever waits for all others to end lets nobody begin meanwhile
            fcntl.flock(file, fcntl.LOCK_EX if changes else fcntl.LOCK_SH)
        yield

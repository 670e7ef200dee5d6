"""The relay's queue: messages on the disk until they are handed over.

`<id>.mail` is one line of JSON (core.relay.queue.Envelope), then the message as it came; it never changes.
`<id>.progress`, if it exists, is the delivery's progress as JSON. Each is written as a draft first, synced and renamed,
so no file is ever half-written. A message is queued as long as its `.mail` exists.
"""

import asyncio
import contextlib
import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import msgspec
import structlog
from msgspec.structs import replace

from letterhead.adapters.disk import free_octets
from letterhead.core.relay.queue import DeliveryProgress, Envelope, QueuedMessage, new_queued
from letterhead.errors import Fault, Kind

T = TypeVar("T")
MAIL, PROGRESS, DRAFT = ".mail", ".progress", ".draft"
NAME = "LETTERHEAD_RELAY_QUEUE"
log = structlog.get_logger()


@contextmanager
def open_queue(folder: Path, reserve: int = 0) -> Iterator["FolderQueue"]:
    """Open a queue and lock it; raise Fault `config-invalid` where it is in use or can't be opened.

    `reserve` are the octets that it leaves free on its disk.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        detail = f"The relay's queue {folder} can't be opened: {error.strerror}."
        raise Fault(Kind.CONFIG_INVALID, detail, f"Let {NAME} name a folder that this user may write to.") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Fault(
                Kind.CONFIG_INVALID,
                f"The relay's queue {folder} is in use by another process.",
                f"Stop the other relay, or give this one a folder of its own: {NAME}={folder}-2",
            ) from error
        yield FolderQueue(folder, reserve)
    finally:
        os.close(descriptor)


def read_oldest(folder: Path) -> tuple[int, QueuedMessage | None]:
    """Return how many messages a queue has, and the oldest; lock and change nothing, as its relay may be at work.

    Raise Fault `config-invalid` where this user may not read it.
    """
    try:
        # Not by Path.glob, which takes a folder that may not be read for an empty one.
        paths = [each for each in folder.iterdir() if each.suffix == MAIL]
        queued = []
        for path in paths:
            with contextlib.suppress(FileNotFoundError):  # handed over since it was listed
                queued += [found] if (found := _read(path)) is not None else []
        return len(paths), min(queued, key=lambda each: each.envelope.accepted_at, default=None)
    except FileNotFoundError:
        return 0, None
    except OSError as error:
        raise Fault(
            Kind.CONFIG_INVALID,
            f"The relay's queue {folder} can't be read: {error.strerror}.",
            "Run the command as the user of the relay: sudo -u letterhead letterhead …",
        ) from error


class FolderQueue:
    """The implementation of `MailQueue` in a folder, with each message in a file of its own."""

    def __init__(self, folder: Path, reserve: int = 0) -> None:
        self._folder, self._reserve = folder, reserve

    async def put(self, queued: QueuedMessage, content: bytes) -> None:
        """Store a message: it is on the disk when this returns, or not at all.

        Reports of ours may use the reserve: they let messages end.
        """
        head = msgspec.json.encode(queued.envelope) + b"\n"

        def write() -> None:
            free = free_octets(self._folder)
            if not queued.envelope.is_report and free is not None and free - len(content) < self._reserve:
                raise Fault(
                    Kind.STORAGE_UNAVAILABLE,
                    f"The disk of the relay's queue has {free} octets free, and {self._reserve} stay free.",
                    f"Make room on the disk that {NAME} lies on.",
                )
            self._write(queued.envelope.id + MAIL, head, content)

        await _in_thread(write)

    async def content(self, message_id: str) -> bytes | None:
        """Return a message's text; None where it is gone."""

        def read() -> bytes | None:
            try:
                return (self._folder / (message_id + MAIL)).read_bytes().partition(b"\n")[2]
            except FileNotFoundError:
                return None

        return await _in_thread(read)

    async def save_progress(self, message_id: str, progress: DeliveryProgress) -> None:
        """Store the progress of a message's delivery."""
        await _in_thread(lambda: self._write(message_id + PROGRESS, msgspec.json.encode(progress)))

    async def remove(self, message_id: str) -> None:
        """Delete a message; in this thread, so that nothing comes between its last progress and its end."""
        for end in (MAIL, PROGRESS):
            with contextlib.suppress(OSError):
                (self._folder / (message_id + end)).unlink(missing_ok=True)

    async def list_queued(self) -> list[QueuedMessage]:
        """Return all queued messages, the oldest first; delete what a crash left half-written."""
        return await _in_thread(self._list_queued)

    def _write(self, name: str, *pieces: bytes) -> None:
        draft, path = self._folder / (name + DRAFT), self._folder / name
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                for piece in pieces:
                    file.write(piece)
                file.flush()
                os.fsync(descriptor)
            draft.rename(path)
            directory = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(directory)  # makes the rename last: it is an entry of the folder
            finally:
                os.close(directory)
        except OSError:
            for each in (draft, path) if name.endswith(MAIL) else (draft,):
                with contextlib.suppress(OSError):
                    each.unlink(missing_ok=True)
            raise

    def _list_queued(self) -> list[QueuedMessage]:
        for path in self._folder.glob(f"*{DRAFT}"):
            path.unlink()
        for path in self._folder.glob(f"*{PROGRESS}"):
            if not path.with_suffix(MAIL).exists():
                path.unlink()
        return [queued for path in sorted(self._folder.glob(f"*{MAIL}")) if (queued := _read(path)) is not None]


def _read(path: Path) -> QueuedMessage | None:
    """Read one message's envelope and progress; leave an unreadable file where it is, for a person to inspect."""
    try:
        with path.open("rb") as file:
            envelope = msgspec.json.decode(head := file.readline(), type=Envelope)
        if envelope.id != path.stem:
            raise ValueError("it was renamed")
        progress = path.with_suffix(PROGRESS)
        queued = new_queued(envelope, path.stat().st_size - len(head))
        if not progress.exists():
            return queued
        return replace(queued, progress=msgspec.json.decode(progress.read_bytes(), type=DeliveryProgress))
    except (ValueError, msgspec.MsgspecError) as error:
        log.error("message.unreadable", file=path.name, problem=str(error))
        return None


async def _in_thread(work: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        raise Fault(
            Kind.STORAGE_UNAVAILABLE,
            f"The relay's queue {'is full' if full else f'failed: {error.strerror}'}.",
            f"Make room on the disk that {NAME} lies on, or look at what it says.",
        ) from error

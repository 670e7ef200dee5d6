"""Messages lie on the disk whole or not at all, readable for their owner alone, and in one process's hands."""

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from letterhead.adapters import mail_queue
from letterhead.core.relay.queue import DeliveryProgress, Envelope, new_queued
from letterhead.errors import Fault, Kind

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
QUEUED = new_queued(
    Envelope(
        id="msg_1",
        account_id="acc_1",
        key_id="key_1",
        author="acme.dev",
        sender="app@acme.dev",
        reports_to="app@acme.dev",
        recipients=("a@x.dev", "b@x.dev"),
        accepted_at=NOW,
    ),
    25,
)
CONTENT = b"From: a@acme.dev\r\n\r\n{}\n\xff\x00"


async def test_what_is_kept_is_there_again(tmp_path: Path) -> None:
    """Text, envelope and progress, octet by octet, for the next process too; until it is removed."""
    progress = DeliveryProgress(recipients=("b@x.dev",), due_at=NOW, attempts=3, said="451 later")
    with mail_queue.open_queue(tmp_path / "q") as queue:
        await queue.put(QUEUED, CONTENT)
        await queue.save_progress("msg_1", progress)
    with mail_queue.open_queue(tmp_path / "q") as queue:
        assert await queue.list_queued() == [replace(QUEUED, progress=progress)]
        assert await queue.content("msg_1") == CONTENT
        await queue.remove("msg_1")
        await queue.remove("msg_1")
        assert await queue.content("msg_1") is None
        assert await queue.list_queued() == []
    assert [path.name for path in (tmp_path / "q").iterdir()] == ["lock"]


async def test_nobody_else_reads_it(tmp_path: Path) -> None:
    """The folder is 0700 and each file 0600, whatever the umask."""
    was = os.umask(0)
    try:
        with mail_queue.open_queue(tmp_path / "q") as queue:
            await queue.put(QUEUED, CONTENT)
            await queue.save_progress("msg_1", QUEUED.progress)
    finally:
        os.umask(was)
    assert stat.S_IMODE((tmp_path / "q").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "q").iterdir()} == {0o600}


async def test_it_is_on_the_disk_before_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is synced, then renamed, then its folder is synced: a power cut leaves all of it or nothing."""
    seen: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def noted_fsync(descriptor: int) -> None:
        seen.append("sync of " + Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    def noted_rename(path: Path, target: Path) -> Path:
        seen.append(f"rename to {target.name}")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(Path, "rename", noted_rename)
    with mail_queue.open_queue(tmp_path / "q") as queue:
        await queue.put(QUEUED, CONTENT)
    assert seen == ["sync of msg_1.mail.draft", "rename to msg_1.mail", "sync of q"]


async def test_a_queue_has_one_owner(tmp_path: Path) -> None:
    """A second one is refused by name; when the first is gone it gets in."""
    with mail_queue.open_queue(tmp_path / "q"):
        with pytest.raises(Fault, match="in use by another process") as caught, mail_queue.open_queue(tmp_path / "q"):
            pass
        assert caught.value.kind is Kind.CONFIG_INVALID
    with mail_queue.open_queue(tmp_path / "q"):
        pass


async def test_a_disk_in_trouble_is_a_fault(tmp_path: Path) -> None:
    """The folder is gone: nothing is told as kept."""
    with mail_queue.open_queue(tmp_path / "q") as queue:
        (tmp_path / "q" / "lock").unlink()
        (tmp_path / "q").rmdir()
        with pytest.raises(Fault) as caught:
            await queue.put(QUEUED, CONTENT)
    assert caught.value.kind is Kind.STORAGE_UNAVAILABLE

"""Show how a private file gets its name: whole, for its owner alone, and never in place of another."""

import errno
import os
from pathlib import Path

import pytest

from letterhead.adapters.backup_file import write_private_file
from letterhead.errors import Fault, Kind


def refuse_links(source: object, target: object) -> None:
    """Answer as a file system does that knows no links."""
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.mark.parametrize("with_links", [True, False])
def test_a_new_file_has_its_name_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_links: bool) -> None:
    """It is there with its content and nothing beside it; one that came meanwhile stays as it was."""
    if not with_links:
        monkeypatch.setattr(os, "link", refuse_links)
    path, other = tmp_path / "a", tmp_path / "b"
    with write_private_file(path) as file:
        file.write(b"all")
        assert not path.exists()
    with pytest.raises(Fault) as refused, write_private_file(other) as file:
        other.write_bytes(b"somebody else's")
    assert refused.value.kind is Kind.CONFLICT
    assert {each.name: each.read_bytes() for each in tmp_path.iterdir()} == {"a": b"all", "b": b"somebody else's"}
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_draft_takes_no_file_that_lies_there(tmp_path: Path) -> None:
    """Whoever may write to the folder can't hand us a file of their own to write keys into."""
    planted = tmp_path / ".a.draft"
    planted.write_bytes(b"")
    with planted.open("rb") as theirs, write_private_file(tmp_path / "a") as file:
        file.write(b"all")
        file.flush()
        assert theirs.read() == b""
    assert planted.exists()

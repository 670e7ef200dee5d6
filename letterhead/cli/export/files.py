"""Knows how secret files are put in place: only what changed, each whole or not at all, for nobody else to read."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from letterhead.errors import Fault, Kind

FILE_MODE, FOLDER_MODE = 0o600, 0o700


def place_files(folder: Path, files: Mapping[str, str], owner: str | None) -> list[str]:
    """Writes the files that are not there as they should be; gives their paths below the folder."""
    return [path for path in sorted(files) if _placed(folder, path, files[path].encode("ascii"), owner)]


def _placed(folder: Path, path: str, octets: bytes, owner: str | None) -> bool:
    target = folder / path
    if not target.is_symlink() and _read(target) == octets and target.stat().st_mode & 0o777 == FILE_MODE:
        return False
    made_folders(folder, path, owner)
    # In the same folder, so that the rename is one step; under a name that nobody can have put there before.
    fresh = target.with_name(f".{target.name[:60]}.{secrets.token_hex(8)}")
    try:
        _write(fresh, octets, owner)
        fresh.replace(target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
        raise
    _sync(target.parent)
    return True


def _write(fresh: Path, octets: bytes, owner: str | None) -> None:
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE_MODE)
    with os.fdopen(handle, "wb") as file:
        os.fchmod(file.fileno(), FILE_MODE)  # whatever the umask
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())
    if owner is not None:
        shutil.chown(fresh, owner)


def _read(target: Path) -> bytes | None:
    try:
        return target.read_bytes()
    except OSError:
        return None


def place_links(folder: Path, links: Mapping[str, str], owner: str | None) -> list[str]:
    """Points links below the folder at their targets, each in one step; gives those that changed."""
    changed = []
    for path, to in sorted(links.items()):
        target = folder / path
        if target.is_symlink() and str(target.readlink()) == to:
            continue
        made_folders(folder, path, owner)
        fresh = target.with_name(f".{secrets.token_hex(8)}")
        fresh.symlink_to(to)
        fresh.replace(target)
        _sync(target.parent)
        changed.append(path)
    return changed


def made_folders(folder: Path, path: str, owner: str | None) -> None:
    """Makes the folders that lead to a path, for the owner alone; Fault where one of them is a link."""
    here = folder
    for part in ("", *Path(path).parts[:-1]):
        here = here / part
        if here.is_symlink() and here != folder:
            raise Fault(
                Kind.CONFIG_INVALID,
                f"{here} is a link, and keys are written only into folders of our own.",
                "Remove it, or export into another folder.",
            )
        if not here.is_dir():
            here.mkdir(FOLDER_MODE, parents=here == folder)
            if owner is not None:
                shutil.chown(here, owner)


def remove_files(folder: Path, below: str, wanted: Iterable[str]) -> list[str]:
    """Removes the files below a folder of ours that are not wanted, and the folders that are empty then."""
    keep = set(wanted)
    gone = []
    for path in sorted((folder / below).rglob("*"), reverse=True):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() and not path.is_symlink():
            with contextlib.suppress(OSError):  # not empty
                path.rmdir()
        elif name not in keep:
            path.unlink()
            gone.append(name)
    return gone


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""Secret files: only what changed is written, each replaced in one step, and readable by its owner only."""

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from letterhead.errors import Fault, Kind

FILE_MODE, FOLDER_MODE = 0o600, 0o700


def place_files(folder: Path, files: Mapping[str, str], owner: str | None) -> list[str]:
    """Write the files whose content or mode differs; return their paths below the folder.

    Fault `config-invalid` where a folder on the way is a link; OSError where one can't be written.
    """
    return [path for path in sorted(files) if _place_file(folder, path, files[path].encode("ascii"), owner)]


def _place_file(folder: Path, path: str, octets: bytes, owner: str | None) -> bool:
    """Replace a file where it differs; return whether it did."""
    target = folder / path
    with contextlib.suppress(OSError):
        is_same = not target.is_symlink() and target.read_bytes() == octets
        if is_same and target.stat().st_mode & 0o777 == FILE_MODE:
            return False
    make_folders(folder, path, owner)
    # In the same folder, so that the rename is one step; under a name that nobody can have put there before.
    fresh = target.with_name(f".{target.name[:60]}.{secrets.token_hex(8)}")
    try:
        handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, FILE_MODE)
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), FILE_MODE)  # whatever the umask
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        if owner is not None:
            shutil.chown(fresh, owner)
        fresh.replace(target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
        raise
    _sync(target.parent)
    return True


def place_links(folder: Path, links: Mapping[str, str], owner: str | None) -> list[str]:
    """Point links below the folder at their targets, each in one step; return those that changed."""
    changed = []
    for path, to in sorted(links.items()):
        target = folder / path
        if target.is_symlink() and str(target.readlink()) == to:
            continue
        make_folders(folder, path, owner)
        fresh = target.with_name(f".{secrets.token_hex(8)}")
        fresh.symlink_to(to)
        fresh.replace(target)
        _sync(target.parent)
        changed.append(path)
    return changed


def make_folders(folder: Path, path: str, owner: str | None) -> None:
    """Make the folders of a path, mode 0700; Fault `config-invalid` where one of them is a link."""
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
    """Remove the files below a folder that are not wanted, and the folders that are empty then; return their paths."""
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

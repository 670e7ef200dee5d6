"""The files of a program on this machine: its configuration, which must be there, and its keys, which may not be."""

import re
import stat
import sys
from pathlib import Path

from letterhead.cli.tables import visible
from letterhead.core.imports.dumps import parse_hash
from letterhead.core.imports.found import FoundKey, pem_of
from letterhead.core.secret import Secret
from letterhead.errors import Fault, Kind

LARGEST = 16 * 1024 * 1024  # octets of a table
LARGEST_KEY = 64 * 1024
MOST = 100_000  # files of one folder


def read_table(path: Path, what: str) -> str:
    """Return the text of a configuration or a table, - of standard input; Fault `config-invalid`."""
    try:
        with sys.stdin.buffer if str(path) == "-" else path.open("rb") as file:
            octets = file.read(LARGEST + 1)
        if len(octets) <= LARGEST:
            return octets.decode("utf-8")
        problem = f"it is larger than {LARGEST // 1024 // 1024} MB"
    except OSError as error:
        problem = str(error.strerror)
    except UnicodeDecodeError:
        problem = "it is no text"
    detail = f"{what} {visible(str(path))} can't be read: {problem}."
    raise Fault(Kind.CONFIG_INVALID, detail, "Name another one, or run the command as a user who may read it.")


def read_key(selector: str, path: Path) -> FoundKey:
    """Return a key of a file; where the file can't be read the key says so, and nothing of its content is shown."""
    place = visible(str(path))
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST_KEY:
            return FoundKey(selector=selector, place=place, unread="is no file of a key")
        return FoundKey(selector=selector, place=place, private_key=pem_of(Secret(path.read_bytes())))
    except OSError as error:
        return FoundKey(selector=selector, place=place, unread=f"can't be read ({error.strerror})")


def read_hash(path: Path) -> dict[str, str]:
    """Return a hash of Redis from a file; Fault `config-invalid`, which shows nothing of it."""
    found = parse_hash(read_table(path, "The hash"))
    if found is None:
        detail = f"{visible(str(path))} is no hash as `redis-cli --json HGETALL` prints it."
        raise Fault(Kind.CONFIG_INVALID, detail, "Print it anew, with the client of Redis 7 or newer.")
    return found


def find_files(template: str, placeholder: str) -> list[tuple[str, Path]]:
    """Return the files that a path with a placeholder may stand for, each with the name in the placeholder's place.

    The name is a part of one file's or folder's name. A placeholder that stands several times is the same name.
    """
    before, _, after = template.partition(placeholder)
    folder, _, start = before.rpartition("/")
    end = after.partition("/")[0]
    part = re.compile("(.+)".join(re.escape(each) for each in (start, end.partition(placeholder)[0])) + ".*", re.DOTALL)
    try:
        found = sorted(each.name for each in Path(folder or "/").iterdir())[:MOST]
    except OSError:
        return []
    names = dict.fromkeys(matched[1] for each in found if (matched := part.fullmatch(each)))
    paths = ((name, Path(template.replace(placeholder, name))) for name in names)
    return [(name, path) for name, path in paths if path.is_file()]

"""Rows of MariaDB as its client prints them (`mariadb --batch`), and hashes of Redis (`redis-cli --json HGETALL`)."""

import re
from typing import Final

import msgspec

_ESCAPES: Final = {"n": "\n", "t": "\t", "0": "\0", "\\": "\\"}
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def parse_rows(text: str) -> list[dict[str, str | None]] | None:
    """Parse rows with the names of their columns in the first line; None where a row has another number of columns."""
    lines = text.rstrip("\n").split("\n")
    names = lines[0].split("\t")
    rows = [line.split("\t") for line in lines[1:]]
    if any(len(row) != len(names) for row in rows):
        return None
    return [dict(zip(names, map(unescape, row), strict=True)) for row in rows]


def unescape(cell: str) -> str | None:
    """Return a cell as it is stored; None for NULL."""
    return None if cell == "NULL" else _ESCAPED.sub(lambda found: _ESCAPES.get(found[1], found[1]), cell)


def parse_hash(text: str) -> dict[str, str] | None:
    """Parse a hash of Redis; None where it is no object of texts. A hash that is not there is empty."""
    try:
        found = msgspec.json.decode(text or "{}", type=dict[str, str] | list[str])
    except msgspec.DecodeError:
        return None
    if isinstance(found, list):  # before version 7.2 of the client, and for an empty hash
        return dict(zip(found[::2], found[1::2], strict=True)) if len(found) % 2 == 0 else None
    return found

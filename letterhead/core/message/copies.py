"""What saving and copying does to a message, and how to undo it.

`undo_framing` undoes what no message can have. `DAMAGES` may be there or not: to undo them is tried where a signature
fails, and only what makes it good shows that the copy, and not the message, was changed.
"""

import re
from collections.abc import Callable
from typing import Final

import msgspec

_FIELD: Final = re.compile(rb"[!-9;-~]+[ \t]*:|[ \t]")  # a field's first line, or one that goes on with a field
_LEAST_LINES: Final = 6  # a shorter text shows no pattern
_UTF16: Final = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_BOM: Final = b"\xef\xbb\xbf"


class CopyDamage(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that copying does to header fields and body: `why` is the clause that names it."""

    why: str
    undo: Callable[[bytes], bytes]


def undo_framing(octets: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return a message with LF at the end of each line, without what is no part of it; and a sentence for each."""
    undone: list[str] = []

    def note(what: str) -> None:
        undone.append(f"The copy {what}: that is no part of the message and was undone.")

    if octets[:2] in _UTF16:
        octets = octets[2:].decode(_UTF16[octets[:2]], "replace").encode()
        note("is written in UTF-16")
    if octets.startswith(_BOM):
        octets = octets.removeprefix(_BOM)
        note("begins with a byte-order mark (U+FEFF)")
    if b"\n" not in octets and b"\r" in octets:
        octets = octets.replace(b"\r", b"\n")
        note("ends its lines in CR alone")
    ends = octets.count(b"\n")
    if ends and octets.count(b"\r\r\n") == ends:
        octets = octets.replace(b"\r\r\n", b"\n")
        note("ends its lines in CR CR LF, as a program writes them that converts line ends twice")
    text = octets.replace(b"\r\n", b"\n")
    start = text.lstrip(b" \t\n")
    if b"\n" in text[: len(text) - len(start)]:
        # An indented first line keeps its indentation, by which the other lines are known.
        text = text[text.rindex(b"\n", 0, len(text) - len(start)) + 1 :]
        note("begins with empty lines")
    if text.startswith((b"From ", b">From ")):
        text = text.partition(b"\n")[2]
        note("begins with the line that separates messages in an mbox file")
    text = _without_indentation(text, note)
    return _without_doubled_line_ends(text, note), tuple(undone)


def _without_indentation(text: bytes, note: Callable[[str], None]) -> bytes:
    """Remove the white space, or the mark of a quotation, before every line: no message begins with it."""
    mark = re.match(rb"(?:> ?|[ \t])+", text)
    lines = text.split(b"\n")
    if mark is None or not all(line.startswith(mark[0]) or not line.strip(b"> \t") for line in lines):
        return text
    note("has every line indented or quoted")
    return b"\n".join(line.removeprefix(mark[0]) if line.startswith(mark[0]) else b"" for line in lines)


def _without_doubled_line_ends(text: bytes, note: Callable[[str], None]) -> bytes:
    """Remove an empty line after every line, where the first three lines before such are lines of a header."""
    lines = text.split(b"\n")
    if len(lines) < _LEAST_LINES or any(lines[1::2]) or not all(map(_FIELD.match, lines[0:5:2])):
        return text
    note("has an empty line after every line")
    return b"\n".join(lines[::2])


def _without_utf8(octets: bytes) -> bytes:
    try:
        return octets.decode("utf-8").encode("latin-1")
    except UnicodeError:
        return octets


DAMAGES: Final = (
    CopyDamage(
        why="a line begins with “>From ”, as mbox files write a line that began with “From ”",
        undo=lambda octets: re.sub(rb"(?m)^>(>*From )", rb"\1", octets),
    ),
    CopyDamage(
        why="lines begin with two dots, as SMTP sends a line that begins with one (RFC 5321 4.5.2)",
        undo=lambda octets: re.sub(rb"(?m)^\.\.", b".", octets),
    ),
    CopyDamage(
        why="it ends in a line with a dot alone, which ends a message in SMTP and is none of its lines",
        undo=lambda octets: re.sub(rb"\r\n\.\r\n(?:\r\n)*\Z", b"\r\n", octets),
    ),
    CopyDamage(
        why="lines end in CR CR LF, as a program writes them that converts line ends twice",
        undo=lambda octets: re.sub(rb"\r+\n", b"\r\n", octets),
    ),
    CopyDamage(
        why="a CR stands without its LF, where a line ended",
        undo=lambda octets: re.sub(rb"\r(?!\n)", b"\r\n", octets),
    ),
    CopyDamage(
        why="octets that are no UTF-8 were written as UTF-8, so that each is two now",
        undo=_without_utf8,
    ),
)

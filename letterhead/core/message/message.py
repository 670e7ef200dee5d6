"""A message in the Internet Message Format (RFC 5322): header fields, body and addresses.

Any octets can be parsed, in time linear to their number: what is wrong with them is noted in the result, never raised.
"""

import re
from functools import lru_cache
from typing import Final

import msgspec

from letterhead.core.message.copies import undo_framing
from letterhead.core.names.domain_names import parse_anywhere
from letterhead.core.names.host_names import ASKABLE
from letterhead.errors import Fault

MOST_FIELDS: Final = 2000  # no mail that anybody wrote has so many
_FIELD_NAME: Final = re.compile(rb"([!-9;-~]+)[ \t]*:")  # RFC 5322 2.2, and RFC 6376 3.4.2 for the space
_UTF8_PROTOCOL: Final = re.compile(r"\bwith\s+UTF8(?:SMTP|LMTP)", re.IGNORECASE)
_PIECES: Final = re.compile(r'"(?:[^"\\]|\\.)*"?|[()<>,;:]|[^"()<>,;:]+', re.DOTALL)


class HeaderField(msgspec.Struct, frozen=True, kw_only=True):
    """One header field: `raw` is all of it but the last line end, `name` its name in lower case."""

    name: str
    raw: bytes

    @property
    def value(self) -> bytes:
        """Return what follows the colon."""
        return self.raw.partition(b":")[2]

    @property
    def text(self) -> str:
        """Return the value unfolded to one line; octets that are not UTF-8 are replaced."""
        return self.value.replace(b"\r\n", b"").decode("utf-8", "replace").strip()


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message with CRLF at the end of every line; `trouble` is what kept it from being parsed as a whole.

    `undone` are sentences on what the copy of it had that no message has, which was undone before it was parsed.
    """

    fields: tuple[HeaderField, ...]
    body: bytes
    trouble: str | None = None
    undone: tuple[str, ...] = ()

    def fields_named(self, name: str) -> tuple[HeaderField, ...]:
        """Return the fields of a name (in lower case), the topmost first."""
        return tuple(field for field in self.fields if field.name == name)


def parse_message(octets: bytes, most_fields: int = MOST_FIELDS) -> Message:
    """Parse a message; lines may end in CRLF or in LF alone, as in files. What no message can begin with is undone."""
    text, undone = undo_framing(octets)
    head, _, body = text.partition(b"\n\n")
    lines = head.removesuffix(b"\n").split(b"\n") if head else []
    fields, stray = _parse_fields(lines, most_fields)
    trouble = None
    if stray is not None:  # as most servers do: what is no field ends the header
        body = b"\n".join(lines[stray:]) + b"\n\n" + body
        trouble = f"line {stray + 1} is no header field, so the body begins there"
    if len(fields) > most_fields:
        fields, trouble = fields[:most_fields], f"it has more than {most_fields} header fields"
    return Message(fields=tuple(fields), body=body.replace(b"\n", b"\r\n"), trouble=trouble, undone=undone)


def is_smtputf8(message: Message) -> bool:
    """Return whether a server says that the message came with SMTPUTF8 (RFC 6531 4.3)."""
    return any(_UTF8_PROTOCOL.search(field.text) for field in message.fields_named("received"))


def _parse_fields(lines: list[bytes], most_fields: int) -> tuple[list[HeaderField], int | None]:
    """Parse lines to fields, up to a line that belongs to none; return the number of that line too, from 0."""
    unfolded: list[tuple[str, list[bytes]]] = []
    stray = None
    for number, line in enumerate(lines):
        hit = _FIELD_NAME.match(line)
        if hit is not None:
            unfolded.append((hit[1].decode("ascii").lower(), [line]))
        elif line[:1] in (b" ", b"\t") and unfolded:
            unfolded[-1][1].append(line)
        else:
            stray = number
            break
        if len(unfolded) > most_fields:
            break
    return [HeaderField(name=name, raw=b"\r\n".join(folded)) for name, folded in unfolded], stray


# --- addresses ------------------------------------------------------------------------------------------------


def parse_addresses(text: str) -> tuple[str, ...]:
    """Return the addresses in a field, without display names and comments (RFC 5322 3.4)."""
    found: list[str] = []
    bare: list[str] = []
    angle: list[str] | None = None
    depth = 0
    for piece in _PIECES.findall(f"{text},"):
        if piece in "()":
            depth = max(0, depth + (1 if piece == "(" else -1))
        elif depth:
            continue
        elif piece == "<":
            angle = []
        elif piece == ">":
            bare, angle = angle or [], None
        elif angle is not None:
            angle.append(piece)
        elif piece in ",;":
            found.append("".join(bare).strip())
            bare = []
        else:
            bare = [] if piece == ":" else [*bare, piece][-4:]  # a group's name ends in a colon
    return tuple(each for each in found if "@" in each)


def domain_of(address: str) -> str | None:
    """Return the domain of an address in A-labels; None where it has none that DNS can hold."""
    return a_label(address.rpartition("@")[2])


@lru_cache(maxsize=64)
def a_label(text: str) -> str | None:
    """Return a domain name in lower-case A-labels; None where it is no name of two labels or more."""
    name = text.strip().lower().removesuffix(".")
    if name.isascii():
        return name if ASKABLE.fullmatch(name) else None
    try:
        return parse_anywhere(name).ascii
    except Fault:
        return None

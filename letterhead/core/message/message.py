"""A message in the Internet Message Format (RFC 5322): header fields, body, addresses and Received hops.

Any octets can be parsed, in time linear to their number: what is wrong with them is noted in the result, never raised.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

import msgspec

from letterhead.core.names.domain_names import parse_anywhere
from letterhead.core.names.host_names import ASKABLE
from letterhead.core.names.ip_addresses import is_not_public, read_address
from letterhead.errors import Fault

MOST_FIELDS: Final = 2000  # no mail that anybody wrote has so many
MOST_RECEIVED: Final = 20
_FIELD_NAME: Final = re.compile(rb"([!-9;-~]+)[ \t]*:")  # RFC 5322 2.2, and RFC 6376 3.4.2 for the space
_PIECES: Final = re.compile(r'"(?:[^"\\]|\\.)*"?|[()<>,;:]|[^"()<>,;:]+', re.DOTALL)
_FROM_HOST: Final = re.compile(r"\s*from\s+(\S+)(.*)", re.DOTALL | re.IGNORECASE)
_BY: Final = re.compile(r"\sby\s", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"(?<![\w.:])(?:IPv6:)?([0-9A-Fa-f.:]{3,45})(?![\w.:])", re.IGNORECASE)


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
    """A message with CRLF at the end of every line; `trouble` is what kept it from being parsed as a whole."""

    fields: tuple[HeaderField, ...]
    body: bytes
    trouble: str | None = None

    def fields_named(self, name: str) -> tuple[HeaderField, ...]:
        """Return the fields of a name (in lower case), the topmost first."""
        return tuple(field for field in self.fields if field.name == name)


def parse_message(octets: bytes, most_fields: int = MOST_FIELDS) -> Message:
    """Parse a message; lines may end in CRLF or in LF alone, as in files."""
    text = octets.replace(b"\r\n", b"\n")
    if text.startswith(b"\n"):
        head, body = b"", text[1:]
    else:
        head, _, body = text.partition(b"\n\n")
    lines = head.removesuffix(b"\n").split(b"\n") if head else []
    fields, stray = _parse_fields(lines, most_fields)
    trouble = None
    if stray is not None:  # as most servers do: what is no field ends the header
        body = b"\n".join(lines[stray:]) + b"\n\n" + body
        trouble = f"line {stray + 1} is no header field, so the body begins there"
    if len(fields) > most_fields:
        fields, trouble = fields[:most_fields], f"it has more than {most_fields} header fields"
    return Message(fields=tuple(fields), body=body.replace(b"\n", b"\r\n"), trouble=trouble)


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
        elif number > 0 or not line.startswith(b"From "):  # the line that begins a mail in an mbox file
            stray = number
            break
        if len(unfolded) > most_fields:
            break
    return [HeaderField(name=name, raw=b"\r\n".join(folded)) for name, folded in unfolded], stray


# --- sender and route ------------------------------------------------------------------------------------------


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


def return_path(message: Message) -> str | None:
    """Return the envelope sender from the Return-Path field, empty for a bounce; None where there is no such field."""
    found = message.fields_named("return-path")
    return found[0].text.strip().removeprefix("<").removesuffix(">").strip() if found else None


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """One Received field: the name that the client gave, the address it connected from, and the field's text."""

    helo: str
    address: str | None
    text: str


def received_hops(message: Message) -> Iterator[Hop]:
    """Yield the Received fields that name a sending host, the last server's first."""
    for field in message.fields_named("received")[:MOST_RECEIVED]:
        text = field.text[:1000]
        hit = _FROM_HOST.match(_BY.split(text, maxsplit=1)[0])
        if hit is not None:
            yield Hop(helo=hit[1].strip("[]();,"), address=_first_address(hit[2]) or _first_address(hit[1]), text=text)


def _first_address(text: str) -> str | None:
    """Return the first IP address; one in the comment was seen by the server, the others were claimed by the client."""
    return next((found for found in _ADDRESS.findall(text) if read_address(found) is not None), None)


def last_public_hop(message: Message) -> Hop | None:
    """Return the topmost hop from a public address: those above it are the receiver's own servers."""
    for hop in received_hops(message):
        address = read_address(hop.address) if hop.address else None
        if address is not None and is_not_public(address) is None:
            return hop
    return None

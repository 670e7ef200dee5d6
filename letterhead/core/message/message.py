"""Knows the form of a mail as it travels (RFC 5322): its header fields, its body, whom it says that it is from.

Any octets can be read, in time linear to their number: what is wrong with them is said, never raised.
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
_NAMED: Final = re.compile(rb"([!-9;-~]+)[ \t]*:")  # RFC 5322 2.2, and RFC 6376 3.4.2 for the space
_WORDS: Final = re.compile(r'"(?:[^"\\]|\\.)*"?|[()<>,;:]|[^"()<>,;:]+', re.DOTALL)
_FROM_HOST: Final = re.compile(r"\s*from\s+(\S+)(.*)", re.DOTALL | re.IGNORECASE)
_BY: Final = re.compile(r"\sby\s", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"(?<![\w.:])(?:IPv6:)?([0-9A-Fa-f.:]{3,45})(?![\w.:])", re.IGNORECASE)


class HeaderField(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one header field: `raw` is all of it but the last line end, `name` its name in lower case."""

    name: str
    raw: bytes

    @property
    def value(self) -> bytes:
        """Gives what stands behind the colon."""
        return self.raw.partition(b":")[2]

    @property
    def text(self) -> str:
        """Gives the value on one line, for reading; octets that are no UTF-8 are replaced."""
        return self.value.replace(b"\r\n", b"").decode("utf-8", "replace").strip()


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """Holds a mail with CRLF at every line's end; `trouble` says what keeps it from being read as a whole."""

    fields: tuple[HeaderField, ...]
    body: bytes
    trouble: str | None = None

    def fields_named(self, name: str) -> tuple[HeaderField, ...]:
        """Lists the fields of a name (in lower case), the topmost first."""
        return tuple(field for field in self.fields if field.name == name)


def parse(octets: bytes) -> Message:
    """Reads a mail; lines may end in CRLF or in LF alone, as files have them."""
    text = octets.replace(b"\r\n", b"\n")
    if text.startswith(b"\n"):
        head, body = b"", text[1:]
    else:
        head, _, body = text.partition(b"\n\n")
    lines = head.removesuffix(b"\n").split(b"\n") if head else []
    fields, stray = _fields(lines)
    trouble = None
    if stray is not None:  # as most servers do: what is no field ends the header
        body = b"\n".join(lines[stray:]) + b"\n\n" + body
        trouble = f"line {stray + 1} is no header field, so the body begins there"
    if len(fields) > MOST_FIELDS:
        fields, trouble = fields[:MOST_FIELDS], f"it has more than {MOST_FIELDS} header fields"
    return Message(fields=tuple(fields), body=body.replace(b"\n", b"\r\n"), trouble=trouble)


def _fields(lines: list[bytes]) -> tuple[list[HeaderField], int | None]:
    """Joins lines to fields, up to a line that belongs to none, whose number is given then."""
    gathered: list[tuple[str, list[bytes]]] = []
    for number, line in enumerate(lines):
        hit = _NAMED.match(line)
        if hit is not None:
            gathered.append((hit[1].decode("ascii").lower(), [line]))
        elif line[:1] in (b" ", b"\t") and gathered:
            gathered[-1][1].append(line)
        elif number > 0 or not line.startswith(b"From "):  # the line that begins a mail in an mbox file
            return _joined(gathered), number
        if len(gathered) > MOST_FIELDS:
            break
    return _joined(gathered), None


def _joined(gathered: list[tuple[str, list[bytes]]]) -> list[HeaderField]:
    return [HeaderField(name=name, raw=b"\r\n".join(lines)) for name, lines in gathered]


# --- whose mail it is ------------------------------------------------------------------------------------------


def addresses(text: str) -> tuple[str, ...]:
    """Lists the addresses in a field, without the names and comments around them (RFC 5322 3.4)."""
    found: list[str] = []
    bare: list[str] = []
    angle: list[str] | None = None
    depth = 0
    for word in _WORDS.findall(f"{text},"):
        if word in "()":
            depth = max(0, depth + (1 if word == "(" else -1))
        elif depth:
            continue
        elif word == "<":
            angle = []
        elif word == ">":
            bare, angle = angle or [], None
        elif angle is not None:
            angle.append(word)
        elif word in ",;":
            found.append("".join(bare).strip())
            bare = []
        else:
            bare = [] if word == ":" else [*bare, word][-4:]  # a group's name ends in a colon
    return tuple(each for each in found if "@" in each)


def domain_of(address: str) -> str | None:
    """Gives an address's domain as an A-label; nothing where it has none that DNS can hold."""
    return a_label(address.rpartition("@")[2])


@lru_cache(maxsize=64)
def a_label(text: str) -> str | None:
    """Writes a name as DNS has it; nothing where it is none."""
    name = text.strip().lower().removesuffix(".")
    if name.isascii():
        return name if ASKABLE.fullmatch(name) else None
    try:
        return parse_anywhere(name).ascii
    except Fault:
        return None


def return_path(message: Message) -> str | None:
    """Gives the envelope sender that the last server wrote down, empty for a bounce; nothing where it did not."""
    written = message.fields_named("return-path")
    return written[0].text.strip().removeprefix("<").removesuffix(">").strip() if written else None


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """Says who handed the mail over to whom: a Received field's `helo`, the address it came from, and its text."""

    helo: str
    address: str | None
    text: str


def hops(message: Message) -> Iterator[Hop]:
    """Reads the Received fields that name a sending host, the last server's first."""
    for field in message.fields_named("received")[:MOST_RECEIVED]:
        text = field.text[:1000]
        hit = _FROM_HOST.match(_BY.split(text, maxsplit=1)[0])
        if hit is not None:
            yield Hop(helo=hit[1].strip("[]();,"), address=_first_address(hit[2]) or _first_address(hit[1]), text=text)


def _first_address(text: str) -> str | None:
    """Finds an address; what stands in the comment was seen by the server, the rest was claimed by the client."""
    return next((found for found in _ADDRESS.findall(text) if read_address(found) is not None), None)


def last_public_hop(message: Message) -> Hop | None:
    """Finds the topmost hop from a public address: those above it are the receiver's own servers."""
    for hop in hops(message):
        address = read_address(hop.address) if hop.address else None
        if address is not None and is_not_public(address) is None:
            return hop
    return None

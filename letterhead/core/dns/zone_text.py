"""What a reader of zone text could not take as it stands: lines that it left out, and strings that are too long."""

import msgspec


class UnreadLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line that is no record: its number, its beginning, why, and the owner, where the line says it."""

    number: int
    text: str
    why: str
    owner: str | None = None

    def __str__(self) -> str:
        return f"line {self.number} ({self.text}): {self.why}"


class LongString(msgspec.Struct, frozen=True, kw_only=True):
    """A string of more than 255 octets (RFC 1035 3.3): where it stands, its octets, and the same text in strings."""

    number: int
    owner: str
    octets: int
    split: str


class ZoneTextNotes(msgspec.Struct, frozen=True, kw_only=True):
    """The notes of a reader of zone text; `assumed_zone` is what it took for the zone of a text that names none."""

    unread: tuple[UnreadLine, ...] = ()
    long_strings: tuple[LongString, ...] = ()
    assumed_zone: str | None = None

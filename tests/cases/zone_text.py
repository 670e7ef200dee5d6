"""Zone text as lines that can be taken away and added, for following an instruction as a person would."""

import re
from dataclasses import dataclass, field

import dns.exception
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from dns.rdtypes.ANY.TXT import TXT

_RECORD = re.compile(r"(?P<owner>\S*)\s+(?:\d+\s+)?(?:IN\s+)?(?P<rdtype>[A-Z][A-Z0-9-]*)\s+(?P<data>.+)$", re.DOTALL)
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')


class UnknownInstruction(Exception):
    """A fix that nobody can carry out to the letter."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of zone text; `owner` is absolute without its final dot and empty where the line is no record."""

    text: str
    owner: str = ""
    rdtype: str = ""
    data: str = ""

    @property
    def value(self) -> str:
        """The joined strings of a TXT record; the data of any other."""
        return txt_value(self.data) if self.rdtype == "TXT" else self.data


def txt_value(data: str) -> str:
    """Return the joined strings of TXT data, with octets as characters (latin-1)."""
    try:
        parsed = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.TXT, data)
    except dns.exception.SyntaxError:  # a string that is too long, which a case is about
        return "".join(STRING.findall(data))
    assert isinstance(parsed, TXT)
    return b"".join(parsed.strings).decode("latin-1")


def _is_within(name: str, zone: str) -> bool:
    return f".{name}".endswith(f".{zone}")


@dataclass(slots=True)
class ZoneText:
    """Zone text as lines that can be taken away and added."""

    origin: str
    lines: list[Line] = field(default_factory=list)

    @classmethod
    def read(cls, text: str, origin: str) -> "ZoneText":
        """Read a case's text, in which every record stands on one line."""
        zone = cls(origin)
        owner = ""
        for line in text.splitlines():
            directive = re.match(r"\$ORIGIN\s+(\S+)", line)
            if directive:
                zone.origin = directive[1].rstrip(".")
            read = None if line.startswith((";", "$")) else _RECORD.match(line)
            if read is None:
                zone.lines.append(Line(line))
                continue
            owner = zone.absolute(read["owner"]) if read["owner"] else owner
            zone.lines.append(Line(line, owner, read["rdtype"], read["data"].strip()))
        return zone

    def absolute(self, name: str) -> str:
        """Return an owner as the text spells it as an absolute name in small letters."""
        if name.endswith("."):
            return name.rstrip(".").lower()
        return (self.origin if name == "@" else f"{name}.{self.origin}").lower()

    def at(self, owner: str, rdtype: str) -> list[Line]:
        """Return the records of a type at a name, whichever server has them."""
        return [line for line in self.lines if line.owner == owner.lower() and line.rdtype == rdtype]

    def remove(self, *gone: Line) -> None:
        """Take lines away."""
        if not gone:
            raise UnknownInstruction("nothing of that kind is there to delete")
        self.lines = [line for line in self.lines if not any(line is each for each in gone)]

    def add(self, owner: str, rdtype: str, data: str) -> None:
        """Add a record on all servers of the zone: behind its SOA, before what single servers have instead."""
        places = [
            place for place, line in enumerate(self.lines) if line.rdtype == "SOA" and _is_within(owner, line.owner)
        ]
        place = max(places, key=lambda each: len(self.lines[each].owner), default=-1) + 1
        self.lines.insert(place, Line(f"{owner}. 3600 IN {rdtype} {data}", owner.lower(), rdtype, data))

    def __str__(self) -> str:
        return "\n".join(line.text for line in self.lines) + "\n"

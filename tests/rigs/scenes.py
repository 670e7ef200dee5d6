"""Play scenes at the hostile DNS servers by a test's own clock, and keep what was asked. Knows no socket."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

import dns.flags
import dns.message
import dns.name
import dns.rdatatype
import dns.rrset

WRITTEN = "written"


class Scene(NamedTuple):
    """Says in which mode a domain is from a time on; WRITTEN answers with what `write` wrote."""

    since: datetime
    mode: str


class Asked(NamedTuple):
    """One packet that reached a server."""

    at: datetime
    address: str
    zone: str
    name: str
    rdtype: str


class Play:
    """The clock, the scenes of each domain in the order of their times, and the history."""

    def __init__(self) -> None:
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.scenes: dict[str, tuple[Scene, ...]] = {}
        self.history: list[Asked] = []
        self._written: dict[tuple[str, str], dns.rrset.RRset] = {}

    def mode(self, zone: str) -> str | None:
        """Say in which mode a domain is now; nothing where it plays no scenes."""
        now = self.clock()
        return next((each.mode for each in reversed(self.scenes.get(zone, ())) if each.since <= now), None)

    def note(self, address: str, zone: str, query: dns.message.Message) -> None:
        """Keep what was asked."""
        asked = query.question[0]
        rdtype = dns.rdatatype.to_text(asked.rdtype)
        self.history.append(Asked(self.clock(), address, zone, str(asked.name), rdtype))

    def write(self, host: str, rdtype: str, value: str) -> None:
        """Write a record for the scenes in which its domain answers honestly."""
        name = dns.name.from_text(host)
        quoted = " ".join(f'"{value[at : at + 255]}"' for at in range(0, len(value), 255))
        record = dns.rrset.from_text(name, 60, "IN", rdtype, quoted if rdtype == "TXT" else value)
        self._written[str(name), rdtype] = record

    def written(self, query: dns.message.Message, zone: str) -> dns.message.Message:
        """Answer honestly: with what was written, or that there is no such record."""
        asked = query.question[0]
        record = self._written.get((str(asked.name), dns.rdatatype.to_text(asked.rdtype)))
        message = dns.message.make_response(query)
        message.flags |= dns.flags.AA | dns.flags.RA
        if record is not None:
            message.answer = [record]
        else:
            message.authority = [dns.rrset.from_text(f"{zone}.", 300, "IN", "SOA", "ns0. host. 1 60 60 600 30")]
        return message

"""One zone of a zone text: its records, those that single servers have instead, and the lines that were not read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import dns.name
import dns.rdtypes.ANY.DNAME
import dns.rdtypes.ANY.SOA
import dns.rrset
from dns.name import Name
from dns.rdatatype import RdataType

from letterhead.core.dns.answers import Why
from letterhead.core.dns.records import read_ttl
from letterhead.core.dns.zone_text import UnreadLine

NEGATIVE_TTL: Final = 300  # where the text has no SOA

Sets = dict[tuple[Name, RdataType], dns.rrset.RRset]
Nodes = dict[Name, dict[RdataType, dns.rrset.RRset]]
Types = frozenset[RdataType] | None  # those that an unread line may be of; None: any


@dataclass(slots=True)
class ZoneCopy:
    """The records after one SOA of a zone, the line of that SOA, and the first line of each RRset."""

    number: int
    sets: Sets = field(default_factory=dict)
    lines: dict[tuple[Name, RdataType], int] = field(default_factory=dict)


@dataclass(slots=True)
class TextZone:
    """One zone: the records of all servers, those that single ones have instead, and the servers that do not answer.

    `unread` are lines at a name, `includes` those that may hold any record of the zone.
    """

    apex: Name
    sets: Sets = field(default_factory=dict)
    overrides: dict[str, Sets] = field(default_factory=dict)
    failures: dict[str, Why] = field(default_factory=dict)
    signed: bool = False  # whether the resolvers have validated what they answer
    unread: dict[Name, list[tuple[Types, UnreadLine]]] = field(default_factory=dict)
    includes: list[UnreadLine] = field(default_factory=list)
    copies: list[ZoneCopy] = field(default_factory=list)
    _nodes: dict[str, Nodes] = field(default_factory=dict)

    def owner(self, who: str, name: Name) -> Name:
        """Return the name whose records answer for a name: itself where it exists, else the wildcard.

        A name exists as soon as one below it does (RFC 4592 2.2.2).
        """
        nodes = self._nodes_of(who)
        if name in nodes:
            return name
        closest = next(above for above in upwards(name) if above in nodes or above == self.apex)
        return dns.name.Name((b"*", *closest.labels))  # RFC 4592 3.3.1: the source of synthesis

    def node(self, who: str, name: Name) -> Mapping[RdataType, dns.rrset.RRset] | None:
        """Return all that one server, or the resolvers, have at a name; None where the name does not exist."""
        return self._nodes_of(who).get(self.owner(who, name))

    def _nodes_of(self, who: str) -> Nodes:
        nodes = self._nodes.get(who)
        if nodes is None:  # sorted by owner, once: the zone is complete by now
            nodes = self._nodes[who] = {}
            records = self.sets | self.overrides.get(who, {})
            for owner in {owner for owner, _ in records} | set(self.unread):
                for above in upwards(owner):
                    if above.is_subdomain(self.apex):
                        nodes.setdefault(above, {})
            for (owner, rdtype), each in records.items():
                nodes[owner][rdtype] = each
        return nodes

    def unread_line(self, who: str, name: Name, rdtype: RdataType, *, is_found: bool) -> UnreadLine | None:
        """Return the line that may hold a record which is asked for, or one more beside what `is_found`."""
        at_name = self.unread.get(self.owner(who, name), ())
        lines = [line for types, line in at_name if (rdtype in types if types is not None else not is_found)]
        return next(iter(lines if is_found else [*lines, *self.includes]), None)

    def dname(self, name: Name) -> tuple[Name, int] | None:
        """Return where a DNAME above a name leads it, and its TTL (RFC 6672 2.2); None where there is none."""
        for above in reversed(upwards(name)[1:]):
            records = self.sets.get((above, RdataType.DNAME)) if above.is_subdomain(self.apex) else None
            if records is not None:
                (rdata,) = [each for each in records if isinstance(each, dns.rdtypes.ANY.DNAME.DNAME)][:1]
                return name.relativize(above).derelativize(rdata.target), records.ttl
        return None

    def cut_below(self, name: Name) -> Name | None:
        """Return the delegation that a name lies at or below, within the zone."""
        between = [above for above in upwards(name) if above != self.apex and above.is_subdomain(self.apex)]
        return next((above for above in reversed(between) if (above, RdataType.NS) in self.sets), None)

    @property
    def negative_ttl(self) -> int:
        """Seconds for which caches keep that something does not exist."""
        start = self.sets.get((self.apex, RdataType.SOA))
        if start is None:
            return NEGATIVE_TTL
        minimum = min(rdata.minimum for rdata in start if isinstance(rdata, dns.rdtypes.ANY.SOA.SOA))
        return min(read_ttl(start.ttl), read_ttl(minimum))


def upwards(name: Name) -> list[Name]:
    """Return a name and all names above it."""
    return [dns.name.Name(name.labels[at:]) for at in range(len(name.labels))]

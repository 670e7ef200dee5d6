"""Knows how a zone answers, from its text (RFC 1035 5): for tests, for the demo and to check a zone before it is live.

A text may hold several zones; each SOA starts one. What only one server says follows a comment of our own, up to the
next one: `; @server ns2.acme.test` replaces the RRsets that it names, `; @server ns2.acme.test timeout` silences the
server (any word of `Why`), `; @resolver` does either for the resolvers' view, and `; @all` ends it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import dns.exception
import dns.name
import dns.rdatatype
import dns.rdtypes.ANY.SOA
import dns.rrset
import dns.zonefile
from dns.name import Name
from dns.rdatatype import RdataType

from letterhead.adapters.dns.panel import alike
from letterhead.adapters.dns.reading import MAX_ALIASES
from letterhead.adapters.dns.resolver import top_level
from letterhead.adapters.dns.wire import name_from, name_text, rrset
from letterhead.core.answers import (
    Aliased,
    Answer,
    Delegated,
    Found,
    Nameserver,
    NoData,
    NxDomain,
    Perspective,
    Question,
    Reply,
    Unanswered,
    View,
    Why,
)
from letterhead.errors import Fault, Kind
from letterhead.ports import Allowance

TEXT = "zone text"  # who says it, where the text names no server
RESOLVER = "@resolver"
DEFAULT_TTL = 3600

_STARTS_ZONE = re.compile(r'[^;"]*\sSOA\s', re.IGNORECASE)
_DIRECTIVE = re.compile(r"\$(ORIGIN|TTL)\s+(\S+)", re.IGNORECASE)
_ASIDE = re.compile(r";\s*@(all|resolver|server)(?:\s+(\S+))?(?:\s+(\S+))?\s*$")

Sets = dict[tuple[Name, RdataType], dns.rrset.RRset]


@dataclass(slots=True)
class _Zone:
    """Holds one zone: what all servers say, what single ones say instead, and which do not answer."""

    apex: Name
    sets: Sets = field(default_factory=dict)
    asides: dict[str, Sets] = field(default_factory=dict)
    silent: dict[str, Why] = field(default_factory=dict)

    def seen_by(self, who: str) -> Sets:
        """Gives the zone as one server, or the resolvers, see it."""
        return self.sets | self.asides.get(who, {})

    @property
    def negative_ttl(self) -> int:
        start = self.sets[self.apex, RdataType.SOA]
        minimum = min(rdata.minimum for rdata in start if isinstance(rdata, dns.rdtypes.ANY.SOA.SOA))
        return min(start.ttl, minimum)


class ZoneFileResolver:
    """Answers from the text of zones. Fault `parameter-invalid` names the line that can't be read."""

    def __init__(self, *texts: str) -> None:
        self._zones = {zone.apex: zone for text in texts for zone in _Reader(text).zones()}

    async def ask(self, questions: Iterable[Question], allowance: Allowance) -> dict[Question, tuple[Reply, ...]]:
        """Answers every question at once; nothing is sent and nothing of the allowance is used."""
        del allowance
        return {question: self._replies(question) for question in questions}

    def _replies(self, question: Question) -> tuple[Reply, ...]:
        try:
            name, rdtype = name_from(question.name), RdataType.make(question.rdtype)
        except (dns.exception.DNSException, ValueError) as trouble:
            return (_reply(question.view, Unanswered(why=Why.MALFORMED, detail=str(trouble))),)
        match question.view:
            case View.RECURSIVE | View.ONE_RESOLVER:
                return (_reply(question.view, self._answer(RESOLVER, name, rdtype, None)),)
            case View.DELEGATION:
                return (_reply(question.view, self._delegation(name)),)
            case View.EVERY_SERVER | View.TWO_SERVERS | View.ONE_SERVER:
                return self._by_servers(question.view, name, rdtype)

    def _by_servers(self, view: View, name: Name, rdtype: RdataType) -> tuple[Reply, ...]:
        zone = self._zone_of(name)
        if zone is None:
            return (_reply(view, _unknown(name)),)
        servers = self._servers(zone.sets, zone.apex) or (Nameserver(name=TEXT, addresses=()),)
        replies = tuple(_reply(view, self._answer(server.name, name, rdtype, zone), server, zone) for server in servers)
        enough = view is View.TWO_SERVERS and alike(reply.answer for reply in replies[:2])
        return replies[:1] if view is View.ONE_SERVER else replies[:2] if enough else replies

    def _answer(self, who: str, name: Name, rdtype: RdataType, within: _Zone | None) -> Answer:
        """Follows aliases as one server does `within` its zone, or as a resolver does through all zones."""
        path: list[Name] = []
        ttl = 0
        while True:
            at = path[-1] if path else name
            zone = self._zone_of(at)
            if zone is None or (within is not None and zone is not within):
                return _aliased(path, ttl, dangling=False) if path else _unknown(at)
            if who in zone.silent:
                return Unanswered(why=zone.silent[who], detail="as the zone text says")
            node = _node(zone.seen_by(who), zone.apex, at)
            if node is not None and rdtype in node:
                found = rrset(at, rdtype, node[rdtype].ttl, node[rdtype])
                return Found(rrset=found, aliases=tuple(name_text(alias) for alias in path))
            alias = node.get(RdataType.CNAME) if node is not None else None
            if alias is None:
                return _aliased(path, ttl, dangling=True) if path else _absent(zone, node)
            target = alias[0].target
            if target == name or target in path or len(path) == MAX_ALIASES:
                return Unanswered(why=Why.CNAME_LOOP)
            path.append(target)
            ttl = min(ttl or alias.ttl, alias.ttl)

    def _zone_of(self, name: Name) -> _Zone | None:
        """Finds the zone that holds a name; none where it is delegated to servers whose zone the text does not hold."""
        zone = next((self._zones[above] for above in _upwards(name) if above in self._zones), None)
        return None if zone is None or _cut_below(zone, name) is not None else zone

    def _delegation(self, name: Name) -> Answer:
        zone = next((self._zones[above] for above in _upwards(name) if above in self._zones), None)
        if zone is None:
            return _unknown(name)
        cut = _cut_below(zone, name)
        if cut is not None:
            return Delegated(zone=name_text(cut), servers=self._servers(zone.sets, cut), negative_ttl=0)
        if top_level(name_text(zone.apex)) and _node(zone.sets, zone.apex, name) is None:
            return NxDomain(negative_ttl=zone.negative_ttl, zone=name_text(zone.apex))
        return Delegated(
            zone=name_text(zone.apex),
            servers=self._servers(zone.sets, zone.apex),
            negative_ttl=zone.negative_ttl,
            parent_servers=tuple(server.name for server in self._parents_list(zone)),
        )

    def _parents_list(self, zone: _Zone) -> tuple[Nameserver, ...]:
        above = next((self._zones[name] for name in _upwards(zone.apex)[1:] if name in self._zones), None)
        return self._servers(above.sets, zone.apex) if above else ()

    def _servers(self, sets: Sets, zone: Name) -> tuple[Nameserver, ...]:
        names = sorted(rdata.target for rdata in sets.get((zone, RdataType.NS), ()))
        return tuple(Nameserver(name=name_text(name), addresses=self._addresses(name)) for name in names)

    def _addresses(self, name: Name) -> tuple[str, ...]:
        """Finds a server's addresses in any zone: glue counts."""
        wanted = ((name, RdataType.A), (name, RdataType.AAAA))
        found = (zone.sets[key] for zone in self._zones.values() for key in wanted if key in zone.sets)
        return tuple(dict.fromkeys(rdata.address for records in found for rdata in records))


class _Reader:
    """Splits a text into zones and asides, and leaves the records themselves to dnspython."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._zones: list[_Zone] = []
        self._origin: Name | None = None
        self._ttl: str | int = DEFAULT_TTL
        self._who: str | None = None
        self._piece: list[str] = []
        self._at = 1

    def zones(self) -> list[_Zone]:
        for number, line in enumerate(self._lines, 1):
            directive, aside = _DIRECTIVE.match(line), _ASIDE.match(line)
            if directive or aside or _STARTS_ZONE.match(line):
                self._flush()
                self._at = number
            if directive:
                self._direct(directive[1].upper(), directive[2])
            elif aside:
                self._turn(*aside.groups())
            else:
                self._piece.append(line)
        self._flush()
        return self._zones

    def _direct(self, word: str, value: str) -> None:
        self._piece.append("")  # keeps dnspython's line numbers right
        if word == "TTL":
            self._ttl = value
        else:
            self._origin = dns.name.from_text(value, self._origin or dns.name.root)

    def _turn(self, kind: str, name: str | None, why: str | None) -> None:
        self._piece.append("")
        if kind == "resolver":
            name, why = RESOLVER, name
        self._who = None if kind == "all" or name is None else name.lower().rstrip(".")
        if self._who is None or not self._zones:
            return
        if why is None:
            self._zones[-1].asides.setdefault(self._who, {})
        elif why in set(Why):
            self._zones[-1].silent[self._who] = Why(why)
        else:
            raise self._fault(f"“{why}” is no reason that we know", f"Use one of {', '.join(Why)}.")

    def _flush(self) -> None:
        """Reads the records gathered so far into the zone that they belong to."""
        piece, self._piece = "\n".join(self._piece), []
        try:
            found = dns.zonefile.read_rrsets(piece, origin=self._origin, default_ttl=self._ttl, rdclass=None)
        except (dns.exception.DNSException, ValueError) as trouble:
            fix = "Begin the text with $ORIGIN and the zone's name with its final dot; write one record a line."
            raise self._fault(str(trouble), fix) from trouble
        for each in found:
            self._keep(each)

    def _keep(self, records: dns.rrset.RRset) -> None:
        if records.rdtype == RdataType.SOA:
            self._who = None
            self._zones.append(_Zone(records.name))
        if not self._zones or not records.name.is_subdomain(self._zones[-1].apex):
            raise self._fault(f"{records.name} lies in no zone of this text", "Put an SOA record before it.")
        zone = self._zones[-1]
        sets = zone.sets if self._who is None else zone.asides.setdefault(self._who, {})
        kept = sets.setdefault((records.name, records.rdtype), records)
        for rdata in records:
            kept.add(rdata)

    def _fault(self, what: str, fix: str) -> Fault:
        return Fault(Kind.PARAMETER_INVALID, f"The zone text can't be read from line {self._at} on: {what}.", fix)


def _node(sets: Sets, apex: Name, name: Name) -> Mapping[RdataType, dns.rrset.RRset] | None:
    """Finds all that a name holds, by wildcard where there is one; nothing where the name does not exist.

    A name exists as soon as one below it does (RFC 4592 2.2.2: empty non-terminals).
    """
    exists = {above for owner, _ in sets for above in _upwards(owner) if above.is_subdomain(apex)}
    if name not in exists:
        closest = next(above for above in _upwards(name) if above in exists or above == apex)
        name = dns.name.Name((b"*", *closest.labels))  # RFC 4592 3.3.1: the source of synthesis
        if name not in exists:
            return None
    return {rdtype: records for (owner, rdtype), records in sets.items() if owner == name}


def _cut_below(zone: _Zone, name: Name) -> Name | None:
    """Finds the delegation that a name lies at or below, within a zone."""
    between = [above for above in _upwards(name) if above != zone.apex and above.is_subdomain(zone.apex)]
    return next((above for above in reversed(between) if (above, RdataType.NS) in zone.sets), None)


def _upwards(name: Name) -> list[Name]:
    """Lists a name and all names above it."""
    return [dns.name.Name(name.labels[at:]) for at in range(len(name.labels))]


def _absent(zone: _Zone, node: object) -> Answer:
    if node is None:
        return NxDomain(negative_ttl=zone.negative_ttl, zone=name_text(zone.apex))
    return NoData(negative_ttl=zone.negative_ttl)


def _aliased(path: list[Name], ttl: int, *, dangling: bool) -> Aliased:
    aliases = tuple(name_text(alias) for alias in path)
    return Aliased(target=aliases[-1], aliases=aliases, ttl=ttl, dangling=dangling)


def _unknown(name: Name) -> Unanswered:
    return Unanswered(why=Why.NO_SERVERS, detail=f"the zone text does not hold the zone of {name_text(name)}")


def _reply(view: View, answer: Answer, server: Nameserver | None = None, zone: _Zone | None = None) -> Reply:
    perspective = Perspective(
        view=view,
        server=server.name if server else TEXT,
        address=server.addresses[0] if server and server.addresses else "",
        zone=name_text(zone.apex) if zone else None,
    )
    return Reply(perspective=perspective, answer=answer)

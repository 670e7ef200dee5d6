"""A resolver over zone text (RFC 1035 5): for tests, for the demo and to check a zone before it is live.

A text may hold several zones; each SOA starts one. Records that only one server has follow a comment of our own, up to
the next one: `; @server ns2.acme.test` replaces the RRsets that it names, `; @server ns2.acme.test timeout` makes the
server fail (with any value of `Why`), `; @resolver` does either for the resolvers' view, and `; @all` ends it.
`; @resolver authentic` makes the resolvers' answers from this zone validated ones (the AD bit).
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
from msgspec.structs import replace

from letterhead.adapters.dns.dnspython_values import name_from, name_text, rrset
from letterhead.adapters.dns.interpret import MAX_ALIASES
from letterhead.adapters.dns.resolver import top_level
from letterhead.adapters.dns.server_set import are_alike
from letterhead.core.dns.answers import (
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
from letterhead.core.dns.records import STRING_LIMIT, read_ttl
from letterhead.errors import Fault, Kind
from letterhead.ports.resolver import Allowance

TEXT = "zone text"  # the server of a reply, where the text names none
RESOLVER = "@resolver"
# The texts of transport.py and interpret.py for servers that do not answer.
DETAILS = {
    Why.TIMEOUT: "no answer",
    Why.TOO_LARGE: "more than 8192 strings or 2048 labels",
    Why.UNREACHABLE: "Connection refused",
    Why.SERVER_FAILURE: "SERVFAIL",
    Why.BOGUS: "SERVFAIL",
    Why.REFUSED: "REFUSED",
    Why.LAME: "answers without authority",
}
DEFAULT_TTL = 3600
# What is visible together with a CNAME, at an apex that should have none; it hides all else (RFC 1034 3.6.2).
ALLOWED_AT_ALIAS = frozenset({RdataType.CNAME, RdataType.SOA, RdataType.NS})
NEGATIVE_TTL = 300  # where the text has no SOA

_STARTS_ZONE = re.compile(r'[^;"]*\sSOA\s', re.IGNORECASE)
_ALIAS = re.compile(r"[^\s;]\S*(?:\s+(?:IN|\d\w*))*\s+CNAME\s", re.IGNORECASE)
_DIRECTIVE = re.compile(r"\s*\$(\w+)\s+(\S+)", re.IGNORECASE)
_STRING = re.compile(r'"((?:[^"\\]|\\[0-9]{3}|\\.)*)"')
_LETTER = re.compile(r"\\[0-9]{3}|\\.|.")
_POSITION = re.compile(r"<input>:(\d+): (.*)", re.DOTALL)  # the beginning of dnspython's messages
_OVERRIDE = re.compile(r";\s*@(all|resolver|server)(?:\s+(\S+))?(?:\s+(\S+))?\s*$")

Sets = dict[tuple[Name, RdataType], dns.rrset.RRset]
Nodes = dict[Name, dict[RdataType, dns.rrset.RRset]]


@dataclass(slots=True)
class _Zone:
    """One zone: the records of all servers, those that single ones have instead, and the servers that do not answer."""

    apex: Name
    sets: Sets = field(default_factory=dict)
    overrides: dict[str, Sets] = field(default_factory=dict)
    failures: dict[str, Why] = field(default_factory=dict)
    signed: bool = False  # whether the resolvers have validated what they answer
    _nodes: dict[str, Nodes] = field(default_factory=dict)

    def node(self, who: str, name: Name) -> Mapping[RdataType, dns.rrset.RRset] | None:
        """Return all that one server, or the resolvers, have at a name, by wildcard where there is one.

        Return None where the name does not exist. It does as soon as one below it does (RFC 4592 2.2.2).
        """
        nodes = self._nodes.get(who)
        if nodes is None:  # sorted by owner, once: the zone is complete by now
            nodes = self._nodes[who] = {}
            for (owner, rdtype), records in (self.sets | self.overrides.get(who, {})).items():
                for above in _upwards(owner):
                    if above.is_subdomain(self.apex):
                        nodes.setdefault(above, {})
                nodes[owner][rdtype] = records
        if name not in nodes:
            closest = next(above for above in _upwards(name) if above in nodes or above == self.apex)
            name = dns.name.Name((b"*", *closest.labels))  # RFC 4592 3.3.1: the source of synthesis
        return nodes.get(name)

    @property
    def negative_ttl(self) -> int:
        start = self.sets.get((self.apex, RdataType.SOA))
        if start is None:
            return NEGATIVE_TTL
        minimum = min(rdata.minimum for rdata in start if isinstance(rdata, dns.rdtypes.ANY.SOA.SOA))
        return min(read_ttl(start.ttl), read_ttl(minimum))


class ZoneFileResolver:
    """The implementation of `Resolver` on zone text; it raises Fault `parameter-invalid` for a line that can't be read.

    A text without any SOA is read as the one zone that its first $ORIGIN names, as DNS hosts export it. `resolver` is
    the name of the resolver that answers recursive questions.
    """

    def __init__(self, *texts: str, resolver: str = TEXT) -> None:
        self._resolver = Nameserver(name=resolver, addresses=())
        self._zones = {zone.apex: zone for text in texts for zone in _ZoneTextReader(text).zones()}

    @property
    def zones(self) -> tuple[str, ...]:
        """The names of the zones in the texts."""
        return tuple(sorted(name_text(apex) for apex in self._zones))

    @property
    def owners(self) -> tuple[str, ...]:
        """The names that own records."""
        return tuple(sorted({name_text(owner) for zone in self._zones.values() for owner, _ in zone.sets}))

    async def ask(self, questions: Iterable[Question], allowance: Allowance) -> dict[Question, tuple[Reply, ...]]:
        """Answer every question at once; nothing is sent and nothing of the allowance is used."""
        del allowance
        return {question: self.replies(question) for question in questions}

    def replies(self, question: Question) -> tuple[Reply, ...]:
        """Answer one question, without waiting."""
        try:
            name, rdtype = name_from(question.name), RdataType.make(question.rdtype)
        except (dns.exception.DNSException, ValueError) as error:
            return (_reply(question.view, Unanswered(why=Why.MALFORMED, detail=str(error))),)
        match question.view:
            case View.RECURSIVE | View.ONE_RESOLVER:
                answer = self._answer(RESOLVER, name, rdtype, None)
                zone = self._find_zone(name)
                if zone is not None and zone.signed and not isinstance(answer, Unanswered | Delegated):
                    answer = replace(answer, authentic=True)
                return (_reply(question.view, answer, self._resolver),)
            case View.DELEGATION:
                return (_reply(question.view, self._delegation(name)),)
            case View.EVERY_SERVER | View.TWO_SERVERS | View.ONE_SERVER:
                return self._server_replies(question.view, name, rdtype)

    def _server_replies(self, view: View, name: Name, rdtype: RdataType) -> tuple[Reply, ...]:
        zone = self._find_zone(name)
        if zone is None:
            return (_reply(view, _unknown(name)),)
        servers = self._servers(zone.sets, zone.apex) or (Nameserver(name=TEXT, addresses=()),)
        replies = tuple(_reply(view, self._answer(server.name, name, rdtype, zone), server, zone) for server in servers)
        enough = view is View.TWO_SERVERS and are_alike(reply.answer for reply in replies[:2])
        return replies[:1] if view is View.ONE_SERVER else replies[:2] if enough else replies

    def _answer(self, who: str, name: Name, rdtype: RdataType, within: _Zone | None) -> Answer:
        """Follow aliases as one server does `within` its zone, or as a resolver does through all zones."""
        path: list[Name] = []
        ttl, hides = 0, False
        while True:
            at = path[-1] if path else name
            zone = self._find_zone(at)
            if zone is None or (within is not None and zone is not within):
                return _aliased(path, ttl, dangling=False, hides=hides) if path else _unknown(at)
            if who in zone.failures:
                why = zone.failures[who]
                return Unanswered(why=why, detail=DETAILS.get(why, why.value))
            node = zone.node(who, at)
            if node is not None and rdtype in node and (RdataType.CNAME not in node or rdtype in ALLOWED_AT_ALIAS):
                found = rrset(at, rdtype, node[rdtype].ttl, node[rdtype])
                return Found(rrset=found, aliases=tuple(name_text(alias) for alias in path))
            alias = node.get(RdataType.CNAME) if node is not None else None
            if alias is None:
                if path:
                    return _aliased(path, ttl, dangling=True, hides=hides)
                if node is None:
                    return NxDomain(negative_ttl=zone.negative_ttl, zone=name_text(zone.apex))
                return NoData(negative_ttl=zone.negative_ttl)
            hides = hides or (node is not None and rdtype in node)
            target = alias[0].target
            if target == name or target in path or len(path) == MAX_ALIASES:
                return Unanswered(why=Why.CNAME_LOOP)
            path.append(target)
            ttl = min(ttl or read_ttl(alias.ttl), read_ttl(alias.ttl))

    def _find_zone(self, name: Name) -> _Zone | None:
        """Return the zone that contains a name.

        Return None where it is delegated to servers whose zone the text does not contain.
        """
        zone = next((self._zones[above] for above in _upwards(name) if above in self._zones), None)
        return None if zone is None or _cut_below(zone, name) is not None else zone

    def _delegation(self, name: Name) -> Answer:
        zone = next((self._zones[above] for above in _upwards(name) if above in self._zones), None)
        if zone is None:
            return _unknown(name)
        cut = _cut_below(zone, name)
        if cut is not None:
            return Delegated(zone=name_text(cut), servers=self._servers(zone.sets, cut), negative_ttl=0)
        if top_level(name_text(zone.apex)) and zone.node(TEXT, name) is None:
            return NxDomain(negative_ttl=zone.negative_ttl, zone=name_text(zone.apex))
        parent = next((self._zones[above] for above in _upwards(zone.apex)[1:] if above in self._zones), None)
        return Delegated(
            zone=name_text(zone.apex),
            servers=self._servers(zone.sets, zone.apex),
            negative_ttl=zone.negative_ttl,
            parent_servers=tuple(each.name for each in self._servers(parent.sets, zone.apex)) if parent else (),
        )

    def _servers(self, sets: Sets, zone: Name) -> tuple[Nameserver, ...]:
        """Return a zone's servers, with their addresses from any zone: glue counts."""
        servers = []
        for name in sorted(rdata.target for rdata in sets.get((zone, RdataType.NS), ())):
            keys = ((name, RdataType.A), (name, RdataType.AAAA))
            found = (each.sets[key] for each in self._zones.values() for key in keys if key in each.sets)
            addresses = tuple(dict.fromkeys(rdata.address for records in found for rdata in records))
            servers.append(Nameserver(name=name_text(name), addresses=addresses))
        return tuple(servers)


class _ZoneTextReader:
    """A parser that splits a text into zones and overrides, and leaves the records themselves to dnspython."""

    def __init__(self, text: str) -> None:
        self._lines = text.removeprefix("\ufeff").splitlines()
        self._zones: list[_Zone] = []
        self._origin: Name | None = None
        self._ttl: str | int = DEFAULT_TTL
        self._who: str | None = None
        self._owner = ""  # of the last record: a line that begins with a space goes on with it
        self._piece: list[str] = []
        self._at = 1
        self._bare = not any(_STARTS_ZONE.match(line) for line in self._lines)

    def zones(self) -> list[_Zone]:
        depth = 0
        for number, line in enumerate(self._lines, 1):
            directive, override = _DIRECTIVE.match(line), _OVERRIDE.match(line)
            if depth == 0 and (directive or override or _STARTS_ZONE.match(line)):
                self._flush()
                self._at = number
            if depth == 0 and directive:
                self._apply_directive(directive[1].upper(), directive[2])
            elif depth == 0 and override:
                self._override(*override.groups())
            else:
                self._piece.append(_split_strings(line))
            bare = _STRING.sub("", line).partition(";")[0]
            depth = max(0, depth + bare.count("(") - bare.count(")"))
        self._flush()
        return self._zones

    def _apply_directive(self, keyword: str, value: str) -> None:
        self._piece.append("")  # keeps dnspython's line numbers right
        if keyword == "TTL":
            self._ttl = value
            return
        if keyword != "ORIGIN":
            raise self._fault(self._at, f"${keyword} is not followed", "Write the records themselves into the text.")
        try:
            self._origin = dns.name.from_text(value, self._origin or dns.name.root)
        except dns.exception.DNSException as error:
            raise self._fault(self._at, f"“{value}” is no name ({error})", "Write $ORIGIN acme.dev.") from error
        if self._bare and not self._zones:
            self._zones.append(_Zone(self._origin))

    def _override(self, kind: str, name: str | None, why: str | None) -> None:
        self._piece.append("")
        if kind == "resolver":
            name, why = RESOLVER, name
        self._who = None if kind == "all" or name is None else name.lower().rstrip(".")
        if self._who is None or not self._zones:
            return
        if (kind, why) == ("resolver", "authentic"):
            self._zones[-1].signed = True
        elif why is None:
            self._zones[-1].overrides.setdefault(self._who, {})
        elif why in set(Why):
            self._zones[-1].failures[self._who] = Why(why)
        else:
            raise self._fault(self._at, f"“{why}” is no reason that we know", f"Use one of {', '.join(Why)}.")

    def _flush(self) -> None:
        """Add the records gathered so far to the zone that they belong to."""
        piece, self._piece = self._piece, []
        # The first record gets its owner, where a directive separates it from the line that names it.
        starts = [at for at, line in enumerate(piece) if line.strip() and not line.lstrip().startswith(";")]
        if starts and self._owner and piece[starts[0]][0].isspace():
            piece[starts[0]] = self._owner + piece[starts[0]]
        named = [line.split()[0] for at in starts if not (line := piece[at])[0].isspace()]
        self._owner = named[-1] if named and not any("(" in piece[at] for at in starts[:-1]) else self._owner
        try:
            found = self._read(piece)
        except (dns.exception.DNSException, ValueError, OverflowError) as error:
            raise self._parse_fault(str(error)) from error
        for records in found:
            self._add(records)

    def _parse_fault(self, said: str) -> Fault:
        position = _POSITION.match(said)
        line, why = (self._at + int(position[1]) - 1, position[2]) if position else (self._at, said)
        if "newline in quoted string" in why:
            line, why = line - 1, "a quote is opened and not closed"
        if "unbalanced parentheses" in why:
            why = "a parenthesis is opened and not closed, or the other way round"
        if why.startswith("Unknown origin"):
            return self._fault(line, "it does not say which zone this is", "Begin it with $ORIGIN and the zone's name.")
        fix = "Write one record a line: name, TTL, type, value; a text in quotes, a full name with its final dot."
        return self._fault(line, why.rstrip("."), fix)

    def _read(self, lines: list[str]) -> list[dns.rrset.RRset]:
        """Parse records, also a CNAME next to other records.

        RFC 1034 3.6.2 forbids it; a text that we check may have it all the same.
        """
        text = "\n".join(lines)
        try:
            return dns.zonefile.read_rrsets(text, origin=self._origin, default_ttl=self._ttl, rdclass=None)
        except dns.zonefile.CNAMEAndOtherData:
            aliases = ["" if _ALIAS.match(line) is None else line for line in lines]
            others = [line if _ALIAS.match(line) is None else "" for line in lines]
            if not any(aliases) or not any(line.strip() for line in others):
                raise
            return [*self._read(others), *self._read(aliases)]

    def _add(self, records: dns.rrset.RRset) -> None:
        if records.rdtype == RdataType.SOA:
            self._who = None
            self._zones.append(_Zone(records.name))
        if not self._zones or not records.name.is_subdomain(self._zones[-1].apex):
            raise self._fault(self._at, f"{records.name} lies in no zone of this text", "Put an SOA record before it.")
        zone = self._zones[-1]
        sets = zone.sets if self._who is None else zone.overrides.setdefault(self._who, {})
        merged = sets.setdefault((records.name, records.rdtype), records)
        for rdata in records:
            merged.add(rdata)

    def _fault(self, line: int, what: str, fix: str) -> Fault:
        shown = self._lines[line - 1].strip()[:80] if 0 < line <= len(self._lines) else ""
        there = f" ({shown!r})" if shown else ""
        return Fault(Kind.PARAMETER_INVALID, f"Line {line} of the zone text can't be read: {what}{there}.", fix)


def _split_strings(line: str) -> str:
    """Split texts that are too long for one string, as DNS hosts do with what is typed into their forms."""

    def split(match: re.Match[str]) -> str:
        letters = _LETTER.findall(match[1])
        if sum(len(each.encode()) if len(each) == 1 else 1 for each in letters) <= STRING_LIMIT:
            return match[0]
        size = STRING_LIMIT if match[1].isascii() else STRING_LIMIT // 4  # RFC 3629 3: four octets at most
        return " ".join('"' + "".join(letters[at : at + size]) + '"' for at in range(0, len(letters), size))

    return _STRING.sub(split, line) if len(line) > STRING_LIMIT else line


def _cut_below(zone: _Zone, name: Name) -> Name | None:
    """Return the delegation that a name lies at or below, within a zone."""
    between = [above for above in _upwards(name) if above != zone.apex and above.is_subdomain(zone.apex)]
    return next((above for above in reversed(between) if (above, RdataType.NS) in zone.sets), None)


def _upwards(name: Name) -> list[Name]:
    """Return a name and all names above it."""
    return [dns.name.Name(name.labels[at:]) for at in range(len(name.labels))]


def _aliased(path: list[Name], ttl: int, *, dangling: bool, hides: bool) -> Aliased:
    aliases = tuple(name_text(alias) for alias in path)
    return Aliased(target=aliases[-1], aliases=aliases, ttl=ttl, dangling=dangling, hides=hides)


def _unknown(name: Name) -> Unanswered:
    return Unanswered(why=Why.NOT_HELD, detail=f"the zone text does not hold the zone of {name_text(name)}")


def _reply(view: View, answer: Answer, server: Nameserver | None = None, zone: _Zone | None = None) -> Reply:
    perspective = Perspective(
        view=view,
        server=server.name if server else TEXT,
        address=server.addresses[0] if server and server.addresses else "",
        zone=name_text(zone.apex) if zone else None,
    )
    return Reply(perspective=perspective, answer=answer)

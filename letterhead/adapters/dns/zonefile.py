"""A resolver over zone text (RFC 1035 5): for tests, for the demo and to check a zone before it is live.

A text may hold several zones; each SOA starts one. Records that only one server has follow a comment of our own, up to
the next one: `; @server ns2.acme.test` replaces the RRsets that it names, `; @server ns2.acme.test timeout` makes the
server fail (with any value of `Why`), `; @resolver` does either for the resolvers' view, and `; @all` ends it.
`; @resolver authentic` makes the resolvers' answers from this zone validated ones (the AD bit).
"""

from collections.abc import Iterable, Mapping

import dns.exception
import dns.rrset
from dns.name import Name
from dns.rdatatype import RdataType
from msgspec.structs import replace

from letterhead.adapters.dns.dnspython_values import name_from, name_text, rrset
from letterhead.adapters.dns.interpret import MAX_ALIASES
from letterhead.adapters.dns.resolver import top_level
from letterhead.adapters.dns.server_set import are_alike
from letterhead.adapters.dns.text_zone import Sets, TextZone, upwards
from letterhead.adapters.dns.zone_reader import RESOLVER, ZoneTextReader
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
from letterhead.core.dns.records import read_ttl
from letterhead.core.dns.zone_text import ZoneTextNotes
from letterhead.ports.resolver import Allowance

TEXT = "zone text"  # the server of a reply, where the text names none
# The texts of transport.py and interpret.py for servers that do not answer.
DETAILS = {
    Why.TIMEOUT: "no answer in 4 s",
    Why.TOO_LARGE: "more than 8192 strings or 2048 labels",
    Why.UNREACHABLE: "Connection refused",
    Why.SERVER_FAILURE: "SERVFAIL",
    Why.BOGUS: "SERVFAIL",
    Why.REFUSED: "REFUSED",
    Why.LAME: "answers without authority",
}
# What is visible together with a CNAME, at an apex that should have none; it hides all else (RFC 1034 3.6.2).
ALLOWED_AT_ALIAS = frozenset({RdataType.CNAME, RdataType.SOA, RdataType.NS})


class ZoneFileResolver:
    """The implementation of `Resolver` on zone text; it raises Fault `parameter-invalid` where none of it can be read.

    A text without any SOA is read as one zone: of its first $ORIGIN, or of what else names it, at last the domain that
    is `asked` for. `resolver` is the name of the resolver that answers recursive questions.
    """

    def __init__(self, *texts: str, resolver: str = TEXT, asked: str | None = None) -> None:
        self._resolver = Nameserver(name=resolver, addresses=())
        reader = ZoneTextReader(asked)
        for text in texts:
            reader.read(text)
        self._zones = reader.zones
        self.notes: ZoneTextNotes = reader.notes

    @property
    def zones(self) -> tuple[str, ...]:
        """The names of the zones in the texts."""
        return tuple(sorted(name_text(apex) for apex in self._zones))

    @property
    def owners(self) -> tuple[str, ...]:
        """The names that own records, or lines that were not read."""
        zones = self._zones.values()
        owners = {owner for zone in zones for owner, _ in zone.sets} | {
            owner for zone in zones for owner in zone.unread
        }
        return tuple(sorted(name_text(owner) for owner in owners))

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

    def _answer(self, who: str, name: Name, rdtype: RdataType, within: TextZone | None) -> Answer:
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
            node = zone.node(who, at) or {}
            lead = _alias_at(zone, at, node)
            # At the top of a zone a host that flattens serves the other records; the CNAME is reported there anyway.
            is_found = rdtype in node and (lead is None or at == zone.apex or rdtype in ALLOWED_AT_ALIAS)
            line = zone.unread_line(who, at, rdtype, is_found=is_found or lead is not None)
            if line is not None:
                return Unanswered(why=Why.UNREADABLE, detail=str(line))
            if is_found:
                found = rrset(at, rdtype, node[rdtype].ttl, node[rdtype])
                return Found(rrset=found, aliases=tuple(name_text(alias) for alias in path))
            if lead is None:
                if path:
                    return _aliased(path, ttl, dangling=True, hides=hides)
                if zone.node(who, at) is None:
                    return NxDomain(negative_ttl=zone.negative_ttl, zone=name_text(zone.apex))
                return NoData(negative_ttl=zone.negative_ttl)
            hides = hides or rdtype in node
            target, alias_ttl = lead[0], read_ttl(lead[1])
            if target == name or target in path or len(path) == MAX_ALIASES:
                return Unanswered(why=Why.CNAME_LOOP)
            path.append(target)
            ttl = min(ttl or alias_ttl, alias_ttl)

    def _find_zone(self, name: Name) -> TextZone | None:
        """Return the zone that contains a name.

        Return None where it is delegated to servers whose zone the text does not contain.
        """
        zone = next((self._zones[above] for above in upwards(name) if above in self._zones), None)
        return None if zone is None or zone.cut_below(name) is not None else zone

    def _delegation(self, name: Name) -> Answer:
        zone = next((self._zones[above] for above in upwards(name) if above in self._zones), None)
        if zone is None:
            return _unknown(name)
        cut = zone.cut_below(name)
        if cut is not None:
            return Delegated(zone=name_text(cut), servers=self._servers(zone.sets, cut), negative_ttl=0)
        if top_level(name_text(zone.apex)) and zone.node(TEXT, name) is None:
            return NxDomain(negative_ttl=zone.negative_ttl, zone=name_text(zone.apex))
        parent = next((self._zones[above] for above in upwards(zone.apex)[1:] if above in self._zones), None)
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


def _alias_at(zone: TextZone, name: Name, node: Mapping[RdataType, dns.rrset.RRset]) -> tuple[Name, int] | None:
    """Return where a name leads, by a DNAME above it (RFC 6672 3.1) or by its own CNAME, and the TTL of that."""
    lead = zone.dname(name)
    alias = node.get(RdataType.CNAME)
    return lead if lead is not None or alias is None else (alias[0].target, alias.ttl)


def _aliased(path: list[Name], ttl: int, *, dangling: bool, hides: bool) -> Aliased:
    aliases = tuple(name_text(alias) for alias in path)
    return Aliased(target=aliases[-1], aliases=aliases, ttl=ttl, dangling=dangling, hides=hides)


def _unknown(name: Name) -> Unanswered:
    return Unanswered(why=Why.NOT_HELD, detail=f"the zone text does not hold the zone of {name_text(name)}")


def _reply(view: View, answer: Answer, server: Nameserver | None = None, zone: TextZone | None = None) -> Reply:
    perspective = Perspective(
        view=view,
        server=server.name if server else TEXT,
        address=server.addresses[0] if server and server.addresses else "",
        zone=name_text(zone.apex) if zone else None,
    )
    return Reply(perspective=perspective, answer=answer)

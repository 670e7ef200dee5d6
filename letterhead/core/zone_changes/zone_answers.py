"""The records of one zone as the answers that its nameservers give: CNAME, DNAME, wildcard and delegation followed."""

from collections.abc import Iterable, Iterator
from typing import Final

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
from letterhead.core.dns.lookup import MAX_ALIASES, is_in_zone
from letterhead.core.dns.records import Other, Rdata, RRset, Soa, Target, read_ttl

SERVER: Final = "the DNS host"  # the server of a reply, where the zone names none
MOST_VALUES: Final = 500  # of one RRset that are judged: more are hardly served, and our check compares them all
NEGATIVE_TTL: Final = 300  # seconds, where the zone's SOA is not among its records


class ZoneAnswers:
    """One zone's records by name and type, and what its nameservers answer with them."""

    def __init__(self, zone: str, rrsets: Iterable[RRset]) -> None:
        self.zone = zone
        self._nodes: dict[str, dict[str, RRset]] = {zone: {}}
        for rrset in rrsets:
            if is_in_zone(rrset.owner, zone):
                for name in self._upwards(rrset.owner):  # RFC 4592 2.2.2: a name exists as soon as one below it does
                    self._nodes.setdefault(name, {})
                self._nodes[rrset.owner][rrset.rdtype] = rrset

    def rrset(self, owner: str, rdtype: str) -> RRset | None:
        """Return the records that stand at a name themselves, or None."""
        return self._nodes.get(owner, {}).get(rdtype)

    def types(self, owner: str) -> tuple[str, ...]:
        """Return the types of the records that stand at a name themselves."""
        return tuple(sorted(self._nodes.get(owner, ())))

    def cut(self, name: str) -> str | None:
        """Return the name at or above a name, below the zone's own, that is delegated to other nameservers."""
        above = [each for each in self._upwards(name) if each != self.zone]
        return next((each for each in reversed(above) if self.rrset(each, "NS")), None)

    def wildcard(self, name: str) -> str | None:
        """Return the wildcard that answers for a name, where the name itself does not exist (RFC 4592 3.3.1)."""
        closest = next(each for each in self._upwards(name) if each in self._nodes)
        return f"*.{closest}" if closest != name and f"*.{closest}" in self._nodes else None

    def new_names(self, owner: str) -> tuple[str, ...]:
        """Return the names above an owner that begin to exist with a first record at it (RFC 4592 2.2.2)."""
        return tuple(name for name in self._upwards(owner) if name != owner and name not in self._nodes)

    def alias(self, name: str) -> RRset | None:
        """Return what leads a name elsewhere: a DNAME above it (RFC 6672 2.3), else the CNAME that it has itself."""
        above = [each for each in self._upwards(name) if each != name]
        found = next((dname for each in reversed(above) if (dname := self.rrset(each, "DNAME"))), None)
        return found or self.rrset(name, "CNAME")

    def replies(self, question: Question) -> tuple[Reply, ...] | None:
        """Answer one question; None where the answer lies in another zone."""
        name, own = question.name, self._nameservers(self.zone)
        if not is_in_zone(name, self.zone):
            return None
        if question.view is View.DELEGATION:
            cut = self.cut(name) or self.zone
            answer: Answer | None = Delegated(zone=cut, servers=self._nameservers(cut), negative_ttl=self.negative_ttl)
        else:
            answer = self.answer(name, question.rdtype)
        server = own[0].name if own else SERVER
        perspective = Perspective(view=question.view, server=server, zone=self.zone)
        return None if answer is None else (Reply(perspective=perspective, answer=answer),)

    def answer(self, name: str, rdtype: str) -> Answer | None:
        """Return what the zone has of a type at a name, CNAMEs followed within it; None for a name handed over."""
        path: list[str] = []
        ttl, hides = 0, False
        while True:
            at = path[-1] if path else name
            if not is_in_zone(at, self.zone) or self.cut(at):
                return Aliased(target=at, aliases=tuple(path), ttl=ttl, hides=hides) if path else None
            node = self._nodes.get(self.wildcard(at) or at)
            lead = self.alias(self.wildcard(at) or at) or self.alias(at)
            # At the top of a zone a host that flattens serves the other records beside a CNAME.
            if node is not None and rdtype in node and (lead is None or at == self.zone or rdtype == "CNAME"):
                rrset = node[rdtype]
                found = RRset(owner=at, rdtype=rdtype, ttl=read_ttl(rrset.ttl), rdatas=rrset.rdatas[:MOST_VALUES])
                return Found(rrset=found, aliases=tuple(path))
            if lead is None:
                if path:
                    return Aliased(target=at, aliases=tuple(path), ttl=ttl, dangling=True, hides=hides)
                if node is None:
                    return NxDomain(negative_ttl=self.negative_ttl, zone=self.zone)
                return NoData(negative_ttl=self.negative_ttl)
            hides = hides or (node is not None and rdtype in node)
            target = target_of(lead.rdatas[0])
            if lead.rdtype == "DNAME":
                target = f"{at.removesuffix(f'.{lead.owner}')}.{target}"
            if target == name or target in path or len(path) == MAX_ALIASES:
                return Unanswered(why=Why.CNAME_LOOP)
            path.append(target)
            ttl = min(ttl or read_ttl(lead.ttl), read_ttl(lead.ttl))

    @property
    def negative_ttl(self) -> int:
        """Seconds for which caches keep that something does not exist (RFC 2308 5)."""
        start = self.rrset(self.zone, "SOA")
        soa = next((each for each in start.rdatas if isinstance(each, Soa)), None) if start else None
        return min(read_ttl(start.ttl), read_ttl(soa.minimum)) if start and soa else NEGATIVE_TTL

    def _nameservers(self, at: str) -> tuple[Nameserver, ...]:
        """Return the servers of the zone, or of one below it; nobody asks here whether they have addresses."""
        servers = self.rrset(at, "NS")
        names = sorted(rdata.name for rdata in (servers.rdatas if servers else ()) if isinstance(rdata, Target))
        return tuple(Nameserver(name=name, addresses=("",)) for name in names)

    def _upwards(self, name: str) -> Iterator[str]:
        """Yield a name of the zone and the names above it, up to the zone's own."""
        while name != self.zone:
            yield name
            name = name.partition(".")[2]
        yield name


def target_of(rdata: Rdata) -> str:
    """Return the name that a CNAME or a DNAME leads to, in lower case without a final dot; empty for anything else."""
    text = rdata.name if isinstance(rdata, Target) else rdata.text if isinstance(rdata, Other) else ""
    return text.lower().rstrip(".")

"""The answer that one response gives to one question."""

import dns.rcode
from msgspec.structs import replace

from letterhead.adapters.dns.labels import Name, from_the_right, lies_in, name_text
from letterhead.adapters.dns.wire import CNAME, NS, DnsMessage, DnsQuery, ResourceRecord, rrset
from letterhead.core.dns.answers import Aliased, Answer, Found, NoData, NxDomain, Unanswered, Why
from letterhead.core.dns.records import Soa

MAX_ALIASES = 8
CONCLUSIVE = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)


# Extended errors (RFC 8914 4) by which a resolver says whether a failure is the signatures' or not, or that its answer
# is its own policy and not what DNS has.
BOGUS = frozenset({6, 7, 8, 9, 10, 11, 12})  # DNSSEC Bogus, Signature Expired, ... NSEC Missing
NOT_REACHED = frozenset({14, 22, 23})  # Not Ready, No Reachable Authority, Network Error
FILTERED = frozenset({4, 15, 16, 17, 18})  # Forged Answer, Blocked, Censored, Filtered, Prohibited


def resolver_answer(message: DnsMessage, query: DnsQuery) -> Answer:
    """Read the response of a recursive resolver: it has followed all aliases, so what is missing does not exist."""
    if FILTERED & message.error_codes:
        return Unanswered(why=Why.REFUSED, detail=message.rcode_text)
    if message.rcode not in CONCLUSIVE:
        return failure(message)
    if not (message.recursion_available or message.authoritative or message.answer):
        return Unanswered(why=Why.REFUSED, detail="does not recurse for us")
    if not message.answer and soa(message) is None and any(record.rdtype == NS for record in message.authority):
        return Unanswered(why=Why.LAME, detail="passed on a referral")  # RFC 2308 2.2: not to be taken for NODATA
    path = _aliases(message, query, None)
    if path is None:
        return Unanswered(why=Why.CNAME_LOOP)
    return _at_end(message, query, path, dangling=True)


def server_answer(message: DnsMessage, query: DnsQuery, zone: Name) -> Answer:
    """Read the response of a server for `zone`, and trust it for that zone only."""
    if message.rcode not in CONCLUSIVE:
        return failure(message)
    if not message.authoritative:
        return Unanswered(why=Why.LAME, detail="answers without authority")
    message = replace(message, authentic=False)  # a zone's own servers validate nothing
    path = _aliases(message, query, zone)
    if path is None:
        return Unanswered(why=Why.CNAME_LOOP)
    if not lies_in(end_of(query, path), zone):
        return _aliased(message, path, dangling=False)  # it has no authority for that name
    start = soa(message)
    if start is not None and not lies_in(start.owner, zone):
        return Unanswered(why=Why.LAME, detail=f"answers for {name_text(start.owner) or 'the root'} instead")
    known = message.rcode == dns.rcode.NXDOMAIN or start is not None  # RFC 6604 3: of the last name
    return _at_end(message, query, path, dangling=known)


def failure(message: DnsMessage) -> Unanswered:
    """Return why a response with an error code is no answer."""
    failed = message.rcode == dns.rcode.SERVFAIL
    return Unanswered(why=Why.SERVER_FAILURE if failed else Why.REFUSED, detail=message.rcode_text)


def soa(message: DnsMessage) -> ResourceRecord | None:
    """Return the SOA of the answer, or of a negative answer."""
    for records in (message.answer, message.authority):
        for record in records:
            if isinstance(record.rdata, Soa):
                return record
    return None


def negative_ttl(message: DnsMessage) -> int:
    """Return for how many seconds a negative answer is cached (RFC 2308 5); 0 without an SOA."""
    record = soa(message)
    if record is None or not isinstance(record.rdata, Soa):
        return 0
    return min(record.ttl, record.rdata.minimum)


def alias_at(message: DnsMessage, name: Name) -> Name | None:
    """Return the target of a CNAME at the name."""
    for record in message.answer:
        if record.rdtype == CNAME and record.owner == name and record.target is not None:
            return record.target
    return None


def nameservers(records: tuple[ResourceRecord, ...], zone: Name) -> tuple[Name, ...]:
    """Return the servers that NS records name for a zone, in a stable order."""
    at_zone = (record for record in records if record.rdtype == NS and record.owner == zone)
    found = {record.target for record in at_zone if record.target is not None}
    return tuple(sorted(found, key=from_the_right))


def referral(message: DnsMessage, zone: Name, name: Name) -> Name | None:
    """Return the zone below `zone` and towards `name` that a server refers us to, if it does."""
    for record in message.authority:
        below = record.owner != zone and lies_in(record.owner, zone)
        if record.rdtype == NS and below and lies_in(name, record.owner):
            return record.owner
    return None


def end_of(query: DnsQuery, path: tuple[Name, ...]) -> Name:
    """Return the end of a chain of aliases."""
    return path[-1] if path else query.name


def _aliases(message: DnsMessage, query: DnsQuery, zone: Name | None) -> tuple[Name, ...] | None:
    """Follow the CNAMEs in the answer, not beyond `zone`; return None where they loop or are too many."""
    path: list[Name] = []
    while query.rdtype != CNAME:
        at = end_of(query, tuple(path))
        target = alias_at(message, at) if zone is None or lies_in(at, zone) else None
        if target is None:
            break
        if len(path) == MAX_ALIASES or target == query.name or target in path:
            return None
        path.append(target)
    return tuple(path)


def _at_end(message: DnsMessage, query: DnsQuery, path: tuple[Name, ...], *, dangling: bool) -> Answer:
    """Read the records at the end of the chain, and no others: not every record in an answer was asked for."""
    end = end_of(query, path)
    records = [record for record in message.answer if record.rdtype == query.rdtype and record.owner == end]
    read = [record for record in records if record.rdata is not None]
    if read:
        ttl = min(record.ttl for record in records)
        aliases = tuple(name_text(alias) for alias in path)
        return Found(rrset=rrset(end, query.rdtype, ttl, read), aliases=aliases, authentic=message.authentic)
    if path:
        return _aliased(message, path, dangling=dangling)
    if message.answer:
        return Unanswered(why=Why.MALFORMED, detail="answered about another name")
    if message.rcode == dns.rcode.NXDOMAIN:
        record = soa(message)
        zone = name_text(record.owner) if record else None
        return NxDomain(negative_ttl=negative_ttl(message), zone=zone, authentic=message.authentic)
    return NoData(negative_ttl=negative_ttl(message), authentic=message.authentic)


def _aliased(message: DnsMessage, path: tuple[Name, ...], *, dangling: bool) -> Aliased:
    ttl = min(record.ttl for record in message.answer if record.rdtype == CNAME)
    aliases = tuple(name_text(alias) for alias in path)
    return Aliased(target=aliases[-1], aliases=aliases, ttl=ttl, dangling=dangling, authentic=message.authentic)

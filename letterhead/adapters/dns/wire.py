"""Knows DNS messages as octets (RFC 1035 4) and what they hold as values; knows no sockets, no servers, no verdicts.

Everything read here was written by a stranger: length and counts are looked at before anything is parsed.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field

import dns.edns
import dns.exception
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.MX
import dns.rdtypes.ANY.NS
import dns.rdtypes.ANY.OPT
import dns.rdtypes.ANY.PTR
import dns.rdtypes.ANY.SOA
import dns.rdtypes.ANY.TXT
import dns.rdtypes.IN.A
import dns.rdtypes.IN.AAAA
import dns.wire
from dns.name import Name
from dns.rdatatype import RdataType

from letterhead.core.records import Address, Mx, Other, Rdata, RRset, Soa, Target, Txt

MAX_OCTETS = 16 * 1024
MAX_RECORDS = 64
# Both keep the reading of any message under 20 ms: what no mail record needs, but 16 KB can hold.
MAX_STRINGS = 512  # in one TXT
MAX_LABELS = 2048  # in all names together
UDP_PAYLOAD = 1232  # what fits every path unfragmented
DETAIL_LIMIT = 200  # characters of a server's own words that we repeat

_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
_QR, _AA, _TC, _RD, _RA, _AD, _CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010
_ALWAYS_READ = frozenset({RdataType.CNAME, RdataType.SOA, RdataType.NS, RdataType.A, RdataType.AAAA, RdataType.OPT})
# Some servers send a bare header with these (RFC 1035 4.1.1 does not forbid it).
_WITHOUT_QUESTION = frozenset({dns.rcode.FORMERR, dns.rcode.SERVFAIL, dns.rcode.NOTIMP, dns.rcode.REFUSED})


class Malformed(Exception):
    """Says that a packet is no readable DNS message."""


class TooLarge(Exception):
    """Says that a message is larger than any that we need."""


@dataclass(frozen=True, slots=True)
class Query:
    """Says what to put into a question packet; a recursive one asks for the AD bit (RFC 6840 5.7)."""

    name: Name
    rdtype: RdataType
    recursive: bool
    checking_disabled: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """Holds one resource record; `rdata` is missing where the type is none that we asked for or need."""

    owner: Name
    rdtype: RdataType
    ttl: int
    rdata: dns.rdata.Rdata | None


@dataclass(frozen=True, slots=True)
class Message:
    """Holds what we read of a response; a truncated one holds no records."""

    rcode: int
    authoritative: bool = False
    authentic: bool = False
    recursion_available: bool = False
    truncated: bool = False
    answer: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    errors: tuple[str, ...] = field(default=())

    @property
    def rcode_text(self) -> str:
        """Names the response code, with the extended errors that came along (RFC 8914)."""
        return "; ".join([dns.rcode.to_text(dns.rcode.Rcode.make(self.rcode)), *self.errors])


class _Parser(dns.wire.Parser):
    """Reads names until they are too many: compression makes a long name of every two octets."""

    labels = 0

    def get_name(self, origin: Name | None = None, decompress: bool = False) -> Name:
        name = super().get_name(origin, decompress)
        self.labels += len(name.labels)
        if self.labels > MAX_LABELS:
            raise ValueError("more names than we read")
        return name


def question_packet(packet_id: int, query: Query, *, edns: bool) -> bytes:
    """Writes a question, with an OPT record (RFC 6891) where `edns`."""
    flags = (_RD | _AD if query.recursive else 0) | (_CD if query.checking_disabled else 0)
    header = _HEADER.pack(packet_id, flags, 1, 0, 0, int(edns))
    option = b"\0" + _RECORD.pack(RdataType.OPT, UDP_PAYLOAD, 0, 0) if edns else b""
    return header + _question(query) + option


def belongs(packet: bytes, packet_id: int, query: Query) -> bool:
    """Says whether a packet is a response to this very question, by id, QR bit and question (RFC 5452 9.1)."""
    if len(packet) < _HEADER.size:
        return False
    got_id, flags, questions, *_ = _HEADER.unpack_from(packet)
    if got_id != packet_id or not flags & _QR:
        return False
    if questions == 0:
        return flags & 0xF in _WITHOUT_QUESTION
    wanted = _question(query)
    return questions == 1 and packet[_HEADER.size : _HEADER.size + len(wanted)].lower() == wanted.lower()


def read_message(packet: bytes, query: Query) -> Message:
    """Reads a response that belongs to the query; raises `TooLarge` or `Malformed`."""
    _, flags, questions, *counts = _HEADER.unpack_from(packet)
    if len(packet) > MAX_OCTETS or sum(counts) > MAX_RECORDS:
        raise TooLarge
    if flags & _TC:
        return Message(rcode=flags & 0xF, truncated=True)
    start = _HEADER.size + (len(_question(query)) if questions else 0)
    parser = _Parser(packet, start)
    wanted = _ALWAYS_READ | {query.rdtype}
    try:
        answer, authority, additional = (_section(parser, count, wanted) for count in counts)
    except (dns.exception.DNSException, ValueError, IndexError, struct.error) as trouble:
        raise Malformed(str(trouble)) from trouble
    extended, errors = _option(additional)
    return Message(
        rcode=extended << 4 | flags & 0xF,
        authoritative=bool(flags & _AA),
        authentic=bool(flags & _AD),
        recursion_available=bool(flags & _RA),
        answer=answer,
        authority=authority,
        additional=additional,
        errors=errors,
    )


def _question(query: Query) -> bytes:
    return query.name.to_digestable() + struct.pack("!HH", query.rdtype, dns.rdataclass.IN)


def _section(parser: dns.wire.Parser, count: int, wanted: frozenset[RdataType]) -> tuple[Record, ...]:
    return tuple(_record(parser, wanted) for _ in range(count))


def _record(parser: dns.wire.Parser, wanted: frozenset[RdataType]) -> Record:
    owner = parser.get_name(decompress=True)
    number, rdclass, ttl, length = _RECORD.unpack(parser.get_bytes(_RECORD.size))
    rdtype = RdataType.make(number)
    with parser.restrict_to(length):
        # The class of an OPT is the sender's buffer size (RFC 6891 6.1.2).
        if rdtype == RdataType.TXT:
            _count_strings(parser.wire[parser.current : parser.end])
        if rdtype in wanted and (rdclass == dns.rdataclass.IN or rdtype == RdataType.OPT):
            rdata = dns.rdata.from_wire_parser(dns.rdataclass.RdataClass.make(rdclass), rdtype, parser)
            return Record(owner, rdtype, ttl, rdata)
        parser.get_remaining()
    return Record(owner, rdtype, ttl, None)


def _count_strings(rdata: bytes) -> None:
    at = count = 0
    while at < len(rdata):
        at += 1 + rdata[at]
        count += 1
        if count > MAX_STRINGS:
            raise TooLarge


def _option(additional: Iterable[Record]) -> tuple[int, tuple[str, ...]]:
    """Reads the upper bits of the response code and the extended errors out of the OPT record."""
    for record in additional:
        if isinstance(record.rdata, dns.rdtypes.ANY.OPT.OPT):
            told = [option for option in record.rdata.options if isinstance(option, dns.edns.EDEOption)]
            return record.ttl >> 24, tuple(option.to_text()[:DETAIL_LIMIT] for option in told[:3])
    return 0, ()


def name_text(name: Name) -> str:
    """Writes a name as core does: lower case, no final dot; the root is empty."""
    return "" if name == dns.name.root else name.to_text(omit_final_dot=True).lower()


def name_from(text: str) -> Name:
    """Reads a name as core writes it; raises `dns.exception.DNSException` where it is none."""
    return dns.name.from_text(text or ".", dns.name.root)


def rrset(owner: Name, rdtype: RdataType, ttl: int, rdatas: Iterable[dns.rdata.Rdata]) -> RRset:
    """Makes the core value: each RDATA once, in a stable order."""
    once = tuple(core_rdata(rdata) for rdata in sorted(set(rdatas)))
    return RRset(owner=name_text(owner), rdtype=RdataType.to_text(rdtype), ttl=ttl, rdatas=once)


def core_rdata(rdata: dns.rdata.Rdata) -> Rdata:
    """Makes the core value of one RDATA."""
    match rdata:
        case dns.rdtypes.ANY.TXT.TXT():
            return Txt(strings=tuple(string.decode("latin-1") for string in rdata.strings))
        case dns.rdtypes.ANY.MX.MX():
            return Mx(preference=rdata.preference, exchange=name_text(rdata.exchange))
        case dns.rdtypes.IN.A.A() | dns.rdtypes.IN.AAAA.AAAA():
            return Address(ip=rdata.address)
        case dns.rdtypes.ANY.CNAME.CNAME() | dns.rdtypes.ANY.NS.NS() | dns.rdtypes.ANY.PTR.PTR():
            return Target(name=name_text(rdata.target))
        case dns.rdtypes.ANY.SOA.SOA():
            return Soa(primary=name_text(rdata.mname), serial=rdata.serial, minimum=rdata.minimum)
        case _:
            return Other(text=rdata.to_text())

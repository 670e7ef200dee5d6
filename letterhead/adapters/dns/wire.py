"""DNS messages as octets (RFC 1035 4), written and parsed.

Everything parsed here was written by a stranger: length and counts are checked before anything is parsed. The types
that mail needs are parsed here, straight into core's values; the few others are left to dnspython.
"""

import struct
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address
from typing import Final

import dns.edns
import dns.exception
import dns.ipv6
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdtypes.ANY.OPT
import msgspec
from dns.rdatatype import RdataType

from letterhead.adapters.dns.dnspython_values import core_rdata
from letterhead.adapters.dns.labels import NAME_LIMIT, Name, name_text, wire_form
from letterhead.core.dns.records import Address, Mx, Rdata, RRset, Soa, Target, Txt, read_ttl

A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, OPT = 1, 2, 5, 6, 12, 15, 16, 28, 41
IN: Final = 1

MAX_OCTETS = 64 * 1024 - 1  # the longest message over TCP (RFC 1035 4.2.2); an answer is read whole
MAX_OTHERS = 64  # records of the authority section, and of the additional one: no verdict follows from the rest
# These keep the reading of any message under 20 ms: what no mail record needs, but 64 KB can hold.
MAX_STRINGS = 8192  # in all TXT together
MAX_LABELS = 2048  # in all names together that are not the question's
MAX_POINTERS = 16  # in one name
KEPT_MESSAGES, KEPT_OCTETS = 256, 1232  # messages that are kept as parsed, and the longest of them
UDP_PAYLOAD = 1232  # what fits every path unfragmented
DETAIL_LIMIT = 200  # characters of a server's own text that we repeat

_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
_SOA = struct.Struct("!5I")
_ID_OCTETS, _NO_ID = 2, bytes(2)
_AT_QUESTION = (0xC000 | _HEADER.size).to_bytes(2)  # a pointer (RFC 1035 4.1.4)
_QR, _AA, _TC, _RD, _RA, _AD, _CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010
_ALWAYS_READ = frozenset({CNAME, SOA, NS, A, AAAA, OPT})
# Some servers send a bare header with these (RFC 1035 4.1.1 does not forbid it).
_WITHOUT_QUESTION = frozenset({dns.rcode.FORMERR, dns.rcode.SERVFAIL, dns.rcode.NOTIMP, dns.rcode.REFUSED})


class Malformed(Exception):
    """A packet that is no readable DNS message."""


class TooLarge(Exception):
    """A message that holds more than we read."""


class DnsQuery(msgspec.Struct, frozen=True):
    """One question; a recursive one asks for the AD bit (RFC 6840 5.7)."""

    name: Name
    rdtype: int
    recursive: bool
    checking_disabled: bool = False


class Options(msgspec.Struct, frozen=True):
    """The content of an OPT record (RFC 6891) other than its TTL: extended errors (RFC 8914), as text and code."""

    errors: tuple[str, ...] = ()
    error_codes: frozenset[int] = frozenset()


class ResourceRecord(msgspec.Struct, frozen=True):
    """One resource record; `rdata` is None where we neither asked for the type nor need it.

    `target` is the name in a CNAME, NS or PTR, `canonical` the RDATA as it is compared (RFC 4034 6.2).
    """

    owner: Name
    rdtype: int
    ttl: int
    rdata: Rdata | Options | None = None
    target: Name | None = None
    canonical: bytes = b""


class DnsMessage(msgspec.Struct, frozen=True):
    """What we parse of a response; a truncated one has no records."""

    rcode: int
    authoritative: bool = False
    authentic: bool = False
    recursion_available: bool = False
    truncated: bool = False
    answer: tuple[ResourceRecord, ...] = ()
    authority: tuple[ResourceRecord, ...] = ()
    additional: tuple[ResourceRecord, ...] = ()
    errors: tuple[str, ...] = ()
    error_codes: frozenset[int] = frozenset()

    @property
    def rcode_text(self) -> str:
        """Return the response code's name, with the extended errors that came along (RFC 8914)."""
        return "; ".join([dns.rcode.to_text(dns.rcode.Rcode.make(self.rcode)), *self.errors])


@lru_cache(maxsize=64)
def type_number(text: str) -> int:
    """Return the number of a type by its name; raise `dns.exception.DNSException` where there is none."""
    return int(RdataType.make(text))


@lru_cache(maxsize=64)
def type_text(number: int) -> str:
    """Return the name of a type that we ask for."""
    return RdataType.to_text(RdataType.make(number))


def question_packet(packet_id: int, query: DnsQuery, *, edns: bool) -> bytes:
    """Return the packet of a question, with an OPT record (RFC 6891) where `edns`."""
    return packet_id.to_bytes(_ID_OCTETS) + prepared_packet(query, edns)


@lru_cache(maxsize=1024)  # at most 290 octets each
def prepared_packet(query: DnsQuery, edns: bool) -> bytes:
    """Return what follows the id in the packet of a question: it is the same for each server and each try."""
    flags = (_RD | _AD if query.recursive else 0) | (_CD if query.checking_disabled else 0)
    header = _HEADER.pack(0, flags, 1, 0, 0, int(edns))
    option = b"\0" + _RECORD.pack(OPT, UDP_PAYLOAD, 0, 0) if edns else b""
    return header[_ID_OCTETS:] + _question(query) + option


def belongs(packet: bytes, packet_id: int, query: DnsQuery) -> bool:
    """Return whether a packet is a response to this very question, by id, QR bit and question (RFC 5452 9.1)."""
    if len(packet) < _HEADER.size:
        return False
    got_id, flags, questions, *_ = _HEADER.unpack_from(packet)
    if got_id != packet_id or not flags & _QR:
        return False
    if questions == 0:
        return flags & 0xF in _WITHOUT_QUESTION
    wanted = _question(query)
    asked = packet[_HEADER.size : _HEADER.size + len(wanted)]
    return questions == 1 and (asked == wanted or asked.lower() == wanted.lower())


def read_message(packet: bytes, query: DnsQuery) -> DnsMessage:
    """Parse a response that belongs to the query; raise `TooLarge` or `Malformed`.

    The answer section is read whole or not at all, so that no record in it is ever overlooked.
    """
    parse = _parse_kept if len(packet) <= KEPT_OCTETS else _parse
    return parse(packet[_ID_OCTETS:], query)


def _parse(rest: bytes, query: DnsQuery) -> DnsMessage:
    """Parse what follows the id of a response."""
    packet = _NO_ID + rest
    _, flags, questions, *counts = _HEADER.unpack_from(packet)
    if flags & _TC:
        return DnsMessage(rcode=flags & 0xF, truncated=True)
    reader = _MessageReader(packet, query, asked=questions > 0)
    try:
        answer = reader.records(counts[0])
        authority = reader.records(min(counts[1], MAX_OTHERS))
        additional = reader.records(min(counts[2], MAX_OTHERS)) if counts[1] <= MAX_OTHERS else ()
    except (dns.exception.DNSException, ValueError, IndexError, struct.error) as error:
        raise Malformed(str(error)) from error
    # The upper bits of the response code and the extended errors are in the OPT record (RFC 6891 6.1.3).
    extended, options = 0, Options()
    for record in additional:
        if isinstance(record.rdata, Options):
            extended, options = record.ttl >> 24, record.rdata
            break
    return DnsMessage(
        rcode=extended << 4 | flags & 0xF,
        authoritative=bool(flags & _AA),
        authentic=bool(flags & _AD),
        recursion_available=bool(flags & _RA),
        answer=answer,
        authority=authority,
        additional=additional,
        errors=options.errors,
        error_codes=options.error_codes,
    )


# The servers of a zone say the same of a name, mostly in the same octets, and again at the next check.
_parse_kept = lru_cache(maxsize=KEPT_MESSAGES)(_parse)


@lru_cache(maxsize=1024)  # at most 260 octets each
def _question(query: DnsQuery) -> bytes:
    return wire_form(query.name) + struct.pack("!HH", query.rdtype, IN)


class _MessageReader:
    """A parser of one message's records; each name, string and number lies within its record or is refused."""

    def __init__(self, packet: bytes, query: DnsQuery, *, asked: bool) -> None:
        self._packet, self._query, self._labels, self._strings = packet, query, 0, 0
        self._wanted = _ALWAYS_READ | {query.rdtype}
        self._at = _HEADER.size + (len(_question(query)) if asked else 0)
        self._asked = asked

    def records(self, count: int) -> tuple[ResourceRecord, ...]:
        return tuple([self._record() for _ in range(count)])

    def _record(self) -> ResourceRecord:
        packet = self._packet
        owner = self._owner()
        rdtype, rdclass, ttl, length = _RECORD.unpack_from(packet, self._at)
        start = self._at + _RECORD.size
        end = start + length
        if end > len(packet):
            raise ValueError("a record that ends behind the message")
        self._at = start
        # The class of an OPT is the sender's buffer size (RFC 6891 6.1.2).
        read = rdtype in self._wanted and (rdclass == IN or rdtype == OPT)
        ttl = ttl if rdtype == OPT else read_ttl(ttl)  # that of an OPT holds flags (RFC 6891 6.1.3)
        record = self._rdata(owner, rdtype, ttl, end) if read else ResourceRecord(owner, rdtype, ttl)
        if read and self._at != end:
            raise ValueError("RDATA that is longer or shorter than its type")
        self._at = end
        return record

    def _rdata(self, owner: Name, rdtype: int, ttl: int, end: int) -> ResourceRecord:
        match rdtype:
            case 16:  # TXT
                canonical = self._octets(end - self._at)
                return ResourceRecord(owner, rdtype, ttl, self._txt(canonical), None, canonical)
            case 2 | 5 | 12:  # NS, CNAME, PTR
                target = self._name(end)
                return ResourceRecord(owner, rdtype, ttl, Target(name=name_text(target)), target, wire_form(target))
            case 15:  # MX
                octets = self._octets(2)
                host = self._name(end)
                mx = Mx(preference=int.from_bytes(octets), exchange=name_text(host))
                return ResourceRecord(owner, rdtype, ttl, mx, None, octets + wire_form(host))
            case 1 | 28:  # A, AAAA
                octets = self._octets(4 if rdtype == A else 16)
                ip = str(IPv4Address(octets)) if rdtype == A else dns.ipv6.inet_ntoa(octets)
                return ResourceRecord(owner, rdtype, ttl, Address(ip=ip), None, octets)
            case 6:  # SOA
                primary, mailbox = self._name(end), self._name(end)
                octets = self._octets(_SOA.size)
                serial, *_, minimum = _SOA.unpack(octets)
                soa = Soa(primary=name_text(primary), serial=serial, minimum=read_ttl(minimum))  # RFC 2308 4: a TTL
                return ResourceRecord(owner, SOA, ttl, soa, None, wire_form(primary) + wire_form(mailbox) + octets)
            case _:
                return self._rare_rdata(owner, rdtype, ttl, end)

    def _rare_rdata(self, owner: Name, rdtype: int, ttl: int, end: int) -> ResourceRecord:
        """Parse a rare type with dnspython."""
        start, self._at = self._at, end
        if rdtype == OPT and start == end:
            return ResourceRecord(owner, rdtype, ttl, Options())
        number = RdataType.make(rdtype)
        rdata = dns.rdata.from_wire(dns.rdataclass.IN, number, self._packet, start, end - start)
        if isinstance(rdata, dns.rdtypes.ANY.OPT.OPT):
            errors = [option for option in rdata.options if isinstance(option, dns.edns.EDEOption)]
            texts = tuple(option.to_text()[:DETAIL_LIMIT] for option in errors[:3])
            options = Options(texts, frozenset(int(option.code) for option in errors))
            return ResourceRecord(owner, rdtype, ttl, options)
        return ResourceRecord(owner, rdtype, ttl, core_rdata(rdata), None, rdata.to_digestable())

    def _octets(self, count: int) -> bytes:
        start, self._at = self._at, self._at + count
        return self._packet[start : self._at]

    def _txt(self, rdata: bytes) -> Txt:
        strings, at = [], 0
        while at < len(rdata):
            end = at + 1 + rdata[at]
            strings.append(rdata[at + 1 : end].decode("latin-1"))
            at = end
            self._strings += 1
            if self._strings > MAX_STRINGS:
                raise TooLarge
        if at != len(rdata) or not strings:
            raise ValueError("a TXT that ends within a string")
        return Txt(strings=tuple(strings))

    def _owner(self) -> Name:
        """Parse the owner of a record: mostly a pointer at the question, which is known to be ours."""
        if self._asked and self._packet.startswith(_AT_QUESTION, self._at):
            self._at += len(_AT_QUESTION)
            return self._query.name
        return self._name(len(self._packet))

    def _name(self, end: int) -> Name:
        """Parse a name that ends before `end` (RFC 1035 4.1.4): pointers lead back only, to what lies wholly before."""
        packet, start, after = self._packet, self._at, 0
        at, labels, pointers = start, [], 0
        while True:
            if at >= end:
                raise ValueError("a name that does not end")
            size = packet[at]
            if size == 0:
                break
            if size < 64:
                labels.append(packet[at + 1 : at + 1 + size].lower())
                at += 1 + size
                continue
            to, pointers = int.from_bytes(packet[at : at + 2]) & 0x3FFF, pointers + 1
            if size < 192 or at + 2 > end or to >= start:
                raise ValueError("a name that leads nowhere")
            if pointers > MAX_POINTERS:
                raise TooLarge
            after, end = after or at + 2, start
            start = at = to
        self._at = after or at + 1
        name = tuple(labels)
        # All names together: compression makes a long name of every two octets.
        self._labels += len(name)
        if self._labels > MAX_LABELS:
            raise TooLarge
        if sum(map(len, name)) + len(name) >= NAME_LIMIT:
            raise ValueError("a name of more than 255 octets")
        return name


def rrset(owner: Name, rdtype: int, ttl: int, records: Iterable[ResourceRecord]) -> RRset:
    """Return the RRset of records of one owner and type: each RDATA once, in a stable order."""
    once = {record.canonical: record.rdata for record in records}
    rdatas = tuple(rdata for _, rdata in sorted(once.items()) if rdata is not None and not isinstance(rdata, Options))
    return RRset(owner=name_text(owner), rdtype=type_text(rdtype), ttl=ttl, rdatas=rdatas)

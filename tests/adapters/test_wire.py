"""Show that our own reading of DNS messages is dnspython's, on messages that are right and on such as are not."""

import time
from collections.abc import Sequence
from typing import Any

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rrset
import dns.wire
import pytest
from dns.rdatatype import RdataType
from hypothesis import given
from hypothesis import strategies as st

from letterhead.adapters.dns import labels
from letterhead.adapters.dns.dnspython_values import core_rdata, rrset
from letterhead.adapters.dns.dnspython_values import name_text as their_text
from letterhead.adapters.dns.interpret import negative_ttl
from letterhead.adapters.dns.wire import (
    TXT,
    DnsMessage,
    DnsQuery,
    Malformed,
    Options,
    ResourceRecord,
    TooLarge,
    belongs,
    question_packet,
    read_message,
)
from letterhead.adapters.dns.wire import rrset as our_rrset
from letterhead.core.dns.records import Soa

HOST = "s._domainkey.acme.test"
TYPES = ("TXT", "MX", "A", "AAAA", "CNAME", "NS", "SOA", "SRV", "SPF")
READ = {"CNAME", "SOA", "NS", "A", "AAAA"}
OWNERS = st.sampled_from(
    [HOST, "acme.test", "ns1.acme.test", "Mail.ACME.test", "other.example", ".", "a\\.b.acme.test"]
)
OCTETS = st.binary(max_size=40).map(lambda octets: '"' + "".join(f"\\{each:03d}" for each in octets) + '"')
NUMBERS = st.integers(0, 2**16 - 1)
LONG = st.integers(0, 2**32 - 1)
NAMES = OWNERS.map(lambda name: name if name == "." else f"{name}.")
RDATA: dict[str, st.SearchStrategy[str]] = {
    "TXT": st.lists(OCTETS, min_size=1, max_size=4).map(" ".join),
    "SPF": st.lists(OCTETS, min_size=1, max_size=2).map(" ".join),
    "MX": st.builds("{} {}".format, NUMBERS, NAMES),
    "A": st.ip_addresses(v=4).map(str),
    "AAAA": st.ip_addresses(v=6).map(str) | st.sampled_from(["::", "::ffff:1.2.3.4", "::1.2.3.4", "1:0:0:2::"]),
    "CNAME": NAMES,
    "NS": NAMES,
    "SOA": st.builds("{} {} {} 2 3 4 {}".format, NAMES, NAMES, LONG, LONG),
    "SRV": st.builds("1 2 3 {}".format, NAMES),
}


@st.composite
def records(draw: st.DrawFn) -> dns.rrset.RRset:
    """Draw records of one owner and type."""
    rdtype = draw(st.sampled_from(TYPES))
    texts = draw(st.lists(RDATA[rdtype], min_size=1, max_size=3))
    owner = dns.name.from_text(draw(OWNERS))
    return dns.rrset.from_text_list(owner, draw(st.integers(0, 2**31 - 1)), "IN", rdtype, texts)


@st.composite
def packets(draw: st.DrawFn) -> tuple[bytes, DnsQuery]:
    """Draw a response, with compression as dnspython writes it, and the query that it answers."""
    rdtype = draw(st.sampled_from(TYPES))
    message = dns.message.make_query(HOST, rdtype, id=7)
    message.flags = dns.flags.QR | draw(st.sampled_from([0, dns.flags.AA, dns.flags.AD, dns.flags.RA]))
    for section in (message.answer, message.authority, message.additional):
        section.extend(draw(st.lists(records(), max_size=3)))
    if draw(st.booleans()):
        told: list[dns.edns.Option] = draw(
            st.lists(st.builds(dns.edns.EDEOption, st.integers(0, 30), st.none() | st.just("why")), max_size=2)
        )
        message.use_edns(0, ednsflags=draw(st.sampled_from([0, 5 << 24])), options=told)
    return message.to_wire(max_size=65535, want_shuffle=False), DnsQuery(
        labels.name_from(HOST), int(RdataType.make(rdtype)), recursive=False
    )


def by_dnspython(packet: bytes, query: DnsQuery) -> list[list[tuple[Any, ...]]]:
    """Read the records of each section with dnspython's parser, as far as we read RDATA."""
    parser = dns.wire.Parser(packet, 12 + len(labels.wire_form(query.name)) + 4)
    counts = [int.from_bytes(packet[at : at + 2]) for at in (6, 8, 10)]
    return [[_by_dnspython(parser, query) for _ in range(count)] for count in counts]


def _by_dnspython(parser: dns.wire.Parser, query: DnsQuery) -> tuple[Any, ...]:
    owner = parser.get_name(decompress=True)
    rdtype, rdclass, ttl, length = parser.get_struct("!HHIH")
    ttl = 0 if ttl >= 2**31 and rdtype != RdataType.OPT else ttl  # RFC 2181 8, which dnspython leaves to its callers
    read = {int(RdataType[each]) for each in READ} | {query.rdtype}
    with parser.restrict_to(length):
        if rdtype == RdataType.OPT or (rdtype in read and rdclass == dns.rdataclass.IN):
            rdata = dns.rdata.from_wire_parser(dns.rdataclass.IN, RdataType.make(rdtype), parser)
            return labels.own(owner), rdtype, ttl, rdata
        parser.get_remaining()
    return labels.own(owner), rdtype, ttl, None


def ours(message: DnsMessage) -> list[list[tuple[Any, ...]]]:
    return [[_ours(each) for each in section] for section in (message.answer, message.authority, message.additional)]


def _ours(record: ResourceRecord) -> tuple[Any, ...]:
    rdata = "options" if isinstance(record.rdata, Options) else record.rdata
    return record.owner, record.rdtype, record.ttl, rdata


def core(read: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what dnspython read as our values."""
    owner, rdtype, ttl, rdata = read
    value = None if rdata is None else "options" if rdtype == RdataType.OPT else core_rdata(rdata)
    return owner, rdtype, ttl, value


def agrees(packet: bytes, query: DnsQuery) -> None:
    """Hold our reading to dnspython's: the same records, or unreadable for both."""
    try:
        theirs: list[list[tuple[Any, ...]]] | None = by_dnspython(packet, query)
    except (dns.exception.DNSException, ValueError):
        theirs = None
    try:
        message: DnsMessage | None = read_message(packet, query)
    except (Malformed, TooLarge) as trouble:
        assert theirs is None or isinstance(trouble, TooLarge)
        return
    assert message is not None
    assert theirs is not None, "we read what dnspython does not"
    assert ours(message) == [[core(each) for each in section] for section in theirs]
    same_sets(message.answer, theirs[0])


def same_sets(mine: Sequence[ResourceRecord], theirs: Sequence[tuple[Any, ...]]) -> None:
    """Hold the order and the number of records in a set to dnspython's."""
    for owner, rdtype in {(record.owner, record.rdtype) for record in mine if record.rdata is not None}:
        if rdtype == RdataType.OPT:
            continue
        records = [each for each in mine if (each.owner, each.rdtype) == (owner, rdtype) and each.rdata is not None]
        rdatas = [each[3] for each in theirs if each[:2] == (owner, rdtype) and each[3] is not None]
        expected = rrset(dns.name.Name([*owner, b""]), RdataType.make(rdtype), 1, rdatas)
        assert our_rrset(owner, rdtype, 1, records) == expected


@given(packets())
def test_a_message_is_read_as_dnspython_reads_it(drawn: tuple[bytes, DnsQuery]) -> None:
    """Whatever dnspython writes, with compression and odd octets, we read as it does, records and sets alike."""
    packet, query = drawn
    assert belongs(packet, 7, query)
    assert dns.message.from_wire(packet).id == 7
    agrees(packet, query)


@given(packets(), st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_spoilt_message_is_read_as_dnspython_reads_it(
    drawn: tuple[bytes, DnsQuery], spoils: list[tuple[int, int]]
) -> None:
    """With octets changed anywhere behind the question, we refuse what dnspython refuses and read the rest alike."""
    packet, query = bytearray(drawn[0]), drawn[1]
    start = 12 + len(labels.wire_form(query.name)) + 4
    for at, octet in spoils:
        if start < len(packet):
            packet[start + at % (len(packet) - start)] = octet
    agrees(bytes(packet), query)


def crafted(rdtype: int, rdata: bytes, owner: bytes = b"\xc0\x0c") -> tuple[bytes, DnsQuery]:
    """Write a response of one record whose owner or RDATA is no ordinary one; the question begins at octet 12."""
    query = DnsQuery(labels.name_from("ab.test"), rdtype, recursive=False)
    question = labels.wire_form(query.name) + rdtype.to_bytes(2) + b"\0\1"
    tail = rdtype.to_bytes(2) + bytes.fromhex("000100000e10") + len(rdata).to_bytes(2) + rdata
    return bytes.fromhex("000784000001000100000000") + question + owner + tail, query


AT_OWNER = 12 + len(b"\2ab\4test\0") + 4
AT_RDATA = AT_OWNER + 12
ODD = {
    "points at the question": crafted(5, b"\xc0\x0c"),
    "points into the question": crafted(5, b"\1x\xc0\x0f"),
    "points at itself": crafted(5, bytes((0xC0, AT_RDATA))),
    "points at its own first label": crafted(5, b"\1x" + bytes((0xC0, AT_RDATA))),
    "points ahead": crafted(5, bytes((0xC0, AT_RDATA + 2)) + b"\0"),
    # The last octet of the TTL, 16, read as a label that ends at the zero within.
    "runs from before into itself": crafted(5, b"\x14" + b"x" * 13 + b"\0" + b"x" * 6 + bytes((0xC0, AT_RDATA - 3))),
    "owner points at itself": crafted(1, b"\1\2\3\4", bytes((0xC0, AT_OWNER))),
    "a pointer cut by the end of its RDATA": crafted(5, b"\1x\xc0"),
    "a label of a kind that is none": crafted(5, b"\x41x\0"),
    "a name without an end": crafted(5, b"\1x"),
    "a name, and more": crafted(5, b"\1x\0\0"),
    "a name of 256 octets": crafted(5, (b"\x3f" + b"x" * 63) * 3 + b"\x3e" + b"x" * 62 + b"\0"),
    "a name of 255 octets": crafted(5, (b"\x3f" + b"x" * 63) * 3 + b"\x3d" + b"x" * 61 + b"\0"),
    "an address too short": crafted(1, b"\1\2\3"),
    "an address too long": crafted(1, b"\1\2\3\4\5"),
    "no address": crafted(28, b""),
    "half an MX": crafted(15, b"\0"),
    "an MX without a name": crafted(15, b"\0\1"),
    "an SOA without its end": crafted(6, b"\0\0" + b"\0" * 19),
    "a string that does not end": crafted(16, b"\5abc"),
    "a TXT without a string": crafted(16, b""),
    "an empty string": crafted(16, b"\0"),
    "capitals": crafted(16, b"\1A", b"\2aB\4TEST\0"),
    "a service": crafted(33, bytes(6) + b"\1x\0"),
    "a service whose name points": crafted(33, bytes(6) + b"\xc0\x0c"),
    "sixteen pointers": crafted(5, b"".join(bytes((0xC0, max(12, AT_RDATA + at - 2))) for at in range(0, 32, 2))),
}


@pytest.mark.parametrize("what", ODD)
def test_odd_records_are_read_as_dnspython_reads_them(what: str) -> None:
    """Names that run in circles, RDATA of the wrong length: what dnspython refuses we refuse."""
    agrees(*ODD[what])


@given(st.lists(st.binary(min_size=1, max_size=63), max_size=4))
def test_names_are_written_and_read_as_dnspython_does(octets: list[bytes]) -> None:
    """Any labels are written as dnspython writes them, and read back."""
    name = tuple(label.lower() for label in octets)
    text = labels.name_text(name)
    assert text == their_text(dns.name.Name([*name, b""]))
    assert labels.name_from(text) == name


def test_a_dot_within_a_label_is_no_border() -> None:
    """A name whose label holds a dot does not lie in the zone that its text ends in."""
    name = (b"evil.acme", b"test")
    assert labels.name_text(name) == "evil\\.acme.test"
    assert not labels.lies_in(name, (b"acme", b"test"))
    assert labels.lies_in(name, (b"test",))
    assert labels.lies_in(name, labels.ROOT)


@pytest.mark.parametrize(("owner", "refusal"), [("chain", Malformed), ("wide", TooLarge)])
def test_names_made_of_pointers_cost_little(owner: str, refusal: type[Exception]) -> None:
    """Sixteen kilobytes of pointers to pointers, or of long names, are not read, and refused within 20 ms."""
    query = DnsQuery((b"s",), 16, recursive=False)
    packet = bytearray(question_packet(7, query, edns=False))
    packet[2] |= 0x80
    first = len(packet)
    if owner == "chain":
        hops = b"".join((0xC000 | max(12, first + 2 * at - 2)).to_bytes(2) for at in range(7000))
    else:
        hops = b"\x01a" * 120 + b"\0"
    packet += b"\0" + bytes.fromhex("000a000100000000") + len(hops).to_bytes(2) + hops
    target = 0xC000 | min(0x3FFF, len(packet) - 2 if owner == "chain" else len(packet) - len(hops))
    for _ in range(63):
        packet += target.to_bytes(2) + bytes.fromhex("0010000100000000000201") + b"a"
    packet[6:8] = (64).to_bytes(2)
    spent = []
    for _ in range(5):
        began = time.thread_time()
        with pytest.raises(refusal):
            read_message(bytes(packet), query)
        spent.append(time.thread_time() - began)
    assert min(spent) < 0.02


def crowd(texts: int, others: int = 0) -> tuple[bytes, DnsQuery]:
    """Write a response of many TXT with a name each, and as many other records in both further sections."""
    query = DnsQuery(labels.name_from(HOST), TXT, recursive=False)
    message = dns.message.make_query(HOST, "TXT", id=7)
    message.flags = dns.flags.QR | dns.flags.AA
    message.answer = [
        dns.rrset.from_text_list(f"{HOST}.", 60, "IN", "TXT", [f'"check={number}"' for number in range(texts)])
    ]
    for section, rdtype, data in (
        (message.authority, "NS", "ns{}.other.example."),
        (message.additional, "A", "10.0.0.{}"),
    ):
        if others:
            section.append(
                dns.rrset.from_text_list("other.example.", 60, "IN", rdtype, [data.format(n) for n in range(others)])
            )
    return message.to_wire(max_size=65535), query


@pytest.mark.parametrize("texts", [20, 64, 65, 70, 1000, 2500])
def test_an_answer_is_read_whole(texts: int) -> None:
    """However many records a name holds, none of them is passed over, within the 64 KB of a message."""
    message = read_message(*crowd(texts))
    assert len({record.rdata for record in message.answer}) == texts


def test_other_sections_do_not_keep_an_answer_unread() -> None:
    """Sixty texts and a crowd of servers and addresses: the texts are read whole, of the rest the first few."""
    message = read_message(*crowd(60, others=200))
    assert len(message.answer) == 60
    assert 0 < len(message.authority) + len(message.additional) < 200
    message = read_message(*crowd(60, others=30))
    assert (len(message.answer), len(message.authority), len(message.additional)) == (60, 30, 30)


def test_what_we_do_not_read_is_no_answer() -> None:
    """More strings than we read make the whole answer too large; no part of it is taken for all of it."""
    packet, query = crafted(TXT, bytes(5000))
    body = packet[AT_OWNER:]
    packet = packet[:6] + (2).to_bytes(2) + packet[8:] + body
    with pytest.raises(TooLarge):
        read_message(packet, query)


@pytest.mark.parametrize(("ttl", "expected"), [(2**31 - 1, 2**31 - 1), (2**31, 0), (2**32 - 1, 0), (300, 300)])
def test_a_ttl_with_its_top_bit_set_is_zero(ttl: int, expected: int) -> None:
    """A TTL, and an SOA's minimum, which is used as one, count as 0 where the top bit is set (RFC 2181 8)."""
    packet, query = crafted(6, bytes(2) + bytes(16) + ttl.to_bytes(4))
    at = AT_OWNER + 6
    message = read_message(packet[:at] + ttl.to_bytes(4) + packet[at + 4 :], query)
    (record,) = message.answer
    assert record.ttl == expected
    assert isinstance(record.rdata, Soa)
    assert record.rdata.minimum == expected
    assert negative_ttl(message) == expected

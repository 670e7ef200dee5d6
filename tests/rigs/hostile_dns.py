"""Run DNS servers that misbehave on purpose, in a thread of their own; count every packet that reaches them.

Each domain `<mode>.test` has eight nameservers and a recursive resolver, all of which misbehave in that mode whenever
they are asked for a TXT or MX; one that plays scenes (scenes.py) changes its mode by the test's clock. What leads
there (SOA, NS, addresses, the root, the zone `test`) is served honestly.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from itertools import pairwise
from typing import cast

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.rigs.processes import free_port
from tests.rigs.scenes import WRITTEN, Play

RESOLVER, ROOT = "127.0.0.60", "127.0.0.61"
SERVERS = tuple(f"127.0.0.{70 + number}" for number in range(8))
GOOD = "v=DKIM1; p=GOOD"
EVIL = "v=DKIM1; p=EVIL"
TLD = dns.name.from_text("test.")

Sent = list[tuple[float, bytes]]  # seconds to wait, then octets
Answer = dns.message.Message


def txt(owner: str | dns.name.Name, text: str = GOOD, ttl: int = 60) -> dns.rrset.RRset:
    return dns.rrset.from_text(owner, ttl, "IN", "TXT", f'"{text}"')


def cname(owner: str | dns.name.Name, target: str) -> dns.rrset.RRset:
    return dns.rrset.from_text(owner, 60, "IN", "CNAME", target)


def reply(query: Answer, *answer: dns.rrset.RRset, rcode: dns.rcode.Rcode = dns.rcode.NOERROR) -> Answer:
    message = dns.message.make_response(query)
    message.flags |= dns.flags.AA | dns.flags.RA
    message.set_rcode(rcode)
    message.answer = list(answer)
    return message


def wire(message: Answer) -> bytes:
    return message.to_wire(max_size=65535)


def good(query: Answer) -> bytes:
    return wire(reply(query, txt(query.question[0].name)))


def code(rcode: dns.rcode.Rcode) -> Callable[[Answer, bool], Sent]:
    return lambda query, by_tcp: [(0, wire(reply(query, rcode=rcode)))]


def wrong_id(query: Answer, by_tcp: bool) -> Sent:
    packet = bytearray(wire(reply(query, txt(query.question[0].name, EVIL))))
    packet[0] ^= 0xFF
    return [(0, bytes(packet))]


def wrong_question(query: Answer, by_tcp: bool) -> Sent:
    packet = bytearray(wire(reply(query, txt(query.question[0].name, EVIL))))
    packet[13] ^= 1  # the first letter of the name in the question, and by compression in the answer
    return [(0, bytes(packet))]


def garbage(query: Answer, by_tcp: bool) -> Sent:
    return [(0, wire(query)[:2] + b"\x84\x00" + b"\xff" * 40)]


def short(query: Answer, by_tcp: bool) -> Sent:
    return [(0, wire(query)[:7]), (0, b"")]


def flood(query: Answer, by_tcp: bool) -> Sent:
    return wrong_id(query, by_tcp) * 200


def truncated(over_tcp: Callable[[bytes], Sent]) -> Callable[[Answer, bool], Sent]:
    def answer(query: Answer, by_tcp: bool) -> Sent:
        if by_tcp:
            return over_tcp(good(query))
        message = reply(query)
        message.flags |= dns.flags.TC
        return [(0, wire(message))]

    return answer


def drip(packet: bytes) -> Sent:
    return [(0.5, packet[at : at + 1]) for at in range(len(packet))]


def large(count: int, length: int) -> Callable[[Answer, bool], Sent]:
    def answer(query: Answer, by_tcp: bool) -> Sent:
        message = reply(query)
        if by_tcp:
            texts = [f'"{number:06x}{"a" * (length - 6)}"' for number in range(count)]
            message.answer = [dns.rrset.from_text_list(query.question[0].name, 60, "IN", "TXT", texts)]
        else:
            message.flags |= dns.flags.TC
        return [(0, wire(message))]

    return answer


def empty_strings(query: Answer, by_tcp: bool) -> Sent:
    """Send one TXT of 65,000 empty strings: the most work that fits into a message."""
    message = wire(reply(query))
    if not by_tcp:
        return truncated(lambda packet: [])(query, False)
    return [(0, message[:6] + b"\0\1" + bytes(4) + end_of_question(message) + record(b"\0" * 65000))]


def long_names(query: Answer, by_tcp: bool) -> Sent:
    """Send 64 SOAs with three names of 127 labels each, by compression: many times the names that we read."""
    if not by_tcp:
        return truncated(lambda packet: [])(query, False)
    message = wire(reply(query))
    body = end_of_question(message)
    first = 12 + len(body) + 12  # where the first long name begins
    pointer = bytes([0xC0 | first >> 8, first & 0xFF])
    numbers = bytes(20)
    records = [record(b"\1a" * 127 + b"\0" + pointer + numbers, 6)]
    records += [pointer + record(pointer * 2 + numbers, 6)[2:] for _ in range(63)]
    return [(0, message[:6] + b"\0\x40" + bytes(4) + body + b"".join(records))]


def end_of_question(message: bytes) -> bytes:
    _, length = dns.name.from_wire(message, 12)
    return message[12 : 12 + length + 4]


def record(rdata: bytes, rdtype: int = 16) -> bytes:
    return b"\xc0\x0c" + rdtype.to_bytes(2) + b"\0\1\0\0\0\x3c" + len(rdata).to_bytes(2) + rdata


def pointer_loop(query: Answer, by_tcp: bool) -> Sent:
    message = wire(reply(query))
    body = end_of_question(message)
    at = 12 + len(body)
    own = bytes([0xC0 | at >> 8, at & 0xFF])
    return [(0, message[:6] + b"\0\1\0\0\0\0" + body + own + record(b"\1a")[2:])]


def cname_loop(query: Answer, by_tcp: bool) -> Sent:
    name = query.question[0].name
    other = f"b.{name}"
    return [(0, wire(reply(query, cname(name, other), cname(other, str(name)))))]


def cname_chain(query: Answer, by_tcp: bool) -> Sent:
    name = query.question[0].name
    names = [str(name), *(f"c{number}.{name}" for number in range(20))]
    links = [cname(owner, target) for owner, target in pairwise(names)]
    return [(0, wire(reply(query, *links, txt(names[-1]))))]


def not_a_response(query: Answer, by_tcp: bool) -> Sent:
    packet = bytearray(good(query))
    packet[2] &= 0x7F
    return [(0, bytes(packet))]


def without_authority(query: Answer, by_tcp: bool) -> Sent:
    message = reply(query, txt(query.question[0].name))
    message.flags &= ~(dns.flags.AA | dns.flags.RA)
    return [(0, wire(message))]


def upwards(query: Answer, by_tcp: bool) -> Sent:
    message = reply(query)
    message.flags &= ~(dns.flags.AA | dns.flags.RA)
    message.authority = [dns.rrset.from_text(".", 60, "IN", "NS", "a.root.test.")]
    return [(0, wire(message))]


def fears_edns(query: Answer, by_tcp: bool) -> Sent:
    return [(0, good(query) if query.edns < 0 else wire(reply(query, rcode=dns.rcode.FORMERR)))]


def unvalidated(
    rcode: dns.rcode.Rcode, code: dns.edns.EDECode | None = None, text: str | None = None
) -> Callable[[Answer, bool], Sent]:
    """Answer well but for a resolver that validates, which fails, with an extended error (RFC 8914) or without."""

    def answer(query: Answer, by_tcp: bool) -> Sent:
        if query.flags & dns.flags.CD or not query.flags & dns.flags.RD:
            return [(0, good(query))]
        message = reply(query, rcode=rcode)
        if code is not None:
            message.use_edns(0, options=[dns.edns.EDEOption(code, text)])
        return [(0, wire(message))]

    return answer


def cold_cache() -> Callable[[Answer, bool], Sent]:
    """Fail every other time that it must validate, as a resolver may that does not have the zone's keys yet."""
    asked: Counter[str] = Counter()
    failing = unvalidated(dns.rcode.SERVFAIL)

    def answer(query: Answer, by_tcp: bool) -> Sent:
        if not query.flags & dns.flags.RD:
            return [(0, good(query))]
        name = query.question[0].name.to_text()
        asked[name] += not query.flags & dns.flags.CD
        return failing(query, by_tcp) if asked[name] % 2 else [(0, good(query))]

    return answer


def then_good(bad: Callable[[Answer, bool], Sent]) -> Callable[[Answer, bool], Sent]:
    return lambda query, by_tcp: [*bad(query, by_tcp), (0, good(query))]


def says(*records: Callable[[dns.name.Name], dns.rrset.RRset]) -> Callable[[Answer, bool], Sent]:
    return lambda query, by_tcp: [(0, wire(reply(query, *(each(query.question[0].name) for each in records))))]


MODES: dict[str, Callable[[Answer, bool], Sent]] = {
    "ok": says(txt),
    "nodata": code(dns.rcode.NOERROR),
    "nxdomain": code(dns.rcode.NXDOMAIN),
    "servfail": code(dns.rcode.SERVFAIL),
    "refused": code(dns.rcode.REFUSED),
    "formerr": code(dns.rcode.FORMERR),
    "notimp": code(dns.rcode.NOTIMP),
    "drop": lambda query, by_tcp: [],
    "slow3": lambda query, by_tcp: [(3, good(query))],
    "wrongid": wrong_id,
    "wrongidthenok": then_good(wrong_id),
    "wrongq": wrong_question,
    "wrongqthenok": then_good(wrong_question),
    "garbage": garbage,
    "garbagethenok": then_good(garbage),
    "short": short,
    "flood": flood,
    "tcok": truncated(lambda packet: [(0, packet)]),
    "tchang": truncated(lambda packet: [(30, packet)]),
    "tcdrip": truncated(drip),
    "tcshut": truncated(lambda packet: []),
    "huge255": large(240, 255),
    "hugetiny": large(3300, 6),
    "many": large(100, 30),
    "emptystrings": empty_strings,
    "longnames": long_names,
    "ptrloop": pointer_loop,
    "cnameloop": cname_loop,
    "cname20": cname_chain,
    "cnamedangling": says(lambda name: cname(name, "gone.elsewhere.test.")),
    "othername": says(lambda name: txt("victim.test.", EVIL)),
    "nonutf8": says(lambda name: txt(name, "\\255\\254\\000abc")),
    "ttlmax": says(lambda name: txt(name, ttl=2**31 - 1)),
    "qr0": not_a_response,
    "lame": without_authority,
    "upwards": upwards,
    "noedns": fears_edns,
    "bogus": unvalidated(dns.rcode.SERVFAIL, dns.edns.EDECode.DNSSEC_BOGUS, "sig\x1b[31m expired"),
    "expired": unvalidated(dns.rcode.SERVFAIL, dns.edns.EDECode.SIGNATURE_EXPIRED),
    "unexplained": unvalidated(dns.rcode.SERVFAIL),
    "unreached": unvalidated(dns.rcode.SERVFAIL, dns.edns.EDECode.NO_REACHABLE_AUTHORITY),
    "blocked": unvalidated(dns.rcode.NXDOMAIN, dns.edns.EDECode.BLOCKED),
    "filtered": unvalidated(dns.rcode.NOERROR, dns.edns.EDECode.FILTERED),
    "coldcache": cold_cache(),
}


def honest(query: Answer, address: str) -> Answer:
    """Answer what leads to a domain: as the root and `test` do, or as a resolver does."""
    name, rdtype = query.question[0].name, query.question[0].rdtype
    message = reply(query)
    zone = zone_of(name)
    if address == ROOT and len(zone) > len(TLD):
        message.flags &= ~dns.flags.AA
        message.authority = [servers_of(zone)]
        glue = enumerate(SERVERS)
        message.additional = [dns.rrset.from_text(f"ns{number}.{zone}", 300, "IN", "A", ip) for number, ip in glue]
    elif rdtype == dns.rdatatype.NS:
        message.answer = [servers_of(zone)] if name == zone else []
    elif rdtype == dns.rdatatype.A:
        host = name.labels[0].decode()
        ip = SERVERS[int(host[2:])] if host.startswith("ns") else ROOT
        message.answer = [dns.rrset.from_text(name, 300, "IN", "A", ip)]
    if rdtype == dns.rdatatype.SOA or not (message.answer or message.authority):
        start = dns.rrset.from_text(zone, 300, "IN", "SOA", "ns0. host. 1 60 60 600 30")
        (message.answer if rdtype == dns.rdatatype.SOA and name == zone else message.authority).append(start)
    return message


def unaware(query: Answer, rcode: dns.rcode.Rcode) -> Answer:
    """Answer as a resolver that can't find a domain, or remembers that it does not exist."""
    message = reply(query, rcode=rcode)
    if rcode == dns.rcode.NXDOMAIN:
        message.authority = [dns.rrset.from_text(TLD, 300, "IN", "SOA", "ns0. host. 1 60 60 600 30")]
    return message


def zone_of(name: dns.name.Name) -> dns.name.Name:
    """Name the zone of a name: one for each mode, `test`, and the root."""
    return dns.name.Name(name.labels[-3:]) if name.is_subdomain(TLD) else dns.name.root


def servers_of(zone: dns.name.Name) -> dns.rrset.RRset:
    names = ["a.root.test."] if len(zone) <= len(TLD) else [f"ns{number}.{zone}" for number in range(len(SERVERS))]
    return dns.rrset.from_text_list(zone, 300, "IN", "NS", names)


class HostileDns:
    """Gives the port that all the servers listen on, and what was asked of them: all of it, and counted by zone."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.packets: Counter[str] = Counter()
        self.play = Play()
        self.mute: set[str] = set()  # addresses that never answer
        self.unaware: dict[str, dns.rcode.Rcode] = {}  # what the resolver says of a whole domain
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = asyncio.Event()

    def _answer(self, query: Answer, zone: str, by_tcp: bool) -> Sent:
        mode = self.play.mode(zone) or zone.split(".")[0]
        if mode == WRITTEN:
            return [(0, wire(self.play.written(query, zone)))]
        return MODES.get(mode, MODES["nxdomain"])(query, by_tcp)

    def sent(self, packet: bytes, address: str, by_tcp: bool) -> Sent:
        query = dns.message.from_wire(packet)
        name, rdtype = query.question[0].name, query.question[0].rdtype
        zone = str(zone_of(name)).rstrip(".")
        self.packets[zone] += 1
        self.play.note(address, zone, query)
        if address in self.mute:
            return []
        if address == RESOLVER and zone in self.unaware:
            return [(0, wire(unaware(query, self.unaware[zone])))]
        if address == ROOT or rdtype not in (dns.rdatatype.TXT, dns.rdatatype.MX):
            return [(0, wire(honest(query, address)))]
        return self._answer(query, zone, by_tcp)

    async def serve(self, serving: threading.Event) -> None:
        """Serve until `stop`."""
        self._loop = loop = asyncio.get_running_loop()
        async with AsyncExitStack() as stack:
            for address in (RESOLVER, ROOT, *SERVERS):
                datagrams, _ = await loop.create_datagram_endpoint(
                    partial(_Datagrams, self, address), (address, self.port)
                )
                stack.callback(datagrams.close)
                await stack.enter_async_context(await asyncio.start_server(self._stream, address, self.port))
            serving.set()
            await self._over.wait()

    def stop(self) -> None:
        """End the servers, from another thread."""
        if self._loop:
            self._loop.call_soon_threadsafe(self._over.set)

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        address = writer.get_extra_info("sockname")[0]
        try:
            packet = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
            answer = self.sent(packet, address, by_tcp=True)
            writer.write(sum(len(octets) for _, octets in answer).to_bytes(2) if answer else b"")
            for delay, octets in answer:
                await asyncio.sleep(delay)
                writer.write(octets)
                await writer.drain()
        except (OSError, EOFError, asyncio.CancelledError):
            pass  # whoever asked has hung up, or the servers end
        finally:
            writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, hostile: HostileDns, address: str) -> None:
        self._hostile, self._address = hostile, address

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        loop = asyncio.get_running_loop()
        for delay, octets in self._hostile.sent(data, self._address, by_tcp=False):
            loop.call_later(delay, self._transport.sendto, octets, addr)


@contextmanager
def running() -> Iterator[HostileDns]:
    """Run the servers for as long as the context lasts."""
    hostile = HostileDns(free_port(RESOLVER, ROOT, *SERVERS))
    serving = threading.Event()
    thread = threading.Thread(target=asyncio.run, args=(hostile.serve(serving),))
    thread.start()
    try:
        assert serving.wait(5), "the hostile servers did not start"
        yield hostile
    finally:
        hostile.stop()
        thread.join(5)

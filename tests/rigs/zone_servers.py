"""Serve the text of a zone case over real sockets: recursive resolvers, and each nameserver at addresses of its own.

What the text lacks is added honestly: the root, and the registry above with its delegation. So the packets of a whole
check can be counted, cold, for every case there is.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from itertools import count, pairwise
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from letterhead.adapters.dns.zonefile import ZoneFileResolver
from letterhead.core.dns.answers import (
    Aliased,
    Answer,
    Delegated,
    Found,
    NoData,
    NxDomain,
    Question,
    Reply,
    Unanswered,
    View,
    Why,
)
from letterhead.core.dns.records import Address, Mx, Rdata, RRset, Soa, Target, Txt, display_texts, quote
from letterhead.ports.resolver import Allowance
from tests.rigs.processes import free_port

SILENT = {Why.TIMEOUT, Why.UNREACHABLE, Why.TCP_BLOCKED, Why.MALFORMED, Why.NOT_ASKED}


class ZoneServers:
    """Answers from the text of zones and counts the packets; each nameserver has `each` addresses."""

    def __init__(self, text: str, *, each: int, resolvers: int, asked: str | None = None) -> None:
        self._zones, self.servers, self._each, self.packets = *_whole(text, asked), each, 0
        addresses = [f"127.0.1.{number + 1}" for number in range(resolvers)]
        self.port = free_port(*addresses)
        self.resolvers = [(address, self.port) for address in addresses]
        self._free = (f"127.0.{third}.{last}" for third in count(2) for last in range(1, 250))
        self._addresses: dict[str, list[str]] = {}
        self._open: list[asyncio.BaseTransport] = []

    async def listen(self, address: str, server: str | None) -> None:
        """Answer at an address, as a nameserver or (None) as a resolver."""
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Port(self, server), (address, self.port)
        )
        self._open.append(transport)

    def close(self) -> None:
        """End all servers."""
        for each in self._open:
            each.close()

    async def answer(self, packet: bytes, server: str | None) -> bytes | None:
        """Answer one packet; nothing where the text says that this server is silent."""
        self.packets += 1
        query = dns.message.from_wire(packet)
        name = query.question[0].name.to_text(omit_final_dot=True).lower().removesuffix(".")
        rdtype = dns.rdatatype.to_text(query.question[0].rdtype)
        said = await (self._resolved(name, rdtype) if server is None else self._said_by(server, name, rdtype))
        if isinstance(said, Unanswered) and said.why in SILENT:
            return None
        message = dns.message.make_response(query)
        message.flags |= dns.flags.RA if server is None else dns.flags.AA
        held = (await self._ask(View.DELEGATION, name, "NS"))[0].answer
        _write(message, name, said, held)
        return message.to_wire(max_size=65535)

    async def _resolved(self, name: str, rdtype: str) -> Answer:
        """Answer as a resolver does; a nameserver that has an address, or of which the text knows nothing, is here."""
        said = (await self._ask(View.RECURSIVE, name, rdtype))[0].answer
        if rdtype not in ("A", "AAAA") or name not in self.servers:
            return said
        unknown = isinstance(said, NxDomain) and not said.zone
        if rdtype == "A" and (isinstance(said, Found) or unknown):
            addresses = tuple(Address(ip=each) for each in await self.addresses(name))
            return Found(rrset=RRset(owner=name, rdtype="A", ttl=600, rdatas=addresses))
        return said if isinstance(said, NxDomain) and not unknown else NoData(negative_ttl=600)

    async def _said_by(self, server: str, name: str, rdtype: str) -> Answer | None:
        replies = await self._ask(View.EVERY_SERVER, name, rdtype)
        return next((each.answer for each in replies if each.perspective.server == server), None)

    async def addresses(self, server: str) -> list[str]:
        """Give a nameserver its addresses, and answer at them from now on."""
        if server not in self._addresses:
            self._addresses[server] = [next(self._free) for _ in range(self._each)]
            for address in self._addresses[server]:
                await self.listen(address, server)
        return self._addresses[server]

    async def _ask(self, view: View, name: str, rdtype: str) -> tuple[Reply, ...]:
        question = Question(name=name or ".", rdtype=rdtype, view=view)
        return (await self._zones.ask([question], Allowance(packets=1, until=1e9)))[question]


class _Port(asyncio.DatagramProtocol):
    def __init__(self, servers: ZoneServers, server: str | None) -> None:
        self._servers, self._server = servers, server
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        task = asyncio.get_running_loop().create_task(self._answer(data, addr))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, data: bytes, addr: tuple[str, int]) -> None:
        packet = await self._servers.answer(data, self._server)
        if packet is not None and not self._transport.is_closing():
            self._transport.sendto(packet, addr)


@asynccontextmanager
async def serving(
    text: str, *, each: int = 1, resolvers: int = 1, asked: str | None = None
) -> AsyncIterator[ZoneServers]:
    """Serve a text for as long as the context lasts; `asked` is its zone where the text names none."""
    servers = ZoneServers(text, each=each, resolvers=resolvers, asked=asked)
    try:
        for address, _ in servers.resolvers:
            await servers.listen(address, None)
        yield servers
    finally:
        servers.close()


# --- the zones above --------------------------------------------------------------------------------------------------


def _whole(text: str, asked: str | None) -> tuple[ZoneFileResolver, set[str]]:
    """Add the registry and the root where the text lacks them; return all zones and the names of all nameservers."""
    resolver = ZoneFileResolver(text, asked=asked)
    held = set(resolver.zones) - {""}
    top = min(held, key=lambda zone: zone.count("."))
    chain = [top, *([top.rpartition(".")[2]] if "." in top else []), ""]
    texts, servers = [text], set(_named(resolver))
    below = _servers_of(resolver, top)
    for lower, zone in pairwise(chain):
        if zone not in resolver.zones:
            texts.append(_zone(zone, lower, below))
        below = [f"{letter}.nic.{zone or 'root'}" for letter in "abc"]
        servers |= set(below)
    return ZoneFileResolver(*texts, asked=asked), servers


def _named(resolver: ZoneFileResolver) -> Iterator[str]:
    for owner in resolver.owners:
        yield from _servers_of(resolver, owner)


def _servers_of(resolver: ZoneFileResolver, zone: str) -> list[str]:
    question = Question(name=zone or ".", rdtype="NS", view=View.RECURSIVE)
    (reply,) = resolver.replies(question)
    return list(display_texts(reply.answer.rrset.rdatas)) if isinstance(reply.answer, Found) else []


def _zone(zone: str, lower: str, below: list[str]) -> str:
    servers = [f"{letter}.nic.{zone or 'root'}." for letter in "abc"]
    return "\n".join(
        [
            f"$ORIGIN {zone}.",
            f"@ 3600 SOA {servers[0]} hostmaster.nic 1 7200 3600 1209600 600",
            *(f"@ 3600 NS {each}" for each in servers),
            *(f"{each} 3600 A 192.0.2.1" for each in servers if zone),
            *(f"{lower}. 3600 NS {each}." for each in below),
        ]
    )


# --- from the core's answers to the wire ------------------------------------------------------------------------------


def _write(message: dns.message.Message, name: str, said: Answer | None, held: Answer) -> None:
    zone = held.zone if isinstance(held, Delegated) else ""
    match said:
        case None:
            _refer(message, held)
        case Found():
            message.answer = [*_aliases(name, said.aliases), _records(said.rrset)]
        case Aliased():
            message.answer = _aliases(name, said.aliases)
            message.authority = [_soa(zone)] if said.dangling else []
        case NoData() | Unanswered(why=Why.UNREADABLE):  # what can't be read is in no zone that a server has loaded
            message.authority = [_soa(zone)]
        case NxDomain():
            message.set_rcode(dns.rcode.NXDOMAIN)
            message.authority = [_soa(said.zone or "")]
        case Unanswered(why=Why.REFUSED):
            message.set_rcode(dns.rcode.REFUSED)
        case _:
            message.set_rcode(dns.rcode.SERVFAIL)


def _refer(message: dns.message.Message, held: Answer) -> None:
    """Send on to the servers of the zone that holds the name."""
    message.flags &= ~dns.flags.AA
    if isinstance(held, Delegated) and held.servers:
        names = [f"{each.name}." for each in held.servers]
        message.authority = [dns.rrset.from_text_list(f"{held.zone}.", 3600, "IN", "NS", names)]
    else:
        message.set_rcode(dns.rcode.REFUSED)


def _soa(zone: str) -> dns.rrset.RRset:
    return dns.rrset.from_text(f"{zone}.", 600, "IN", "SOA", "ns. hostmaster. 1 7200 3600 1209600 600")


def _aliases(name: str, aliases: tuple[str, ...]) -> list[dns.rrset.RRset]:
    steps = pairwise((name, *aliases))
    return [dns.rrset.from_text(f"{owner}.", 600, "IN", "CNAME", f"{target}.") for owner, target in steps]


def _records(found: RRset) -> dns.rrset.RRset:
    return dns.rrset.from_text_list(f"{found.owner}.", found.ttl, "IN", found.rdtype, list(map(text_of, found.rdatas)))


def text_of(rdata: Rdata) -> str:
    """Return an RDATA in presentation form."""
    match rdata:
        case Txt():
            return " ".join(map(quote, rdata.strings))
        case Mx():
            return f"{rdata.preference} {rdata.exchange}."
        case Target():
            return f"{rdata.name}."
        case Soa():
            return f"{rdata.primary}. hostmaster. {rdata.serial} 7200 3600 1209600 {rdata.minimum}"
        case _:
            return display_texts([rdata])[0]

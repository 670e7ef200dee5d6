"""Knows how one question reaches one server and its answer comes back: sockets, tries, time; not what answers mean.

Each question has a socket of its own, connected to the server, so that the kernel picks a random port and drops
what comes from elsewhere (RFC 5452 9.2). What is not the answer is ignored for as long as the answer may still come.
"""

import asyncio
import ipaddress
import secrets
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import dns.rcode

from letterhead.adapters.dns.wire import (
    MAX_OCTETS,
    DnsMessage,
    DnsQuery,
    Malformed,
    TooLarge,
    belongs,
    question_packet,
    read_message,
)
from letterhead.core.dns.answers import Unanswered, Why
from letterhead.ports.resolver import Allowance

TRIES = 2
MAX_STRAYS = 32  # packets that are not the answer, before we give the server up
SILENT = frozenset({Why.TIMEOUT, Why.UNREACHABLE})
_WITHOUT_EDNS = (dns.rcode.FORMERR, dns.rcode.NOTIMP)  # RFC 6891 7: an old server's word for "what is an OPT?"

SocketAddress = tuple[str, int]


@dataclass(slots=True)
class QuestionBudget:
    """Holds what one question may still use: the check's allowance, and a deadline in seconds of the loop's clock."""

    allowance: Allowance
    deadline: float
    silent: set[str] = field(default_factory=set)  # addresses that were asked twice for one name already

    def take_again(self, address: str) -> bool:
        """Takes a packet for a second try, once for each address: what is silent to one question is so to all."""
        if address in self.silent:
            return False
        self.silent.add(address)
        return self.take()

    def take(self) -> bool:
        """Takes one packet, if one is left and the time is not over."""
        if self.allowance.packets <= 0 or asyncio.get_running_loop().time() >= self.deadline:
            return False
        self.allowance.packets -= 1
        return True

    def left_over(self) -> Unanswered:
        """Says that the check's own limits kept us from asking."""
        spent = self.allowance.packets <= 0
        detail = "the check has sent all the packets that it may" if spent else "the check has run out of time"
        return Unanswered(why=Why.NOT_ASKED, detail=detail)


def is_usable(address: str) -> bool:
    """Says whether this machine has a route to an address that may be a nameserver's; sends nothing."""
    ip = ipaddress.ip_address(address)
    if ip.is_multicast or ip.is_unspecified or address == "255.255.255.255":
        return False
    try:
        _connected((address, 53)).close()
    except OSError:
        return False
    return True


async def exchange(
    server: SocketAddress, query: DnsQuery, budget: QuestionBudget, per_try: float
) -> DnsMessage | Unanswered:
    """Asks one server one question: at most two tries over UDP, then once over TCP where the answer was truncated."""
    try:
        with _connected(server) as sock:
            answer = await _Conversation(sock, server[0], query, budget, per_try).hold()
    except OSError as trouble:
        return Unanswered(why=Why.UNREACHABLE, detail=trouble.strerror or "the network refused")
    if isinstance(answer, DnsMessage) and answer.truncated:
        return await _over_tcp(server, query, budget, 2 * per_try)
    return answer


def _connected(server: SocketAddress) -> socket.socket:
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.connect(server)
    except OSError:
        sock.close()
        raise
    return sock


class _Conversation:
    """Asks over one UDP socket. A second try repeats the id, so that a late answer to the first is still heard."""

    def __init__(
        self, sock: socket.socket, address: str, query: DnsQuery, budget: QuestionBudget, per_try: float
    ) -> None:
        self._sock, self._address, self._query, self._budget, self._per_try = sock, address, query, budget, per_try
        self._id = secrets.randbits(16)
        self._loop = asyncio.get_running_loop()
        self._strays = 0

    async def hold(self) -> DnsMessage | Unanswered:
        edns, heard = True, None
        for attempt in range(TRIES):
            silent = attempt > 0 and heard is None
            if self._budget.take_again(self._address) if silent else self._budget.take():
                with suppress(BlockingIOError):  # a full buffer loses the packet, as the way there may
                    self._sock.send(question_packet(self._id, self._query, edns=edns))
            elif attempt == 0:
                return self._budget.left_over()
            heard = await self._hear(self._loop.time() + self._per_try)
            if heard is not None and not (isinstance(heard, DnsMessage) and heard.rcode in _WITHOUT_EDNS and edns):
                return heard
            edns = edns and heard is None
        return heard or self._silence()

    async def _hear(self, until: float) -> DnsMessage | Unanswered | None:
        """Waits for the answer; nothing where none came in time."""
        heard: asyncio.Future[DnsMessage | Unanswered | None] = self._loop.create_future()
        timer = self._loop.call_at(min(until, self._budget.deadline), _settle, heard, None)
        self._loop.add_reader(self._sock, self._listen, heard)
        try:
            return await heard
        finally:
            self._loop.remove_reader(self._sock)
            timer.cancel()

    def _listen(self, heard: "asyncio.Future[DnsMessage | Unanswered | None]") -> None:
        """Takes one packet; the wait ends with the answer, with too many strays, or where the network refuses."""
        if heard.done():
            return
        try:
            answer = _read(self._sock.recv(MAX_OCTETS + 1), self._id, self._query)
        except BlockingIOError:  # woken for a packet whose checksum was wrong
            return
        except OSError as trouble:
            if not heard.done():
                heard.set_exception(trouble)
            return
        self._strays += answer is None
        if answer is not None or self._strays >= MAX_STRAYS:
            _settle(heard, answer)

    def _silence(self) -> Unanswered:
        if self._strays:
            return Unanswered(why=Why.MALFORMED, detail="sent nothing that answers the question")
        if self._loop.time() >= self._budget.allowance.until:
            return self._budget.left_over()
        return Unanswered(why=Why.TIMEOUT, detail="no answer")


def _settle(heard: "asyncio.Future[DnsMessage | Unanswered | None]", answer: DnsMessage | Unanswered | None) -> None:
    if not heard.done():
        heard.set_result(answer)


def _read(packet: bytes, packet_id: int, query: DnsQuery) -> DnsMessage | Unanswered | None:
    """Reads a packet; nothing where it is not the answer or can't be read."""
    if not belongs(packet, packet_id, query):
        return None
    try:
        return read_message(packet, query)
    except TooLarge:
        return Unanswered(why=Why.TOO_LARGE, detail="more than 16 KB, 64 records or 512 strings")
    except Malformed:
        return None


async def _over_tcp(
    server: SocketAddress, query: DnsQuery, budget: QuestionBudget, seconds: float
) -> DnsMessage | Unanswered:
    if not budget.take():
        return budget.left_over()
    packet_id = secrets.randbits(16)
    until = min(asyncio.get_running_loop().time() + seconds, budget.deadline)
    try:
        async with asyncio.timeout_at(until):
            packet = await _by_stream(server, question_packet(packet_id, query, edns=True))
    except (TimeoutError, OSError, EOFError):
        return Unanswered(why=Why.TCP_BLOCKED, detail="truncated over UDP, and nothing came over TCP")
    answer = _read(packet, packet_id, query)
    if answer is None or (isinstance(answer, DnsMessage) and answer.truncated):
        return Unanswered(why=Why.MALFORMED, detail="sent nothing over TCP that answers the question")
    return answer


async def _by_stream(server: SocketAddress, packet: bytes) -> bytes:
    """Exchanges one message over TCP (RFC 1035 4.2.2); reads no more of an answer than shows that it is too large."""
    reader, writer = await asyncio.open_connection(*server)
    try:
        writer.write(len(packet).to_bytes(2) + packet)
        length = int.from_bytes(await reader.readexactly(2))
        return await reader.readexactly(min(length, MAX_OCTETS + 1))
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


async def first_telling(
    servers: Sequence[SocketAddress], query: DnsQuery, budget: QuestionBudget, per_try: float
) -> DnsMessage | Unanswered:
    """Asks servers one after the other, the next one early where one is slow, until one of them tells something."""
    waiting = list(servers)
    running: set[asyncio.Task[DnsMessage | Unanswered]] = set()
    last: DnsMessage | Unanswered = Unanswered(why=Why.NO_SERVERS, detail="nobody to ask")
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.create_task(exchange(waiting.pop(0), query, budget, per_try)))
            done, running = await asyncio.wait(
                running, timeout=per_try / 3 if waiting else None, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                last = task.result()
                if isinstance(last, DnsMessage) and last.rcode in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                    return last
        return last
    finally:
        for task in running:
            task.cancel()

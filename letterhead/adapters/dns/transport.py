"""Exchange of one question and its response with one server: sockets, tries and timeouts.

Each question has a socket of its own, connected to the server, so that the kernel picks a random port and drops what
comes from elsewhere (RFC 5452 9.2). Packets that are not the response are ignored for as long as the response may still
come.
"""

import asyncio
import ipaddress
import os
import secrets
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import dns.rcode

from letterhead.adapters.dns.packet_rates import PacketRates
from letterhead.adapters.dns.wire import (
    MAX_LABELS,
    MAX_OCTETS,
    MAX_STRINGS,
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
MAX_STRAYS = 32  # packets that are not the response, after which we give up the server
SILENT = frozenset({Why.TIMEOUT, Why.UNREACHABLE})
_WITHOUT_EDNS = (dns.rcode.FORMERR, dns.rcode.NOTIMP)  # RFC 6891 7: from servers that know no OPT

SocketAddress = tuple[str, int]


@dataclass(slots=True)
class QuestionBudget:
    """What one question may still use: the check's allowance, and a deadline in seconds of the loop's clock.

    `waiting` counts the packets that wait for a token of their server; that time is none of the question's.
    """

    allowance: Allowance
    deadline: float
    rates: PacketRates
    silent: set[str] = field(default_factory=set)  # addresses that were asked twice for one name already
    waiting: int = 0

    async def take_again(self, address: str, query: DnsQuery) -> bool:
        """Take a packet for a second try, once per address: a server that ignores one question ignores all."""
        if address in self.silent:
            return False
        self.silent.add(address)
        return await self.take(address, query)

    async def take(self, address: str, query: DnsQuery) -> bool:
        """Take one packet, if one is left and the deadline has not passed, once its server may get another.

        Resolvers, which alone are asked to recurse, are the operator's choice and get as many as there are.
        """
        if not self._is_open():
            return False
        if not query.recursive:
            loop = asyncio.get_running_loop()
            left = self.deadline - loop.time()
            self.waiting += 1
            try:
                if not await self.rates.take(address, self.allowance):
                    return False
            finally:
                self.waiting -= 1
            self.deadline = min(self.allowance.until, max(self.deadline, loop.time() + left))
            if not self._is_open():
                return False
        self.allowance.packets -= 1
        return True

    def _is_open(self) -> bool:
        return self.allowance.packets > 0 and asyncio.get_running_loop().time() < self.deadline

    def left_over(self) -> Unanswered:
        """Return the answer for a question that the check's own limits kept us from asking."""
        spent = self.allowance.packets <= 0
        if self.allowance.has_waited and not spent:  # that the time is over is due to our own limit
            self.allowance.is_limited = True
        if self.allowance.is_limited:
            return Unanswered(why=Why.NOT_ASKED, detail="this server gets no more packets from us for now")
        detail = "the check has sent all the packets that it may" if spent else "the check has run out of time"
        return Unanswered(why=Why.NOT_ASKED, detail=detail)


def is_usable(address: str) -> bool:
    """Return whether this machine has a route to an address that may be a nameserver's; nothing is sent."""
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
    """Ask one server one question: at most two tries over UDP, then once over TCP where the response is truncated.

    A failure is `Unanswered`, never raised.
    """
    try:
        with _connected(server) as sock:
            answer = await _Conversation(sock, server[0], query, budget, per_try).run()
    except OSError as error:
        return Unanswered(why=Why.UNREACHABLE, detail=error.strerror or "the network refused")
    if isinstance(answer, DnsMessage) and answer.truncated:
        return await _over_tcp(server, query, budget, 2 * per_try)
    return answer


def _connected(server: SocketAddress) -> socket.socket:
    family = socket.AF_INET6 if ":" in server[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        sock.connect(server)
    except OSError:
        sock.close()
        raise
    return sock


class _Conversation:
    """The tries over one UDP socket.

    A second try repeats the id, so that a late response to the first is still accepted.
    """

    def __init__(
        self, sock: socket.socket, address: str, query: DnsQuery, budget: QuestionBudget, per_try: float
    ) -> None:
        self._sock, self._address, self._query, self._budget, self._per_try = sock, address, query, budget, per_try
        self._id = int.from_bytes(os.urandom(2))
        self._loop = asyncio.get_running_loop()
        self._strays = 0
        self._began = self._loop.time()

    async def run(self) -> DnsMessage | Unanswered:
        edns = True
        response: DnsMessage | Unanswered | None = None
        for attempt in range(TRIES):
            repeated = attempt > 0 and response is None
            take = self._budget.take_again if repeated else self._budget.take
            if await take(self._address, self._query):
                with suppress(BlockingIOError):  # a full buffer loses the packet, as the network may
                    self._sock.send(question_packet(self._id, self._query, edns=edns))
            elif attempt == 0 or self._budget.allowance.is_limited:
                return self._budget.left_over()
            response = await self._receive(self._loop.time() + self._per_try)
            if response is not None and not (
                isinstance(response, DnsMessage) and response.rcode in _WITHOUT_EDNS and edns
            ):
                return response
            edns = edns and response is None
        if response is not None:
            return response
        if self._strays:
            return Unanswered(why=Why.MALFORMED, detail="sent nothing that answers the question")
        waited = self._loop.time() - self._began
        # Where the check ended within the first try, the server had no fair chance.
        if waited < self._per_try and self._loop.time() >= self._budget.allowance.until:
            return self._budget.left_over()
        return Unanswered(why=Why.TIMEOUT, detail=f"no answer in {waited:.0f} s")

    async def _receive(self, until: float) -> DnsMessage | Unanswered | None:
        """Wait for the response; return None where none came in time."""
        pending: asyncio.Future[DnsMessage | Unanswered | None] = self._loop.create_future()
        timer = self._loop.call_at(min(until, self._budget.deadline), _settle, pending, None)
        self._loop.add_reader(self._sock, self._listen, pending)
        try:
            return await pending
        finally:
            self._loop.remove_reader(self._sock)
            timer.cancel()

    def _listen(self, pending: "asyncio.Future[DnsMessage | Unanswered | None]") -> None:
        """Receive one packet; the wait ends with the response, with too many strays, or where the network refuses."""
        if pending.done():
            return
        try:
            answer = _read(self._sock.recv(MAX_OCTETS), self._id, self._query)
        except BlockingIOError:  # woken for a packet whose checksum was wrong
            return
        except OSError as error:
            if not pending.done():
                pending.set_exception(error)
            return
        self._strays += answer is None
        if answer is not None or self._strays >= MAX_STRAYS:
            _settle(pending, answer)


def _settle(pending: "asyncio.Future[DnsMessage | Unanswered | None]", answer: DnsMessage | Unanswered | None) -> None:
    if not pending.done():
        pending.set_result(answer)


def _read(packet: bytes, packet_id: int, query: DnsQuery) -> DnsMessage | Unanswered | None:
    """Read a packet; return None where it is not the response or can't be read."""
    if not belongs(packet, packet_id, query):
        return None
    try:
        return read_message(packet, query)
    except TooLarge:
        return Unanswered(why=Why.TOO_LARGE, detail=f"more than {MAX_STRINGS} strings or {MAX_LABELS} labels")
    except Malformed:
        return None


async def _over_tcp(
    server: SocketAddress, query: DnsQuery, budget: QuestionBudget, seconds: float
) -> DnsMessage | Unanswered:
    """Ask one server over TCP (RFC 1035 4.2.2)."""
    if not await budget.take(server[0], query):
        return budget.left_over()
    packet_id = secrets.randbits(16)
    until = min(asyncio.get_running_loop().time() + seconds, budget.deadline)
    try:
        async with asyncio.timeout_at(until):
            reader, writer = await asyncio.open_connection(*server)
            try:
                question = question_packet(packet_id, query, edns=True)
                writer.write(len(question).to_bytes(2) + question)
                packet = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
            finally:
                writer.transport.abort()
                with suppress(OSError):
                    await writer.wait_closed()
    except (TimeoutError, OSError, EOFError):
        return Unanswered(why=Why.TCP_BLOCKED, detail="truncated over UDP, and nothing came over TCP")
    answer = _read(packet, packet_id, query)
    if answer is None or (isinstance(answer, DnsMessage) and answer.truncated):
        return Unanswered(why=Why.MALFORMED, detail="sent nothing over TCP that answers the question")
    return answer


async def first_conclusive(
    servers: Sequence[SocketAddress], query: DnsQuery, budget: QuestionBudget, per_try: float
) -> DnsMessage | Unanswered:
    """Ask servers one after the other, the next one early where one is slow, until one responds NOERROR or NXDOMAIN."""
    if len(servers) == 1:
        return await exchange(servers[0], query, budget, per_try)
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

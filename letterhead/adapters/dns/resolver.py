"""The DNS resolver: asks recursive resolvers or a zone's own servers, according to the view of each question.

Recursive resolvers show what the world sees, the zone's own servers what is published. Where port 53 of the world is
closed to this machine, the resolvers stand in, and the replies say so by their perspective.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import dns.exception
import dns.rcode

from letterhead.adapters.dns.cache import Cache
from letterhead.adapters.dns.delegation import ANYWHERE, MAX_SERVERS, Delegations, DnsSetup, IpNetwork, ZoneCut
from letterhead.adapters.dns.interpret import BOGUS, CONCLUSIVE, NOT_REACHED, negative_ttl, resolver_answer
from letterhead.adapters.dns.labels import ROOT, Name, name_from, name_text
from letterhead.adapters.dns.packet_rates import PacketRates
from letterhead.adapters.dns.server_set import ServerSet, interleave_addresses
from letterhead.adapters.dns.transport import SILENT, QuestionBudget, SocketAddress, exchange
from letterhead.adapters.dns.wire import SOA, DnsMessage, DnsQuery, type_number
from letterhead.core.dns.answers import (
    DELEGATION_LOOKUP,
    Answer,
    Delegated,
    NxDomain,
    Perspective,
    Question,
    Reply,
    Unanswered,
    View,
    Why,
)
from letterhead.ports.resolver import Allowance

DNS_PORT = 53
PER_QUESTION = 5.0  # seconds
PER_TRY = 1.75
ROOTS_PROBED = 3
PROBE_SECONDS = 0.6  # for each of two tries
PROBE_LASTS = 600.0
MAX_REFERRALS = 3
FIRST_ASKED = {View.TWO_SERVERS: 2, View.ONE_SERVER: 1}
MOST_ASKED = {View.TWO_SERVERS: 4, View.ONE_SERVER: 4}  # where the first ones differ, or have no answer
LOST = Unanswered(why=Why.LAME, detail="the servers send us from one to the next")
PRIVATE = Unanswered(
    why=Why.PRIVATE_SERVERS, detail="the addresses of the nameservers are not public, so that we don't ask them"
)
NO_ADDRESS = Unanswered(why=Why.NO_SERVERS, detail="none of the nameservers has an address that we can ask")


def top_level(name: str) -> bool:
    """Return whether a name is a top-level domain, and so a registry's, as far as its form shows."""
    return "." not in name


@dataclass(frozen=True, slots=True)
class ExchangeLimits:
    """The seconds for one try at a server, and the packets a second that one server gets; None is without a limit."""

    per_try: float = PER_TRY
    packets_per_second: float | None = None


USUAL_LIMITS = ExchangeLimits()


class DnsResolver:
    """The implementation of `Resolver` over the network.

    It asks `resolvers` (address and port) and, on `authoritative_port`, the servers of each zone. `is_registry` returns
    for a zone whether names below it are registered by strangers: a name that does not exist there is not registered.
    No server is asked whose address is not public, unless it lies in `networks`, or the port is not 53: whoever has a
    domain could make us send packets anywhere. `limits` are those of the exchange with one server. `clock` (seconds)
    expires the cache.
    """

    def __init__(
        self,
        resolvers: Sequence[SocketAddress],
        authoritative_port: int = 53,
        *,
        limits: ExchangeLimits = USUAL_LIMITS,
        is_registry: Callable[[str], bool] = top_level,
        networks: Sequence[IpNetwork] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._setup = DnsSetup(
            tuple(resolvers),
            authoritative_port,
            limits.per_try,
            Cache(clock),
            is_registry=is_registry,
            rates=PacketRates(limits.packets_per_second),
            networks=tuple(networks) if authoritative_port == DNS_PORT else ANYWHERE,
        )
        self._port53 = _Port53(clock)
        self._is_registry = is_registry

    @property
    def stands_in(self) -> bool:
        """Return whether the resolvers stand in for authoritative servers that this machine can't reach."""
        return self._port53.closed

    async def ask(self, questions: Iterable[Question], allowance: Allowance) -> dict[Question, tuple[Reply, ...]]:
        """Ask all questions concurrently and return replies to every one; a DNS failure is a value, never raised."""
        deadline = min(allowance.until, asyncio.get_running_loop().time() + PER_QUESTION)
        asked = list(dict.fromkeys(questions))
        budget = QuestionBudget(allowance, deadline, self._setup.rates)
        round_ = _Round(self._setup, budget, self._port53, self._is_registry)
        try:
            replies = await asyncio.gather(*map(round_.answer, asked))
        finally:
            round_.close()
        return dict(zip(asked, replies, strict=True))


class _Port53:
    """Whether the world's port 53 is closed to this machine, remembered for a while."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._until, self._closed = clock, clock(), False

    @property
    def known(self) -> bool:
        return self._clock() < self._until

    @property
    def closed(self) -> bool:
        return self.known and self._closed

    def note(self, *, closed: bool | None) -> None:
        """Store the result of a probe; None where the probe had no result."""
        if closed is not None:
            self._closed, self._until = closed, self._clock() + PROBE_LASTS


class _Round:
    """The questions of one call: they share a deadline, an allowance and the zone cuts found on the way."""

    def __init__(
        self, setup: DnsSetup, budget: QuestionBudget, port53: _Port53, is_registry: Callable[[str], bool]
    ) -> None:
        self._setup, self._budget, self._port53, self._is_registry = setup, budget, port53, is_registry
        self._delegations = Delegations(setup, budget)
        self._server_sets: list[ServerSet] = []
        self._again: dict[tuple[SocketAddress, Name], asyncio.Task[DnsMessage | Unanswered]] = {}
        self._probing = asyncio.Lock()

    def close(self) -> None:
        self._delegations.close()
        for server_set in self._server_sets:
            server_set.cancel()
        for task in self._again.values():
            task.cancel()

    async def answer(self, question: Question) -> tuple[Reply, ...]:
        try:
            name, rdtype = name_from(question.name), type_number(question.rdtype)
        except (dns.exception.DNSException, ValueError) as error:
            return _unasked(question, Unanswered(why=Why.MALFORMED, detail=str(error)))
        match question.view:
            case View.RECURSIVE:
                return await self._at_resolvers(name, rdtype)
            case View.ONE_RESOLVER:
                return await self._at_one_resolver(name, rdtype)
            case View.EVERY_SERVER | View.TWO_SERVERS | View.ONE_SERVER:
                return await self._at_servers(question, name, rdtype)
            case View.DELEGATION:
                return (await self._delegation(name),)

    async def _at_resolvers(self, name: Name, rdtype: int) -> tuple[Reply, ...]:
        asked = [self._at_resolver(resolver, name, rdtype) for resolver in self._setup.resolvers]
        return (await asked[0],) if len(asked) == 1 else tuple(await asyncio.gather(*asked))

    async def _at_one_resolver(self, name: Name, rdtype: int) -> tuple[Reply, ...]:
        """Ask one resolver after the other until one answers."""
        replies: list[Reply] = []
        for resolver in self._setup.resolvers:
            replies = [await self._at_resolver(resolver, name, rdtype)]
            if not isinstance(replies[0].answer, Unanswered):
                break
        return tuple(replies)

    async def _at_resolver(self, resolver: SocketAddress, name: Name, rdtype: int) -> Reply:
        query = DnsQuery(name, rdtype, recursive=True)
        response = await self._exchange(resolver, query)
        answer = _resolver_answer(response, query)
        if isinstance(response, DnsMessage) and await self._may_be_bogus(resolver, query, response):
            # A resolver may fail while it has yet to fetch the keys of a zone: it is asked once more, with validation.
            again = await self._ask_again(resolver, query)
            if isinstance(again, DnsMessage):
                failed = again.rcode == dns.rcode.SERVFAIL
                bogus = Unanswered(why=Why.BOGUS, detail=response.rcode_text)
                answer = bogus if failed else _resolver_answer(again, query)
        return Reply(
            perspective=Perspective(view=View.RECURSIVE, server=resolver[0], address=resolver[0]), answer=answer
        )

    async def _may_be_bogus(self, resolver: SocketAddress, query: DnsQuery, response: DnsMessage) -> bool:
        """Return whether a resolver failed for the signatures: it says so, or succeeds unchecked (RFC 4035 3.2.2)."""
        if response.rcode != dns.rcode.SERVFAIL or NOT_REACHED & response.error_codes:
            return False
        if BOGUS & response.error_codes:
            return True
        unchecked = await self._exchange(resolver, DnsQuery(query.name, query.rdtype, True, checking_disabled=True))
        return isinstance(unchecked, DnsMessage) and unchecked.rcode in CONCLUSIVE

    async def _ask_again(self, resolver: SocketAddress, query: DnsQuery) -> DnsMessage | Unanswered:
        """Ask a resolver again; the names of one domain mostly fail together, so first for one of them alone."""
        key = resolver, query.name[-2:]
        first = self._again.get(key)
        if first is None:
            first = self._again[key] = asyncio.create_task(self._exchange(resolver, query))
            return await first
        response = await asyncio.shield(first)
        failed = isinstance(response, Unanswered) or response.rcode == dns.rcode.SERVFAIL
        return response if failed else await self._exchange(resolver, query)

    async def _exchange(self, resolver: SocketAddress, query: DnsQuery) -> DnsMessage | Unanswered:
        return await exchange(resolver, query, self._budget, self._setup.per_try)

    async def _at_servers(self, question: Question, name: Name, rdtype: int) -> tuple[Reply, ...]:
        if self._port53.closed:
            return await self._at_resolvers(name, rdtype)
        # A hint is not worth the question which zone contains it.
        nearest = self._delegations.nearest(name) if question.view is View.ONE_SERVER else None
        cut = nearest or await self._delegations.zone_of(name)
        for _ in range(MAX_REFERRALS):
            if isinstance(cut, Unanswered):
                return _unasked(question, cut)
            server_set = await self._ask_servers(cut, DnsQuery(name, rdtype, recursive=False), question.view)
            if server_set is None:
                return await self._at_resolvers(name, rdtype)
            response = server_set.referral()
            below = self._delegations.below(cut, response, name) if response else None
            if below is None:
                nobody = PRIVATE if self._delegations.has_private_servers(cut) else NO_ADDRESS
                return server_set.replies(question.view) or _unasked(question, nobody, cut)
            cut = below
        return _unasked(question, LOST, cut)

    async def _ask_servers(self, cut: ZoneCut, query: DnsQuery, view: View) -> ServerSet | None:
        """Ask the servers of one zone.

        Return None where they do not respond because port 53 is closed to this machine.
        """
        server_set = ServerSet(self._setup, self._budget, cut, query)
        self._server_sets.append(server_set)
        servers = interleave_addresses(await self._delegations.servers(cut, MOST_ASKED.get(view, MAX_SERVERS)))
        first = FIRST_ASKED.get(view, len(servers))
        server_set.ask(servers[:first])
        await server_set.wait(self._setup.per_try)
        if server_set.has_answer():
            self._port53.note(
                closed=False
            )  # other zones' servers respond, so one zone that does not has itself to blame
        elif servers and await self._is_port53_closed():
            return None
        if not server_set.agree():
            server_set.ask(servers[first : 2 if view is View.ONE_SERVER else MOST_ASKED.get(view)])
            await server_set.wait()
        return server_set

    async def _is_port53_closed(self) -> bool:
        """Return whether port 53 is closed to this machine: the root's servers do not respond either."""
        async with self._probing:
            if not self._port53.known:
                self._port53.note(closed=await self._probe_root())
        return self._port53.closed

    async def _probe_root(self) -> bool | None:
        """Return whether no root server responds; None where that could not be found out."""
        names = await self._delegations.nameservers_of(ROOT)
        if isinstance(names, Unanswered):
            return None
        roots = interleave_addresses(await self._delegations.servers(ZoneCut(ROOT, names), ROOTS_PROBED))
        query = DnsQuery(ROOT, SOA, recursive=False)
        asked = (exchange((ip, self._setup.port), query, self._budget, PROBE_SECONDS) for _, ip in roots)
        responses = await asyncio.gather(*asked)
        if any(isinstance(each, Unanswered) and each.why is Why.NOT_ASKED for each in responses) or not responses:
            return None
        return all(isinstance(each, Unanswered) and each.why in SILENT for each in responses)

    async def _delegation(self, name: Name) -> Reply:
        cut = await self._delegations.zone_of(name)
        answer: Answer
        if isinstance(cut, Unanswered):
            answer = cut
        elif cut.failure is not None:
            answer = cut.failure
        elif not (cut.absent and self._is_registry(name_text(cut.zone))):
            answer = await self._delegated(cut)
        else:
            # The registry's own servers know better: a resolver may have cached that a name does not exist.
            response = await self._refer(cut, name)
            below = self._delegations.below(cut, response, name) if response else None
            ttl = negative_ttl(response) if response else cut.negative_ttl
            absent = NxDomain(negative_ttl=ttl, zone=name_text(cut.zone))
            answer = await self._delegated(below) if below else absent
        zone = answer.zone if isinstance(answer, Delegated | NxDomain) else None
        perspective = Perspective(view=View.DELEGATION, server=DELEGATION_LOOKUP, zone=zone)
        return Reply(perspective=perspective, answer=answer)

    async def _delegated(self, cut: ZoneCut) -> Delegated:
        servers, parents = await asyncio.gather(self._delegations.servers(cut), self._parent_servers(cut))
        return Delegated(
            zone=name_text(cut.zone), servers=servers, negative_ttl=cut.negative_ttl, parent_servers=parents
        )

    async def _parent_servers(self, cut: ZoneCut) -> tuple[str, ...]:
        """Return the servers that the parent zone names for this one; none where it can't be asked."""
        above = await self._delegations.zone_of(cut.zone[1:]) if cut.zone != ROOT else None
        if not isinstance(above, ZoneCut):
            return ()
        response = await self._refer(above, cut.zone)
        below = self._delegations.below(above, response, cut.zone) if response else None
        return tuple(name_text(name) for name in below.names[:MAX_SERVERS]) if below else ()

    async def _refer(self, cut: ZoneCut, name: Name) -> DnsMessage | None:
        response = None if self._port53.closed else await self._delegations.refer(cut, name)
        return response if isinstance(response, DnsMessage) and response.rcode in CONCLUSIVE else None


def _resolver_answer(response: DnsMessage | Unanswered, query: DnsQuery) -> Answer:
    return response if isinstance(response, Unanswered) else resolver_answer(response, query)


def _unasked(question: Question, answer: Answer, cut: ZoneCut | Unanswered | None = None) -> tuple[Reply, ...]:
    """Return a reply for servers that were not asked; with the zone, where it is the cause and not our resolvers."""
    zone = name_text(cut.zone) if isinstance(cut, ZoneCut) else None
    return (Reply(perspective=Perspective(view=question.view, server=DELEGATION_LOOKUP, zone=zone), answer=answer),)

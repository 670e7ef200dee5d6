"""Knows whom to ask for each view, and asks real DNS; refuses to know what the answers mean for a domain.

Recursive resolvers answer for the world's view, the zone's own servers for the truth. Where port 53 of the world is
closed to this machine, the resolvers stand in, and the replies say so by their perspective.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence

import dns.exception

from letterhead.adapters.dns.cache import Cache
from letterhead.adapters.dns.delegation import MAX_SERVERS, Delegations, DnsSetup, ZoneCut
from letterhead.adapters.dns.interpret import TELLING, negative_ttl, resolver_answer
from letterhead.adapters.dns.labels import ROOT, Name, name_from, name_text
from letterhead.adapters.dns.server_set import ServerSet, in_turn
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
PROBE_HOLDS = 600.0
MAX_REFERRALS = 3
FIRST_ASKED = {View.TWO_SERVERS: 2, View.ONE_SERVER: 1}
MOST_ASKED = {View.TWO_SERVERS: 4, View.ONE_SERVER: 4}  # where the first ones differ, or tell nothing
LOST = Unanswered(why=Why.LAME, detail="the servers send us from one to the next")
NO_ADDRESS = Unanswered(why=Why.NO_SERVERS, detail="none of the nameservers has an address that we can ask")


def top_level(name: str) -> bool:
    """Says whether a name is a registry's, as far as its form tells."""
    return "." not in name


class DnsResolver:
    """Asks configured resolvers (address and port) and, on `authoritative_port`, the servers of each zone.

    `is_registry` says of a zone whether names below it are registered by strangers: a name that does not exist there
    is not registered. Unless `private_servers`, or another port than DNS's own is set, no server is asked whose address
    is not public: whoever has a domain could have us knock anywhere. `clock` (seconds) ends what is remembered.
    """

    def __init__(
        self,
        resolvers: Sequence[SocketAddress],
        authoritative_port: int = 53,
        *,
        per_try_timeout: float = PER_TRY,
        is_registry: Callable[[str], bool] = top_level,
        private_servers: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._setup = DnsSetup(
            tuple(resolvers),
            authoritative_port,
            per_try_timeout,
            Cache(clock),
            is_registry=is_registry,
            public_only=authoritative_port == DNS_PORT and not private_servers,
        )
        self._port53 = _Port53(clock)
        self._is_registry = is_registry

    @property
    def stands_in(self) -> bool:
        """Says whether the resolvers stand in for authoritative servers that this machine can't reach."""
        return self._port53.closed

    async def ask(self, questions: Iterable[Question], allowance: Allowance) -> dict[Question, tuple[Reply, ...]]:
        """Asks all questions side by side and answers every one of them; DNS trouble is a value, never raised."""
        deadline = min(allowance.until, asyncio.get_running_loop().time() + PER_QUESTION)
        asked = list(dict.fromkeys(questions))
        round_ = _Round(self._setup, QuestionBudget(allowance, deadline), self._port53, self._is_registry)
        try:
            replies = await asyncio.gather(*map(round_.answer, asked))
        finally:
            round_.close()
        return dict(zip(asked, replies, strict=True))


class _Port53:
    """Remembers for a while whether the world's port 53 is closed to this machine."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._until, self._closed = clock, clock(), False

    @property
    def known(self) -> bool:
        return self._clock() < self._until

    @property
    def closed(self) -> bool:
        return self.known and self._closed

    def note(self, *, closed: bool | None) -> None:
        """Notes what was found; nothing where nothing was found out."""
        if closed is not None:
            self._closed, self._until = closed, self._clock() + PROBE_HOLDS


class _Round:
    """Answers the questions that came together: they share one deadline, one allowance and what is found on the way."""

    def __init__(
        self, setup: DnsSetup, budget: QuestionBudget, port53: _Port53, is_registry: Callable[[str], bool]
    ) -> None:
        self._setup, self._budget, self._port53, self._is_registry = setup, budget, port53, is_registry
        self._delegations = Delegations(setup, budget)
        self._panels: list[ServerSet] = []
        self._probing = asyncio.Lock()

    def close(self) -> None:
        self._delegations.close()
        for panel in self._panels:
            panel.cancel()

    async def answer(self, question: Question) -> tuple[Reply, ...]:
        try:
            name, rdtype = name_from(question.name), type_number(question.rdtype)
        except (dns.exception.DNSException, ValueError) as trouble:
            return _unasked(question, Unanswered(why=Why.MALFORMED, detail=str(trouble)))
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
        """Asks one resolver after the other until one answers."""
        replies: list[Reply] = []
        for resolver in self._setup.resolvers:
            replies = [await self._at_resolver(resolver, name, rdtype)]
            if not isinstance(replies[0].answer, Unanswered):
                break
        return tuple(replies)

    async def _at_resolver(self, resolver: SocketAddress, name: Name, rdtype: int) -> Reply:
        query = DnsQuery(name, rdtype, recursive=True)
        told = await exchange(resolver, query, self._budget, self._setup.per_try)
        answer = told if isinstance(told, Unanswered) else resolver_answer(told, query)
        if isinstance(answer, Unanswered) and answer.why is Why.SERVER_FAILURE:
            answer = await self._why_failed(resolver, query, answer)
        return Reply(
            perspective=Perspective(view=View.RECURSIVE, server=resolver[0], address=resolver[0]), answer=answer
        )

    async def _why_failed(self, resolver: SocketAddress, query: DnsQuery, failed: Unanswered) -> Unanswered:
        """Asks again with checking disabled: what succeeds then failed for its signatures (RFC 4035 3.2.2)."""
        unchecked = DnsQuery(query.name, query.rdtype, recursive=True, checking_disabled=True)
        told = await exchange(resolver, unchecked, self._budget, self._setup.per_try)
        bogus = isinstance(told, DnsMessage) and told.rcode in TELLING
        return Unanswered(why=Why.BOGUS, detail=failed.detail) if bogus else failed

    async def _at_servers(self, question: Question, name: Name, rdtype: int) -> tuple[Reply, ...]:
        if self._port53.closed:
            return await self._at_resolvers(name, rdtype)
        # A hint is not worth the question which zone it lies in.
        nearest = self._delegations.nearest(name) if question.view is View.ONE_SERVER else None
        cut = nearest or await self._delegations.zone_of(name)
        for _ in range(MAX_REFERRALS):
            if isinstance(cut, Unanswered):
                return _unasked(question, cut)
            panel = await self._panel(cut, DnsQuery(name, rdtype, recursive=False), question.view)
            if panel is None:
                return await self._at_resolvers(name, rdtype)
            told = panel.referral()
            below = self._delegations.below(cut, told, name) if told else None
            if below is None:
                return panel.replies(question.view) or _unasked(question, NO_ADDRESS, cut)
            cut = below
        return _unasked(question, LOST, cut)

    async def _panel(self, cut: ZoneCut, query: DnsQuery, view: View) -> ServerSet | None:
        """Asks the servers of one zone; nothing where they are silent because port 53 is closed to this machine."""
        panel = ServerSet(self._setup, self._budget, cut, query)
        self._panels.append(panel)
        servers = in_turn(await self._delegations.servers(cut, MOST_ASKED.get(view, MAX_SERVERS)))
        first = FIRST_ASKED.get(view, len(servers))
        panel.ask(servers[:first])
        await panel.wait(self._setup.per_try)
        if panel.has_answer():
            self._port53.note(closed=False)  # one zone's silence is its own when others answer
        elif servers and await self._probe():
            return None
        if not panel.agree():
            panel.ask(servers[first : 2 if view is View.ONE_SERVER else MOST_ASKED.get(view)])
        await panel.wait()
        return panel

    async def _probe(self) -> bool:
        """Says whether port 53 is closed to this machine: the root's servers are silent too."""
        async with self._probing:
            if not self._port53.known:
                self._port53.note(closed=await self._root_is_silent())
        return self._port53.closed

    async def _root_is_silent(self) -> bool | None:
        names = await self._delegations.nameservers_of(ROOT)
        if isinstance(names, Unanswered):
            return None
        roots = in_turn(await self._delegations.servers(ZoneCut(ROOT, names), ROOTS_PROBED))
        query = DnsQuery(ROOT, SOA, recursive=False)
        asked = (exchange((ip, self._setup.port), query, self._budget, PROBE_SECONDS) for _, ip in roots)
        told = await asyncio.gather(*asked)
        if any(isinstance(each, Unanswered) and each.why is Why.NOT_ASKED for each in told) or not told:
            return None
        return all(isinstance(each, Unanswered) and each.why in SILENT for each in told)

    async def _delegation(self, name: Name) -> Reply:
        cut = await self._delegations.zone_of(name)
        answer = cut if isinstance(cut, Unanswered) else cut.trouble or await self._way_to(cut, name)
        zone = answer.zone if isinstance(answer, Delegated | NxDomain) else None
        perspective = Perspective(view=View.DELEGATION, server=DELEGATION_LOOKUP, zone=zone)
        return Reply(perspective=perspective, answer=answer)

    async def _way_to(self, cut: ZoneCut, name: Name) -> Delegated | NxDomain:
        if not (cut.absent and self._is_registry(name_text(cut.zone))):
            return await self._delegated(cut)
        # The registry's own servers know better: a resolver may remember that a name does not exist after it does.
        told = await self._refer(cut, name)
        below = self._delegations.below(cut, told, name) if told else None
        remembered = negative_ttl(told) if told else cut.negative_ttl
        return await self._delegated(below) if below else NxDomain(negative_ttl=remembered, zone=name_text(cut.zone))

    async def _delegated(self, cut: ZoneCut) -> Delegated:
        servers, parents = await asyncio.gather(self._delegations.servers(cut), self._parent_servers(cut))
        return Delegated(
            zone=name_text(cut.zone), servers=servers, negative_ttl=cut.negative_ttl, parent_servers=parents
        )

    async def _parent_servers(self, cut: ZoneCut) -> tuple[str, ...]:
        """Lists the servers that the parent zone names for this one; none where it can't be asked."""
        if cut.zone == ROOT:
            return ()
        above = await self._delegations.zone_of(cut.zone[1:])
        told = await self._refer(above, cut.zone) if isinstance(above, ZoneCut) else None
        below = self._delegations.below(above, told, cut.zone) if isinstance(above, ZoneCut) and told else None
        return tuple(name_text(name) for name in below.names[:MAX_SERVERS]) if below else ()

    async def _refer(self, cut: ZoneCut, name: Name) -> DnsMessage | None:
        told = None if self._port53.closed else await self._delegations.refer(cut, name)
        return told if isinstance(told, DnsMessage) and told.rcode in TELLING else None


def _unasked(question: Question, answer: Answer, cut: ZoneCut | Unanswered | None = None) -> tuple[Reply, ...]:
    """Says why no server was asked; with the zone, where that is the zone's own trouble and not our resolvers'."""
    zone = name_text(cut.zone) if isinstance(cut, ZoneCut) else None
    return (Reply(perspective=Perspective(view=question.view, server=DELEGATION_LOOKUP, zone=zone), answer=answer),)

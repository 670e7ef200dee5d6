"""Show what hostile DNS servers can do to us: nothing but leave a question unanswered, cheaply."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from ipaddress import IPv4Network, IPv6Network
from typing import TypeVar

import dns.message
import dns.name
import dns.rcode
import pytest

from letterhead.adapters.dns.interpret import server_answer
from letterhead.adapters.dns.labels import name_from
from letterhead.adapters.dns.resolver import PER_TRY, DnsResolver
from letterhead.adapters.dns.transport import SILENT
from letterhead.adapters.dns.wire import TXT, DnsQuery, Malformed, TooLarge, belongs, question_packet, read_message
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
from letterhead.core.dns.records import Txt
from letterhead.ports.resolver import Allowance
from tests.rigs import hostile_dns
from tests.rigs.hostile_dns import GOOD, MODES, RESOLVER, ROOT, SERVERS, HostileDns
from tests.rigs.waiting import is_within

TIME = 5.0 + 2.0  # seconds for any question, and what a busy machine takes beside them
CPU = 0.020  # seconds of CPU for any one answer
FULL, ROUTINE = 64, 12  # packets

EXPECTED = {
    "ok": "found",
    "nodata": "no-data",
    "nxdomain": "nx-domain",
    "servfail": Why.SERVER_FAILURE,
    "refused": Why.REFUSED,
    "formerr": Why.REFUSED,
    "notimp": Why.REFUSED,
    "drop": Why.TIMEOUT,
    "slow3": "found",
    "wrongid": Why.MALFORMED,
    "wrongidthenok": "found",
    "wrongq": Why.MALFORMED,
    "wrongqthenok": "found",
    "garbage": Why.MALFORMED,
    "garbagethenok": "found",
    "short": Why.MALFORMED,
    "flood": Why.MALFORMED,
    "tcok": "found",
    "tchang": Why.TCP_BLOCKED,
    "tcdrip": Why.TCP_BLOCKED,
    "tcshut": Why.TCP_BLOCKED,
    "huge255": "other text",
    "hugetiny": "other text",
    "many": "other text",
    "emptystrings": Why.TOO_LARGE,
    "longnames": Why.TOO_LARGE,
    "ptrloop": Why.MALFORMED,
    "cnameloop": Why.CNAME_LOOP,
    "cname20": Why.CNAME_LOOP,
    "cnamedangling": "alias elsewhere",
    "othername": Why.MALFORMED,
    "nonutf8": "other text",
    "ttlmax": "found",
    "qr0": Why.MALFORMED,
    "lame": Why.LAME,
    "upwards": Why.LAME,
    "noedns": "found",
    "bogus": "found",
    "expired": "found",
    "unexplained": "found",
    "unreached": "found",
    "blocked": "found",
    "filtered": "found",
    "coldcache": "found",
}
# A resolver is asked for what the world sees, so some of it means something else there.
AT_RESOLVER = EXPECTED | {
    "cnamedangling": "alias to nothing",
    "lame": "found",
    "upwards": Why.REFUSED,
    "bogus": Why.BOGUS,
    "expired": Why.BOGUS,
    "unexplained": Why.BOGUS,
    "unreached": Why.SERVER_FAILURE,  # a failure of the network is not the signatures'
    "blocked": Why.REFUSED,  # what a resolver keeps from its clients is not missing
    "filtered": Why.REFUSED,
}

Told = TypeVar("Told")


@pytest.fixture
def hostile() -> Iterator[HostileDns]:
    with hostile_dns.running() as servers:
        yield servers


@pytest.fixture
def resolver(hostile: HostileDns) -> DnsResolver:
    return DnsResolver([(RESOLVER, hostile.port)], hostile.port)


def gist(answer: Answer) -> object:
    """Say in a word what came; evil text is never among it."""
    match answer:
        case Found():
            texts = [rdata.text for rdata in answer.rrset.rdatas if isinstance(rdata, Txt)]
            return "found" if texts == [GOOD] else "other text"
        case Aliased():
            return "alias to nothing" if answer.dangling else "alias elsewhere"
        case NoData():
            return "no-data"
        case NxDomain():
            return "nx-domain"
        case Unanswered():
            return answer.why
        case _:
            return answer


def allowance(packets: int) -> Allowance:
    return Allowance(packets=packets, until=asyncio.get_running_loop().time() + 30)


def question(name: str, view: View, rdtype: str = "TXT") -> Question:
    return Question(name=name, rdtype=rdtype, view=view)


def routine_check(domain: str) -> list[Question]:
    return [
        question(f"s._domainkey.{domain}", View.RECURSIVE),
        question(f"lh.{domain}", View.RECURSIVE, "MX"),
        question(f"lh.{domain}", View.RECURSIVE),
        question(f"_dmarc.{domain}", View.RECURSIVE),
    ]


def full_check(domain: str) -> list[Question]:
    return [
        question(f"s._domainkey.{domain}", View.EVERY_SERVER),
        question(f"lh.{domain}", View.TWO_SERVERS, "MX"),
        question(f"lh.{domain}", View.TWO_SERVERS),
        question(f"_dmarc.{domain}", View.TWO_SERVERS),
        question(domain, View.DELEGATION, "NS"),
        *routine_check(domain),
    ]


async def in_each_mode(ask: Callable[[str], Awaitable[Told]]) -> dict[str, Told]:
    """Do the same in every mode, some at a time, so that the servers keep up even on a busy machine."""
    some = asyncio.Semaphore(10)

    async def one(mode: str) -> Told:
        async with some:
            return await ask(mode)

    return dict(zip(MODES, await asyncio.gather(*map(one, MODES)), strict=True))


async def timed(resolver: DnsResolver, asked: list[Question], limits: Allowance) -> dict[Question, tuple[Reply, ...]]:
    began = time.monotonic()
    replies = await resolver.ask(asked, limits)
    assert is_within(time.monotonic() - began, TIME)
    assert list(replies) == asked
    return replies


async def test_every_mode_is_read_right_by_both_views(hostile: HostileDns, resolver: DnsResolver) -> None:
    """Each mode yields the right value from each server and from the resolver, in time; nothing is raised."""

    async def told(mode: str) -> tuple[set[object], set[object]]:
        servers, world = (question(f"s._domainkey.{mode}.test", view) for view in (View.EVERY_SERVER, View.RECURSIVE))
        replies = await timed(resolver, [servers, world], allowance(FULL))
        if len(replies[servers]) != len(SERVERS):
            return {"servers left out"}, set()
        return {gist(reply.answer) for reply in replies[servers]}, {gist(reply.answer) for reply in replies[world]}

    results = await in_each_mode(told)
    for mode, found in results.items():
        if found != ({EXPECTED[mode]}, {AT_RESOLVER[mode]}):  # a busy machine has used its time up: once more, alone
            results[mode] = await told(mode)
    assert {mode: by_servers for mode, (by_servers, _) in results.items()} == {m: {w} for m, w in EXPECTED.items()}
    assert {mode: by_world for mode, (_, by_world) in results.items()} == {m: {w} for m, w in AT_RESOLVER.items()}


@pytest.mark.parametrize(("check", "limit"), [(full_check, FULL), (routine_check, ROUTINE)])
async def test_no_mode_costs_more_packets_than_allowed(
    hostile: HostileDns, check: Callable[[str], list[Question]], limit: int
) -> None:
    """A check sends at most its packets in every mode, counted at the servers, and the count that we keep is true."""
    limits: dict[str, Allowance] = {}
    hostile.packets.clear()

    async def told(mode: str) -> dict[Question, tuple[Reply, ...]]:
        limits[mode] = allowance(limit)
        resolver = DnsResolver([(RESOLVER, hostile.port)], hostile.port)
        return await timed(resolver, check(f"{mode}.test"), limits[mode])

    answers = await in_each_mode(told)
    used = {mode: limit - left.packets for mode, left in limits.items()}
    print("packets by mode:", used)
    assert all(0 < packets <= limit for packets in used.values()), used
    # Packets that lead to all domains (the root and `test`) can't be told apart; a burst may lose some on the way.
    assert all(hostile.packets[f"{mode}.test"] <= used[mode] for mode in MODES)
    assert sum(used.values()) * 0.9 < hostile.packets.total() <= sum(used.values())
    if check is full_check:
        dkim = next(iter(answers["drop"].values()))
        if {gist(reply.answer) for reply in dkim} != {Why.TIMEOUT}:  # a busy machine: once more, alone
            dkim = next(iter((await told("drop")).values()))
        assert {gist(reply.answer) for reply in dkim} == {Why.TIMEOUT}, "the DKIM question gets its packets first"


@pytest.mark.parametrize(("mode", "packets"), [("coldcache", 3), ("expired", 2), ("unreached", 1), ("unexplained", 3)])
async def test_a_resolver_that_fails_is_asked_again(
    hostile: HostileDns, resolver: DnsResolver, mode: str, packets: int
) -> None:
    """Without validation where the failure says nothing of its cause, then with it, before signatures are blamed."""
    hostile.packets.clear()
    (reply,) = (await resolver.ask([question(f"s.{mode}.test", View.ONE_RESOLVER)], allowance(FULL))).popitem()[1]
    assert gist(reply.answer) == AT_RESOLVER[mode]
    assert hostile.packets[f"{mode}.test"] == packets


async def test_every_packet_is_counted(hostile: HostileDns, resolver: DnsResolver) -> None:
    """The allowance goes down by exactly as many packets as reach the servers, over UDP and TCP."""
    for domain in ("ok.test", "tcok.test", "noedns.test"):
        hostile.packets.clear()
        limits = allowance(FULL)
        await resolver.ask(full_check(domain)[:2], limits)
        assert hostile.packets.total() == FULL - limits.packets


@pytest.mark.parametrize("mode", MODES)
def test_no_answer_costs_more_cpu_than_allowed(mode: str) -> None:
    """Reading any one packet takes at most 20 ms of CPU."""
    query = DnsQuery(name_from(f"s._domainkey.{mode}.test"), TXT, recursive=False)
    asked = dns.message.from_wire(question_packet(7, query, edns=True))
    packets = [octets for by_tcp in (False, True) for _, octets in MODES[mode](asked, by_tcp)][:8]
    assert all(min(cpu(packet, query) for _ in range(3)) < CPU for packet in packets)


def cpu(packet: bytes, query: DnsQuery) -> float:
    began = time.thread_time()
    try:
        if belongs(packet, 7, query):
            server_answer(read_message(packet, query), query, query.name[1:])
    except (Malformed, TooLarge):
        pass
    return time.thread_time() - began


async def test_resolvers_stand_in_where_port_53_is_closed(hostile: HostileDns) -> None:
    """Where the root's servers are silent too, the resolvers' word is given as such, and the next question is fast."""
    resolver = DnsResolver([(RESOLVER, hostile.port)], hostile.port)
    asked = question("s._domainkey.ok.test", View.EVERY_SERVER)
    hostile.mute = {ROOT, *SERVERS}
    first = await timed(resolver, full_check("ok.test"), allowance(FULL))
    assert resolver.stands_in
    began = time.monotonic()
    second = await resolver.ask([asked], allowance(FULL))
    assert is_within(time.monotonic() - began, 0.5)
    for replies in (first[asked], second[asked]):
        assert [(reply.perspective.view, gist(reply.answer)) for reply in replies] == [(View.RECURSIVE, "found")]
    assert resolver.stands_in


async def test_silent_zone_does_not_make_resolvers_stand_in(hostile: HostileDns, resolver: DnsResolver) -> None:
    """One zone whose servers are all silent is unanswered; as the root answers, nobody stands in."""
    asked = question("s._domainkey.drop.test", View.EVERY_SERVER)
    replies = (await resolver.ask([asked], allowance(FULL)))[asked]
    assert replies
    assert all(isinstance(reply.answer, Unanswered) and reply.answer.why in SILENT for reply in replies)
    assert not resolver.stands_in


async def test_what_a_silent_server_did_is_said(hostile: HostileDns, resolver: DnsResolver) -> None:
    """Where time ends while a dead server is waited for, the wait is the reason, and not the end of the time."""
    asked = question("s._domainkey.drop.test", View.EVERY_SERVER)
    limits = Allowance(packets=FULL, until=asyncio.get_running_loop().time() + PER_TRY + 1)
    replies = (await resolver.ask([asked], limits))[asked]
    assert {reply.answer.detail for reply in replies if isinstance(reply.answer, Unanswered)} <= {
        "no answer in 2 s",
        "no answer in 3 s",
    }
    assert {gist(reply.answer) for reply in replies} == {Why.TIMEOUT}


async def test_private_nameservers_are_asked_only_where_that_is_allowed(hostile: HostileDns) -> None:
    """Servers at private addresses get no packet and are said to be private; in a network that may be asked they do."""
    resolvers = [(RESOLVER, hostile.port)]
    asked = [question("s._domainkey.ok.test", View.EVERY_SERVER), question("ok.test", View.DELEGATION, "NS")]
    for networks in ((), (IPv4Network("10.0.0.0/8"), IPv6Network("fd00::/8"))):
        limits = allowance(FULL)
        hostile.packets.clear()
        told = await DnsResolver(resolvers, networks=networks).ask(asked, limits)
        ((reply,), (delegated,)) = told.values()
        assert (gist(reply.answer), reply.perspective.zone) == (Why.PRIVATE_SERVERS, "ok.test")
        assert isinstance(delegated.answer, Delegated)
        assert {server.addresses for server in delegated.answer.servers} == {()}
        assert hostile.packets.total() == FULL - limits.packets, "all packets went to the resolver"
    resolver = DnsResolver(resolvers, networks=[IPv4Network("127.0.0.0/8")])
    (delegated,) = (await resolver.ask(asked[1:], allowance(FULL)))[asked[1]]
    assert isinstance(delegated.answer, Delegated)
    assert [server.addresses for server in delegated.answer.servers] == [(address,) for address in SERVERS]


async def test_one_silent_zone_is_not_a_closed_port(hostile: HostileDns, resolver: DnsResolver) -> None:
    """While other zones' servers answer, a silent zone is its own trouble, even where the root is silent too."""
    await resolver.ask([question("s._domainkey.ok.test", View.EVERY_SERVER)], allowance(FULL))
    hostile.mute = {ROOT}
    silent = question("s._domainkey.drop.test", View.EVERY_SERVER)
    replies = (await resolver.ask([silent], allowance(FULL)))[silent]
    assert {(reply.perspective.view, gist(reply.answer)) for reply in replies} == {(View.EVERY_SERVER, Why.TIMEOUT)}
    assert not resolver.stands_in


async def test_dead_resolvers_leave_everything_unanswered() -> None:
    """With no resolver to be reached each question is unanswered, at once where the network says so."""
    resolver = DnsResolver([("127.0.0.1", 9)], 9)
    for replies in (await timed(resolver, full_check("ok.test"), allowance(FULL))).values():
        assert [gist(reply.answer) for reply in replies] == [Why.UNREACHABLE]


async def test_spent_allowance_asks_nothing(hostile: HostileDns, resolver: DnsResolver) -> None:
    """Without packets or time left nothing is sent, and the answer says that it was we who did not ask."""
    hostile.packets.clear()
    over = Allowance(packets=64, until=asyncio.get_running_loop().time())
    for limits in (Allowance(packets=0, until=over.until + 30), over):
        for replies in (await resolver.ask(full_check("ok.test"), limits)).values():
            assert {gist(reply.answer) for reply in replies} == {Why.NOT_ASKED}
    assert not hostile.packets


async def test_parent_and_zone_are_both_heard(resolver: DnsResolver) -> None:
    """The delegation names the zone, its servers with their addresses, and what the parent says of them."""
    asked = question("ok.test", View.DELEGATION, "NS")
    (reply,) = (await resolver.ask([asked], allowance(FULL)))[asked]
    names = tuple(f"ns{number}.ok.test" for number in range(8))
    assert reply.perspective.zone == "ok.test"
    assert isinstance(reply.answer, Delegated)
    assert (reply.answer.zone, reply.answer.negative_ttl, reply.answer.parent_servers) == ("ok.test", 30, names)
    expected = [(name, (address,)) for name, address in zip(names, SERVERS, strict=True)]
    assert [(server.name, server.addresses) for server in reply.answer.servers] == expected


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.NXDOMAIN])
async def test_way_is_found_past_the_resolvers(
    hostile: HostileDns, resolver: DnsResolver, rcode: dns.rcode.Rcode
) -> None:
    """Where the resolvers fail at a zone, or do not know it yet, its parent's servers tell the way to its own."""
    servers, way = question("s._domainkey.ok.test", View.EVERY_SERVER), question("ok.test", View.DELEGATION, "NS")
    hostile.unaware = {"ok.test": rcode}
    replies = await timed(resolver, [servers, way], allowance(FULL))
    assert [reply.perspective.address for reply in replies[servers]] == list(SERVERS)
    assert {(reply.perspective.zone, gist(reply.answer)) for reply in replies[servers]} == {("ok.test", "found")}
    (delegated,) = replies[way]
    assert isinstance(delegated.answer, Delegated)
    assert delegated.answer.zone == "ok.test"

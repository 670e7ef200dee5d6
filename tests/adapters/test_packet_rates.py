"""Packets to one name server: bounded whoever asks, shared by account, and never taken for a fault of the server."""

import asyncio
import time
from collections import Counter

import pytest

from letterhead.adapters.dns.packet_rates import BUCKETS_KEPT, PROVEN_MOST, PacketRates
from letterhead.adapters.dns.resolver import DnsResolver, ExchangeLimits
from letterhead.core.dns.answers import Found, Question, Reply, Unanswered, View, Why
from letterhead.ports.resolver import Allowance
from tests.rigs.dns_lab import RESOLVER, DnsLab

ZONE, RATE = "all.flooded.test", 20
ADDRESS = "192.0.2.1"


@pytest.fixture(scope="module")
def flooded(lab: DnsLab) -> DnsLab:
    lab.zone("flooded.test")
    lab.delegate(ZONE, "ns2.lab.test", to=lab.ns2)
    lab.publish(ZONE, "TXT", '"v=spf1 -all"')
    lab.publish(f"long.{ZONE}", "TXT", " ".join(f'"{"x" * 250}"' for _ in range(8)))
    return lab


def allowed(seconds: float = 20, account: str = "acc_1", proven: str = "") -> Allowance:
    until = asyncio.get_running_loop().time() + seconds
    return Allowance(packets=64, until=until, account_id=account, proven=proven)


async def ask(resolver: DnsResolver, name: str, allowance: Allowance) -> tuple[Reply, ...]:
    question = Question(name=name, rdtype="TXT", view=View.EVERY_SERVER)
    return (await resolver.ask([question], allowance))[question]


@pytest.mark.parametrize(("name", "each"), [(ZONE, 1), (f"long.{ZONE}", 2)], ids=["UDP", "truncated, then TCP"])
def test_a_real_server_counts_no_more_than_the_rate(flooded: DnsLab, name: str, each: int) -> None:
    """However many ask at once; who had no turn hears so, and nobody that the server did not answer."""

    async def flood() -> tuple[list[Allowance], list[tuple[Reply, ...]], float]:
        limits = ExchangeLimits(packets_per_second=RATE)
        resolver = DnsResolver([(RESOLVER, flooded.resolver_port)], flooded.authoritative_port, limits=limits)
        await ask(resolver, ZONE, allowed())  # so that the delegation is known, and the resolver asks no more
        before = await asyncio.to_thread(flooded.ns2.packets)
        asking = [allowed(seconds=6, account=f"acc_{number % 9}") for number in range(300)]
        began = time.monotonic()
        replies = await asyncio.gather(*(ask(resolver, name, limit) for limit in asking))
        seconds = time.monotonic() - began
        sent = await asyncio.to_thread(flooded.ns2.packets) - before
        assert sent <= RATE * (seconds + 1) + 1
        assert sent >= each * sum(not limit.is_limited for limit in asking)
        return asking, replies, seconds

    limits, replies, seconds = asyncio.run(flood())
    said = Counter(
        reply.answer.why if isinstance(reply.answer, Unanswered) else type(reply.answer)
        for each in replies
        for reply in each
    )
    assert said.keys() == {Found, Why.NOT_ASKED}
    assert said[Why.NOT_ASKED] == sum(limit.is_limited for limit in limits)
    assert said[Found] > RATE / each  # more than a burst: those with a turn waited for it, and were answered
    assert seconds < 10


def test_checks_that_have_begun_end_first_and_accounts_take_turns() -> None:
    """One account with many checks: the first check of another has its packet after one of each, not after all."""

    async def scenario() -> list[str]:
        rates, order = PacketRates(100.0), list[str]()
        await asyncio.gather(*(rates.take(ADDRESS, allowed()) for _ in range(100)))  # the burst

        async def packets(name: str, limit: Allowance) -> None:
            for _ in range(2):
                assert await rates.take(ADDRESS, limit)
                order.append(name)

        many = [asyncio.create_task(packets(f"many {number}", allowed())) for number in range(8)]
        await asyncio.sleep(0)
        other = asyncio.create_task(packets("other", allowed(account="acc_2")))
        await asyncio.gather(*many, other)
        return order

    order = asyncio.run(scenario())
    assert order.index("other") <= 2
    assert order.index("many 7") > 10
    for number in range(7):
        ends = [at for at, name in enumerate(order) if name == f"many {number}"]
        assert ends[1] < order.index("many 7") or number >= 6


def test_who_would_wait_long_comes_later_and_has_sent_nothing() -> None:
    """The first packet waits two seconds at most; a check that has begun waits until its time is over."""

    async def scenario() -> tuple[list[bool], Allowance]:
        rates = PacketRates(float(RATE))
        return await asyncio.gather(*(rates.take(ADDRESS, allowed()) for _ in range(RATE * 4))), allowed()

    got, _ = asyncio.run(scenario())
    assert got[:RATE] == [True] * RATE
    assert sum(got) == RATE * 3  # the burst, and two seconds of waiting
    assert not any(got[RATE * 3 :])


def test_setting_up_comes_before_routine_and_does_not_stop_it() -> None:
    """Of two accounts that wait, three checks of names in setting up come for one of proven names."""

    async def scenario() -> list[str]:
        rates, order = PacketRates(50.0), list[str]()
        await asyncio.gather(*(rates.take(ADDRESS, allowed(account="acc_0")) for _ in range(50)))

        async def packet(kind: str, limit: Allowance) -> None:
            assert await rates.take(ADDRESS, limit)
            order.append(kind)

        routine = [packet("routine", allowed(account="acc_1", proven="acme.dev")) for _ in range(12)]
        new = [packet("new", allowed(account="acc_2")) for _ in range(12)]
        await asyncio.gather(*routine, *new)
        return order

    order = asyncio.run(scenario())
    assert order[:12].count("new") >= 8
    assert order[:12].count("routine") >= 2


def test_more_where_proven_names_are_served_and_at_registries() -> None:
    """A big DNS host gets more packets with each proven name there, up to a bound; so do a registry's servers."""

    async def at_once(proven: list[str], *, registry: bool = False) -> int:
        rates = PacketRates(4.0)
        if registry:
            rates.allow_registry(ADDRESS)
        for name in proven:
            await rates.take(ADDRESS, allowed(proven=name))
        loop = asyncio.get_running_loop()
        later = loop.time() + 30.0  # a rest, after which the bucket is full
        loop.time = lambda: later  # type: ignore[method-assign]
        limits = [Allowance(packets=64, until=later) for _ in range(200)]
        return sum([await rates.take(ADDRESS, limit) for limit in limits])

    assert asyncio.run(at_once([])) == 4
    assert asyncio.run(at_once(["a.dev"] * 4)) == 5
    assert asyncio.run(at_once([f"a{number}.dev" for number in range(4)])) == 8
    assert asyncio.run(at_once([], registry=True)) == 40
    many = [f"a{number}.dev" for number in range(PROVEN_MOST * 2)]
    assert asyncio.run(at_once(many)) == 104


def test_what_is_kept_of_addresses_is_bounded() -> None:
    """However many addresses zones name; an address with packets that wait is not forgotten."""

    async def scenario() -> tuple[int, bool]:
        rates = PacketRates(1.0)
        waiting = [asyncio.create_task(rates.take(ADDRESS, allowed())) for _ in range(2)]
        await asyncio.sleep(0)
        for number in range(BUCKETS_KEPT + 100):
            await rates.take(f"2001:db8::{number:x}", allowed())
        kept = len(rates._buckets)
        return kept, all(await asyncio.gather(*waiting))

    assert asyncio.run(scenario()) == (BUCKETS_KEPT, True)

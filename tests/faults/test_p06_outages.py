"""P6: an outage of our own resolvers demotes nobody, tells nobody, and is over a quarter of an hour after it ends.

Each failure is judged once by the real examination; what follows for a thousand domains is core alone, on a clock of
its own. The same then goes through a whole installation, with few domains.
"""

import asyncio
import dataclasses
import random
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from letterhead.adapters.dns.resolver import DnsResolver
from letterhead.core.check import check as checkup
from letterhead.core.dns.answers import Perspective, Question, Reply, Unanswered, Why
from letterhead.core.domain import lifecycle
from letterhead.core.domain.domain import Domain
from letterhead.core.domain.evidence import Evidence, RecordState
from letterhead.core.domain.health import HealthState
from letterhead.core.schedule import check_schedule
from letterhead.core.schedule.reminder_mail import Email
from letterhead.operations import checks, reminders
from letterhead.operations.dns_questions import DnsRequest, ask_until_answered, load_check_context, load_history
from letterhead.operations.domains import plan_of
from letterhead.ports.mail import DeliveryResult, SendResult
from letterhead.ports.resolver import Allowance
from letterhead.wiring.assemble import Overrides
from tests.faults.conftest import Figures
from tests.operations.world import Clock, World, WrittenDns, noon, opened
from tests.rigs import hostile_dns
from tests.rigs.hostile_dns import RESOLVER
from tests.rigs.scenes import WRITTEN, Scene

FAILURES = (
    Why.TIMEOUT, Why.UNREACHABLE, Why.SERVER_FAILURE, Why.REFUSED, Why.LAME, Why.MALFORMED, Why.TCP_BLOCKED, Why.BOGUS,
)  # fmt: skip
OUTAGE, SOON = timedelta(hours=24), timedelta(minutes=15)
ZONES = ("one.test", "two.test", "three.test", "four.test")


class FailingDns:
    """Answers for several zones from written text, until it fails in one way for every question."""

    def __init__(self) -> None:
        self.zones = {zone: WrittenDns(zone) for zone in ZONES}
        self.failure: Why | None = None

    async def ask(self, questions: Iterable[Question], allowance: Allowance) -> dict[Question, tuple[Reply, ...]]:
        """Answer like any resolver."""
        seen: dict[Question, tuple[Reply, ...]] = {}
        for question in questions:
            if self.failure is None:
                zone = next((each for each in ZONES if question.name.endswith(each)), ZONES[0])
                seen |= await self.zones[zone].ask([question], allowance)
            else:
                where = Perspective(view=question.view, server="ns1", address="192.0.2.1")
                seen[question] = (Reply(perspective=where, answer=Unanswered(why=self.failure)),)
        return seen


@pytest.fixture
def dns() -> FailingDns:
    """Return DNS that can fail."""
    return FailingDns()


@pytest.fixture
def clock() -> Clock:
    """Return a clock to turn."""
    return Clock(noon())


@pytest.fixture
async def world(tmp_path: Path, dns: FailingDns, clock: Clock) -> AsyncIterator[World]:
    """Open an installation with a verified domain in each zone."""
    async with opened(tmp_path, Overrides(resolver=dns, now=clock)) as made:
        for zone in ZONES:
            await made.add(zone)
            dns.zones[zone].publish(await made.dkim(zone))
        for _ in range(4):
            for zone in ZONES:
                verified = await made.look(zone)
            clock.turn(minutes=10)
        assert verified.dkim.state is HealthState.VERIFIED
        yield made


async def evidence(world: World, dns: FailingDns, failure: Why | None) -> Evidence:
    """Judge what one check learns, as the operation does."""
    dns.failure = failure
    domain = await world.domain(ZONES[0])
    plan, history = (
        plan_of(world.deps, domain),
        load_history(world.deps, domain, await load_check_context(world.deps, domain)),
    )
    request = DnsRequest(plan=plan, history=history, thorough=failure is not None)
    seen = await ask_until_answered(world.deps.resolver, request)
    learnt = await checks._evidence(world.deps, domain, checkup.judge_all(plan, seen), None)
    return Evidence(dkim=learnt.dkim, mail_from=learnt.mail_from)


@dataclass
class Tally:
    """Counts what happened to many domains."""

    demoted: int = 0
    events: int = 0
    late: int = 0
    looks: Counter[int] = field(default_factory=Counter)  # in each minute

    def after(self) -> tuple[int, int]:
        """Return the busiest quarter of an hour in the outage's last hour, and after it."""
        end = int(OUTAGE / check_schedule.MINUTE)
        before = max(sum(self.looks[start + each] for each in range(15)) for start in range(end - 60, end - 15))
        return before, max(sum(self.looks[start + each] for each in range(15)) for start in range(end, end + 60))


def live(domain: Domain, bad: Evidence, good: Evidence, begin: datetime, chance: random.Random, tally: Tally) -> None:
    """Let one domain live through the outage, looked at whenever it is due."""
    end, first = begin + OUTAGE, True
    while (now := domain.next_check_at) is not None and now < end + 2 * SOON:
        step = lifecycle.advance(domain, bad if now < end else good, now)
        due, _ = check_schedule.next_check(step.domain, now, chance.uniform(-1, 1))
        domain = replace(step.domain, next_check_at=due)
        tally.looks[int((now - begin) / check_schedule.MINUTE)] += 1
        tally.events += len(step.events) + len(step.effects)
        tally.demoted += domain.dkim.state is not HealthState.VERIFIED
        if now >= end and first:
            first = False
            tally.late += now - end > SOON
    tally.late += first


@pytest.mark.timeout(600)
async def test_an_outage_demotes_nobody(world: World, dns: FailingDns, size: int, figures: Figures) -> None:
    """A day without DNS, in eight ways: nobody is demoted, nothing is told, and soon after all are looked at again."""
    verified, chance, begin = await world.domain(ZONES[0]), random.Random(6), noon() + timedelta(days=3)
    good, tallies = await evidence(world, dns, None), []
    for failure in FAILURES:
        bad, tally = await evidence(world, dns, failure), Tally()
        for _ in range(size):
            due = begin + timedelta(hours=6) * chance.random()
            live(replace(verified, next_check_at=due), bad, good, begin, chance, tally)
        tallies.append(tally)
    figures(
        domains=size * len(FAILURES), looks=sum(each.looks.total() for each in tallies),
        demoted=sum(each.demoted for each in tallies), events=sum(each.events for each in tallies),
        late=sum(each.late for each in tallies), load=f"{max(a / b for b, a in map(Tally.after, tallies)):.2f}",
    )  # fmt: skip
    for tally in tallies:
        assert (tally.demoted, tally.events) == (0, 0)
        assert tally.late <= size // 100
        before, after = tally.after()
        assert after <= 2 * before


@pytest.mark.parametrize("failure", FAILURES)
async def test_an_installation_keeps_still(world: World, dns: FailingDns, clock: Clock, failure: Why) -> None:
    """The whole service through such a day: no state moves, no event is written, no mail is owed, no work is due."""
    before, told = await states(world), len(await world.events())
    sent = Sent()
    world = World(dataclasses.replace(world.deps, mailer=sent), world.account, world.key)
    dns.failure, end = failure, clock.turn(days=3) + OUTAGE
    while clock.at < end:
        await work(world)
        clock.turn(minutes=30)
    assert (await states(world), len(await world.events())) == (before, told)
    assert sent.letters == []
    assert (await world.deps.store.backlog(clock.at)).intents == 0
    findings = (await world.view(ZONES[0])).last_check
    assert findings is not None
    assert "resolver.outage" in {each.code for each in findings.findings}
    dns.failure = None
    for _ in range(15):
        clock.turn(minutes=1)
        await work(world)
    for zone in ZONES:
        checkup_of = (await world.view(zone)).last_check
        assert checkup_of is not None
        assert checkup_of.taken_at > end, f"{zone} was not looked at within a quarter of an hour"
    assert (await states(world), len(await world.events())) == (before, told)


QUICK = ("servfail", "refused", "lame", "formerr")  # modes that are answered, so that nobody waits


@pytest.mark.timeout(600)
async def test_an_outage_in_real_packets(tmp_path: Path, clock: Clock) -> None:
    """The same through the real resolver at servers that fail in one way after the other: nobody is demoted, no look
    costs more than 64 packets, and within a quarter of an hour after it each zone was asked again."""
    begin = clock.at + timedelta(days=2)
    fails = [Scene(begin + OUTAGE / len(QUICK) * number, mode) for number, mode in enumerate(QUICK)]
    with hostile_dns.running() as servers:
        servers.play.clock = clock
        stand = Overrides(resolver=DnsResolver([(RESOLVER, servers.port)], servers.port), now=clock)
        async with opened(tmp_path, stand) as world:
            for zone in ZONES:
                servers.play.scenes[zone] = (Scene(clock.at, WRITTEN), *fails, Scene(begin + OUTAGE, WRITTEN))
                await world.add(zone)
                dkim = await world.dkim(zone)
                servers.play.write(dkim.host, dkim.rdtype, dkim.value)
            for _ in range(4):
                await asyncio.gather(*map(world.look, ZONES))
                clock.turn(minutes=10)
            before, told = await states(world), len(await world.events())
            assert before == [HealthState.VERIFIED] * len(ZONES)
            clock.at = begin
            while clock.at < begin + OUTAGE:
                await work(world)
                clock.turn(minutes=30)
            for _ in range(15):
                await work(world)
                clock.turn(minutes=1)
            assert (await states(world), len(await world.events())) == (before, told)
    looks = Counter((each.zone, each.at) for each in servers.play.history if each.at >= begin)
    assert max(looks.values()) <= 64
    assert {zone for zone, at in looks if at >= begin + OUTAGE} >= set(ZONES)
    assert {mode for mode in QUICK if any(mode_at(fails, at) == mode for _, at in looks)} == set(QUICK)


def mode_at(scenes: Sequence[Scene], at: datetime) -> str:
    """Say which scene was played at a time."""
    return next((each.mode for each in reversed(scenes) if each.since <= at), "")


class Sent:
    """Takes letters and keeps them."""

    def __init__(self) -> None:
        self.letters: list[Email] = []

    async def send(self, letter: Email) -> SendResult:
        """Take one letter."""
        self.letters.append(letter)
        return SendResult(result=DeliveryResult.ACCEPTED, said="250 ok")

    async def try_connection(self) -> SendResult:
        """Say that it is there."""
        return SendResult(result=DeliveryResult.ACCEPTED, said="250 ok")


async def work(world: World) -> None:
    """Check and remind where it is due, as the worker does."""
    now = world.deps.now()
    for owed in await world.deps.store.claim_reminders(now, now + timedelta(minutes=1), "test", 100):
        await reminders.send(world.deps, owed, "test")
    for domain in await world.deps.store.claim_due(now, now + timedelta(minutes=1), "test", 100):
        await checks.check(world.deps, domain)


async def states(world: World) -> list[HealthState]:
    """List the domains' states."""
    return [(await world.domain(zone)).dkim.state for zone in ZONES]


async def test_evidence_would_demote(world: World, dns: FailingDns) -> None:
    """The same day with answers that deny the record does demote: the tests above can fail."""
    missing = Evidence(dkim=RecordState.MISSING)
    tally, begin = Tally(), noon() + timedelta(days=3)
    domain = replace(await world.domain(ZONES[0]), next_check_at=begin)
    live(domain, missing, await evidence(world, dns, None), begin, random.Random(6), tally)
    assert tally.demoted > 0
    assert tally.events > 0

"""A domain whose records take too long to judge is not judged: it stays what it was, and says why."""

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from letterhead.adapters.dns.zonefile import ZoneFileResolver
from letterhead.adapters.providers.simulated import SimulatedProvider
from letterhead.core.check import check as checkup
from letterhead.core.domain.domain import status
from letterhead.core.plan.plan import Verdict
from letterhead.operations import checks, dns_questions
from letterhead.operations.domains import plan_of
from letterhead.ports.resolver import Allowance
from letterhead.wiring.assemble import Overrides
from tests.core import samples
from tests.operations.conftest import MAIL_FROM
from tests.operations.world import Clock, World, WrittenDns, opened

SENDER = "acme.test"
NEXT_TO_NOTHING = 1e-6  # seconds: less than any step of a check takes
LABORIOUS = """$ORIGIN acme.dev.
@ 3600 SOA ns1 hostmaster 1 7200 3600 1209600 600
@ 3600 NS ns1
ns1 A 192.0.2.1
@ TXT "v=spf1 include:t0.acme.dev -all"
"""


@pytest.fixture
async def ours(tmp_path: Path, clock: Clock, dns: WrittenDns) -> AsyncIterator[World]:
    """Open an installation whose DNS the test writes."""
    stand = Overrides(resolver=dns, provider=SimulatedProvider(clock), now=clock)
    async with opened(tmp_path, stand, **MAIL_FROM) as world:
        yield world


def allowed(cpu: float) -> Allowance:
    """Give a check the usual packets and time, and so much CPU."""
    return Allowance(packets=64, until=asyncio.get_running_loop().time() + 20, cpu=cpu)


async def test_a_domain_that_is_not_judged_in_time_stays_what_it_was(
    ours: World, dns: WrittenDns, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Its records are gone, and the check that could not judge that says neither that nor that they are there."""
    records = plan_of(ours.deps, await ours.add(SENDER)).records
    dns.publish(*records)
    for _ in range(4):
        before = await ours.look(SENDER)
        clock.turn(minutes=20)
    assert status(before) == "SUCCESS"
    dns.withdraw(*records)
    events = await ours.events(SENDER)
    for _ in range(5):
        clock.turn(hours=1)
        with caplog.at_level(logging.WARNING):
            assert await checks.check(
                ours.deps, await ours.domain(SENDER), thorough=True, allowed=allowed(NEXT_TO_NOTHING)
            )
    after = await ours.view(SENDER)
    assert status(after.domain) == status(before)
    assert await ours.events(SENDER) == events
    assert after.last_check is not None
    assert {each.verdict for each in after.last_check.results} == {Verdict.UNANSWERED}
    assert [each.code for each in after.last_check.findings] == ["zone.not-judged"]
    assert SENDER in caplog.text
    for _ in range(2):  # judged, the same answers count
        clock.turn(hours=1)
        judged = await ours.look(SENDER, thorough=True)
    assert status(judged) != status(before)


async def test_a_tree_that_is_laborious_ends_between_its_rounds() -> None:
    """Long records that include each other: what a check may use of the CPU is used up on the way."""
    chain = [f"v=spf1 include:t{number + 1}.acme.dev " + "a:b.test " * 200 for number in range(9)]
    lines = [f"t{number} TXT " + " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))
             for number, text in enumerate(chain)]  # fmt: skip
    resolver = ZoneFileResolver(LABORIOUS + "\n".join(lines))
    request = dns_questions.DnsRequest(plan=samples.plan(), history=checkup.NO_HISTORY)
    ample = allowed(100.0)
    seen = await dns_questions.ask_until_answered(resolver, request, allowed=ample)
    told, judged = dns_questions.examine_within(ample, request, seen, ())
    assert Verdict.UNANSWERED not in {each.verdict for each in judged.results}
    scarce = allowed((100.0 - ample.cpu) / 20)
    rounds = await dns_questions.ask_until_answered(resolver, request, allowed=scarce)
    assert len(rounds) < len(told)
    _, judged = dns_questions.examine_within(scarce, request, rounds, ())
    assert {each.verdict for each in judged.results} == {Verdict.UNANSWERED}
    assert [each.code for each in judged.findings] == ["zone.not-judged"]

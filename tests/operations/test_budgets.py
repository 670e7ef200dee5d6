"""A check stays within its packets on every zone case: cold, with as many addresses and resolvers as there may be."""

import asyncio
from collections.abc import Sequence

import pytest

from letterhead.adapters.dns.resolver import DnsResolver
from letterhead.core.check import check
from letterhead.core.plan.plan import Verdict
from letterhead.operations import dns_questions
from letterhead.ports.resolver import Allowance
from tests.cases import case
from tests.cases.case import Case
from tests.rigs.zone_servers import serving

ALL = case.cases()
HEALTHY = [each for each in ALL if not each.finds and "key-behind" not in each.name]
FULL, ROUTINE = 64, 12
SLICES = 4  # so that no test takes long
TOGETHER = 6  # cases that are run side by side: some wait for servers that are silent
PER_TRY = 1.5  # seconds: no answer of this machine is lost, so a second try means silence
MANY = 1000


async def spent(each: Case, *, thorough: bool, at_once: asyncio.Semaphore) -> int:
    """Runs a check that may send as much as it likes, and counts what it sends."""
    async with at_once, serving(each.text, each=4, resolvers=3) as servers:
        allowance = Allowance(packets=MANY, until=asyncio.get_running_loop().time() + 20)
        resolver = DnsResolver(servers.resolvers, servers.port, per_try_timeout=PER_TRY)
        request = dns_questions.DnsRequest(plan=each.plan, history=each.history, thorough=thorough)
        seen = await dns_questions.ask_until_answered(resolver, request, allowed=allowance)
        if not thorough:
            standings = [check.judge_record(record, seen) for record in each.plan.records if record.required]
            assert all(standing.verdict is Verdict.PRESENT for standing in standings), each.name
        return MANY - allowance.packets


def over(cases: Sequence[Case], most: int, *, thorough: bool) -> list[str]:
    """Lists the cases that need more packets than allowed."""

    async def measure() -> list[int]:
        at_once = asyncio.Semaphore(TOGETHER)
        return await asyncio.gather(*(spent(each, thorough=thorough, at_once=at_once) for each in cases))

    told = list(zip(asyncio.run(measure()), cases, strict=True))
    print(f"{len(cases)} cases, at most {max(sent for sent, _ in told)} packets of {most}")
    return [f"{each.name}: {sent}" for sent, each in told if sent > most]


@pytest.mark.parametrize("part", range(SLICES))
def test_a_full_check_stays_within_its_packets_on_every_case(part: int) -> None:
    """Eight server addresses, three resolvers, nothing remembered: no case needs more than 64."""
    assert over(ALL[part::SLICES], FULL, thorough=True) == []


def test_a_routine_check_of_a_healthy_domain_sends_twelve_at_most() -> None:
    """Three resolvers, and nothing is wrong: every required record is asked for once at each, and that is all."""
    assert over(HEALTHY, ROUTINE, thorough=False) == []

"""A check stays within its packets on every zone case: cold, with as many addresses and resolvers as there may be."""

import asyncio
from collections.abc import Sequence

import pytest

from letterhead.adapters.dns.resolver import DnsResolver, ExchangeLimits
from letterhead.adapters.dns.zonefile import ZoneFileResolver
from letterhead.core.check import check
from letterhead.core.dns.answers import Found, Question, View
from letterhead.core.plan.plan import RecordId, Verdict
from letterhead.core.spf import topic as spf
from letterhead.operations import dns_questions
from letterhead.operations.one_off_checks import OneOffCheck, OneOffDeps, OneOffResult, inspect
from letterhead.ports.resolver import Allowance
from tests.cases import case
from tests.cases.case import Case
from tests.core import samples
from tests.operations.world import noon
from tests.rigs.zone_servers import serving

ALL = case.cases()
HEALTHY = [each for each in ALL if not each.finds and "key-behind" not in each.name]
FULL, ROUTINE = 64, 12
ON_THE_WAY = 10  # records that lead to the provider at most (RFC 7208 4.6.4)
SLICES = 4  # so that no test takes long
TOGETHER = 6  # cases that are run side by side: some wait for servers that are silent
PER_TRY = 1.5  # seconds: no answer of this machine is lost, so a second try means silence, or a busy machine
PATIENT = 6.0  # seconds for a case that is measured again alone, so that only silence means a second try
MANY = 1000


def is_named(each: Case) -> bool:
    """Tell whether the MAIL FROM domain's own record names the provider, or none is planned."""
    record = each.plan.record(RecordId.MAIL_FROM_SPF)
    if record is None:
        return True
    asked = Question(name=record.host, rdtype=record.rdtype, view=View.RECURSIVE)
    (reply,) = ZoneFileResolver(each.text, asked=each.plan.zone).replies(asked)
    return isinstance(reply.answer, Found) and spf.accepts(record, reply.answer.rrset.rdatas)


async def spent(each: Case, *, thorough: bool, at_once: asyncio.Semaphore, per_try: float = PER_TRY) -> int:
    """Run a check that may send as much as it likes, and count what it sends."""
    async with at_once, serving(each.text, each=4, resolvers=3, asked=each.plan.zone) as servers:
        allowance = Allowance(packets=MANY, until=asyncio.get_running_loop().time() + 20 * per_try)
        resolver = DnsResolver(servers.resolvers, servers.port, limits=ExchangeLimits(per_try))
        request = dns_questions.DnsRequest(plan=each.plan, history=each.history, thorough=thorough)
        seen = await dns_questions.ask_until_answered(resolver, request, allowed=allowance)
        if not thorough:
            standings = [check.judge_record(record, seen) for record in each.plan.records if record.required]
            assert all(standing.verdict is Verdict.PRESENT for standing in standings), each.name
        return MANY - allowance.packets


def over(cases: Sequence[Case], most: int, *, thorough: bool) -> list[str]:
    """List the cases that need more packets than allowed; an answer that came late costs some, so those are rerun."""

    async def measure(those: Sequence[Case], together: int, per_try: float) -> list[int]:
        at_once = asyncio.Semaphore(together)
        runs = (spent(each, thorough=thorough, at_once=at_once, per_try=per_try) for each in those)
        return await asyncio.gather(*runs)

    first = asyncio.run(measure(cases, TOGETHER, PER_TRY))
    print(f"{len(cases)} cases, at most {max(first)} packets of {most}")
    suspects = [each for sent, each in zip(first, cases, strict=True) if sent > most]
    again = asyncio.run(measure(suspects, 1, PATIENT))
    return [f"{each.name}: {sent}" for sent, each in zip(again, suspects, strict=True) if sent > most]


@pytest.mark.parametrize("part", range(SLICES))
def test_a_full_check_stays_within_its_packets_on_every_case(part: int) -> None:
    """Eight server addresses, three resolvers, nothing remembered: no case needs more than 64."""
    assert over(ALL[part::SLICES], FULL, thorough=True) == []


def test_a_routine_check_of_a_healthy_domain_sends_twelve_at_most() -> None:
    """Three resolvers, and nothing is wrong: every required record is asked for once at each, and that is all."""
    assert over([each for each in HEALTHY if is_named(each)], ROUTINE, thorough=False) == []


def test_a_routine_check_follows_includes_to_a_provider_that_the_record_does_not_name() -> None:
    """Whether mail passes follows from the records on the way alone: each costs one packet, at one resolver."""
    nested = [each for each in HEALTHY if not is_named(each)]
    assert over(nested, ROUTINE + 2, thorough=False) == []  # of ours none is more than two records away
    assert over(nested, ROUTINE, thorough=False) != []
    assert ROUTINE + ON_THE_WAY < FULL


def test_what_a_check_had_no_packets_left_for_is_told() -> None:
    """More selectors than one check can ask about: nothing says that what was not asked is right, or missing."""
    text = (
        "$ORIGIN acme.dev.\n@ 3600 SOA ns1 hostmaster 1 7200 3600 1209600 600\n@ NS ns1\n@ NS ns2\nns1 A 192.0.2.1\n"
        'ns2 A 192.0.2.2\n_dmarc TXT "v=DMARC1; p=reject"\n@ TXT "v=spf1 include:_senders.acme.dev -all"\n'
        '_senders TXT "v=spf1 ip4:192.0.2.0/24 -all"\nlh MX 10 in.acme.dev.\nlh TXT "v=spf1 ip4:192.0.2.0/24 -all"\n'
        "in A 192.0.2.3\n"
    )

    async def inspected(number: int) -> OneOffResult:
        selectors = tuple(f"s{each}" for each in range(number))
        keys = "".join(f"{each}._domainkey {case.txt(f'v=DKIM1; p={samples.KEY}')}\n" for each in selectors)
        async with serving(text + keys, each=4, resolvers=3) as servers:
            resolver = DnsResolver(servers.resolvers, servers.port, limits=ExchangeLimits(PER_TRY))
            deps = OneOffDeps(resolver=resolver, hosts=case.HOSTS, now=noon)
            return await inspect(deps, OneOffCheck(sender="acme.dev", selectors=selectors, mail_from="lh.acme.dev"))

    assert asyncio.run(inspected(3)).verdict == "pass"
    for number in (6, 9, 28):  # what advice needs, a part of the records, and all of them
        result = asyncio.run(inspected(number))
        assert result.verdict == "inconclusive"
        assert [each.code for each in result.examination.findings].count("zone.not-asked") == 1
        assert Verdict.ABSENT not in {each.verdict for each in result.examination.results}

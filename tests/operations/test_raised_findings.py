"""A fault that moves no state and stops mail: one event and one mail when it stays, one event when it is gone."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from letterhead.adapters.providers.simulated import SimulatedProvider
from letterhead.core.dns.answers import Why
from letterhead.core.domain.domain import EventKind
from letterhead.core.domain.health import HealthState
from letterhead.core.schedule.reminder_mail import ReminderInput, reminder_email
from letterhead.core.schedule.reminders import ReminderKind, is_still_due
from letterhead.operations.domains import plan_of
from letterhead.wiring.assemble import Overrides
from tests.operations.conftest import MAIL_FROM
from tests.operations.world import Clock, World, WrittenDns, opened

SENDER = "acme.test"
FINDINGS = (EventKind.FINDING_RAISED, EventKind.FINDING_CLEARED)


@pytest.fixture
async def ours(tmp_path: Path, clock: Clock, dns: WrittenDns) -> AsyncIterator[World]:
    """Open an installation with a domain that is verified in whole for a day."""
    stand = Overrides(resolver=dns, provider=SimulatedProvider(clock), now=clock)
    async with opened(tmp_path, stand, **MAIL_FROM) as world:
        added = await world.add(SENDER)
        dns.publish(*plan_of(world.deps, added).records)
        await live(world, clock, timedelta(days=1))
        yield world


async def live(world: World, clock: Clock, span: timedelta) -> int:
    """Make every check when it is due, as a worker does, and count them."""
    end, looks = clock.at + span, 0
    while (due := (await world.domain(SENDER)).next_check_at) is not None and due <= end:
        clock.at = max(due, clock.at)
        await world.look(SENDER)
        looks += 1
    clock.at = end
    return looks


async def told(world: World) -> list[tuple[str, str | None]]:
    """List the events about findings."""
    return [(each.kind.value, each.finding) for each in await world.events(SENDER) if each.kind in FINDINGS]


async def test_wrong_signatures_are_raised_and_cleared(ours: World, clock: Clock, dns: WrittenDns) -> None:
    """The status stays; an event says so within a quarter of an hour of the first check, and one that it is over."""
    dns.silent, dns.why = True, Why.BOGUS
    await ours.look(SENDER)
    assert await told(ours) == []
    began = clock.at
    await live(ours, clock, timedelta(minutes=30))
    assert await told(ours) == [("finding.raised", "zone.dnssec-bogus")]
    raised = next(each for each in await ours.events(SENDER) if each.kind is EventKind.FINDING_RAISED)
    assert raised.at - began < timedelta(minutes=30)
    await live(ours, clock, timedelta(days=2))
    assert (await ours.domain(SENDER)).dkim.state is HealthState.VERIFIED
    assert await told(ours) == [("finding.raised", "zone.dnssec-bogus")]
    dns.silent = False
    await live(ours, clock, timedelta(hours=3))
    assert await told(ours) == [("finding.raised", "zone.dnssec-bogus"), ("finding.cleared", "zone.dnssec-bogus")]
    assert (await ours.domain(SENDER)).raised == ()


async def test_what_resolvers_alone_reject(ours: World, clock: Clock, dns: WrittenDns) -> None:
    """Where resolvers reject the DKIM record alone, a check of the domain's own servers does not make it look good."""
    record = await ours.dkim(SENDER)
    dns.rejected.add(record.host)
    await live(ours, clock, timedelta(hours=7))
    assert await told(ours) == [("finding.raised", "zone.dnssec-bogus")]
    for _ in range(9):
        clock.turn(minutes=20)
        await ours.look(SENDER, thorough=True)
    assert await told(ours) == [("finding.raised", "zone.dnssec-bogus")]
    dns.rejected.clear()
    await live(ours, clock, timedelta(hours=3))
    assert await told(ours) == [("finding.raised", "zone.dnssec-bogus"), ("finding.cleared", "zone.dnssec-bogus")]


async def test_silence_neither_raises_nor_clears(ours: World, clock: Clock, dns: WrittenDns) -> None:
    """No answer is not a fault of the zone, and does not show that one is over."""
    dns.silent = True
    await live(ours, clock, timedelta(hours=6))
    assert await told(ours) == []
    dns.why = Why.BOGUS
    await live(ours, clock, timedelta(hours=1))
    dns.why = Why.TIMEOUT
    await live(ours, clock, timedelta(hours=6))
    assert await told(ours) == [("finding.raised", "zone.dnssec-bogus")]


async def test_one_check_alone_raises_nothing(ours: World, clock: Clock, dns: WrittenDns) -> None:
    """A resolver that took good signatures for wrong ones once is no event."""
    dns.silent, dns.why = True, Why.BOGUS
    await ours.look(SENDER)
    dns.silent = False
    await live(ours, clock, timedelta(days=1))
    assert await told(ours) == []


async def test_what_comes_and_goes_is_told_once(ours: World, clock: Clock, dns: WrittenDns) -> None:
    """A fault that was raised and then flaps every twenty minutes is one event, until it stays away for an hour."""
    dns.silent, dns.why = True, Why.BOGUS
    await ours.look(SENDER)
    await live(ours, clock, timedelta(hours=1))
    for _ in range(24):
        dns.silent = True
        await live(ours, clock, timedelta(minutes=20))
        dns.silent = False
        await live(ours, clock, timedelta(minutes=20))
    assert await told(ours) == [("finding.raised", "zone.dnssec-bogus")]


async def test_broken_spf_at_the_mail_from_domain(ours: World, clock: Clock, dns: WrittenDns) -> None:
    """A second SPF record breaks a MAIL FROM domain that worked: the account is told, since when and what to do."""
    mail_from = (await ours.domain(SENDER)).mail_from
    dns.records["second", "TXT"] = f'{mail_from}. 300 TXT "v=spf1 ip4:192.0.2.9 -all"'
    await live(ours, clock, timedelta(hours=12))
    assert ("finding.raised", "spf.several-records") in await told(ours)
    domain, view = await ours.domain(SENDER), await ours.view(SENDER)
    assert domain.dkim.state is HealthState.VERIFIED
    (raised,) = domain.raised
    assert view.last_check is not None
    assert [each.since for each in view.last_check.findings if each.code == raised.code] == [raised.since]
    now = clock.at
    claimed = await ours.deps.store.claim_reminders(now, now + timedelta(minutes=1), "test", 10)
    (due,) = (each for each in claimed if each.reminder.kind is ReminderKind.FINDING)
    assert due.reminder.step == "spf.several-records"
    assert is_still_due(due.reminder, domain, now)
    given = ReminderInput(
        reminder=due.reminder, domain=domain, findings=view.last_check.findings, to="dns@acme.test", name="r",
        unsubscribe="https://lh.example.com/x",
    )  # fmt: skip
    mail = reminder_email(given)
    assert f"stays verified, but since {raised.since:%Y-%m-%d %H:%M} UTC" in mail.text
    assert "What to do: " in mail.text
    del dns.records["second", "TXT"]
    await live(ours, clock, timedelta(hours=3))
    assert (await told(ours))[-1] == ("finding.cleared", "spf.several-records")
    assert not is_still_due(due.reminder, await ours.domain(SENDER), clock.at)


async def test_a_mail_from_domain_that_never_worked_raises_nothing(
    tmp_path: Path, clock: Clock, dns: WrittenDns
) -> None:
    """Who has yet to publish the MAIL FROM records is told by the set-up page, and gets no mail about it."""
    stand = Overrides(resolver=dns, provider=SimulatedProvider(clock), now=clock)
    async with opened(tmp_path, stand, **MAIL_FROM) as world:
        await world.add(SENDER)
        dns.publish(await world.dkim(SENDER))
        await live(world, clock, timedelta(days=2))
        assert (await world.domain(SENDER)).dkim.state is HealthState.VERIFIED
        assert await told(world) == []


async def test_a_fault_that_stays_costs_few_checks(ours: World, clock: Clock, dns: WrittenDns) -> None:
    """A finding that stays for weeks is looked at as seldom as any verified domain."""
    mail_from = (await ours.domain(SENDER)).mail_from
    dns.records["second", "TXT"] = f'{mail_from}. 300 TXT "v=spf1 ip4:192.0.2.9 -all"'
    await live(ours, clock, timedelta(days=9))
    assert await live(ours, clock, timedelta(days=1)) <= 6
    assert await told(ours) == [("finding.raised", "spf.several-records")]

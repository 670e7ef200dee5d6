"""Mail and accepted findings: not listed while they are accepted, one mail at the end where they are still there."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from letterhead.adapters.providers.simulated import SimulatedProvider
from letterhead.core.dns.records import zone_line
from letterhead.core.domain.health import HealthState
from letterhead.operations import accepted_findings
from letterhead.operations.accepted_findings import AcceptanceRequest
from letterhead.wiring.assemble import Overrides
from tests.operations.test_reminders import body, mail_settings, remind, subjects
from tests.operations.world import OPERATOR, Clock, World, WrittenDns, noon, opened
from tests.rigs.smtp import Ledger

SENDER, HOST, CODE = "acme.test", "_dmarc.acme.test", "dmarc.policy-invalid"
TITLE = "The DMARC record has a policy that does not exist"
STILL_THERE = "what you accepted is still there"


@pytest.fixture
def dns() -> WrittenDns:
    """Return DNS that the test writes."""
    return WrittenDns(SENDER)


@pytest.fixture
async def ours(tmp_path: Path, clock: Clock, dns: WrittenDns, ledger: Ledger) -> AsyncIterator[World]:
    """Open an installation with a verified domain whose policy is no word of DMARC."""
    stand = Overrides(resolver=dns, provider=SimulatedProvider(clock), now=clock)
    async with opened(tmp_path, stand, **mail_settings(ledger)) as world:
        await world.add(SENDER)
        dns.publish(await world.dkim(SENDER))
        dns.records[HOST, "TXT"] = zone_line(HOST, "TXT", "v=DMARC1; p=some", None)
        await look(world, clock)
        await look(world, clock)
        assert (await world.domain(SENDER)).dkim.state is HealthState.VERIFIED
        yield world


async def look(world: World, clock: Clock) -> None:
    """Check the domain at its own servers, some minutes later."""
    clock.turn(minutes=11)
    await world.look(SENDER, thorough=True)


async def accept(world: World, days: int, reason: str = "Known") -> None:
    """Accept the policy for so many days from noon."""
    until = (noon() + timedelta(days=days)).isoformat()
    request = AcceptanceRequest(code=CODE, until=until, reason=reason)
    await accepted_findings.accept_finding(world.deps, world.account.id, SENDER, request, OPERATOR)


async def test_mails_leave_out_what_is_accepted(ours: World, dns: WrittenDns, clock: Clock, ledger: Ledger) -> None:
    """A mail on something else lists the policy before it is accepted, and not while it is."""
    record = await ours.dkim(SENDER)
    for is_accepted in (False, True):
        if is_accepted:
            await accept(ours, 30, "Nobody outside need know why")
        dns.withdraw(record)
        await look(ours, clock)
        await look(ours, clock)
        assert (await ours.domain(SENDER)).dkim.state is HealthState.AT_RISK
        await remind(ours)
        message = ledger.messages()[0]
        assert (TITLE in body(message)) is not is_accepted
        assert "Nobody outside" not in message.as_string()
        dns.publish(record)
        for _ in range(8):
            await look(ours, clock)
        assert (await ours.domain(SENDER)).dkim.state is HealthState.VERIFIED
        ledger.taken.clear()


async def test_its_end_is_reminded_of_once(ours: World, clock: Clock, ledger: Ledger) -> None:
    """One mail at the end that names the finding; a longer acceptance makes the first end moot."""
    await accept(ours, 10)
    await accept(ours, 20)
    clock.at = noon() + timedelta(days=10, minutes=1)
    await remind(ours)
    assert subjects(ledger) == []
    clock.at = noon() + timedelta(days=20, minutes=1)
    for _ in range(3):
        await remind(ours)
    assert subjects(ledger) == [STILL_THERE]
    text = body(ledger.messages()[0])
    assert TITLE in text
    assert "until 2026-12-13 12:00 UTC" in text
    assert "/setup/" not in text


@pytest.mark.parametrize("how", ["withdrawn", "repaired"])
async def test_there_is_nothing_to_remind_of(
    ours: World, dns: WrittenDns, clock: Clock, ledger: Ledger, how: str
) -> None:
    """Whoever has withdrawn the acceptance, or put the record right, hears nothing at its end."""
    await accept(ours, 10)
    if how == "withdrawn":
        await accepted_findings.withdraw_acceptance(ours.deps, ours.account.id, SENDER, CODE, None, OPERATOR)
    else:
        dns.records[HOST, "TXT"] = zone_line(HOST, "TXT", "v=DMARC1; p=reject", None)
    clock.at = noon() + timedelta(days=9)
    await look(ours, clock)
    clock.at = noon() + timedelta(days=10, minutes=1)
    await remind(ours)
    assert subjects(ledger) == []

"""Tell ninety days of a domain's life on a hand-turned clock; each look comes when the cadence says."""

from datetime import timedelta
from pathlib import Path

from letterhead.adapters.providers.simulated import SimulatedProvider
from letterhead.core.domain.domain import Event
from letterhead.core.domain.health import HealthState
from letterhead.core.plan.plan import PlannedRecord, RecordId
from letterhead.operations import domains, rotations
from letterhead.operations.rotations import NOTHING
from letterhead.wiring.assemble import Overrides
from tests.operations.world import OPERATOR, Clock, World, WrittenDns, noon, opened

NAME = "acme.test"
TIMELINE = [
    (0, "domain.created"),
    (0, "domain.pending"),
    (0, "record.changed dkim: absent -> present"),
    (0, "record.changed mail_from_mx: absent -> present"),
    (0, "record.changed mail_from_spf: absent -> present"),
    (0, "record.changed dmarc: absent -> present"),
    (0, "domain.verified"),
    (0, "record.changed mail_from: PENDING -> SUCCESS"),
    (20, "record.changed dkim: present -> absent"),
    (20, "domain.at_risk"),
    (23, "domain.lost"),
    (25, "record.changed dkim: absent -> present"),
    (25, "domain.verified"),
    (30, "record.changed"),  # a new key is to be published
    (31, "record.changed dkim_next: absent -> present"),
    (31, "dkim.rotated"),
    (45, "claim.contested"),
    (90, "domain.deleted"),
]


class Life:
    """The domain's world, in which time passes."""

    def __init__(self, world: World, clock: Clock, dns: WrittenDns) -> None:
        self.world, self.clock, self.dns, self.began = world, clock, dns, clock.at

    async def until(self, day: float) -> HealthState:
        """Live on to a day: every look at its due time, as a worker would."""
        end = self.began + timedelta(days=day)
        while (due := (await self.world.domain(NAME)).next_check_at) is not None and due <= end:
            self.clock.at = max(due, self.clock.at)
            await self.world.look(NAME)
        self.clock.at = end
        return (await self.world.domain(NAME)).dkim.state

    async def records(self) -> tuple[PlannedRecord, ...]:
        """Return what is to be published now."""
        return domains.plan_of(self.world.deps, await self.world.domain(NAME)).records

    async def timeline(self) -> list[tuple[int, str]]:
        """Read what happened on which day, as `GET /events` tells it."""
        return [((event.at - self.began).days, _told(event)) for event in await self.world.events()]


def _told(event: Event) -> str:
    change = event.change
    return f"{event.kind.value} {change.record}: {change.was} -> {change.now}" if change else event.kind.value


async def test_ninety_days(tmp_path: Path) -> None:
    """POST, an outage, a loss, a return, a change of keys, a contest and a delete: the timeline reads like that."""
    clock, dns = Clock(noon()), WrittenDns(NAME)
    async with opened(tmp_path, Overrides(resolver=dns, provider=SimulatedProvider(clock), now=clock)) as world:
        life = Life(world, clock, dns)
        await world.add(NAME)
        assert await life.until(0.2) is HealthState.PENDING
        dns.publish(*await life.records())
        assert await life.until(10) is HealthState.VERIFIED

        dns.silent = True  # two days without any answer
        assert await life.until(12) is HealthState.VERIFIED
        dns.silent = False
        assert await life.until(20) is HealthState.VERIFIED

        dns.withdraw(await world.dkim(NAME))
        assert await life.until(21) is HealthState.AT_RISK
        stops = (await world.domain(NAME)).dkim.stops_sending_at
        assert stops is not None and timedelta(days=22.9) < stops - life.began < timedelta(days=23.5)
        assert await life.until(25) is HealthState.FAILED
        dns.publish(await world.dkim(NAME))
        assert await life.until(30) is HealthState.VERIFIED

        before = (await world.domain(NAME)).selector
        await rotations.start(world.deps, world.account.id, NAME, NOTHING, OPERATOR)
        assert await life.until(31) is HealthState.VERIFIED
        assert (await world.domain(NAME)).selector == before  # nobody published the new key
        dns.publish(*[each for each in await life.records() if each.id is RecordId.DKIM_NEXT])
        assert await life.until(45) is HealthState.VERIFIED
        assert (await world.domain(NAME)).selector != before

        other = await world.other("globex")
        await other.add(NAME)
        dns.publish(await other.dkim(NAME))
        await other.look(NAME)
        assert await life.until(90) is HealthState.VERIFIED
        await domains.delete_domain(world.deps, world.account.id, NAME, OPERATOR)
        assert await life.timeline() == TIMELINE

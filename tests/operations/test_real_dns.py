"""The main job against real DNS servers: what can happen to a record, and the verdict that the table asks."""

import time
from pathlib import Path

from letterhead.core.dns.records import split_text
from letterhead.core.domain.domain import Domain
from letterhead.core.domain.health import HealthState
from letterhead.core.plan.plan import PlannedRecord, RecordId, Verdict
from letterhead.operations.domains import plan_of
from tests.operations.world import Clock, World, opened
from tests.rigs.dns_lab import Authority, DnsLab
from tests.rigs.waiting import is_within


def record(world: World, domain: Domain, record_id: RecordId) -> PlannedRecord:
    """Find what is to be published."""
    found = plan_of(world.deps, domain).record(record_id)
    assert found is not None
    return found


def publish(lab: DnsLab, planned: PlannedRecord, *, only: Authority | None = None) -> None:
    """Publish a planned record as it should be."""
    value = planned.value
    if planned.rdtype == "TXT":
        value = " ".join(f'"{piece}"' for piece in split_text(planned.value))
    elif planned.rdtype == "MX":
        value = f"{planned.priority} {planned.value}."
    lab.publish(planned.host, planned.rdtype, value, only=only)


async def verdict(world: World, sender: str, record_id: RecordId = RecordId.DKIM) -> Verdict:
    """Read the verdict of the last check on one record."""
    checkup = (await world.view(sender)).last_check
    assert checkup is not None
    return next(each.verdict for each in checkup.results if each.record.id == record_id)


async def test_a_domain_succeeds_when_its_records_are_in_dns(lab: DnsLab, zone: str, world: World) -> None:
    """From POST to SUCCESS: pending while the key is absent, verified at the first look after it is there."""
    domain = await world.look((await world.add(zone)).sender)
    assert domain.dkim.state is HealthState.PENDING
    assert await verdict(world, zone) is Verdict.ABSENT
    for planned in plan_of(world.deps, domain).records:
        publish(lab, planned)
    lab.flush()  # the resolver remembers that there was nothing
    domain = await world.look(zone)
    assert domain.dkim.state is HealthState.VERIFIED
    assert domain.mail_from_health is not None
    assert domain.mail_from_health.state is HealthState.VERIFIED
    told = [(each.kind.value, each.change and (each.change.record, each.change.was, each.change.now))
            for each in await world.events(zone)]  # fmt: skip
    published = [
        ("record.changed", (record.id.value, "absent", "present")) for record in plan_of(world.deps, domain).records
    ]
    mail_from = ("record.changed", ("mail_from", "PENDING", "SUCCESS"))
    assert told == [
        ("domain.created", None),
        ("domain.pending", None),
        *published,
        ("domain.verified", None),
        mail_from,
    ]
    checkup = (await world.view(zone)).last_check
    assert checkup is not None
    assert not checkup.findings


async def test_dkim_alone_decides_the_status(lab: DnsLab, zone: str, world: World) -> None:
    """MX and SPF are the same for every customer: they prove nothing, and their lack stops nothing."""
    domain = await world.add(zone)
    publish(lab, record(world, domain, RecordId.DKIM))
    domain = await world.look(zone)
    assert domain.dkim.state is HealthState.VERIFIED
    assert domain.mail_from_health is not None
    assert domain.mail_from_health.state is HealthState.PENDING


async def test_another_key_is_wrong_and_its_strings_may_be_split_anyhow(lab: DnsLab, zone: str, world: World) -> None:
    """A valid key that is not ours is "wrong"; ours in strings of any length is "present"."""
    domain = await world.add(zone)
    key = record(world, domain, RecordId.DKIM)
    lab.publish(key.host, "TXT", '"v=DKIM1; k=rsa; p=MFwwDQYJKoZIhvcNAQEBBQADSwAwSAJBAKYA"')
    await world.look(zone)
    assert await verdict(world, zone) is Verdict.WRONG
    pieces = [key.value[at : at + 17] for at in range(0, len(key.value), 17)]
    lab.publish(key.host, "TXT", " ".join(f'"{piece}"' for piece in pieces))
    domain = await world.look(zone)
    assert await verdict(world, zone) is Verdict.PRESENT
    assert domain.dkim.state is HealthState.VERIFIED


async def test_one_of_two_servers_is_not_yet(lab: DnsLab, split_zone: str, world: World) -> None:
    """Present needs every server that answers; the finding names the one that lacks the record."""
    domain = await world.add(split_zone)
    publish(lab, record(world, domain, RecordId.DKIM), only=lab.ns1)
    domain = await world.look(split_zone)
    assert domain.dkim.state is HealthState.PENDING
    checkup = (await world.view(split_zone)).last_check
    assert checkup is not None
    differ = next(each for each in checkup.findings if each.code == "zone.nameservers-disagree")
    assert len(differ.perspectives) == 1
    assert differ.record == RecordId.DKIM
    publish(lab, record(world, domain, RecordId.DKIM), only=lab.ns2)
    assert (await world.look(split_zone)).dkim.state is HealthState.VERIFIED


async def test_frozen_servers_move_nothing(lab: DnsLab, zone: str, world: World, clock: Clock) -> None:
    """Silence is never "missing": a verified domain whose servers are frozen stays verified, look after look."""
    domain = await world.add(zone)
    publish(lab, record(world, domain, RecordId.DKIM))
    assert (await world.look(zone)).dkim.state is HealthState.VERIFIED
    lab.flush()
    with lab.ns1.server.frozen():
        for _ in range(2):
            clock.turn(minutes=11)
            domain = await world.look(zone, thorough=True)
            assert await verdict(world, zone) is Verdict.UNANSWERED
    assert domain.dkim.state is HealthState.VERIFIED
    checkup = (await world.view(zone)).last_check
    assert checkup is not None
    assert [(each.code, each.host) for each in checkup.findings] == [("resolver.failed", zone)]


async def test_removal_is_noticed_and_has_its_grace(lab: DnsLab, zone: str, world: World, clock: Clock) -> None:
    """A routine check doubts the resolver and asks the servers; two misses 10 min apart put the domain at risk."""
    domain = await world.add(zone)
    key = record(world, domain, RecordId.DKIM)
    publish(lab, key)
    assert (await world.look(zone)).dkim.state is HealthState.VERIFIED
    lab.withdraw(key.host, "TXT")
    lab.flush()
    clock.turn(hours=6)
    domain = await world.look(zone)
    assert await verdict(world, zone) is Verdict.ABSENT
    assert domain.dkim.state is HealthState.VERIFIED
    clock.turn(minutes=11)
    domain = await world.look(zone)
    assert domain.dkim.state is HealthState.AT_RISK
    assert domain.dkim.stops_sending_at is not None
    publish(lab, key)
    lab.flush()
    for _ in range(14):
        clock.turn(minutes=5)
        domain = await world.look(zone)
    assert domain.dkim.state is HealthState.VERIFIED
    kinds = [event.kind for event in await world.events(zone)]
    assert kinds[-4:] == ["record.changed", "domain.at_risk", "record.changed", "domain.restored"]


async def test_a_check_ends_when_its_time_is_up(lab: DnsLab, zone: str, tmp_path: Path) -> None:
    """CHECK_TIMEOUT_SECONDS bounds all questions of a check together, however long the servers let it wait."""
    dns = {
        "DNS_RESOLVERS": f"127.0.0.1:{lab.resolver_port}",
        "DNS_AUTHORITATIVE_PORT": str(lab.authoritative_port),
        "CHECK_TIMEOUT_SECONDS": "1",
    }
    async with opened(tmp_path, **dns) as hasty:
        await hasty.add(zone)
        with lab.ns1.server.frozen(), lab.ns2.server.frozen():
            began = time.monotonic()
            await hasty.look(zone)
            assert is_within(time.monotonic() - began, 2.5)
        assert await verdict(hasty, zone) is Verdict.UNANSWERED

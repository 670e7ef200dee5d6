"""With a kept credential the next key is published, and what vanished is put back once: by nobody's asking."""

import pytest

from letterhead.core.domain.domain import EventKind
from letterhead.core.domain.health import HealthState
from letterhead.core.rotation import rotation
from letterhead.core.rotation.rotation import Stage
from letterhead.core.schedule.shares import PlacesHeld
from letterhead.core.zone_changes.dns_plan import PlanState
from letterhead.errors import Fault, Kind
from letterhead.operations import dns_credentials, dns_plans, record_upkeep, rotations
from letterhead.operations.hosted_zones import given_access
from letterhead.operations.rotations import NOTHING
from tests.operations.test_dns_plans import held
from tests.operations.world import OPERATOR, Clock, World
from tests.rigs.dns_lab import DnsLab
from tests.rigs.hosted_zones import HOST, TOKEN, Killed, LabHost

ACCESS = given_access(HOST, {"token": TOKEN})
FREE = PlacesHeld(places=4, by_account={}, served={})


@pytest.fixture
def world(writing_world: World) -> World:
    """Return an installation that writes at the lab's DNS host."""
    return writing_world


async def verified(world: World, lab: DnsLab, zone: str, *, put_back: bool = False) -> str:
    """Add a domain, write its records by a credential that is kept, and verify it; return the credential's id."""
    await world.add(zone)
    kept = await dns_credentials.keep_credential(
        world.deps, world.account.id, zone, ACCESS, OPERATOR, put_back=put_back
    )
    made = await dns_plans.make_plan(world.deps, world.account.id, zone, ACCESS, OPERATOR)
    await dns_plans.apply_plan(world.deps, world.account.id, zone, made.id, ACCESS, OPERATOR)
    lab.flush()
    assert (await world.look(zone)).dkim.state is HealthState.VERIFIED
    return kept.id


async def pass_by(world: World, clock: Clock, **time: float) -> int:
    """Let the worker look after all zones that are due; return how many that were."""
    clock.turn(**(time or {"minutes": 3}))
    claimed = await record_upkeep.claim_zones(world.deps, FREE)
    for each in claimed:
        await record_upkeep.look_after_zone(world.deps, each)
    return len(claimed)


async def kinds(world: World, zone: str) -> list[EventKind]:
    """List what happened to the domain that is about its zone."""
    about = (EventKind.RECORDS_WRITTEN, EventKind.CREDENTIAL_REFUSED)
    return [each.kind for each in await world.events(zone) if each.kind in about]


async def test_the_next_key_is_published_by_itself(lab: DnsLab, zone: str, world: World, clock: Clock) -> None:
    """Within minutes, once, audited as the worker's; then the rotation goes on as ever."""
    await verified(world, lab, zone)
    before = held(lab, zone)
    assert await pass_by(world, clock) == 1
    assert held(lab, zone) == before
    domain = await rotations.start(world.deps, world.account.id, zone, NOTHING, OPERATOR)
    assert domain.rotation is not None
    await pass_by(world, clock)
    name = f"{domain.rotation.selector}._domainkey.{zone}"
    (text,) = held(lab, zone)[name, "TXT"]
    assert domain.rotation.public_key[:40] in text
    assert await kinds(world, zone) == [EventKind.RECORDS_WRITTEN]
    rows = [each.row for each in await world.deps.store.audit_rows(None, None, 20)]
    assert next(each.actor for each in rows if each.action == "dns-plan.apply") == "worker"
    plans = await world.deps.store.dns_plans(domain.id)
    assert [each.automatic for each in plans] == [True, False]
    await pass_by(world, clock)
    assert len(await world.deps.store.dns_plans(domain.id)) == 2
    lab.flush()
    assert rotation.stage(await world.look(zone)) is Stage.SEEN


async def test_a_vanished_record_is_put_back_once_a_day(lab: DnsLab, zone: str, world: World, clock: Clock) -> None:
    """With an event; taken out again it stays out until a day has passed."""
    await verified(world, lab, zone, put_back=True)
    name = next(owner for owner, rdtype in held(lab, zone) if "_domainkey" in owner and rdtype == "TXT")
    whole = held(lab, zone)
    for number in range(2):
        lab.withdraw(name, "TXT")
        lab.flush()
        await world.look(zone, thorough=True)
        await pass_by(world, clock)
        lab.flush()
        assert ((name, "TXT") in held(lab, zone)) == (number == 0)
        await world.look(zone, thorough=True)
    assert await kinds(world, zone) == [EventKind.RECORDS_WRITTEN]
    for _ in range(5):
        await pass_by(world, clock, minutes=30)
    assert (name, "TXT") not in held(lab, zone)
    await pass_by(world, clock, hours=24)
    assert held(lab, zone) == whole
    assert await kinds(world, zone) == [EventKind.RECORDS_WRITTEN] * 2


async def test_nothing_is_put_back_unless_asked_for(lab: DnsLab, zone: str, world: World, clock: Clock) -> None:
    """It is off; switched on later, it is done."""
    kept = await verified(world, lab, zone)
    name = next(owner for owner, rdtype in held(lab, zone) if "_domainkey" in owner and rdtype == "TXT")
    lab.withdraw(name, "TXT")
    lab.flush()
    await world.look(zone, thorough=True)
    await pass_by(world, clock)
    assert (name, "TXT") not in held(lab, zone)
    changed = await dns_credentials.change_credential(world.deps, world.account.id, kept, OPERATOR, put_back=True)
    assert changed.put_back
    await pass_by(world, clock)
    assert (name, "TXT") in held(lab, zone)


async def test_a_revoked_credential_is_told_once(
    lab: DnsLab, zone: str, world: World, clock: Clock, host: LabHost
) -> None:
    """One event, no further try, and its code in the list; another credential begins anew."""
    await verified(world, lab, zone)
    host.token = "lab-token-that-is-new-0123456789abcdef"
    await rotations.start(world.deps, world.account.id, zone, NOTHING, OPERATOR)
    written = host.written
    assert await pass_by(world, clock) == 1
    for _ in range(3):
        assert await pass_by(world, clock, hours=2) == 0
    assert (await kinds(world, zone), host.written) == ([EventKind.CREDENTIAL_REFUSED], written)
    (listed,) = await dns_credentials.list_credentials(world.deps, world.account.id)
    assert listed.refused_at is not None
    assert (listed.refused_code or "").startswith("401")
    access = given_access(HOST, {"token": host.token})
    await dns_credentials.keep_credential(world.deps, world.account.id, zone, access, OPERATOR)
    await pass_by(world, clock)
    assert await kinds(world, zone) == [EventKind.CREDENTIAL_REFUSED, EventKind.RECORDS_WRITTEN]


async def test_a_silent_host_is_asked_again_later(
    lab: DnsLab, zone: str, world: World, clock: Clock, host: LabHost
) -> None:
    """After a quarter of an hour, with no event meanwhile."""
    await verified(world, lab, zone)
    await rotations.start(world.deps, world.account.id, zone, NOTHING, OPERATOR)
    host.one_by_one, host.stops_after = True, 0
    host.stop = Fault(Kind.DNS_HOST_FAILED, "It does not answer.", "Wait.")
    assert await pass_by(world, clock) == 1
    assert await pass_by(world, clock) == 0
    assert await kinds(world, zone) == []
    host.stops_after = None
    await pass_by(world, clock, minutes=15)
    assert await kinds(world, zone) == [EventKind.RECORDS_WRITTEN]


async def test_only_domains_that_the_account_holds(zone: str, world: World, clock: Clock) -> None:
    """A claim that nobody has proven is not looked after, whatever is owed."""
    domain = await world.add(zone)
    await dns_credentials.keep_credential(world.deps, world.account.id, zone, ACCESS, OPERATOR, put_back=True)
    assert await pass_by(world, clock) == 1
    assert await world.deps.store.held_in_zone(world.account.id, zone, 10) == []
    assert await world.deps.store.dns_plans(domain.id) == []


async def test_each_zone_is_claimed_by_one_worker(zone: str, world: World, clock: Clock) -> None:
    """Until it is released, or the lease has run out; released, it is due again two minutes after the claim."""
    await world.add(zone)
    await dns_credentials.keep_credential(world.deps, world.account.id, zone, ACCESS, OPERATOR)
    (claimed,) = await record_upkeep.claim_zones(world.deps, FREE)
    lease = claimed.lease_until
    assert lease is not None
    clock.turn(minutes=3)
    assert await record_upkeep.claim_zones(world.deps, FREE) == []
    await world.deps.store.release_dns_credential(claimed.credential.id, lease, None)
    assert len(await record_upkeep.claim_zones(world.deps, FREE)) == 1
    clock.turn(minutes=6)
    assert len(await record_upkeep.claim_zones(world.deps, FREE)) == 1


async def add_below(world: World, lab: DnsLab, sender: str) -> None:
    """Add a domain below the zone, write its records, and verify it."""
    await world.add(sender)
    made = await dns_plans.make_plan(world.deps, world.account.id, sender, ACCESS, OPERATOR)
    await dns_plans.apply_plan(world.deps, world.account.id, sender, made.id, ACCESS, OPERATOR)
    lab.flush()
    assert (await world.look(sender)).dkim.state is HealthState.VERIFIED


async def next_name(world: World, sender: str) -> tuple[str, str]:
    """Start a rotation; return the name and type of the next key."""
    domain = await rotations.start(world.deps, world.account.id, sender, NOTHING, OPERATOR)
    assert domain.rotation is not None
    return (f"{domain.rotation.selector}._domainkey.{sender}", "TXT")


async def test_what_a_person_undid_is_not_put_back(lab: DnsLab, zone: str, world: World, clock: Clock) -> None:
    """Of an automatic plan and of their own; not after days either, but once a plan has written it again."""
    await verified(world, lab, zone, put_back=True)
    name = next(owner for owner, rdtype in held(lab, zone) if "_domainkey" in owner and rdtype == "TXT")
    lab.withdraw(name, "TXT")
    lab.flush()
    await world.look(zone, thorough=True)
    await pass_by(world, clock)
    assert (name, "TXT") in held(lab, zone)
    for made in await dns_plans.list_plans(world.deps, world.account.id, zone):
        await dns_plans.undo_plan(world.deps, world.account.id, zone, made.id, ACCESS, OPERATOR)
    undone = held(lab, zone)
    assert (name, "TXT") not in undone
    lab.flush()
    await world.look(zone, thorough=True)
    for hours in (1, 25, 25):
        await pass_by(world, clock, hours=hours)
        assert held(lab, zone) == undone
    made = await dns_plans.make_plan(world.deps, world.account.id, zone, ACCESS, OPERATOR)
    await dns_plans.apply_plan(world.deps, world.account.id, zone, made.id, ACCESS, OPERATOR)
    lab.flush()
    await world.look(zone, thorough=True)
    lab.withdraw(name, "TXT")
    lab.flush()
    await world.look(zone, thorough=True)
    await pass_by(world, clock, hours=1)
    assert (name, "TXT") in held(lab, zone)


async def test_a_plan_that_a_killed_worker_left_is_finished(
    lab: DnsLab, zone: str, world: World, clock: Clock, host: LabHost
) -> None:
    """By the next that comes, within minutes, and by the same plan."""
    await verified(world, lab, zone)
    name = await next_name(world, zone)
    host.one_by_one, host.stops_after, host.stop = True, 0, Killed()
    with pytest.raises(Killed):
        await pass_by(world, clock)
    host.stops_after = None
    for _ in range(2):
        await pass_by(world, clock, minutes=10)
    assert name in held(lab, zone)
    plans = await dns_plans.list_plans(world.deps, world.account.id, zone)
    assert [(each.automatic, each.state) for each in plans] == [(True, PlanState.WRITTEN), (False, PlanState.WRITTEN)]


async def test_a_write_that_keeps_failing_is_one_plan_and_ever_rarer(
    lab: DnsLab, zone: str, world: World, clock: Clock, host: LabHost
) -> None:
    """It takes neither the person's plans, nor the audit, nor the account's changes of a day; it ends well."""
    await verified(world, lab, zone)
    name = await next_name(world, zone)
    host.lies = True
    for _ in range(96):  # a day
        await pass_by(world, clock, minutes=15)
    plans = await dns_plans.list_plans(world.deps, world.account.id, zone)
    states = [(each.automatic, each.state) for each in plans]
    assert states == [(True, PlanState.FAILED), (False, PlanState.WRITTEN)]
    rows = [each.row.action for each in await world.deps.store.audit_rows(None, None, 200)]
    assert rows.count("dns-plan.failed") < 10
    host.lies = False
    await pass_by(world, clock, hours=24)
    assert name in held(lab, zone)
    assert await kinds(world, zone) == [EventKind.RECORDS_WRITTEN]


async def test_each_domain_of_a_zone_has_its_turn(
    lab: DnsLab, zone: str, world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the first that are read together, and beside one whose record is refused."""
    monkeypatch.setattr(record_upkeep, "MOST_DOMAINS", 1)
    await verified(world, lab, zone)
    senders = [f"{label}.{zone}" for label in ("a", "b")]
    for sender in senders:
        await add_below(world, lab, sender)
    refused = await next_name(world, zone)
    lab.publish(refused[0], "TXT", '"somebody else"')
    for sender in senders:
        name = await next_name(world, sender)
        await pass_by(world, clock, minutes=10)
        assert name in held(lab, zone)


async def test_a_refused_change_does_not_end_the_use_of_a_credential(
    lab: DnsLab, zone: str, world: World, clock: Clock, host: LabHost
) -> None:
    """The host takes the credential, and not this change: another time it may."""
    kept = await verified(world, lab, zone)
    name = await next_name(world, zone)
    host.one_by_one, host.stops_after = True, 0
    host.stop = Fault(Kind.CONFLICT, "It does not take the change.", "Wait.", provider=HOST, provider_code="409")
    await pass_by(world, clock)
    (listed,) = await dns_credentials.list_credentials(world.deps, world.account.id)
    assert (listed.id, listed.refused_at, await kinds(world, zone)) == (kept, None, [])
    host.stops_after = None
    await pass_by(world, clock, minutes=16)
    assert name in held(lab, zone)

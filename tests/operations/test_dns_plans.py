"""Records are written in a real zone: plan, apply, verified, undo; and what happens where any of it is cut off."""

import asyncio
from pathlib import Path

import pytest

from letterhead.core.dns.records import quote, split_text
from letterhead.core.domain.health import HealthState
from letterhead.core.plan.plan import RecordId
from letterhead.core.zone_changes.changes import Action, rrset_changes
from letterhead.core.zone_changes.dns_plan import WORK, DnsPlan, PlanState
from letterhead.errors import Fault, Kind
from letterhead.operations import dns_plans
from letterhead.operations.hosted_zones import GivenAccess, new_credential
from tests.operations.world import OPERATOR, Clock, World
from tests.rigs.dns_lab import DnsLab
from tests.rigs.hosted_zones import HOST, TOKEN, Killed, LabHost
from tests.rigs.zone_servers import text_of

CREDENTIAL = new_credential({"token": TOKEN})
ACCESS = GivenAccess(host=HOST, credential=CREDENTIAL)


@pytest.fixture
def world(writing_world: World) -> World:
    """Return an installation that writes at the lab's DNS host."""
    return writing_world


async def plan(world: World, sender: str, access: GivenAccess = ACCESS) -> DnsPlan:
    """Plan for a domain."""
    return await dns_plans.make_plan(world.deps, world.account.id, sender, access, OPERATOR)


async def apply(world: World, sender: str, made: DnsPlan, access: GivenAccess = ACCESS) -> DnsPlan:
    """Apply a plan, and wait for the nameservers."""
    after = await dns_plans.apply_plan(world.deps, world.account.id, sender, made.id, access, OPERATOR)
    return await dns_plans.wait_until_served(world.deps, after)


async def undo(world: World, sender: str, made: DnsPlan, access: GivenAccess = ACCESS) -> DnsPlan:
    """Undo a plan."""
    return await dns_plans.undo_plan(world.deps, world.account.id, sender, made.id, access, OPERATOR)


async def stored(world: World, sender: str, made: DnsPlan) -> DnsPlan:
    """Read a plan."""
    return await dns_plans.find_plan(world.deps, world.account.id, sender, made.id)


def held(lab: DnsLab, zone: str) -> dict[tuple[str, str], list[str]]:
    """Read what the zone's first server has, without what changes by itself."""
    from tests.rigs.hosted_zones import _transfer

    found = _transfer(lab.servers_of(zone)[0], zone)
    return {(each.owner, each.rdtype): sorted(map(text_of, each.rdatas)) for each in found if each.rdtype != "SOA"}


def publish_text(lab: DnsLab, name: str, *texts: str) -> None:
    """Publish texts of any length."""
    lab.publish(name, "TXT", *(" ".join(map(quote, split_text(text))) for text in texts))


async def fault_of(doing: object) -> Fault:
    """Return the fault that something raises."""
    with pytest.raises(Fault) as caught:
        await doing  # type: ignore[misc]
    return caught.value


async def test_plan_apply_verified_undo(lab: DnsLab, zone: str, world: World) -> None:
    """The whole way: foreign records stay, SPF is merged, the domain is verified, and undo gives the zone of before."""
    publish_text(lab, zone, "site=1", "v=spf1 -all")
    publish_text(lab, f"lh.{zone}", "big=" + "x" * 3000, "v=spf1 ip4:192.0.2.1 -all")
    before = held(lab, zone)
    await world.add(zone)
    made = await plan(world, zone)
    assert made.state is PlanState.PLANNED
    assert {each.id.value: each.action for each in made.changes if each.id is not RecordId.DKIM_ED25519} == {
        "dkim": Action.CREATE, "mail_from_mx": Action.CREATE, "mail_from_spf": Action.CHANGE, "dmarc": Action.CREATE,
    }  # fmt: skip
    assert held(lab, zone) == before
    after = await apply(world, zone, made)
    assert (after.state, after.missing_at) == (PlanState.SERVED, ())
    now = held(lab, zone)
    assert {key: now[key] for key in before if key != (f"lh.{zone}", "TXT")} == {
        key: value for key, value in before.items() if key != (f"lh.{zone}", "TXT")
    }
    lab.flush()
    domain = await world.look(zone)
    assert domain.dkim.state is HealthState.VERIFIED
    assert domain.mail_from_health is not None and domain.mail_from_health.state is HealthState.VERIFIED
    again = await plan(world, zone)
    assert {each.action for each in again.changes} == {Action.KEEP}
    assert (await apply(world, zone, again)).state is PlanState.SERVED
    undone = await undo(world, zone, made)
    assert undone.state is PlanState.UNDONE
    assert held(lab, zone) == before
    actions = [each.row.action for each in await world.deps.store.audit_rows(None, None, 50)]
    steps = ["dns-plan.make", "dns-plan.apply", "dns-plan.written", "dns-plan.undo", "dns-plan.undone"]
    assert [each for each in steps if each not in actions] == []


async def test_a_zone_that_changed_since_is_not_written(lab: DnsLab, zone: str, world: World, host: LabHost) -> None:
    """By a record beside ours, or a CNAME in the way: nothing is written, and it says what has changed."""
    await world.add(zone)
    made = await plan(world, zone)
    publish_text(lab, f"lh.{zone}", "v=spf1 ip4:192.0.2.1 -all")
    fault = await fault_of(apply(world, zone, made))
    assert (fault.kind, f"TXT lh.{zone}" in fault.detail, host.written) == (Kind.ZONE_CHANGED, True, 0)
    made = await plan(world, zone)
    key = made.changes[0].owner
    lab.publish(key, "CNAME", "elsewhere.test.")
    fault = await fault_of(apply(world, zone, made))
    assert (fault.kind, f"TXT {key}" in fault.detail, host.written) == (Kind.ZONE_CHANGED, True, 0)
    assert (await stored(world, zone, made)).state is PlanState.PLANNED


async def test_killed_between_two_writes_it_goes_on_or_back(
    lab: DnsLab, zone: str, world: World, host: LabHost, clock: Clock
) -> None:
    """What was written shows in the zone; applying again writes the rest alone, and undo takes back what there is."""
    before = held(lab, zone)
    await world.add(zone)
    made = await plan(world, zone)
    host.one_by_one, host.stops_after = True, 2
    with pytest.raises(Killed):
        await apply(world, zone, made)
    assert (await stored(world, zone, made)).state is PlanState.APPLYING
    assert len(held(lab, zone)) == len(before) + 2
    assert (await fault_of(apply(world, zone, made))).kind is Kind.CONFLICT  # it may still be at work
    clock.turn(seconds=WORK.total_seconds() + 1)
    host.stops_after = None
    after = await apply(world, zone, made)
    assert (after.state, "Before that stood there already: create TXT" in after.said) == (PlanState.SERVED, True)
    assert host.written == len(made.writes)
    second = await plan(world, zone)
    assert second.writes == ()
    host.stops_after = 1
    with pytest.raises(Killed):
        await undo(world, zone, made)
    assert (await stored(world, zone, made)).state is PlanState.UNDOING
    clock.turn(seconds=WORK.total_seconds() + 1)
    host.stops_after = None
    assert (await undo(world, zone, made)).state is PlanState.UNDONE
    assert held(lab, zone) == before


async def test_a_credential_revoked_halfway(lab: DnsLab, zone: str, world: World, host: LabHost) -> None:
    """The plan says that it failed; with a new credential it goes on, and nothing is written twice."""
    await world.add(zone)
    made = await plan(world, zone)
    refusal = Fault(Kind.DNS_HOST_REFUSED, "The lab does not take the token.", "Make a new one.", provider=HOST)
    host.one_by_one, host.stops_after, host.stop = True, 1, refusal
    fault = await fault_of(apply(world, zone, made))
    assert (fault.kind, fault.provider) == (Kind.DNS_HOST_REFUSED, HOST)
    failed = await stored(world, zone, made)
    assert (failed.state, "dns-host-refused" in failed.said, failed.busy_until) == (PlanState.FAILED, True, None)
    first, second = (f"{each.action} {each.rdtype} {each.owner}" for each in made.writes[:2])
    assert f"Written: {first}. Not written: {second}, " in failed.said
    host.stops_after, host.token = None, "a-new-token"
    access = GivenAccess(host="", credential=new_credential({"token": "a-new-token"}))
    assert (await apply(world, zone, made, access)).state is PlanState.SERVED
    assert host.written == len(made.writes)


async def test_a_host_stopped_in_the_middle_of_an_rrset(lab: DnsLab, zone: str, world: World, host: LabHost) -> None:
    """Hosts delete and create record by record: other people's text that was lost so is put back by apply and undo."""
    name = f"lh.{zone}"
    publish_text(lab, name, "site=1", "v=spf1 ip4:192.0.2.1 -all")
    before = held(lab, zone)
    await world.add(zone)
    made = await plan(world, zone)
    publish_text(lab, name, "v=spf1 ip4:192.0.2.1 -all")
    assert (await fault_of(apply(world, zone, made))).kind is Kind.ZONE_CHANGED  # before any writing it was a person
    publish_text(lab, name, "site=1", "v=spf1 ip4:192.0.2.1 -all")
    host.one_by_one, host.stops_after = True, 1
    host.stop = Fault(Kind.DNS_HOST_FAILED, "The lab can't be reached.", "Try again.", provider=HOST)
    assert (await fault_of(apply(world, zone, made))).kind is Kind.DNS_HOST_FAILED
    host.stops_after = None
    publish_text(lab, name, "v=spf1 ip4:192.0.2.1 -all")
    assert (await apply(world, zone, made)).state is PlanState.SERVED
    assert '"site=1"' in held(lab, zone)[name, "TXT"]
    host.stops_after = 1
    assert (await fault_of(undo(world, zone, made))).kind is Kind.DNS_HOST_FAILED
    host.stops_after = None
    lab.publish(name, "TXT")
    assert (await undo(world, zone, made)).state is PlanState.UNDONE
    assert held(lab, zone) == before


async def test_a_host_that_says_yes_and_does_nothing(lab: DnsLab, zone: str, world: World, host: LabHost) -> None:
    """What it has is read after each write, and a plan that is not there is not called written."""
    await world.add(zone)
    made = await plan(world, zone)
    host.lies = True
    fault = await fault_of(apply(world, zone, made))
    assert (fault.kind, "does not have it" in fault.detail) == (Kind.DNS_HOST_FAILED, True)
    assert (await stored(world, zone, made)).state is PlanState.FAILED


async def test_a_server_that_serves_the_old_zone_is_named(
    lab: DnsLab, split_zone: str, world: World, host: LabHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host has it and one nameserver does not answer with it: written, not served, until it does."""
    monkeypatch.setattr(dns_plans, "POLLS", (0.1,))
    await world.add(split_zone)
    made = await plan(world, split_zone)
    host.only = lab.ns1
    written = await dns_plans.apply_plan(world.deps, world.account.id, split_zone, made.id, ACCESS, OPERATOR)
    waiting = await dns_plans.wait_until_served(world.deps, written, 0.5)
    assert (waiting.state, waiting.missing_at) == (PlanState.WRITTEN, ("ns2.lab.test",))
    assert (await world.domain(split_zone)).next_check_at == world.deps.now()
    host.only = lab.ns2
    await host.open_zone(HOST, split_zone, CREDENTIAL).write(rrset_changes(made.changes))
    host.only = None
    assert (await apply(world, split_zone, made)).state is PlanState.SERVED


async def test_undo_leaves_what_somebody_changed_since(lab: DnsLab, zone: str, world: World) -> None:
    """Record by record; where all were changed, nothing is done."""
    await world.add(zone)
    made = await plan(world, zone)
    await apply(world, zone, made)
    publish_text(lab, f"_dmarc.{zone}", "v=DMARC1; p=reject")
    undone = await undo(world, zone, made)
    left = [each.owner for each in undone.undone if each.action is Action.REFUSE]
    assert (left, undone.state) == ([f"_dmarc.{zone}"], PlanState.UNDONE)
    assert held(lab, zone)[f"_dmarc.{zone}", "TXT"] == ['"v=DMARC1; p=reject"']
    assert (await fault_of(undo(world, zone, made))).kind is Kind.CONFLICT


async def test_others_have_no_part_in_it(lab: DnsLab, zone: str, world: World) -> None:
    """Another account finds no plan, and one that does not hold the name can't write over who does."""
    await world.add(zone)
    made = await plan(world, zone)
    other = await world.other("other")
    assert (await fault_of(stored(other, zone, made))).kind is Kind.NOT_FOUND
    assert (await fault_of(plan(other, zone))).kind is Kind.NOT_FOUND
    await apply(world, zone, made)
    lab.flush()
    assert (await world.look(zone)).is_holder
    await other.add(zone)
    assert (await fault_of(plan(other, zone))).kind is Kind.CONFLICT
    wrong = GivenAccess(host=HOST, credential=new_credential({"token": "guessed"}))
    assert (await fault_of(plan(other, zone, wrong))).kind is Kind.DNS_HOST_REFUSED  # who can't read it learns nothing


async def test_a_refused_plan_is_not_applied(lab: DnsLab, zone: str, world: World, host: LabHost) -> None:
    """Where every record that is missing is refused, there is nothing to apply; the reasons have codes."""
    domain = await world.add(zone)
    lab.publish(f"_domainkey.{zone}", "NS", "ns1.lab.test.")
    lab.publish(f"lh.{zone}", "CNAME", "site.test.")
    lab.publish(f"_dmarc.{zone}", "CNAME", "site.test.")
    made = await plan(world, zone)
    assert made.state is PlanState.REFUSED
    assert {each.code for each in made.changes} >= {"zone.subzone-delegated", "dmarc.cname-conflict"}
    assert (await fault_of(apply(world, zone, made))).kind is Kind.CONFLICT
    assert (host.written, domain.sender) == (0, zone)


async def test_two_at_once_write_once(lab: DnsLab, zone: str, world: World, host: LabHost) -> None:
    """Of several who apply one plan at the same moment one writes; the others are told so, or find it done."""
    await world.add(zone)
    made = await plan(world, zone)
    told = await asyncio.gather(*(apply(world, zone, made) for _ in range(4)), return_exceptions=True)
    faults = [each for each in told if isinstance(each, BaseException)]
    assert all(isinstance(each, Fault) and each.kind is Kind.CONFLICT for each in faults)
    assert any(isinstance(each, DnsPlan) for each in told)
    assert host.written == len(made.writes)


def names_with(folder: Path, octets: bytes) -> list[str]:
    """Return the files that have some octets in them."""
    return [each.name for each in folder.rglob("*") if each.is_file() and octets in each.read_bytes()]


async def test_no_credential_stays(lab: DnsLab, zone: str, world: World, host: LabHost, tmp_path: Path) -> None:
    """Not in the database, not in a fault whose words the host repeats it in, nor in what an error prints."""
    host.echoes, host.token = True, "another"
    await world.add(zone)
    fault = await fault_of(plan(world, zone))
    assert TOKEN not in f"{fault.detail} {fault.fix} {fault.provider_code}"
    host.token = TOKEN
    made = await plan(world, zone)
    host.one_by_one, host.stops_after = True, 1
    host.stop = RuntimeError(f"GET https://lab.example/?token={TOKEN} failed")
    fault = await fault_of(apply(world, zone, made))
    assert (fault.kind, TOKEN in f"{fault.detail} {fault.fix}", fault.__cause__) == (Kind.DNS_HOST_FAILED, False, None)
    host.stops_after = None
    await undo(world, zone, await apply(world, zone, made))
    assert TOKEN not in repr(ACCESS) and TOKEN not in str(ACCESS.credential)
    assert names_with(tmp_path, b"dns-plan.undone") and names_with(tmp_path, TOKEN.encode()) == []


async def test_the_zone_is_the_one_that_dns_names(lab: DnsLab, zone: str, world: World) -> None:
    """A subdomain in a zone of its own is written there, one without in the zone above."""
    below = lab.delegate(f"own.{zone}", "ns2.lab.test", to=lab.ns2)
    for sender, name in ((below, below), (f"plain.{zone}", zone)):
        await world.add(sender)
        made = await plan(world, sender)
        assert (made.zone, (await apply(world, sender, made)).state) == (name, PlanState.SERVED)


async def test_an_undo_leaves_what_stood_there_before_the_plan_was_applied(
    lab: DnsLab, zone: str, world: World
) -> None:
    """Typed in by hand between plan and apply, or written by another plan."""
    await world.add(zone)
    made, other = await plan(world, zone), await plan(world, zone)
    for each in made.writes[:2]:
        assert each.after is not None
        lab.publish(each.owner, each.rdtype, *map(text_of, each.after.rdatas))
    by_hand = held(lab, zone)
    applied = await apply(world, zone, made)
    assert [each.action for each in applied.changes[:2]] == [Action.KEEP] * 2
    whole = held(lab, zone)
    second = await apply(world, zone, other)
    assert (second.state, second.said) == (PlanState.SERVED, "All of it stood there already.")
    assert (await undo(world, zone, other)).said == "The plan wrote nothing, so there was nothing to put back."
    assert held(lab, zone) == whole
    await undo(world, zone, made)
    assert held(lab, zone) == by_hand


async def test_an_undo_leaves_the_records_of_who_holds_the_name(lab: DnsLab, zone: str, world: World) -> None:
    """Another account that has proven the name since needs what this one's plan wrote."""
    other = await world.other("beta")
    await other.add(zone)
    theirs = await plan(other, zone)
    await apply(other, zone, theirs)
    await world.add(zone)
    await apply(world, zone, await plan(world, zone))
    lab.flush()
    assert (await world.look(zone)).is_holder
    whole = held(lab, zone)
    assert (await fault_of(undo(other, zone, theirs))).kind is Kind.CONFLICT
    assert held(lab, zone) == whole

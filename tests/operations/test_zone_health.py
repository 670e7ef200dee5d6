"""What is wrong with a zone is said as it is, by real servers: frozen, lame, unsigned, of two minds, or remembered."""

import itertools

from letterhead.core.domain.health import HealthState
from letterhead.core.findings.diagnosis import Finding
from letterhead.core.plan.plan import RecordId, Verdict
from letterhead.operations.domains import plan_of
from tests.operations.test_real_dns import publish, record, verdict
from tests.operations.world import World
from tests.rigs.dns_lab import BOGUS, SIGNED, DnsLab

_numbers = itertools.count(1)
TRIES = 8


async def looked(world: World, sender: str) -> dict[str, Finding]:
    """Check a domain thoroughly and return its findings by code."""
    await world.look(sender, thorough=True)
    checkup = (await world.view(sender)).last_check
    assert checkup is not None
    return {each.code: each for each in checkup.findings}


async def whole(lab: DnsLab, world: World, sender: str) -> None:
    """Add a domain and publish all that it asks for."""
    domain = await world.add(sender)
    for planned in plan_of(world.deps, domain).records:
        publish(lab, planned)
    lab.flush()


def number() -> int:
    return next(_numbers)


async def test_bad_signatures_are_never_taken_for_present(lab: DnsLab, world: World) -> None:
    """The zone's server has the right key, the validating resolver rejects it: nothing is verified, and why is said."""
    sender = f"mail{number()}.{BOGUS}"
    await whole(lab, world, sender)
    findings = await looked(world, sender)
    assert set(findings) == {"zone.dnssec-bogus"}
    assert findings["zone.dnssec-bogus"].severity == "blocking"
    assert await verdict(world, sender) is Verdict.UNANSWERED
    assert (await world.domain(sender)).dkim.state is HealthState.PENDING


async def test_good_signatures_are_no_finding(lab: DnsLab, world: World) -> None:
    """A signed zone that validates is as good as an unsigned one."""
    sender = f"mail{number()}.{SIGNED}"
    await whole(lab, world, sender)
    assert not await looked(world, sender)
    assert (await world.domain(sender)).dkim.state is HealthState.VERIFIED


async def test_a_frozen_second_server_is_named(lab: DnsLab, split_zone: str, world: World) -> None:
    """One server of two is silent: the domain is verified by the other, and the silent one is named."""
    await whole(lab, world, split_zone)
    with lab.ns2.server.frozen():
        findings = await looked(world, split_zone)
    assert set(findings) == {"zone.nameserver-unreachable"}
    assert findings["zone.nameserver-unreachable"].perspectives == ("ns2.lab.test",)
    assert (await world.domain(split_zone)).dkim.state is HealthState.VERIFIED


async def test_a_lame_server_is_named(lab: DnsLab, zone: str, world: World) -> None:
    """A server that is listed and does not have the zone is named; so is one that does not exist."""
    lab.publish(zone, "NS", "ns1.lab.test.", "ns2.lab.test.", "nowhere.lab.test.")
    await whole(lab, world, zone)
    findings = await looked(world, zone)
    assert set(findings) == {"zone.lame-delegation", "zone.nameserver-unresolvable"}
    assert findings["zone.lame-delegation"].perspectives == ("ns2.lab.test",)
    assert findings["zone.nameserver-unresolvable"].perspectives == ("nowhere.lab.test",)


async def test_a_zone_that_no_server_has(lab: DnsLab, zone: str, world: World) -> None:
    """Delegated to a server that refuses: nobody can see anything, which is one finding and no "missing"."""
    sender = f"lost.{zone}"
    lab.publish(sender, "NS", "ns2.lab.test.")
    await world.add(sender)
    findings = await looked(world, sender)
    assert set(findings) == {"zone.no-nameservers"}
    assert await verdict(world, sender) is Verdict.UNANSWERED


async def test_the_parent_names_other_servers(lab: DnsLab, zone: str, world: World) -> None:
    """The zone above and the zone itself list different servers: both lists are said."""
    sender = lab.delegate(f"child.{zone}", "ns1.lab.test", "ns2.lab.test", to=lab.ns2)
    await whole(lab, world, sender)
    mismatch = (await looked(world, sender))["zone.delegation-mismatch"]
    assert mismatch.observed == ("ns2.lab.test",)
    assert mismatch.perspectives == ("ns1.lab.test",)


async def test_a_key_in_a_zone_of_its_own(lab: DnsLab, zone: str, world: World) -> None:
    """The record must go where the name was handed over to, and there it counts."""
    domain = await world.add(zone)
    subzone = lab.delegate(f"_domainkey.{zone}", "ns2.lab.test", to=lab.ns2)
    findings = await looked(world, zone)
    assert findings["zone.subzone-delegated"].host == subzone
    assert findings["zone.subzone-delegated"].perspectives == ("ns2.lab.test",)
    assert "dkim.missing" in findings
    publish(lab, record(world, domain, RecordId.DKIM))
    lab.flush()
    assert "zone.subzone-delegated" not in await looked(world, zone)
    assert await verdict(world, zone) is Verdict.PRESENT


async def test_a_wildcard_is_not_the_record(lab: DnsLab, zone: str, world: World) -> None:
    """What a wildcard makes up at the key's name is said to come from it: the key is missing, not wrong."""
    await world.add(zone)
    lab.publish(f"*.{zone}", "TXT", '"v=spf1 -all"')
    findings = await looked(world, zone)
    assert {"zone.wildcard-answers", "dkim.missing"} <= set(findings)
    assert not {"dkim.wrong-key", "dkim.not-dkim"} & set(findings)


async def test_too_much_at_one_name(lab: DnsLab, zone: str, world: World) -> None:
    """A name with more records than we read is said to be so, and is neither present nor missing."""
    domain = await world.add(zone)
    strings = '"" ' * 250
    lab.publish(record(world, domain, RecordId.DKIM).host, "TXT", *(f'"{each}" {strings}' for each in range(40)))
    findings = await looked(world, zone)
    assert findings["zone.answer-too-large"].record == RecordId.DKIM
    assert await verdict(world, zone) is Verdict.UNANSWERED


async def test_a_crowd_at_the_apex_is_read_to_the_last(lab: DnsLab, zone: str, world: World) -> None:
    """An SPF record among eighty texts of other services is read, and advised about, as it is among none."""
    await whole(lab, world, zone)
    others = [f'"service-{each}-site-verification={"x" * 30}"' for each in range(80)]
    lab.publish(zone, "TXT", *others, '"v=spf1 include:not-there.example ~all"')
    findings = await looked(world, zone)
    assert "not-there.example" in findings["spf.include-missing"].detail


async def test_a_resolver_remembers_that_there_was_nothing(lab: DnsLab, zone: str, world: World) -> None:
    """The server has the key, the resolver still says that there is none: verified, and the time to wait is said."""
    await whole(lab, world, zone)
    key = record(world, await world.domain(zone), RecordId.DKIM)
    for _ in range(TRIES):  # the lab's resolver forgets after a second
        lab.withdraw(key.host, "TXT")
        lab.flush()
        lab.ask(key.host, "TXT")
        publish(lab, key)
        findings = await looked(world, zone)
        if "zone.negative-cached" in findings:
            break
    assert set(findings) == {"zone.negative-cached"}
    assert "at 12:01 UTC" in findings["zone.negative-cached"].detail
    assert await verdict(world, zone) is Verdict.PRESENT


async def test_a_resolver_remembers_the_old_value(lab: DnsLab, zone: str, world: World) -> None:
    """Likewise with another key that was there before."""
    await whole(lab, world, zone)
    key = record(world, await world.domain(zone), RecordId.DKIM)
    for _ in range(TRIES):
        lab.publish(key.host, "TXT", '"v=DKIM1; p=AAAA"')
        lab.flush()
        lab.ask(key.host, "TXT")
        publish(lab, key)
        findings = await looked(world, zone)
        if "zone.stale-cached" in findings:
            break
    assert set(findings) == {"zone.stale-cached"}
    assert findings["zone.stale-cached"].observed == ("v=DKIM1; p=AAAA",)
    assert await verdict(world, zone) is Verdict.PRESENT

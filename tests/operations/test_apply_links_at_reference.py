"""Links of every kind of plan, applied by the reference implementation into a real zone that our check then judges."""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from letterhead.core.domain_connect.apply_link import ApplyLink, ApplyLinkReason
from letterhead.core.domain_connect.template import new_template
from letterhead.core.plan.plan import RecordId, Verdict
from letterhead.operations import domain_connect_keys, rotations
from letterhead.operations.apply_links import find_apply_link
from letterhead.operations.audit import Actor
from letterhead.operations.domains import plan_of
from letterhead.operations.recent_results import OnDemand
from tests.operations.conftest import MAIL_FROM
from tests.operations.delegated_story import key_zone, settings_for
from tests.operations.world import OPERATOR, World, opened
from tests.rigs.dns_lab import DnsLab
from tests.rigs.domain_connect import DnsProvider, Link, Refused, providing

ACTOR = Actor(name="test")


@pytest.fixture(scope="module")
def host(lab: DnsLab) -> Iterator[DnsProvider]:
    """Run a DNS host with the reference implementation, and a zone for public keys."""
    lab.zone("links.test")
    with providing(lab) as provider:
        yield provider


@pytest.fixture
async def world(lab: DnsLab, host: DnsProvider, provider: str, tmp_path: Path) -> AsyncIterator[World]:
    """Open an installation with all kinds of keys, whose template the host has, and whose public key is in DNS."""
    settings = settings_for(
        lab,
        key_zone(lab),
        ED25519="on",
        DOMAIN_CONNECT_PROVIDER="links.test",
        DOMAIN_CONNECT_HOSTS=host.url,
        WEBHOOKS_ALLOW_HTTP="true",
        WEBHOOKS_ALLOW_PRIVATE="true",
        PUBLIC_URL="https://mail.links.test",
        **MAIL_FROM,
    )
    async with opened(tmp_path, **settings) as world:
        made = await domain_connect_keys.make_key(world.deps, OPERATOR)
        lab.publish(made.host, "TXT", *(f'"{text}"' for text in made.texts))
        lab.flush()
        assert world.deps.service_provider is not None
        template: dict[str, Any] = msgspec.to_builtins(new_template(world.deps.service_provider))
        host.onboard(template)
        yield world


async def link_of(world: World, sender: str) -> ApplyLink:
    """Ask for a link, with nothing remembered."""
    return await find_apply_link(world.deps, OnDemand(time.monotonic), await world.domain(sender))


async def applied(world: World, lab: DnsLab, host: DnsProvider, sender: str) -> ApplyLink:
    """Follow a link as a customer who agrees, and say what it was."""
    link = await link_of(world, sender)
    assert link.supported, link.detail
    host.apply(link_at_host(link))
    lab.flush()
    return link


def link_at_host(link: ApplyLink) -> Link:
    """Read a link as the host does."""
    url = urlsplit(link.url or "")
    parts = url.path.split("/")
    return Link(parts[parts.index("providers") + 1], parts[parts.index("services") + 1], url.query)


def serve(lab: DnsLab, host: DnsProvider, zone: str) -> None:
    """Let the host have a zone, and say so in it."""
    host.serve(zone)
    lab.publish(f"_domainconnect.{zone}", "TXT", f'"{host.url.removeprefix("http://")}"')
    lab.flush()


async def verdicts(world: World, sender: str) -> dict[RecordId, Verdict]:
    """Check a domain, and return the verdict on each planned record."""
    await world.look(sender, thorough=True)
    checked = (await world.view(sender)).last_check
    assert checked is not None
    return {each.record.id: each.verdict for each in checked.results}


@pytest.mark.parametrize("label", ["", "news.", "a.b."])
@pytest.mark.parametrize("wish", [{}, {"delegated": True}, {"mail_from": "lh2"}])
async def test_a_click_turns_every_kind_of_plan_green(
    world: World, lab: DnsLab, host: DnsProvider, zone: str, label: str, wish: dict[str, Any]
) -> None:
    """At the zone and below it, with two keys of ours or delegated ones: what the host writes, our check accepts."""
    serve(lab, host, zone)
    domain = await world.add(f"{label}{zone}", **wish)
    link = await applied(world, lab, host, domain.sender)
    assert set(link.records) == {each.id for each in plan_of(world.deps, domain).records}
    assert link.left == ()
    found = await verdicts(world, domain.sender)
    missing = {each for each, verdict in found.items() if verdict is not Verdict.PRESENT}
    assert missing == set(), found
    assert (await link_of(world, domain.sender)).reason is ApplyLinkReason.NOTHING_TO_ADD


async def test_a_rotation_by_a_click(world: World, lab: DnsLab, host: DnsProvider, zone: str) -> None:
    """The next keys are added by a second link; what was there before is there still, and is what it was."""
    serve(lab, host, zone)
    await world.add(zone)
    await applied(world, lab, host, zone)
    before = await verdicts(world, zone)
    await rotations.start(world.deps, world.account.id, zone, rotations.RotationRequest(), ACTOR)
    link = await applied(world, lab, host, zone)
    assert {RecordId.DKIM, RecordId.DKIM_NEXT, RecordId.DKIM_ED25519_NEXT} <= set(link.records)
    after = await verdicts(world, zone)
    assert set(before) < set(after)
    assert after == dict.fromkeys(after, Verdict.PRESENT)


async def test_what_others_have_stays(world: World, lab: DnsLab, host: DnsProvider, zone: str) -> None:
    """SPF is merged, other texts, MX and DMARC stay, at the MAIL FROM name and at the domain itself."""
    serve(lab, host, zone)
    lab.publish(zone, "TXT", '"v=spf1 mx -all"', '"google-site-verification=1"')
    lab.publish(zone, "MX", "10 mx.elsewhere.test.")
    lab.publish(f"lh.{zone}", "TXT", '"v=spf1 ip4:192.0.2.1 -all"', '"a=b"')
    lab.publish(f"_dmarc.{zone}", "TXT", '"v=DMARC1; p=reject; rua=mailto:a@elsewhere.test"')
    lab.flush()
    await world.add(zone)
    link = await applied(world, lab, host, zone)
    assert RecordId.DMARC not in link.records
    assert (await verdicts(world, zone))[RecordId.MAIL_FROM_SPF] is Verdict.PRESENT

    def at(name: str, rdtype: str) -> set[str]:
        return {text for each in lab.ask(name, rdtype).answer for text in map(str, each)}

    assert at(zone, "TXT") == {'"v=spf1 mx -all"', '"google-site-verification=1"'}
    assert at(zone, "MX") == {"10 mx.elsewhere.test."}
    assert at(f"lh.{zone}", "TXT") == {'"v=spf1 include:spf.mail.test ip4:192.0.2.1 -all"', '"a=b"'}
    assert at(f"_dmarc.{zone}", "TXT") == {'"v=DMARC1; p=reject; rua=mailto:a@elsewhere.test"'}


async def test_a_changed_link_is_refused_by_the_reference(
    world: World, lab: DnsLab, host: DnsProvider, zone: str
) -> None:
    """Another letter anywhere in what is signed, or another key, and nothing is written."""
    serve(lab, host, zone)
    await world.add(zone)
    link = link_at_host(await link_of(world, zone))
    other = lab.zone("other-customer.test")
    host.serve(other)
    for changed in (
        link.query.replace(f"domain={zone}", f"domain={other}"),
        link.query.replace("dkim%2C", "", 1),
        link.query.replace("state=", "state=x"),
        link.query.replace("_dcpubkeyv1", "_dcpubkeyv2"),
        f"{link.query}&host=www",
    ):
        assert changed != link.query
        with pytest.raises(Refused):
            host.changes(Link(link.provider_id, link.service_id, changed))
    assert host.changes(link).new

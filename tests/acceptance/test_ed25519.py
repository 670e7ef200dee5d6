"""A second signature by Ed25519 (RFC 8463), by real programs with exported files, verified through real DNS."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from letterhead.core.domain.domain import Domain
from letterhead.core.plan.plan import RecordId
from letterhead.wiring.assemble import Overrides
from tests.acceptance.test_signers import Exporting, folder, served, sign
from tests.operations.test_real_dns import publish, record
from tests.operations.world import Clock, World, noon, opened
from tests.rigs import signers, signing
from tests.rigs.dns_lab import DnsLab

__all__ = ["folder"]
BOTH = {"rsa-sha256": True, "ed25519-sha256": True}


@pytest.fixture
async def exporting(lab: DnsLab, zone: str, tmp_path: Path, folder: Path) -> AsyncIterator[Exporting]:
    """Return an installation with one verified domain whose second key nobody has published yet."""
    clock = Clock(noon())
    dns = {"DNS_RESOLVERS": f"127.0.0.1:{lab.resolver_port}", "DNS_AUTHORITATIVE_PORT": str(lab.authoritative_port)}
    async with opened(tmp_path, Overrides(now=clock), ED25519="on", **dns) as world:
        await world.add(zone)
        publish(lab, record(world, await world.domain(zone), RecordId.DKIM))
        lab.flush()
        await world.look(zone)
        async with served(world) as url:
            yield Exporting(world, clock, url, zone, folder)


async def signatures(lab: DnsLab, exporting: Exporting, program: str, number: int = 0) -> dict[str, bool]:
    """Export, let the program sign, and say which signatures verify."""
    result = await exporting.export(program)
    assert result.code == 0, result.err
    bench = signers.bench_in(exporting.folder, exporting.exported)
    signed = await asyncio.to_thread(sign, program, bench, signing.message(exporting.sender, number))
    return await asyncio.to_thread(signing.verdicts, lab, signed)


async def published(lab: DnsLab, exporting: Exporting, record_id: RecordId) -> Domain:
    """Publish a record, and look twice as far apart as it takes."""
    publish(lab, record(exporting.world, await exporting.world.domain(exporting.sender), record_id))
    lab.flush()
    await exporting.world.look(exporting.sender)
    exporting.clock.turn(minutes=10)
    return await exporting.world.look(exporting.sender)


async def shown(world: World, url: str) -> dict[str, object]:
    """Read the domain as a client of full scope does."""
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {world.key}"}, trust_env=False) as client:
        (domain,) = (await client.get(f"{url}/domains")).json()
        return dict(domain)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("program", ["rspamd", "exim"])
async def test_both_signatures_verify_once_the_record_is_there(lab: DnsLab, exporting: Exporting, program: str) -> None:
    """RSA alone until every server has the Ed25519 record, then both: through a change of keys, until it is gone."""
    assert await signatures(lab, exporting, program) == {"rsa-sha256": True}
    assert (await published(lab, exporting, RecordId.DKIM_ED25519)).ed25519 is not None
    assert await signatures(lab, exporting, program) == BOTH
    await exporting.rotate(lab)
    after = await exporting.world.domain(exporting.sender)
    assert after.ed25519 is not None
    assert not after.ed25519.live
    assert await signatures(lab, exporting, program, 1) == {"rsa-sha256": True}
    await published(lab, exporting, RecordId.DKIM_ED25519)
    assert await signatures(lab, exporting, program, 2) == BOTH
    gone = record(exporting.world, after, RecordId.DKIM_ED25519)
    lab.withdraw(gone.host, "TXT")
    lab.flush()
    await exporting.world.look(exporting.sender)
    assert await signatures(lab, exporting, program, 3) == {"rsa-sha256": True}


async def test_opendkim_signs_by_rsa_alone(lab: DnsLab, exporting: Exporting) -> None:
    """A program that can't do it gets no file that it can't read."""
    await published(lab, exporting, RecordId.DKIM_ED25519)
    assert await signatures(lab, exporting, "opendkim") == {"rsa-sha256": True}
    assert len([each for each in (exporting.exported / "keys").rglob("*") if each.is_file()]) == 1


async def test_the_key_is_shown_while_dns_serves_it(lab: DnsLab, exporting: Exporting) -> None:
    """At no moment does the API show a private Ed25519 key whose record some server lacks."""
    before = await shown(exporting.world, exporting.url)
    assert "privateDKIMKey" in before
    assert not {"privateEd25519Key", "ed25519Selector"} & set(before)
    domain = await published(lab, exporting, RecordId.DKIM_ED25519)
    after = await shown(exporting.world, exporting.url)
    assert domain.ed25519 is not None
    assert after["ed25519Selector"] == domain.ed25519.selector
    assert str(after["privateEd25519Key"]).startswith("MC4CAQAwBQYDK2Vw")
    lab.withdraw(record(exporting.world, domain, RecordId.DKIM_ED25519).host, "TXT")
    lab.flush()
    await exporting.world.look(exporting.sender, thorough=False)
    assert not {"privateEd25519Key", "ed25519Selector"} & set(await shown(exporting.world, exporting.url))

"""Open an installation with a zone of its own at a real server, in which it publishes the keys of domains."""

import base64
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import dns.rdatatype

from letterhead.core.domain.domain import Domain
from letterhead.core.domain.health import HealthState
from letterhead.core.plan.plan import PlannedRecord
from letterhead.core.rotation import delegated_keys
from letterhead.operations.domains import plan_of
from letterhead.wiring.assemble import Overrides
from tests.operations.world import Clock, World, opened
from tests.rigs.dns_lab import KEY, NS1, Authority, DnsLab

TSIG = f"lab:hmac-sha256:{base64.b64encode(KEY.secret).decode()}"
_numbers = itertools.count(1)


def settings_for(lab: DnsLab, zone: str, **other: str) -> dict[str, str]:
    """Return the settings of an installation that asks the lab's servers and writes a zone at the first."""
    return {
        "DNS_RESOLVERS": f"127.0.0.1:{lab.resolver_port}",
        "DNS_AUTHORITATIVE_PORT": str(lab.authoritative_port),
        "DKIM_ZONE": zone,
        "DKIM_ZONE_SERVER": f"{NS1}:{lab.authoritative_port}",
        "DKIM_ZONE_TSIG": TSIG,
        **other,
    }


def key_zone(lab: DnsLab, *, servers: int = 1) -> str:
    """Begin an empty zone of the operator's."""
    return lab.zone(f"keys{next(_numbers)}.test", servers=servers)


@dataclass(frozen=True, slots=True)
class Story:
    """The installation with its zone; what customers publish goes into zones of their own."""

    world: World
    lab: DnsLab
    clock: Clock
    zone: str

    def records(self, domain: Domain) -> dict[str, PlannedRecord]:
        """Return the two CNAMEs to publish, by slot."""
        planned = plan_of(self.world.deps, domain).records
        return {each.host.partition(".")[0]: each for each in planned if each.rdtype == "CNAME"}

    def points(self, *records: PlannedRecord) -> None:
        """Publish CNAMEs as the customer does."""
        for record in records:
            publish_alias(self.lab, record)
        self.lab.flush()

    def held(self, domain: Domain, at: Authority | None = None) -> dict[str, str]:
        """Read what a server of our zone holds for a domain, by slot; nothing where there is nothing."""
        assert domain.key_delegation is not None
        found = {
            slot: texts_at(at or self.lab.ns1, delegated_keys.cname_target(domain.key_delegation, slot))
            for slot in ("lh1", "lh2")
        }
        return {slot: texts[0] for slot, texts in found.items() if texts}

    async def add(self, sender: str, **wish: Any) -> Domain:
        """Add a domain whose keys are ours to publish, and let the work be done."""
        await self.world.add(sender, delegated=True, **wish)
        await self.world.work()
        return await self.world.domain(sender)

    async def verified(self, sender: str) -> Domain:
        """Add a domain and bring it to SUCCESS."""
        self.points(*self.records(await self.add(sender)).values())
        domain = await self.world.look(sender)
        assert domain.dkim.state is HealthState.VERIFIED
        return domain

    async def look(self, sender: str, **by: float) -> Domain:
        """Turn the clock, forget what the resolver knows, and look as the worker would."""
        self.clock.turn(**by)
        self.lab.flush()
        return await self.world.look(sender)

    async def found(self, sender: str) -> set[tuple[str, str]]:
        """Return what the last check found of DKIM: codes with severities."""
        checkup = (await self.world.view(sender)).last_check
        assert checkup is not None
        return {(each.code, each.severity.value) for each in checkup.findings if each.code.startswith("dkim")}


def publish_alias(lab: DnsLab, record: PlannedRecord, value: str | None = None) -> None:
    """Publish a CNAME with its own target or another."""
    assert record.rdtype == "CNAME"
    lab.publish(record.host, "CNAME", f"{value or record.value}.")


class Asked(Protocol):
    """Says what a server must have to be asked."""

    def ask(self, name: str, rdtype: str) -> dns.message.Message: ...


def texts_at(server: Asked, name: str) -> list[str]:
    """Read the TXT at a name from one server."""
    reply = server.ask(name, "TXT")
    texts = [rdata for rrset in reply.answer if rrset.rdtype == dns.rdatatype.TXT for rdata in rrset]
    return [b"".join(each.strings).decode() for each in texts]


@asynccontextmanager
async def delegated_story(
    lab: DnsLab, clock: Clock, folder: Path, zone: str, stand: Overrides | None = None, /, **other: str
) -> AsyncIterator[Story]:
    """Open the installation in a folder."""
    async with opened(folder, stand or Overrides(now=clock), **settings_for(lab, zone, **other)) as world:
        yield Story(world, lab, clock, zone)

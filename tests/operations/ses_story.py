"""Put an installation that sends by SES together: real DNS, the emulator, one clock for both."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from letterhead.core.dns.records import split_text
from letterhead.core.domain.domain import Domain
from letterhead.core.plan.plan import PlannedRecord
from letterhead.operations.domains import plan_of
from letterhead.wiring.assemble import Overrides
from tests.operations.world import Clock, World, opened
from tests.rigs import ses_wire
from tests.rigs.dns_lab import RESOLVER, DnsLab
from tests.rigs.ses import Emulated, SesState
from tests.rigs.ses_wire import KEY_ID, SECRET, Ses


@dataclass
class SesStory:
    """The installation, SES and DNS, which move together."""

    world: World
    ses: Ses
    lab: DnsLab
    clock: Clock

    def publish(self, *records: PlannedRecord) -> None:
        """Publish planned records as they should be."""
        for each in records:
            value = each.value
            if each.rdtype == "TXT":
                value = " ".join(f'"{piece}"' for piece in split_text(each.value))
            elif each.rdtype == "MX":
                value = f"{each.priority} {each.value}."
            self.lab.publish(each.host, each.rdtype, value)
        self.lab.flush()

    def plan(self, domain: Domain) -> tuple[PlannedRecord, ...]:
        """Say all that is to be published."""
        return plan_of(self.world.deps, domain).records

    async def verify(self) -> None:
        """Let SES look at DNS."""
        self.lab.flush()
        await self.ses.state.verify(RESOLVER, self.lab.resolver_port)

    async def look(self, sender: str, **minutes: float) -> Domain:
        """Let time go by, SES look, then us."""
        self.clock.turn(**minutes)
        await self.verify()
        return await self.world.look(sender)

    async def verified(self, sender: str) -> Domain:
        """Bring a new domain to SUCCESS on both."""
        self.publish(*self.plan(await self.world.add(sender)))
        await self.world.look(sender)
        return await self.look(sender, minutes=1)

    def identity(self, sender: str) -> Emulated:
        """Return what SES holds."""
        return self.ses.state.identities[sender]

    async def codes(self, sender: str) -> list[str]:
        """List the findings of the last check that are the provider's."""
        checkup = (await self.world.view(sender)).last_check
        assert checkup is not None
        return [each.code for each in checkup.findings if each.code.startswith(("identity.", "claim."))]


@asynccontextmanager
async def ses_story(
    lab: DnsLab, clock: Clock, folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: str
) -> AsyncIterator[SesStory]:
    """Open an installation on the emulator, whose 72 hours run by the story's clock."""
    async with ses_wire.running(SesState(now=lambda: clock().timestamp())) as ses:
        given_credentials(monkeypatch, ses.url, folder)
        setting = {
            "PROVIDER": "ses",
            "SES_REGION": ses.state.region,
            "SES_CALLS_PER_SECOND": "100",
            "DNS_RESOLVERS": f"{RESOLVER}:{lab.resolver_port}",
            "DNS_AUTHORITATIVE_PORT": str(lab.authoritative_port),
            **settings,
        }
        async with opened(folder, Overrides(now=clock), **setting) as world:
            yield SesStory(world, ses, lab, clock)


def given_credentials(monkeypatch: pytest.MonkeyPatch, url: str, folder: Path) -> None:
    """Set the environment as an operator would, and hide what this machine has."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "no-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(folder / "no-credentials"))

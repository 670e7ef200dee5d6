"""Give the stories an installation that asks the lab's servers, on a clock that they turn."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from letterhead.wiring.assemble import Overrides
from tests.operations.world import Clock, World, WrittenDns, noon, opened
from tests.rigs.dns_lab import DnsLab
from tests.rigs.hosted_zones import LabHost

MAIL_FROM = {"MAIL_FROM_MX": "10 bounces.mail.test", "MAIL_FROM_SPF": "include:spf.mail.test"}


@pytest.fixture
def clock() -> Clock:
    """Return a clock that the test turns."""
    return Clock(noon())


@pytest.fixture
def dns() -> WrittenDns:
    """Return DNS that the test writes."""
    return WrittenDns("acme.test")


@pytest.fixture(scope="session")
def provider(lab: DnsLab) -> str:
    """Publish what the mail provider itself has in DNS, and return its zone."""
    zone = lab.zone("mail.test")
    lab.publish(f"bounces.{zone}", "A", "203.0.113.25")
    lab.publish(f"spf.{zone}", "TXT", '"v=spf1 ip4:203.0.113.0/24 -all"')
    return zone


def opened_at_lab(
    folder: Path, lab: DnsLab, stand: Overrides, **environment: str
) -> AbstractAsyncContextManager[World]:
    """Open an installation that asks the lab's servers."""
    dns = {
        "DNS_RESOLVERS": f"127.0.0.1:{lab.resolver_port}",
        "DNS_AUTHORITATIVE_PORT": str(lab.authoritative_port),
        **MAIL_FROM,
    }
    return opened(folder, stand, **dns, **environment)


@pytest.fixture
async def world(lab: DnsLab, provider: str, tmp_path: Path, clock: Clock) -> AsyncIterator[World]:
    """Open an installation that asks the lab's servers."""
    async with opened_at_lab(tmp_path, lab, Overrides(now=clock)) as world:
        yield world


@pytest.fixture
def host(lab: DnsLab) -> LabHost:
    """Return a DNS host that serves the lab's zones."""
    return LabHost(lab)


@pytest.fixture
async def writing_world(
    lab: DnsLab, provider: str, tmp_path: Path, clock: Clock, host: LabHost
) -> AsyncIterator[World]:
    """Open an installation that writes at that host, and ask its servers."""
    stand = Overrides(now=clock, hosted_zones=host)
    async with opened_at_lab(tmp_path, lab, stand, DNS_PACKETS_PER_SECOND="1000") as world:
        yield world

"""Gives the stories an installation that asks the lab's servers, on a clock that they turn."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from letterhead.wiring.assemble import Overrides
from tests.operations.world import Clock, World, WrittenDns, noon, opened
from tests.rigs.dns_lab import DnsLab

MAIL_FROM = {"MAIL_FROM_MX": "10 bounces.mail.test", "MAIL_FROM_SPF": "include:spf.mail.test"}


@pytest.fixture
def clock() -> Clock:
    """Gives a clock that the test turns."""
    return Clock(noon())


@pytest.fixture
def dns() -> WrittenDns:
    """Gives DNS that the test writes."""
    return WrittenDns("acme.test")


@pytest.fixture(scope="session")
def provider(lab: DnsLab) -> str:
    """Publishes what the mail provider itself has in DNS, and gives its zone."""
    zone = lab.zone("mail.test")
    lab.publish(f"bounces.{zone}", "A", "203.0.113.25")
    lab.publish(f"spf.{zone}", "TXT", '"v=spf1 ip4:203.0.113.0/24 -all"')
    return zone


@pytest.fixture
async def world(lab: DnsLab, provider: str, tmp_path: Path, clock: Clock) -> AsyncIterator[World]:
    """Opens an installation that asks the lab's servers."""
    dns = {
        "DNS_RESOLVERS": f"127.0.0.1:{lab.resolver_port}",
        "DNS_AUTHORITATIVE_PORT": str(lab.authoritative_port),
        **MAIL_FROM,
    }
    async with opened(tmp_path, Overrides(now=clock), **dns) as world:
        yield world

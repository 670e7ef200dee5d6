"""A check that a server's limit of packets left without a result: nothing of it is written, and it comes again."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from letterhead import worker
from letterhead.core.domain.domain import status
from letterhead.core.schedule.shares import PlacesHeld
from letterhead.errors import Fault, Kind
from letterhead.operations import checks, leases, on_demand_checks, preflight
from letterhead.operations.dns_questions import ASK_AGAIN
from letterhead.wiring.assemble import Overrides
from tests.operations.conftest import MAIL_FROM
from tests.operations.world import Clock, World, opened
from tests.rigs.dns_lab import DnsLab

ONE = PlacesHeld(places=1, by_account={})


@pytest.fixture
async def narrow(lab: DnsLab, provider: str, tmp_path: Path, clock: Clock) -> AsyncIterator[World]:
    """Open an installation that sends one packet a second to each server, so that no full check has enough."""
    dns = {
        "DNS_RESOLVERS": f"127.0.0.1:{lab.resolver_port}",
        "DNS_AUTHORITATIVE_PORT": str(lab.authoritative_port),
        "DNS_PACKETS_PER_SECOND": "1",
        "CHECK_TIMEOUT_SECONDS": "3",
        **MAIL_FROM,
    }
    async with opened(tmp_path, Overrides(now=clock), **dns) as world:
        yield world


async def test_our_own_limit_is_no_finding(narrow: World, zone: str, clock: Clock) -> None:
    """Whoever asks is told to ask again; the domain stays as it is, and the worker comes back."""
    before = await narrow.add(zone)
    for ask in (
        lambda: checks.check(narrow.deps, before, thorough=True),
        lambda: on_demand_checks.dns_check(narrow.deps, before),
        lambda: preflight.run_preflight(narrow.deps, before.account_id, zone),
    ):
        with pytest.raises(Fault) as refused:
            await ask()
        assert (refused.value.kind, refused.value.retry_after) == (Kind.TOO_MANY_REQUESTS, ASK_AGAIN)
        assert "Nothing is wrong with the domain" in (refused.value.fix or "")
    assert (await narrow.view(zone)).last_check is None
    due = (await leases.claim_checks(narrow.deps, "w1", ONE))[0]
    await worker._check(narrow.deps, due, worker.FairScheduler())
    after = await narrow.domain(zone)
    assert (status(after), after.attempts, after.version) == (status(before), before.attempts, before.version)
    assert after.next_check_at == clock() + leases.AT_A_LIMIT
    assert await leases.claim_checks(narrow.deps, "w2", ONE) == []
    clock.turn(seconds=ASK_AGAIN)
    assert [domain.sender for domain, _ in await leases.claim_checks(narrow.deps, "w2", ONE)] == [zone]

"""Log lines of operations: changes of status, outages, refused calls of the provider, and their levels."""

from pathlib import Path

import pytest
import structlog
from msgspec.structs import replace

from letterhead.adapters.providers.simulated import SimulatedProvider
from letterhead.core.domain.health import HealthState
from letterhead.errors import Fault, Kind
from letterhead.operations.check_log import log_check
from letterhead.wiring.assemble import Overrides
from tests.contracts.samples import NOW, domain
from tests.operations.world import WrittenDns, noon, opened


def test_a_check_and_a_change_of_status_are_told() -> None:
    """What was found is there with its codes; a change for the worse is a warning, one for the better is not."""
    pending = domain("acc1", "acme.dev")
    verified = replace(pending, dkim=replace(pending.dkim, state=HealthState.VERIFIED), verified_at=NOW)
    at_risk = replace(verified, dkim=replace(pending.dkim, state=HealthState.AT_RISK))
    with structlog.testing.capture_logs() as logs:
        log_check(pending, verified, ("dmarc.missing",), saved=True)
        log_check(verified, verified, (), saved=True)
        log_check(verified, at_risk, ("dkim.removed",), saved=True)
        log_check(at_risk, at_risk, (), saved=False)
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("check.done", "info"),
        ("domain.status_changed", "info"),
        ("check.done", "info"),
        ("check.done", "info"),
        ("domain.status_changed", "warning"),
        ("check.overtaken", "info"),
    ]
    assert logs[0]["codes"] == ["dmarc.missing"]
    assert (logs[1]["was"]["dkim"], logs[1]["now"]["dkim"]) == ("pending", "verified")
    assert (logs[1]["was"]["status"], logs[1]["now"]["status"]) == ("PENDING", "SUCCESS")
    assert {line["domain"] for line in logs} == {"acme.dev"}


async def test_each_refused_call_of_the_provider_is_told(tmp_path: Path) -> None:
    """A call that the provider throttles is a line with its name, its outcome and the provider's own code."""
    dns = WrittenDns("throttled.acme.test")
    async with opened(tmp_path, Overrides(resolver=dns, provider=SimulatedProvider(noon))) as world:
        await world.add("throttled.acme.test")
        dns.publish(await world.dkim("throttled.acme.test"))
        with structlog.testing.capture_logs() as logs:
            await world.look("throttled.acme.test")
    refused = [line for line in logs if line["event"] == "provider.refused"]
    assert refused
    assert {line["log_level"] for line in refused} == {"warning"}
    assert all(line["call"] and line["outcome"] and line["detail"] for line in refused)


@pytest.mark.parametrize(
    ("kind", "level"),
    [(Kind.STORAGE_UNAVAILABLE, "error"), (Kind.SCHEMA_OUTDATED, "error"), (Kind.PROVIDER_THROTTLED, "warning")],
)
def test_trouble_of_our_own_is_an_error(kind: Kind, level: str) -> None:
    """Whoever runs the service must act on trouble with its storage; a provider that throttles passes by itself."""
    assert Fault(kind, "It broke.").log_level == level

"""Readiness is open to anybody, so its work is counted once a second, however many ask."""

from pathlib import Path

from letterhead.operations.health import HealthProbes, check_health
from letterhead.operations.heartbeats import new_process
from letterhead.ports.store.monitoring import Role
from letterhead.wiring.assemble import Overrides
from tests.operations.world import WrittenDns, opened


async def test_work_is_counted_once_a_second(tmp_path: Path) -> None:
    """Within the second the last count stands; after it the domain that came due is counted."""
    seconds = 0.0
    async with opened(tmp_path, Overrides(resolver=WrittenDns("test"))) as world:
        probes = HealthProbes(world.deps, clock=lambda: seconds)
        await world.deps.store.save_heartbeat(new_process(world.deps, Role.WORKER), world.deps.now())
        told = []
        for seconds in (0.0, 0.9, 1.0):
            told.append((await check_health(world.deps, probes)).worker.detail.partition(",")[0])
            if not seconds:
                await world.add("acme.test")
        assert told == ["0 checks due", "0 checks due", "1 checks due"]

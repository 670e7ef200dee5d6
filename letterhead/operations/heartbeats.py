"""Heartbeats, by which processes know of each other: which worker or relay was seen, and for how long none was."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Protocol

import structlog

from letterhead.errors import Fault
from letterhead.ports.deps import Clock, Machine, RandomOctets
from letterhead.ports.meter import ProcessCount
from letterhead.ports.store.monitoring import Heartbeat, MonitoringStore, ProcessIdentity, Role

log = structlog.get_logger()

EVERY = 10.0  # seconds between two heartbeats
SILENT = timedelta(seconds=40)  # after so long a process is taken for gone: three heartbeats were missed


class HeartbeatNeeds(Protocol):
    """What a heartbeat needs."""

    @property
    def store(self) -> MonitoringStore: ...
    @property
    def machine(self) -> Machine: ...
    @property
    def now(self) -> Clock: ...
    @property
    def random_octets(self) -> RandomOctets: ...


def new_process(deps: HeartbeatNeeds, role: Role) -> ProcessIdentity:
    """Return the identity of this process in a role."""
    name = f"{role.value}-{deps.random_octets(6).hex()}"
    machine = deps.machine
    return ProcessIdentity(id=name, role=role, host=machine.host, pid=machine.pid, version=machine.version)


async def beat_until(deps: HeartbeatNeeds, process: ProcessIdentity, stop: asyncio.Event) -> None:
    """Write a heartbeat every 10 s until `stop` is set; trouble with the store is logged and passes."""
    is_ready = False
    while not stop.is_set():
        with _logged():
            await deps.store.save_heartbeat(process, deps.now())
            if not is_ready:
                is_ready = True
                log.info(f"{process.role}.ready", process=process.id)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), EVERY)


async def end(deps: HeartbeatNeeds, process: ProcessIdentity) -> None:
    """Forget a process that stops; where the store is out of reach, its last heartbeat stays."""
    with _logged():
        await deps.store.end_heartbeat(process)


def is_alive(heartbeat: Heartbeat) -> bool:
    """Whether a process was seen within 40 s; a heartbeat far in the future, by a clock set back since, is none."""
    return abs(heartbeat.silent) <= SILENT


def count_processes(heartbeats: Sequence[Heartbeat], role: Role) -> ProcessCount:
    """Count the processes in a role that live, and tell for how long none was seen."""
    own = [each for each in heartbeats if each.process.role is role]
    silent = min((abs(each.silent.total_seconds()) for each in own), default=None)
    return ProcessCount(role=role, alive=sum(is_alive(each) for each in own), silent=silent)


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    try:
        yield
    except Fault as fault:
        getattr(log, fault.log_level)("heartbeat.interrupted", kind=fault.kind, detail=fault.detail)

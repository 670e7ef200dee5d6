"""Measure checks: routine ones of healthy domains and full ones of pending domains, beside bare loops and peers."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import NamedTuple

import asyncpg

from benchmarks import load, places, zones
from benchmarks.figures import Paired, Row, at_least, interleaved, row
from benchmarks.seed import BORN, COLUMNS, as_row
from letterhead.adapters.keyring import EnvelopeKeyring
from letterhead.adapters.keyring_settings import KeyEncryptionKey
from letterhead.core.domain.domain import Domain
from letterhead.core.domain.health import HealthState, Observation, RecordHealth
from letterhead.core.secret import Secret
from tests.rigs import dns_lab, postgres, slow_dns
from tests.rigs.dns_lab import DnsLab
from tests.rigs.letterhead import Installation
from tests.rigs.processes import free_port, program

LATE = 0.05
Asked = tuple[DnsLab, Installation, str, int]


PARTS = {
    "check-routine": ("check-routine", "check-rate", "check-anew", "check-sequential", "check-checkdmarc"),
    "check-late": ("check-late",),
    "check-two-workers": ("check-two-workers",),
    "check-full": ("check-full", "check-full-rate", "check-full-first", "check-full-first-rate"),
}


def rows(quick: bool, parts: Collection[str]) -> Iterator[Row]:
    """Return the figures; on Postgres, whose commits do not wait for the disk (the rig's fsync is off)."""
    count, rounds = (100, 1) if quick else (400, 3)
    public_key = EnvelopeKeyring([KeyEncryptionKey("k", Secret(bytes(32)))]).make_pair().public_key
    with dns_lab.running() as lab, postgres.running() as server, server.database() as url, _folder() as folder:
        for process in (lab.ns1.server, lab.ns2.server, lab.resolver, server.server):
            load.pinned(process.pid, load.other_core())
        zones.publish(lab, count, public_key)
        ours = installation(folder, url, lab, lab.resolver_port)
        asyncio.run(seeded(url, count, public_key))
        asked = (lab, ours, url, count)
        if "check-routine" in parts:
            yield from _routine(asked, rounds)
        if "check-late" in parts:
            yield from _late(asked, folder)
        if "check-two-workers" in parts:
            yield from _two(asked, rounds)
        if "check-full" in parts:
            asyncio.run(seeded(url, count, "AAAA"))
            yield from _full(asked, rounds)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def installation(folder: Path, url: str, lab: DnsLab, resolver: int) -> Installation:
    """Set up an installation that checks what `zones` publishes."""
    return places.installation(
        folder,
        DATABASE_URL=url,
        DNS_RESOLVERS=f"127.0.0.1:{resolver}",
        DNS_AUTHORITATIVE_PORT=str(lab.authoritative_port),
        MAIL_FROM_MX=f"{zones.MX_PRIORITY} {zones.MX_HOST}",
        MAIL_FROM_SPF=f"include:{zones.SPF_HOST}",
    )


async def seeded(url: str, count: int, public_key: str) -> None:
    """Fill in verified domains; with a key that is not the published one they are pending, and stay so."""
    healthy = public_key != "AAAA"
    state, since = HealthState.VERIFIED if healthy else HealthState.PENDING, datetime.now(UTC)
    watch = RecordHealth(
        state=state, since=since, observations=(Observation(at=since, present=healthy),), present_since=BORN
    )
    made = [
        Domain(
            id=f"dom_{name}", account_id="acc", sender=name, selector=zones.SELECTOR, public_key=public_key,
            mail_from=zones.bounce(name), zone=zones.ZONE, created_at=BORN, last_sync=BORN, dkim=watch,
            mail_from_health=watch, is_holder=healthy, verified_at=BORN if healthy else None,
            registered_at=BORN if healthy else None,
        )
        for name in zones.names(count)
    ]  # fmt: skip
    connection = await asyncpg.connect(url)
    await connection.execute("DELETE FROM domains WHERE account_id = 'acc'")
    await connection.execute("INSERT INTO accounts (id, name, email, created_at) VALUES ('acc', '', 'a@b.test', 0) "
                             "ON CONFLICT DO NOTHING")  # fmt: skip
    await connection.copy_records_to_table("domains", records=map(as_row, made), columns=COLUMNS["domains"])
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


def _due(url: str, *, anew: bool = False) -> None:
    """Make all domains due; `anew` has each look judged and written in full, as after a change."""

    async def update() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute("UPDATE domains SET next_check_at = 0, lease_until = NULL, lease_owner = NULL")
        if anew:
            await connection.execute("UPDATE checkups SET basis = NULL")
        await connection.close()

    asyncio.run(update())


class Speed(NamedTuple):
    """Domains per second, and per second of the process's own CPU: others on the machine do not count there."""

    each: float
    cpu: float
    more: list[str]


def _run(module: str, count: int, *words: str, **environment: str) -> Speed:
    """Run one side on the core of what is measured."""
    return _passes(module, count, *words, **environment)[-1]


def _passes(module: str, count: int, *words: str, **environment: str) -> list[Speed]:
    """Run one side, and read a line for each pass over all domains."""
    command = [program("taskset"), "-c", load.core(), sys.executable, "-m", module, *words]
    done = subprocess.run(
        command, cwd=places.ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{module} failed:\n{done.stderr[-2000:]}")
    lines = (line.split(maxsplit=3) for line in done.stdout.strip().splitlines())
    return [Speed(count / float(seconds), count / float(used), more) for seconds, used, *more in lines]


def _ours(asked: Asked, *, anew: bool = False) -> Speed:
    """Check all domains once."""
    lab, installation, url, count = asked
    _due(url, anew=anew)
    lab.flush()
    return _run("benchmarks.checker", count, str(count), **installation.settings)


def _naive(asked: Asked, mode: str, count: int, *, port: int | None = None, each: int = 0) -> Speed:
    """Let a peer check so many."""
    lab, _, url, _ = asked
    lab.flush()
    words = (mode, str(port or lab.resolver_port), str(count), str(each), url)
    return _run("benchmarks.naive", count, *words)


def _rounds(sides: Sequence[Callable[[], Speed]], rounds: int) -> list[list[Speed]]:
    """Run all sides in turns."""
    gathered: list[list[Speed]] = [[] for _ in sides]

    def run(place: int) -> float:
        gathered[place].append(sides[place]())
        return gathered[place][-1].each

    interleaved([partial(run, place) for place in range(len(sides))], rounds)
    return gathered


CPU = "checks per second of CPU"


def _routine(asked: Asked, rounds: int) -> Iterator[Row]:
    count = asked[3]
    packets, outcomes = _ours(asked).more
    note = f"{float(packets):.1f} packets each, ended as {outcomes}"
    ours, anew, bare, peer, judge = _rounds(
        [
            lambda: _ours(asked),
            lambda: _ours(asked, anew=True),
            lambda: _naive(asked, "aiodns", count),
            lambda: _naive(asked, "sync", min(count, 100)),
            lambda: _naive(asked, "checkdmarc", min(count, 40)),
        ],
        rounds,
    )
    yield _cpu("check-routine", "routine checks", ours, bare, "bare aiodns loop, no database", 0.6, note)
    rate = Paired([one.cpu for one in ours], [one.each for one in ours])
    yield row("check-rate", "the same", rate.value, CPU, at_least(600, "value"), note=f"{rate.floor:.0f} by the clock")
    judged = Paired([one.cpu for one in anew], [one.cpu for one in ours])
    yield row(
        "check-anew", "the same, each judged and written in full", judged.value, CPU, at_least(0.7),
        floor=judged.floor, ratio=judged.ratio, beside="those that see nothing new",
    )  # fmt: skip
    yield _clock("check-sequential", "the same", ours, peer, "dnspython in sequence, a commit each", 4)
    yield _clock("check-checkdmarc", "the same", ours, judge, "checkdmarc's SPF and DMARC in sequence", 10)


def _cpu(
    name: str, what: str, ours: Sequence[Speed], floor: Sequence[Speed], beside: str, target: float, note: str
) -> Row:
    """Compare what each check costs in CPU."""
    pair = Paired([one.cpu for one in ours], [one.cpu for one in floor])
    clock = Paired([one.each for one in ours], [one.each for one in floor])
    return row(
        name, what, pair.value, CPU, at_least(target), floor=pair.floor, ratio=pair.ratio, beside=beside,
        note=f"{note}; by the clock {clock.value:.0f}/s beside {clock.floor:.0f}: {clock.ratio:.2f}",
    )  # fmt: skip


def _clock(name: str, what: str, ours: Sequence[Speed], peer: Sequence[Speed], beside: str, target: float) -> Row:
    """Compare by the clock what waits more than it works."""
    pair = Paired([one.each for one in ours], [one.each for one in peer])
    return row(name, what, pair.value, "checks/s", at_least(target), floor=pair.floor, ratio=pair.ratio, beside=beside)


def _late(asked: Asked, folder: Path) -> Iterator[Row]:
    """Let each answer come late."""
    lab, _, url, count = asked
    with ExitStack() as open_:
        port = free_port("127.0.0.1")
        words = slow_dns.command("127.0.0.1", port, "127.0.0.1", lab.resolver_port, LATE)
        late = subprocess.Popen([program("setpriv"), "--pdeathsig=KILL", *words], cwd=places.ROOT)
        open_.callback(late.wait)
        open_.callback(late.terminate)
        load.pinned(late.pid, load.other_core())
        time.sleep(0.5)
        slow = (lab, installation(folder, url, lab, port), url, count)
        ours, peer = _rounds([lambda: _ours(slow), lambda: _naive(slow, "sync", 15, port=port)], 2)
    yield _clock("check-late", "the same, 50 ms until each answer", ours, peer, "dnspython in sequence", 50)


def _two(asked: Asked, rounds: int) -> Iterator[Row]:
    """Run two workers beside each other, and count the CPU of both: by the clock more cores would be needed."""
    one: list[Speed] = []
    two: list[Speed] = []

    def together(speeds: list[Speed], workers: int) -> float:
        speeds.append(_together(asked, workers))
        return speeds[-1].cpu

    interleaved([lambda: together(one, 1), lambda: together(two, 2)], rounds)
    pair = Paired([each.cpu for each in two], [each.cpu for each in one])
    clock = Paired([each.each for each in two], [each.each for each in one])
    yield row(
        "check-two-workers", "two workers on Postgres", pair.value, "checks per second of both workers' CPU",
        at_least(0.95), floor=pair.floor, ratio=pair.ratio, beside="one worker",
        note=f"by the clock {clock.value:.0f}/s beside {clock.floor:.0f}: {clock.ratio:.2f}, where DNS, Postgres and "
        "both workers share the machine's two cores",
    )  # fmt: skip


def _together(asked: Asked, workers: int) -> Speed:
    """Let so many workers check all domains, each on any core, and return checks per second and per second of CPU."""
    lab, installation, url, count = asked
    lab.flush()

    async def measure() -> Speed:
        connection = await asyncpg.connect(url)
        await connection.execute("UPDATE domains SET next_check_at = NULL, lease_until = NULL, lease_owner = NULL")
        running = [installation.worker() for _ in range(workers)]
        try:
            await asyncio.sleep(3)  # all are up and poll
            used = sum(load.cpu_of(each.process.pid) for each in running)
            await connection.execute("UPDATE domains SET next_check_at = 0")
            began, left = time.monotonic(), count
            while left:
                await asyncio.sleep(0.02)
                left = await connection.fetchval("SELECT count(*) FROM domains WHERE next_check_at = 0")
            took = time.monotonic() - began
            used = sum(load.cpu_of(each.process.pid) for each in running) - used
            return Speed(count / took, count / used, [])
        finally:
            for process in running:
                process.stop()
            await connection.close()

    return asyncio.run(measure())


def _full(asked: Asked, rounds: int) -> Iterator[Row]:
    """Check pending domains, and check them again in the same process: they wait, and are looked at often."""
    lab, _, _, count = asked
    sent = round(float(_full_passes(asked)[-1].more[0]))
    passes: list[list[Speed]] = []

    def ours() -> float:
        passes.append(_full_passes(asked))
        return passes[-1][-1].cpu

    def floor() -> float:
        bare.append(_naive(asked, "packets", count, port=lab.authoritative_port, each=sent))
        return bare[-1].cpu

    bare: list[Speed] = []
    interleaved([ours, floor], rounds)
    beside = "bare asyncio UDP loop, as many prepared questions"
    for name, what, number in (
        ("check-full", "full checks of pending domains, looked at again", 1),
        ("check-full-first", "full checks of pending domains, at their first look", 0),
    ):
        speeds = [each[number] for each in passes]
        packets, outcomes = speeds[-1].more
        note = f"{float(packets):.1f} packets each, ended as {outcomes}"
        yield _cpu(name, what, speeds, bare, beside, 0.35, note)
        rate = Paired([one.cpu for one in speeds], [one.each for one in speeds])
        told = f"{rate.floor:.0f} by the clock"
        yield row(f"{name}-rate", "the same", rate.value, CPU, at_least(400, "value"), note=told)


def _full_passes(asked: Asked) -> list[Speed]:
    """Check all domains twice, in one process."""
    lab, installation, url, count = asked
    _due(url)
    lab.flush()
    return _passes("benchmarks.checker", count, str(count), "2", **installation.settings)

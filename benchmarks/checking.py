"""Measures checks: routine ones of healthy domains and full ones of pending domains, beside bare loops and peers."""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import asyncpg

from benchmarks import load, places, zones
from benchmarks.figures import Paired, Row, at_least, interleaved, row
from benchmarks.seed import BORN, COLUMNS, as_row
from letterhead.adapters.keyring import EnvelopeKeyring, new_key_text, parse_keys
from letterhead.core.domain import Domain
from letterhead.core.watch import Look, State, Watch
from tests.rigs import dns_lab, postgres
from tests.rigs.dns_lab import DnsLab
from tests.rigs.letterhead import Installation
from tests.rigs.processes import free_port, program

LATE = 0.05
Asked = tuple[DnsLab, Installation, str, int]


def rows(quick: bool) -> Iterator[Row]:
    """Gives the figures; on Postgres, whose commits do not wait for the disk (the rig's fsync is off)."""
    count, rounds = (100, 1) if quick else (400, 3)
    public_key = EnvelopeKeyring(parse_keys(new_key_text())).make_pair().public_key
    with dns_lab.running() as lab, postgres.running() as server, server.database() as url, _folder() as folder:
        for process in (lab.ns1.server, lab.ns2.server, lab.resolver, server.server):
            load.pinned(process.pid, load.other_core())
        zones.publish(lab, count, public_key)
        installation = _installation(folder, url, lab, lab.resolver_port)
        asyncio.run(_seeded(url, count, public_key))
        asked = (lab, installation, url, count)
        yield from _routine(asked, rounds)
        yield from _late(asked, folder)
        yield from _two(asked, rounds)
        asyncio.run(_seeded(url, count, "AAAA"))
        yield from _full(asked, rounds)


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def _installation(folder: Path, url: str, lab: DnsLab, resolver: int) -> Installation:
    return places.installation(
        folder,
        DATABASE_URL=url,
        DNS_RESOLVERS=f"127.0.0.1:{resolver}",
        DNS_AUTHORITATIVE_PORT=str(lab.authoritative_port),
        MAIL_FROM_MX=f"{zones.MX_PRIORITY} {zones.MX_HOST}",
        MAIL_FROM_SPF=f"include:{zones.SPF_HOST}",
    )


async def _seeded(url: str, count: int, public_key: str) -> None:
    """Fills in verified domains; with a key that is not the published one they are pending, and stay so."""
    healthy = public_key != "AAAA"
    state = State.VERIFIED if healthy else State.PENDING
    watch = Watch(state=state, since=BORN, looks=(Look(at=BORN, present=healthy),))
    made = [
        Domain(
            id=f"dom_{name}", account_id="acc", sender=name, selector=zones.SELECTOR, public_key=public_key,
            mail_from=zones.bounce(name), zone=zones.ZONE, created_at=BORN, last_sync=BORN, dkim=watch,
            mail_from_watch=watch, held=healthy, verified_at=BORN if healthy else None,
        )
        for name in zones.names(count)
    ]  # fmt: skip
    connection = await asyncpg.connect(url)
    await connection.execute("DELETE FROM domains")
    await connection.execute("INSERT INTO accounts (id, name, email, created_at) VALUES ('acc', '', 'a@b.test', 0) "
                             "ON CONFLICT DO NOTHING")  # fmt: skip
    await connection.copy_records_to_table("domains", records=map(as_row, made), columns=COLUMNS["domains"])
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


def _due(url: str) -> None:
    """Makes all domains due."""

    async def update() -> None:
        connection = await asyncpg.connect(url)
        await connection.execute("UPDATE domains SET next_check_at = 0, lease_until = NULL, lease_owner = NULL")
        await connection.close()

    asyncio.run(update())


def _run(module: str, *words: str, **environment: str) -> list[str]:
    """Runs one side on the core of what is measured, and gives what it printed."""
    command = [program("taskset"), "-c", load.core(), sys.executable, "-m", module, *words]
    done = subprocess.run(
        command, cwd=places.ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{module} failed:\n{done.stderr[-2000:]}")
    return done.stdout.strip().splitlines()[-1].split(maxsplit=2)


def _ours(asked: Asked, **settings: str) -> tuple[float, float, str]:
    """Checks all domains once; gives checks per second, packets each, and how they ended."""
    lab, installation, url, count = asked
    _due(url)
    lab.flush()
    seconds, packets, outcomes = _run("benchmarks.checker", str(count), **installation.settings, **settings)
    return count / float(seconds), float(packets), outcomes


def _naive(asked: Asked, mode: str, count: int, *, port: int | None = None, each: int = 0) -> float:
    """Gives a peer's domains per second."""
    lab, _, url, _ = asked
    lab.flush()
    return count / float(_run("benchmarks.naive", mode, str(port or lab.resolver_port), str(count), str(each), url)[0])


def _routine(asked: Asked, rounds: int) -> Iterator[Row]:
    count = asked[3]
    _, packets, outcomes = _ours(asked)
    some = min(count, 100)
    sides = [
        lambda: _ours(asked)[0],
        lambda: _naive(asked, "aiodns", count),
        lambda: _naive(asked, "sync", some),
        lambda: _naive(asked, "checkdmarc", min(some, 40)),
    ]
    ours, bare, peer, judge = interleaved(sides, rounds)
    note = f"{packets:.1f} packets each, ended as {outcomes}"
    yield _judged("check-routine", "routine checks", ours, bare, "bare aiodns loop, no database", 0.4, note)
    rate = Paired(ours, ours).value
    yield row("check-rate", "the same", rate, "checks/s", at_least(600, "value"))
    yield _judged("check-sequential", "the same", ours, peer, "dnspython in sequence, a commit each", 4)
    yield _judged("check-checkdmarc", "the same", ours, judge, "checkdmarc in sequence", 10)


def _judged(
    name: str, what: str, ours: list[float], floor: list[float], beside: str, target: float, note: str = ""
) -> Row:
    pair = Paired(ours, floor)
    return row(
        name, what, pair.value, "checks/s", at_least(target),
        floor=pair.floor, ratio=pair.ratio, beside=beside, note=note,
    )  # fmt: skip


def _late(asked: Asked, folder: Path) -> Iterator[Row]:
    """Lets each answer come late."""
    lab, _, url, count = asked
    with ExitStack() as open_:
        port = free_port("127.0.0.1")
        words = [sys.executable, "-m", "benchmarks.slow", str(port), str(lab.resolver_port), str(LATE)]
        late = subprocess.Popen([program("setpriv"), "--pdeathsig=KILL", *words], cwd=places.ROOT)
        open_.callback(late.wait)
        open_.callback(late.terminate)
        load.pinned(late.pid, load.other_core())
        time.sleep(0.5)
        slow = (lab, _installation(folder, url, lab, port), url, count)
        pair = Paired([_ours(slow)[0]], [_naive(slow, "sync", 15, port=port)])
    yield _judged("check-late", "the same, 50 ms until each DNS answer", list(pair.ours), list(pair.floors),
                  "dnspython in sequence", 50)  # fmt: skip


def _two(asked: Asked, rounds: int) -> Iterator[Row]:
    """Runs two workers beside each other; DNS and Postgres have the same two cores, which bounds what can be won."""
    ours = interleaved([lambda: _together(asked, 1), lambda: _together(asked, 2)], rounds)
    pair = Paired(ours[1], ours[0])
    yield row(
        "check-two-workers", "two workers on Postgres", pair.value, "checks/s", at_least(1.7), floor=pair.floor,
        ratio=pair.ratio, beside="one worker",
        note="DNS, Postgres and both workers share the machine's two cores",
    )  # fmt: skip


def _together(asked: Asked, workers: int) -> float:
    """Lets so many workers check all domains, each on any core, and gives checks per second from the first."""
    lab, installation, url, count = asked
    lab.flush()

    async def measure() -> float:
        connection = await asyncpg.connect(url)
        await connection.execute("UPDATE domains SET next_check_at = NULL, lease_until = NULL, lease_owner = NULL")
        running = [installation.worker() for _ in range(workers)]
        try:
            await asyncio.sleep(3)  # all are up and poll
            await connection.execute("UPDATE domains SET next_check_at = 0")
            began, left = time.monotonic(), count
            while left:
                await asyncio.sleep(0.02)
                left = await connection.fetchval("SELECT count(*) FROM domains WHERE next_check_at = 0")
            return count / (time.monotonic() - began)
        finally:
            for process in running:
                process.stop()
            await connection.close()

    return asyncio.run(measure())


def _full(asked: Asked, rounds: int) -> Iterator[Row]:
    lab, _, _, count = asked
    _, packets, outcomes = _ours(asked)
    some = min(count, 200)
    bare = lambda: _naive(asked, "packets", some, port=lab.authoritative_port, each=round(packets))  # noqa: E731
    ours, floor = interleaved([lambda: _ours(asked)[0], bare], rounds)
    note = f"{packets:.1f} packets each, ended as {outcomes}"
    yield _judged(
        "check-full", "full checks of pending domains", ours, floor, "bare dnspython loop, as many questions", 0.6, note
    )




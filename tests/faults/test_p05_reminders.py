"""P5: reminders at most once per step: workers are killed while they hand mail over, and the clock jumps by a month."""

import asyncio
import random
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from letterhead.core.domain.domain import EventKind
from letterhead.wiring.assemble import Overrides
from tests.faults.conftest import Figures
from tests.operations.test_reminders import live, mail_settings, remind
from tests.operations.world import Clock, WrittenDns, noon, opened
from tests.rigs.dns_lab import DnsLab
from tests.rigs.letterhead import Installation
from tests.rigs.smtp import Ledger
from tests.rigs.waiting import eventually

WORKERS = 3  # at a time, all killed at once
PLACES = 5  # mails that one worker hands over side by side
ZONE = "xn--bcher-kva.test"  # the one that `live` looks at
JUMPS = (*[timedelta(hours=hours) for hours in (1, 5, 11, 24, 40)], timedelta(days=30), -timedelta(days=30))


async def due(folder: Path, url: str, many: int) -> None:
    """Add domains yesterday, so that the first reminder of each is due."""
    yesterday = Clock(datetime.now(UTC) - timedelta(hours=25))
    async with opened(folder, Overrides(now=yesterday), DATABASE_URL=url) as world:
        for number in range(many):
            await world.add(f"r{number}.test")


async def settled(url: str) -> bool:
    """End the leases of the dead, and say whether nothing is left to hand over."""
    connection = await asyncpg.connect(url)
    try:
        open_ = "due_at <= $1 AND outcome IS NULL AND handed_at IS NULL"
        now = int(time.time() * 1000)
        return not await connection.fetchval(f"SELECT count(*) FROM reminders WHERE {open_}", now)
    finally:
        await connection.close()


async def forget_leases(url: str) -> None:
    """Let nobody wait until the leases of the dead run out."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute("UPDATE reminders SET lease_until = NULL, lease_owner = NULL")
    finally:
        await connection.close()


@pytest.mark.timeout(600)
def test_workers_killed_while_they_remind(
    tmp_path: Path, postgres_url: str, lab: DnsLab, ledger: Ledger, size: int, figures: Figures
) -> None:
    """Of all reminders none arrives twice, and none is missing but those that a killed worker was handing over."""
    rounds = max(1, size // WORKERS)
    many, ledger.pause = (WORKERS * PLACES + 4) * (rounds + 1), 0.3
    installation = Installation(
        tmp_path,
        DATABASE_URL=postgres_url,
        DNS_RESOLVERS=f"127.0.0.1:{lab.resolver_port}",
        DNS_AUTHORITATIVE_PORT=str(lab.authoritative_port),
        **mail_settings(ledger),
    )
    assert installation.run("migrate").returncode == 0
    asyncio.run(due(tmp_path, postgres_url, many))
    for _ in range(rounds):
        workers, before = [installation.worker() for _ in range(WORKERS)], len(ledger.taken)
        assert eventually(lambda: len(ledger.taken) > before), installation.logs()  # noqa: B023 asked at once
        for worker in workers:
            worker.kill()
        asyncio.run(forget_leases(postgres_url))
    ledger.pause = 0.0
    worker = installation.worker()
    assert eventually(lambda: asyncio.run(settled(postgres_url)), 60), installation.logs()
    assert worker.stop() == 0
    told = Counter(str(each["Subject"]) for each in ledger.messages())
    lost = many - len(told)
    figures(kills=rounds * WORKERS, reminders=many, arrived=len(told), twice=sum(told.values()) - len(told), lost=lost)
    assert max(told.values()) == 1
    assert lost <= rounds * WORKERS * PLACES


async def test_the_clock_jumps_by_a_month(tmp_path: Path, ledger: Ledger) -> None:
    """However the clock jumps, each step of each spell is reminded of once at most: two of pending, one of failing."""
    clock, dns, chance = Clock(noon()), WrittenDns(ZONE), random.Random(5)
    async with opened(tmp_path, Overrides(resolver=dns, now=clock), **mail_settings(ledger)) as world:
        await world.add(ZONE)
        for number in range(60):
            clock.at += chance.choice(JUMPS)
            await world.look(ZONE)
            await remind(world)
            await remind(world)
            if number % 20 == 19:
                clock.turn(hours=1)
                dns.publish(await world.dkim(ZONE)) if number < 30 else dns.withdraw(await world.dkim(ZONE))
        await live(world, clock, hours=4)
        events = Counter(each.kind for each in await world.events(ZONE))
    ids = Counter(str(each["Message-ID"]) for each in ledger.messages())
    told = Counter(str(each["Subject"]).rpartition(": ")[2] for each in ledger.messages())
    assert max(ids.values()) == 1
    assert told["still not verified"] <= 2 * events[EventKind.DOMAIN_PENDING]
    assert told["verification failed"] <= events[EventKind.DOMAIN_FAILED]
    assert told.total() >= 2

"""Measure PostgreSQL with many millions of domains: sizes, list, claims and saves by the service's own statements.

Not part of `./dev bench`: ten million domains take ten minutes and 35 GB of disk.

    ./dev tool python -m benchmarks.large --domains 10000000
"""

import argparse
import asyncio
import random
import string
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import asyncpg

from benchmarks import seed
from letterhead.adapters.storage import open_store, rows, schema
from letterhead.adapters.storage.statements import Dialect
from letterhead.ports.store.domains import DomainQuery
from tests.rigs import postgres

SETTINGS = postgres.SETTINGS | {
    "shared_buffers": "1GB", "maintenance_work_mem": "512MB", "max_wal_size": "2GB", "jit": "off",
    "autovacuum": "off",  # it would run at another moment each time
}  # fmt: skip
PER_ACCOUNT = 10
DUE = 2_000_000_000_000  # ms: the first moment of the day over which the checks are spread
DAY = 86_400_000
CLAIMED, CLAIMS = 50, 300
SAMPLE = seed.domain(7, 3, "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=392)))
# An account's domains are not neighbours on the disk: in life they are added one at a time.
FILL = """
INSERT INTO domains (id, account_id, sender, status, held, path, next_check_at, version, refused, life)
SELECT 'dom_' || a || '_' || p, 'acc_' || a, 'd' || p || '.a' || a || '.test',
    CASE (a + p) % 10 WHEN 0 THEN 'PENDING' ELSE 'SUCCESS' END, CASE (a + p) % 10 WHEN 0 THEN 0 ELSE 1 END,
    convert_to('test.a' || a || '.d' || p || '.', 'UTF8'),
    {due} + ((a::bigint * {per} + p) * 2654435761 % {day}), 0, 0,
    replace(replace('{life}', '{sender}', 'd' || p || '.a' || a || '.test'), '{id}', 'dom_' || a || '_' || p)
FROM generate_series(0, {accounts} - 1) AS a, (SELECT {place} AS p) AS place
"""
INDEXES = """
SELECT indexdef FROM pg_indexes
WHERE tablename = 'domains' AND indexname NOT IN (SELECT conname FROM pg_constraint)
"""
CONSTRAINTS = """
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE conrelid = 'domains'::regclass AND contype IN ('p', 'u')
"""
SIZES = """
SELECT relname, pg_relation_size(c.oid) / 1000000 AS mb
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = relnamespace
WHERE nspname = 'public' AND pg_relation_size(c.oid) > 10000000 ORDER BY relname
"""


async def fill(connection: "asyncpg.Connection[asyncpg.Record]", domains: int) -> None:
    """Make accounts of ten domains; indexes are built afterwards, which is quicker."""
    accounts = domains // PER_ACCOUNT
    await connection.execute(
        "INSERT INTO accounts (id, name, email, created_at) "
        "SELECT 'acc_' || n, '', '', 0 FROM generate_series(0, $1) AS n",
        accounts,
    )
    indexes = [row[0] for row in await connection.fetch(INDEXES)]
    constraints = [tuple(row) for row in await connection.fetch(CONSTRAINTS)]
    for name, _ in constraints:
        await connection.execute(f"ALTER TABLE domains DROP CONSTRAINT {name} CASCADE")
    for text in indexes:
        await connection.execute(f"DROP INDEX {text.split('INDEX ')[1].split()[0]}")
    for place in range(PER_ACCOUNT):
        await _told(
            f"rows, {place + 1} of {PER_ACCOUNT}",
            connection.execute(
                FILL.format(
                    accounts=accounts, place=place, per=PER_ACCOUNT, due=DUE, day=DAY, sender=SAMPLE.sender,
                    id=SAMPLE.id, life=rows.domain_values(SAMPLE)["life"],
                )
            ),
        )  # fmt: skip
    for name, text in constraints:
        await _told(name, connection.execute(f"ALTER TABLE domains ADD CONSTRAINT {name} {text}"))
    for text in indexes:
        await _told(text[:70], connection.execute(text))
    await _told("vacuum and analyze", connection.execute("VACUUM (ANALYZE) domains"))


async def measure(url: str, domains: int, times: int) -> None:
    """Print sizes, then p50 and p99 of what the store does, for random accounts."""
    connection = await asyncpg.connect(url)
    for row in await connection.fetch(SIZES):
        print(f"{row['relname']}: {row['mb']} MB", flush=True)
    await connection.close()
    chance, accounts = random.Random(3), domains // PER_ACCOUNT
    now = datetime.fromtimestamp(DUE / 1000, UTC)

    def account() -> int:
        return chance.randrange(accounts)

    def sender(number: int) -> str:
        return f"d{chance.randrange(PER_ACCOUNT)}.a{number}.test"

    async with open_store(url) as store:
        for said in ("a list of ten domains, first", "a list of ten domains"):
            await _timed(said, lambda: store.domains(f"acc_{account()}", DomainQuery()), times)
        await _timed("one domain by its name", lambda: store.domain(f"acc_{(n := account())}", sender(n)), times)
        await _timed("who holds a name", lambda: store.holder(sender(account())), times)
        for said, due in (("600", timedelta(milliseconds=DAY * 600 // domains)), ("all", timedelta(days=2))):
            claim = partial(store.claim_due, now + due, now + due, "me", CLAIMED)  # a lease that ends at once
            await _timed(f"a claim of {CLAIMED}, {said} due", claim, CLAIMS)


async def _timed(said: str, work: Callable[[], Awaitable[object]], times: int) -> None:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        await work()
        took.append((time.perf_counter() - began) * 1000)
    took.sort()
    print(f"{said}: p50 {took[len(took) // 2]:.2f} ms, p99 {took[int(len(took) * 0.99)]:.2f} ms", flush=True)


async def _told(what: str, work: Awaitable[object]) -> None:
    began = time.perf_counter()
    await work
    print(f"{what}: {time.perf_counter() - began:.0f} s", flush=True)


async def run(domains: int, times: int) -> None:
    """Fill a database of its own and measure it."""
    with postgres.running(SETTINGS) as server, server.database() as url:
        connection = await asyncpg.connect(url)
        await connection.execute(schema.migration(Dialect.POSTGRES, None))
        for text in schema.online_indexes().values():
            await connection.execute(text)
        await fill(connection, domains)
        await connection.close()
        await measure(url, domains, times)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.large", description=__doc__)
    parser.add_argument("--domains", type=int, default=10_000_000)
    parser.add_argument("--times", type=int, default=3000)
    asked = parser.parse_args()
    asyncio.run(run(asked.domains, asked.times))

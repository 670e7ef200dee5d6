"""Fill a database with accounts and domains that look lived in, for us and for the floor alike."""

import asyncio
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from letterhead import config
from letterhead.adapters.storage import rows
from letterhead.core.accounts import api_keys
from letterhead.core.domain.domain import Domain
from letterhead.core.domain.health import HealthState, new_health
from letterhead.operations.domain_keys import key_purpose
from letterhead.ports.deps import Deps
from letterhead.ports.keyring import KeyPair
from letterhead.wiring import assemble
from tests.rigs.letterhead import Installation

BORN = datetime(2026, 1, 1, tzinfo=UTC)
STRIDE = 0.6180339887498949  # its multiples, without their whole parts, fill a day evenly in any order
LATER = datetime(2036, 1, 1, tzinfo=UTC)  # nothing is due while we measure
STATES = (HealthState.VERIFIED, HealthState.PENDING, HealthState.FAILED)
FLAT = (
    "CREATE TABLE floor_keys (digest BYTEA PRIMARY KEY, account_id TEXT NOT NULL)",
    "CREATE TABLE floor_domains (account_id TEXT NOT NULL, sender TEXT NOT NULL, status TEXT NOT NULL, "
    "last_sync BIGINT NOT NULL, created_at BIGINT NOT NULL, selector TEXT NOT NULL, public_key TEXT NOT NULL, "
    "mail_from TEXT NOT NULL, mail_from_status TEXT NOT NULL, tokens TEXT NOT NULL, "
    "PRIMARY KEY (account_id, sender))",
)
COLUMNS = {
    "accounts": ("id", "name", "email", "created_at"),
    "api_keys": ("id", "account_id", "digest", "name", "key_type", "scope", "masked", "created_at"),
    "domains": ("id", "account_id", "sender", "status", "held", "next_check_at", "version", "life"),
    "domain_keys": ("domain_id", "selector", "sealed"),
    "floor_keys": ("digest", "account_id"),
    "floor_domains": (
        "account_id", "sender", "status", "last_sync", "created_at", "selector", "public_key", "mail_from",
        "mail_from_status", "tokens",
    ),
}  # fmt: skip


class Keys(msgspec.Struct, frozen=True):
    """The text of two API keys of one account."""

    read: str
    full: str


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Says how much is wanted; `first` is the first account's number. Checks are due within `spread` from `due` on."""

    accounts: int = 100
    domains: int = 10
    first: int = 0
    sealed: bool = False
    flat: bool = True
    due: datetime = LATER
    spread: timedelta = timedelta()

    def due_at(self, number: int, place: int) -> datetime:
        """Say when a domain is due: neighbours on the disk at moments far apart, as many in each stretch of time."""
        return self.due + self.spread * ((number * self.domains + place) * STRIDE % 1.0)


def seed(installation: Installation, wanted: Wanted) -> list[Keys]:
    """Fill the installation's database, which nobody may serve meanwhile, and return each account's keys."""
    return asyncio.run(seeded(installation, wanted))


async def seeded(installation: Installation, wanted: Wanted) -> list[Keys]:
    """Do the same within an event loop."""
    settings = config.read(installation.settings, Path())
    async with assemble.open_deps(settings) as deps:
        keys = [_keys(number) for number in range(wanted.first, wanted.first + wanted.accounts)]
        pair = deps.keyring.make_pair()
        tables = list(_tables(deps, wanted, keys, pair))
    url = assemble.database_url(settings)
    if url.startswith("sqlite:"):
        _fill_sqlite(url.removeprefix("sqlite:///"), tables)
    else:
        await _fill_postgres(url, tables)
    return keys


def _keys(number: int) -> Keys:
    read, full = (api_keys.new_api_key(api_keys.Mode.TEST, (2 * number + place).to_bytes(32))[0] for place in (0, 1))
    return Keys(read, full)


def domain(number: int, place: int, public_key: str, *, due: datetime = LATER) -> Domain:
    """Make the domain at a place of an account; its name sorts with others' in between, as in life."""
    sender, born = f"d{place:05d}.a{number}.test", BORN + timedelta(seconds=number * 10 + place)
    state = STATES[(number + place) % 3]
    return Domain(
        id=f"dom_{number}_{place}", account_id=f"acc_{number}", sender=sender, selector=f"sel{place % 1000}",
        public_key=public_key, mail_from=f"bounce.{sender}", zone=sender, created_at=born, last_sync=born,
        dkim=new_health(state, born), mail_from_health=new_health(state, born),
        tokens=tuple(f"{n:032x}" for n in range(3)),
        next_check_at=due, check_reason="routine",
    )  # fmt: skip


def _tables(
    deps: Deps, wanted: Wanted, keys: Sequence[Keys], pair: KeyPair
) -> Iterator[tuple[str, Iterable[tuple[Any, ...]]]]:
    """Return each table with its rows, made while they are written."""
    numbers = range(wanted.first, wanted.first + wanted.accounts)
    born = rows.ms(BORN)
    digest = deps.digest
    # An account's domains are not neighbours on disk: whoever was first added one each.
    made = [(number, place) for place in range(wanted.domains) for number in numbers]
    yield "accounts", [(f"acc_{number}", "", "", born) for number in numbers]
    yield (
        "api_keys",
        [
            (f"{scope}_{number}", f"acc_{number}", digest(text), "", "secret", scope, "", born)
            for number, each in zip(numbers, keys, strict=True)
            for scope, text in (("read", each.read), ("full", each.full))
        ],
    )
    yield "domains", (as_row(domain(*each, pair.public_key, due=wanted.due_at(*each))) for each in made)
    if wanted.sealed:
        each_domain = (domain(*each, pair.public_key, due=wanted.due) for each in made)
        yield (
            "domain_keys",
            [(one.id, one.selector, deps.keyring.seal(pair.private_key, key_purpose(one))) for one in each_domain],
        )
    if wanted.flat:
        yield "floor_keys", [(digest(each.read), f"acc_{n}") for n, each in zip(numbers, keys, strict=True)]
        yield "floor_domains", (_flat(domain(*each, pair.public_key, due=wanted.due)) for each in made)


def as_row(one: Domain) -> tuple[Any, ...]:
    """Return a domain as a row of ours."""
    values = rows.domain_values(one)
    return (
        one.id, one.account_id, one.sender, values["status"], values["held"], values["next_check_at"], one.version,
        values["life"],
    )  # fmt: skip


def _flat(one: Domain) -> tuple[Any, ...]:
    status = rows.domain_values(one)["status"]
    assert one.mail_from
    return (
        one.account_id, one.sender, status, rows.ms(one.last_sync), rows.ms(one.created_at), one.selector,
        one.public_key, one.mail_from, status, " ".join(one.tokens),
    )  # fmt: skip


async def _fill_postgres(url: str, tables: Iterable[tuple[str, Iterable[tuple[Any, ...]]]]) -> None:
    connection = await asyncpg.connect(url)
    for statement in FLAT:
        await connection.execute(statement.replace("TABLE", "TABLE IF NOT EXISTS"))
    for table, records in tables:
        await connection.copy_records_to_table(table, records=records, columns=COLUMNS[table])
    await connection.execute("VACUUM ANALYZE")
    await connection.close()


def _fill_sqlite(path: str, tables: Iterable[tuple[str, Iterable[tuple[Any, ...]]]]) -> None:
    connection = sqlite3.connect(path)
    for statement in FLAT:
        connection.execute(statement.replace("TABLE", "TABLE IF NOT EXISTS"))
    for table, records in tables:
        columns = COLUMNS[table]
        marks = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", records)
    connection.execute("ANALYZE")
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()

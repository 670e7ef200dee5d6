"""The audit on both engines: equal entries are one row with their number, and a closed month can be moved out."""

import asyncio
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import asyncpg
import pytest
from msgspec.structs import replace

from letterhead.adapters.storage import audit_log, open_store
from letterhead.errors import Fault, Kind
from letterhead.operations import audit as operation
from letterhead.operations.audit import Actor
from letterhead.ports.store import Store
from letterhead.ports.store.accounts import DetachedMonth
from tests.contracts.samples import NOW, audit
from tests.contracts.test_store_trouble import tried
from tests.operations.world import Clock

OPERATOR = Actor(name="operator")


async def test_equal_entries_are_one_row(url: str) -> None:
    """Each entry is counted when its append returns: alone or in one moment with others; an hour later in a new row."""
    async with open_store(url) as store:
        one, other = audit(), replace(audit(), address="192.0.2.9")
        await store.audit(one)
        (row,) = await store.audit_rows(None, None, 10)
        assert (row.row, row.count, row.last_at) == (one, 1, one.at)
        for seconds in (10, 20):
            await store.audit(replace(one, at=NOW + timedelta(seconds=seconds), tracking_id=f"t{seconds}"))
        assert [(r.row, r.count, r.last_at) for r in await store.audit_rows(None, None, 10)] == [
            (one, 3, NOW + timedelta(seconds=20))
        ]
        await asyncio.gather(*(store.audit(each) for each in [one, other] * 20))
        rows = await store.audit_rows(None, None, 10)
        assert sorted((r.row.address, r.count) for r in rows) == [("192.0.2.1", 23), ("192.0.2.9", 20)]
        await store.audit(replace(one, at=NOW + audit_log.FOLDED))
        assert [r.count for r in await store.audit_rows(None, None, 1)] == [1]
        await store.audit(replace(one, at=NOW - timedelta(days=1)))  # a clock that went back
        assert [r.count for r in await store.audit_rows(None, None, 2)] == [1, 1]
    async with open_store(url) as store:  # another process counts in rows of its own
        await store.audit(one)
        assert sum(r.count for r in await store.audit_rows(None, None, 10)) == 46


async def test_a_month_moves_out(url: str) -> None:
    """The file's rows and digest are compared and recorded; only then its rows go, and only they; it can go on."""
    october, november = datetime(2026, 10, 31, 23, 59, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
    clock = Clock(datetime(2026, 11, 20, tzinfo=UTC))
    async with open_store(url) as store:
        needs = AuditDeps(store, clock)
        for number in range(7):
            await store.audit(replace(audit(), at=october - timedelta(days=number), subject=f"october {number}"))
        await store.audit(replace(audit(), at=november, subject="november"))
        lines = [operation.audit_line(each) for each in await operation.list_month(needs, "2026-10", 0, 100)]
        assert len(lines) == 7
        digest = sha256(b"".join(lines)).hexdigest()
        with pytest.raises(Fault, match="Nothing was deleted") as differs:
            await operation.detach_month(needs, "2026-10", 7, "0" * 64, OPERATOR)
        assert differs.value.kind is Kind.CONFLICT
        for refused in ("2026-11", "2026-12"):
            with pytest.raises(Fault, match="is not closed"):
                await operation.detach_month(needs, refused, 1, digest, OPERATOR)
        done = await operation.detach_month(needs, "2026-10", 7, digest, OPERATOR)
        assert (done.deleted, done.has_more, done.month.sha256) == (7, False, digest)
        again = await operation.detach_month(needs, "2026-10", 7, digest, OPERATOR)
        assert (again.deleted, again.month) == (0, done.month)
        newest, left = await store.audit_rows(None, None, 10)
        assert (newest.row.action, newest.row.subject) == ("audit.detach", f"2026-10: 7 rows, sha256 {digest}")
        assert left.row.subject == "november"


async def test_only_what_was_recorded_may_go(url: str) -> None:
    """A row that was not moved out stays, whatever is tried beside the store; what was recorded stays for ever."""
    closed = DetachedMonth(
        month="2026-10", starts_at=datetime(2026, 10, 1, tzinfo=UTC), ends_at=datetime(2026, 11, 1, tzinfo=UTC),
        rows=1, sha256="0" * 64, at=datetime(2026, 11, 20, tzinfo=UTC),
    )  # fmt: skip
    refused = (sqlite3.IntegrityError, asyncpg.PostgresError)
    values = "'2026-11', 0, 99999999999999, 1, 'x', 99999999999999"
    async with open_store(url) as store:
        await store.audit(audit())
        await store.detach_month(closed, audit("audit.detach"))
        for statement in (
            "DELETE FROM audit",
            "DELETE FROM audit_detached",
            "UPDATE audit_detached SET sha256 = 'x'",
            f"INSERT INTO audit_detached VALUES ({values})",  # the whole of time is no month
        ):
            with pytest.raises(refused):
                await tried(url, statement)
        assert await store.detached_month("2026-10") == closed
        assert len(await store.audit_rows(None, None, 10)) == 2


@dataclass(frozen=True)
class AuditDeps:
    """What moving a month out needs."""

    store: Store
    now: Clock

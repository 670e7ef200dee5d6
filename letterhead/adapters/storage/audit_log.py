"""Appending to the audit log: entries of one moment in one statement, repeated ones counted in the row of the first."""

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from letterhead.adapters.storage import rows
from letterhead.adapters.storage.engine import DatabaseRow, DatabaseSession, Engine, storable
from letterhead.adapters.storage.write_batcher import WriteBatcher
from letterhead.ports.store.accounts import AuditRow, DetachedMonth

FOLDED: Final = timedelta(hours=1)  # entries that say the same within this time are one row, with their number
REMEMBERED: Final = 10_000  # rows that may be repeated; one that was forgotten is followed by a row of its own

AuditKey = tuple[object, ...]


class AuditLog:
    """The audit log as one process appends to it.

    An entry is on the disk before `append` returns, as a row of its own or as one more in the count of a row that has
    the same actor, account, action, subject and address. Each process counts in rows of its own.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._batcher = WriteBatcher[AuditRow, None](self._write)
        self._rows: OrderedDict[AuditKey, tuple[int, datetime]] = (
            OrderedDict()
        )  # number and time of the row of an entry

    async def append(self, row: AuditRow) -> None:
        """Append an entry, in one transaction with those of other requests at this moment."""
        await self._batcher.add(row)

    async def _write(self, entries: Sequence[AuditRow]) -> Sequence[None]:
        grouped: dict[AuditKey, list[AuditRow]] = {}
        for row in entries:
            grouped.setdefault(_key_of(row), []).append(row)
        known = {entry: self._rows[entry][0] for entry, same in grouped.items() if self._is_open(entry, same)}
        counted = {
            number: {
                "id": number,
                "repeats": len(grouped[entry]),
                "last_at": rows.ms(max(r.at for r in grouped[entry])),
            }
            for entry, number in known.items()
        }

        async def work(session: DatabaseSession) -> dict[AuditKey, int]:
            found: set[int] = set()
            if counted:
                repeated = await session.rows("repeat_audits", repeats=rows.json(list(counted.values())))
                found = {each["id"] for each in repeated}
            new = [same[0] for entry, same in grouped.items() if known.get(entry) not in found]
            if not new:
                return {}
            values = [{name: storable(value) for name, value in rows.audit_values(row).items()} for row in new]
            appended = await session.rows("append_audits", audits=rows.json(values))
            numbers = {
                tuple(each[name] for name in ("actor", "account_id", "action", "subject", "address")): each["id"]
                for each in appended
            }
            again = [
                {"id": numbers[entry], "repeats": len(same) - 1, "last_at": rows.ms(max(r.at for r in same))}
                for entry, same in grouped.items()
                if entry in numbers and len(same) > 1
            ]
            if again:
                await session.rows("repeat_audits", repeats=rows.json(again))
            return numbers

        numbers = await self._engine.transact(work)
        for entry, number in numbers.items():
            self._rows[entry] = number, grouped[entry][0].at
            self._rows.move_to_end(entry)
        while len(self._rows) > REMEMBERED:
            self._rows.popitem(last=False)
        return [None] * len(entries)

    def _is_open(self, entry: AuditKey, same: Sequence[AuditRow]) -> bool:
        """Whether the row of an entry is recent, and no clock went back behind it."""
        kept = self._rows.get(entry)
        return kept is not None and all(timedelta(0) <= row.at - kept[1] < FOLDED for row in same)


def _key_of(row: AuditRow) -> AuditKey:
    return tuple(map(storable, (row.actor, row.account_id, row.action, row.subject, row.address)))


def detached_values(month: DetachedMonth) -> rows.Values:
    """Return the columns of a month of the audit log that was moved out."""
    return {
        "month": month.month,
        "starts_at": rows.ms(month.starts_at),
        "ends_at": rows.ms(month.ends_at),
        "entries": month.rows,
        "sha256": month.sha256,
        "at": rows.ms(month.at),
    }


def detached_month(row: DatabaseRow) -> DetachedMonth:
    """Read a month of the audit log that was moved out."""
    return DetachedMonth(
        month=row["month"],
        starts_at=rows.time(row["starts_at"]),
        ends_at=rows.time(row["ends_at"]),
        rows=row["entries"],
        sha256=row["sha256"],
        at=rows.time(row["at"]),
    )

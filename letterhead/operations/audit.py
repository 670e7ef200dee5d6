"""Rows of the audit: who did what to which thing, and when; and moving a closed month of them out."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256 as sha256_of
from typing import Final, Protocol

import msgspec

from letterhead.errors import Fault, Kind
from letterhead.ports.deps import Clock
from letterhead.ports.store.accounts import AccountStore, AuditRow, DetachedMonth, StoredAuditRow

CLOSED_AFTER: Final = timedelta(days=1)  # after its end: clocks differ, and what is under way may still be written
MONTH: Final = re.compile(r"2[0-9]{3}-(0[1-9]|1[0-2])")
READ_AT_ONCE, DELETED_AT_ONCE = 1_000, 5_000


class AuditNeeds(Protocol):
    """What a row of the audit needs."""

    @property
    def now(self) -> Clock: ...


class AuditListNeeds(Protocol):
    """What listing the audit needs."""

    @property
    def store(self) -> AccountStore: ...


class AuditMonthNeeds(AuditNeeds, AuditListNeeds, Protocol):
    """What moving a month out needs."""


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who acts: a key's id, "operator", "worker" or "openid:" and a person's name at the provider, and from where.

    An operator whom the provider signed in is "operator:openid:" and that name.
    """

    name: str
    account_id: str | None = None
    address: str | None = None
    tracking_id: str | None = None


WORKER = Actor(name="worker")


def audit_row(deps: AuditNeeds, actor: Actor, action: str, subject: str) -> AuditRow:
    """Make the row for an action (`noun.verb`) of an actor on a thing, now."""
    return AuditRow(
        at=deps.now(),
        actor=actor.name,
        account_id=actor.account_id,
        action=action,
        subject=subject,
        address=actor.address,
        tracking_id=actor.tracking_id,
    )


class AuditWriteNeeds(AuditNeeds, AuditListNeeds, Protocol):
    """What writing a row that stands alone needs."""


async def record_backup(deps: AuditWriteNeeds, actor: Actor, sha256: str, rows: int) -> None:
    """Write that somebody made a backup, with the digest of its file."""
    await deps.store.audit(audit_row(deps, actor, "backup.make", f"{rows} rows, sha256 {sha256}"))


class DetachedAudit(msgspec.Struct, frozen=True, kw_only=True):
    """How far moving a month out has come: `deleted` rows in this step, and whether there are more."""

    month: DetachedMonth
    deleted: int
    has_more: bool


def audit_line(stored: StoredAuditRow) -> bytes:
    """Return a row as a line of the file that a month is moved out to: JSON, of which the digest is made."""
    row = stored.row
    fields = {
        "number": stored.number,
        "at": row.at.isoformat(timespec="milliseconds"),
        "actor": row.actor,
        "accountId": row.account_id,
        "action": row.action,
        "subject": row.subject,
        "address": row.address,
        "trackingId": row.tracking_id,
        "count": stored.count,
        "lastAt": stored.last_at.isoformat(timespec="milliseconds"),
    }
    return msgspec.json.encode(fields) + b"\n"


async def list_month(deps: AuditMonthNeeds, month: str, after: int, limit: int) -> Sequence[StoredAuditRow]:
    """Return rows of a closed month, the oldest first, those after a number; Faults as `closed_month`."""
    starts_at, ends_at = closed_month(month, deps.now())
    return await deps.store.audit_month(starts_at, ends_at, after, limit)


def closed_month(month: str, now: datetime) -> tuple[datetime, datetime]:
    """Return when a month such as 2026-11 begins and the next one does, in UTC.

    Faults: `parameter-invalid` for what is no month, `conflict` for one that ended less than a day ago.
    """
    if not MONTH.fullmatch(month):
        raise Fault(
            Kind.PARAMETER_INVALID, f"{month[:20]!r} is no month.", "Write the year and the month, as in 2026-11."
        )
    starts_at = datetime(int(month[:4]), int(month[5:]), 1, tzinfo=UTC)
    ends_at = (starts_at + timedelta(days=32)).replace(day=1)
    if ends_at + CLOSED_AFTER > now:
        raise Fault(
            Kind.CONFLICT,
            f"The month {month} is not closed: it ends, in UTC, at {ends_at:%Y-%m-%d %H:%M}, and a day is waited for.",
            f"Name an earlier month, or wait until {ends_at + CLOSED_AFTER:%Y-%m-%d %H:%M} UTC.",
        )
    return starts_at, ends_at


async def detach_month(deps: AuditMonthNeeds, month: str, rows: int, sha256: str, actor: Actor) -> DetachedAudit:
    """Delete some rows of a closed month whose file has so many rows and this digest; call it while there are more.

    The first call compares both with what is stored, and records them for ever. Faults: as `closed_month`, `conflict`
    where they differ.
    """
    starts_at, ends_at = closed_month(month, deps.now())
    detached = await deps.store.detached_month(month)
    if detached is None:
        stored, digest = await _digest_month(deps, starts_at, ends_at)
    else:
        stored, digest = detached.rows, detached.sha256
    if (stored, digest) != (rows, sha256) or not stored:
        raise Fault(
            Kind.CONFLICT,
            f"The file of {month} has {rows} rows and the digest {sha256[:64]}; the audit has {stored} rows and the "
            f"digest {digest}. Nothing was deleted.",
            "Write the month into another file, with `letterhead accounts detach-audit`.",
        )
    if detached is None:
        detached = DetachedMonth(
            month=month, starts_at=starts_at, ends_at=ends_at, rows=rows, sha256=sha256, at=deps.now()
        )
        row = audit_row(deps, actor, "audit.detach", f"{month}: {rows} rows, sha256 {sha256}")
        await deps.store.detach_month(detached, row)
    deleted = await deps.store.delete_detached(detached, DELETED_AT_ONCE)
    return DetachedAudit(month=detached, deleted=deleted, has_more=deleted == DELETED_AT_ONCE)


async def _digest_month(deps: AuditMonthNeeds, starts_at: datetime, ends_at: datetime) -> tuple[int, str]:
    """Return how many rows a month has, and the digest of their lines."""
    digest, count, after = sha256_of(), 0, 0
    while found := await deps.store.audit_month(starts_at, ends_at, after, READ_AT_ONCE):
        for stored in found:
            digest.update(audit_line(stored))
        count, after = count + len(found), found[-1].number
    return count, digest.hexdigest()


async def list_audit(
    deps: AuditListNeeds, account_id: str | None, before: int | None, limit: int
) -> Sequence[StoredAuditRow]:
    """Return the newest rows of one account, or of all; only those before a number, where it is given."""
    return await deps.store.audit_rows(account_id, before, limit)

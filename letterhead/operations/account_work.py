"""What the service does for each account: counted in memory, written each minute, shown to the operator.

Only the accounts that took most in that minute are written by name: as many rows follow from ten accounts as from a
hundred thousand.
"""

import asyncio
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Protocol

import msgspec
import structlog
from msgspec.structs import replace

from letterhead.errors import Fault
from letterhead.ports.deps import Clock
from letterhead.ports.store.monitoring import AccountWork, MonitoringStore, WorkKind

log = structlog.get_logger()

NAMED = 50  # accounts that are written by name each minute, for each kind of work
MOST_COUNTED = 20_000  # accounts and kinds counted between two writes; what comes then is counted for all together
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PERIODS = {"hour": HOUR, "day": DAY}
SAVE_EVERY = 60.0  # seconds


class AccountWorkNeeds(Protocol):
    """What counting the work for accounts needs."""

    @property
    def store(self) -> MonitoringStore: ...
    @property
    def now(self) -> Clock: ...


class WorkCounter:
    """Count what was done for accounts since it was last written."""

    def __init__(self) -> None:
        self._counted: dict[tuple[str, WorkKind], AccountWork] = {}

    def add(self, account_id: str, kind: WorkKind, *, milliseconds: int = 0, octets: int = 0, number: int = 1) -> None:
        """Count one piece of work: how long it took a place, and how many octets it moved."""
        if len(self._counted) >= MOST_COUNTED and (account_id, kind) not in self._counted:
            account_id = ""
        done = self._counted.get((account_id, kind)) or AccountWork(account_id=account_id, kind=kind, number=0)
        self._counted[account_id, kind] = replace(
            done,
            number=done.number + number,
            milliseconds=done.milliseconds + milliseconds,
            octets=done.octets + octets,
        )

    async def save(self, deps: AccountWorkNeeds) -> None:
        """Add what was counted to what is stored; where storage fails, it stays counted for the next time."""
        counted, self._counted = self._counted, {}
        if not counted:
            return
        try:
            await deps.store.add_account_work(deps.now(), _most(counted.values()))
        except Exception:
            for each in counted.values():
                self.add(
                    each.account_id,
                    each.kind,
                    milliseconds=each.milliseconds,
                    octets=each.octets,
                    number=each.number,
                )
            raise


def _most(counted: Iterable[AccountWork]) -> list[AccountWork]:
    """Keep the accounts that took most of each kind, and add up the others as one without a name."""
    written: list[AccountWork] = []
    by_kind: dict[WorkKind, list[AccountWork]] = {}
    for each in counted:
        by_kind.setdefault(each.kind, []).append(each)
    for kind, done in by_kind.items():
        done.sort(key=lambda one: (one.account_id != "", one.milliseconds, one.octets, one.number), reverse=True)
        written += done[:NAMED]
        rest = done[NAMED:]
        if rest:
            written.append(
                AccountWork(
                    account_id="",
                    kind=kind,
                    number=sum(one.number for one in rest),
                    milliseconds=sum(one.milliseconds for one in rest),
                    octets=sum(one.octets for one in rest),
                )
            )
    return written


class WorkShare(msgspec.Struct, frozen=True, kw_only=True):
    """What one account took of one kind of work, and which share of all that is: of the time, where that is known.

    Else it is the share of the octets, else of the number.
    """

    work: AccountWork
    share: float


async def work_shares(deps: AccountWorkNeeds, since: timedelta = DAY) -> Sequence[WorkShare]:
    """Return who took how much of what since so long ago, by kind, the largest share first."""
    done = await deps.store.account_work(deps.now() - since)
    totals: dict[WorkKind, AccountWork] = {}
    for each in done:
        total = totals.get(each.kind) or AccountWork(account_id="", kind=each.kind, number=0)
        totals[each.kind] = replace(
            total,
            number=total.number + each.number,
            milliseconds=total.milliseconds + each.milliseconds,
            octets=total.octets + each.octets,
        )
    shares = []
    for each in done:
        total = totals[each.kind]
        by = next((unit for unit in ("milliseconds", "octets") if getattr(total, unit)), "number")
        shares.append(WorkShare(work=each, share=getattr(each, by) / (getattr(total, by) or 1)))
    return sorted(shares, key=lambda one: (one.work.kind, -one.share, one.work.account_id))


async def save_each_minute(deps: AccountWorkNeeds, counter: WorkCounter) -> None:
    """Write what was counted each minute, and once more when cancelled; where storage fails, try again later."""
    stopping = False
    while not stopping:
        try:
            await asyncio.sleep(SAVE_EVERY)
        except asyncio.CancelledError:
            stopping = True
        try:
            await counter.save(deps)
        except Fault as fault:
            log.warning("account-work.not-written", kind=fault.kind, detail=fault.detail)

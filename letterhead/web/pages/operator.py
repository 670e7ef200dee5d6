"""Knows the operator's pages: accounts, how the service is, how late its checks are, the audit."""

from collections import Counter
from datetime import datetime

from letterhead.core.accounts.quotas import Limits
from letterhead.core.schedule import check_lag
from letterhead.errors import Fault
from letterhead.operations import accounts, self_monitoring
from letterhead.operations.accounts import NewApiKey
from letterhead.operations.self_monitoring import ServiceHealth
from letterhead.web import errors as problems
from letterhead.web.endpoint import Call
from letterhead.web.pages import pictures
from letterhead.web.pages.texts import Texts
from letterhead.web.pages.view import View, Visitor, Who
from letterhead.web.responses import Answer
from letterhead.web.routes import service

HOME = "/operator"
AUDIT = 200
LATENESS = 5
SLOTS = 288  # of five minutes, in a day
SHARES = {"half": 0.5, "most": 0.99}
MARKS = (0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 36000.0, 360000.0)
UNITS = (("days", 86400), ("hours", 3600), ("minutes", 60), ("seconds", 1))


async def overview(visitor: Visitor) -> Answer:
    """Shows how the service is, and its accounts."""
    return await _shown(visitor)


async def _shown(visitor: Visitor, made: NewApiKey | None = None, fault: Fault | None = None) -> Answer:
    call = Call(house=visitor.desk.house, request=visitor.request, signed_in=None, actor=visitor.actor)
    t, now = visitor.desk.rendering.texts, visitor.deps.now()
    late = await visitor.deps.store.count_overdue(now)
    seen, backlog = await self_monitoring.service_health(visitor.deps), await visitor.deps.store.backlog(now)
    labels = [t(f"picture.late_{number}") for number in range(LATENESS)]
    return visitor.show(
        "operator.html",
        problems.status_of(fault.kind) if fault else 200,
        health=await service.health_of(call),
        backlog=backlog,
        oldest=lasting(t, backlog.lag),
        lateness=pictures.bars(labels, late, t("picture.lateness")),
        lag=_lag(t, seen),
        provider=_provider(visitor, seen, now),
        accounts=await accounts.list_accounts(visitor.deps),
        made=made,
        fault=fault,
    )


def _lag(t: Texts, seen: ServiceHealth) -> dict[str, object]:
    """Draws how late checks began in the last day, and says it in a sentence."""
    slots = check_lag.group_by_slot(seen.checks, seen.begins, SLOTS)
    whole: Counter[int] = sum(slots, Counter())
    half, most = check_lag.share_within(whole, 0.5), check_lag.share_within(whole, 0.99)
    if half is None or most is None:
        return {"said": t("lag.none"), "drawn": None, "begins": seen.begins}
    said = t("lag.said", number=whole.total(), half=lasting(t, half), most=lasting(t, most))
    series = {name: [check_lag.share_within(each, share) for each in slots] for name, share in SHARES.items()}
    worst = max(value or 0.0 for value in series["most"])
    marks = {seconds: lasting(t, seconds) for seconds in MARKS if seconds <= MARKS[2] or seconds / 10 < worst}
    return {"said": said, "drawn": pictures.lines(series, marks, said), "begins": seen.begins}


def lasting(t: Texts, seconds: float) -> str:
    """Writes a span of time for a person, in one unit."""
    unit, size = next((unit, size) for unit, size in UNITS if seconds >= size or size == 1)
    return t("unit." + unit, number=f"{seconds / size:.2g}" if seconds < 10 * size else f"{seconds / size:.0f}")


def _provider(visitor: Visitor, seen: ServiceHealth, now: datetime) -> dict[str, object]:
    """Gathers what the provider's account allows and has used, and the turns of calls that all processes share."""
    t = visitor.desk.rendering.texts
    turns = [
        {
            "name": each.name,
            "taken": each.taken,
            "allowed": round(self_monitoring.DAY / each.every) if each.every else None,
            "wait": lasting(t, wait) if (wait := (each.next_at - now).total_seconds()) > 0 else None,
        }
        for each in seen.budgets
    ]
    return {"name": visitor.deps.provider.name, "conditions": seen.conditions, "turns": turns}


async def open_account(visitor: Visitor) -> Answer:
    """Opens an account and shows its first key, this once."""
    name, email = visitor.form.get("name", "").strip()[:200], visitor.form.get("email", "").strip()
    try:
        _, made = await accounts.open_account(visitor.deps, name or email, email, Limits(), visitor.actor)
    except Fault as fault:
        if problems.status_of(fault.kind) >= 500:
            raise
        return await _shown(visitor, fault=fault)
    return await _shown(visitor, made)


async def audit(visitor: Visitor) -> Answer:
    """Shows what was done lately, in every account."""
    kept = await visitor.deps.store.audit_rows(None, None, AUDIT)
    return visitor.show("audit.html", audit=[each.row for each in kept])


VIEWS = (
    View(method="GET", path=HOME, serve=overview, who=Who.OPERATOR),
    View(method="POST", path=f"{HOME}/accounts", serve=open_account, who=Who.OPERATOR),
    View(method="GET", path=f"{HOME}/audit", serve=audit, who=Who.OPERATOR),
)

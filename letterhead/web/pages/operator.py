"""The operator's pages: accounts, how the service is, how late its checks are, the audit."""

from collections import Counter
from datetime import datetime

from starlette.responses import Response

from letterhead.core.accounts.quotas import Limits
from letterhead.core.schedule import check_lag
from letterhead.errors import Fault
from letterhead.operations import accounts, domains, health, self_monitoring
from letterhead.operations import audit as audits
from letterhead.operations import overview as overviews
from letterhead.operations.accounts import NewApiKey
from letterhead.operations.self_monitoring import ServiceHealth
from letterhead.web import errors
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.pages import pictures
from letterhead.web.pages.responses import OPERATOR_HOME, page_response
from letterhead.web.templating.texts import Texts

AUDIT = 200
LATENESS = 5
SLOTS = 288  # of five minutes, in a day
SHARES = {"half": 0.5, "most": 0.99}
MARKS = (0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 36000.0, 360000.0)
UNITS = (("days", 86400), ("hours", 3600), ("minutes", 60), ("seconds", 1))


async def overview(context: RequestContext) -> Response:
    """Shows how the service is, and its accounts."""
    return await _shown(context)


async def _shown(context: RequestContext, made: NewApiKey | None = None, fault: Fault | None = None) -> Response:
    t, now = context.state.templates.texts, context.deps.now()
    service = await overviews.show_service(context.deps)
    seen, backlog = service.health, service.backlog
    labels = [t(f"picture.late_{number}") for number in range(LATENESS)]
    return page_response(
        context,
        "operator.html",
        errors.status_of(fault.kind) if fault else 200,
        health=await health.check_health(context.deps, context.state.probe),
        backlog=backlog,
        oldest=lasting(t, backlog.lag),
        lateness=pictures.bars(labels, service.overdue, t("picture.lateness")),
        lag=_lag(t, seen),
        provider=_provider(context, seen, now),
        accounts=await accounts.list_accounts(context.deps),
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


def _provider(context: RequestContext, seen: ServiceHealth, now: datetime) -> dict[str, object]:
    """Gathers what the provider's account allows and has used, and the turns of calls that all processes share."""
    t = context.state.templates.texts
    turns = [
        {
            "name": each.name,
            "taken": each.taken,
            "allowed": round(self_monitoring.DAY / each.every) if each.every else None,
            "wait": lasting(t, wait) if (wait := (each.next_at - now).total_seconds()) > 0 else None,
        }
        for each in seen.budgets
    ]
    return {"name": domains.provider_name(context.deps), "conditions": seen.conditions, "turns": turns}


async def open_account(context: RequestContext) -> Response:
    """Opens an account and shows its first key, this once."""
    name, email = context.form.get("name", "").strip()[:200], context.form.get("email", "").strip()
    try:
        _, made = await accounts.open_account(context.deps, name or email, email, Limits(), context.actor)
    except Fault as fault:
        if errors.status_of(fault.kind) >= 500:
            raise
        return await _shown(context, fault=fault)
    return await _shown(context, made)


async def audit(context: RequestContext) -> Response:
    """Shows what was done lately, in every account."""
    listed = await audits.list_audit(context.deps, None, None, AUDIT)
    return page_response(context, "audit.html", audit=[each.row for each in listed])


PAGES = (
    Endpoint(method="GET", path=OPERATOR_HOME, serve=overview, access=Access.OPERATOR),
    Endpoint(method="POST", path=f"{OPERATOR_HOME}/accounts", serve=open_account, access=Access.OPERATOR),
    Endpoint(method="GET", path=f"{OPERATOR_HOME}/audit", serve=audit, access=Access.OPERATOR),
)

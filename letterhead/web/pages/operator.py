"""The operator's pages: the accounts, the health of the service, the lag of its checks, and the audit."""

from collections import Counter
from datetime import datetime

from starlette.responses import Response

from letterhead.core.accounts.quotas import Limits
from letterhead.core.schedule import check_lag
from letterhead.errors import Fault
from letterhead.operations import account_work, accounts, domains, health, self_monitoring
from letterhead.operations import audit as audits
from letterhead.operations import overview as overviews
from letterhead.operations.accounts import NewApiKey
from letterhead.operations.self_monitoring import ServiceHealth
from letterhead.web import errors
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.pages import pictures
from letterhead.web.pages.pictures import format_duration
from letterhead.web.pages.responses import OPERATOR_HOME, page_response
from letterhead.web.templating.texts import Texts

AUDIT = 200
LATENESS = 5
SLOTS = 288  # of five minutes, in a day
MOST_OF_A_KIND = 5
SHARES = {"half": 0.5, "most": 0.99}
MARKS = (0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 36000.0, 360000.0)
LEAST_SLOTS = 12  # an hour: a day with one slot of data is not drawn as an empty chart with a crumb at its edge


async def overview(context: RequestContext) -> Response:
    """Show the health of the service, and its accounts."""
    return await _show_overview(context)


async def _show_overview(
    context: RequestContext, made: NewApiKey | None = None, fault: Fault | None = None
) -> Response:
    t, now = context.state.templates.texts, context.deps.now()
    service = await overviews.show_service(context.deps)
    seen, backlog = service.health, service.backlog
    labels = [t(f"picture.late_{number}") for number in range(LATENESS)]
    return page_response(
        context,
        "operator.html",
        errors.status_of(fault.kind) if fault else 200,
        health=await health.check_health(context.deps, context.state.health),
        backlog=backlog,
        proxy=context.state.proxy_signs.health(),
        oldest=format_duration(t, backlog.lag),
        owed_for=format_duration(t, backlog.intents_age),
        lateness=pictures.draw_bars(labels, service.overdue, t("picture.lateness")),
        lag=_draw_lag(t, seen),
        provider=_describe_provider(context, seen, now),
        usage=await describe_usage(context),
        accounts=await accounts.list_accounts(context.deps),
        conditions={each.value: n for each, n in (await overviews.count_conditions(context.deps)).items()},
        made=made,
        fault=fault,
    )


def _draw_lag(t: Texts, seen: ServiceHealth) -> dict[str, object]:
    """Draw how late checks began in the last day, and describe it in a sentence."""
    slots = check_lag.group_by_slot(seen.checks, seen.begins, SLOTS)
    whole: Counter[int] = sum(slots, Counter())
    half, most = check_lag.share_within(whole, 0.5), check_lag.share_within(whole, 0.99)
    if half is None or most is None:
        return {"said": t("lag.none"), "drawn": None, "begins": seen.begins}
    said = t("lag.said", number=whole.total(), half=format_duration(t, half), most=format_duration(t, most))
    begun = next(number for number, each in enumerate(slots) if each)
    slots = slots[min(begun, SLOTS - LEAST_SLOTS) :]
    begins = seen.begins + (SLOTS - len(slots)) * check_lag.SLOT
    series = {name: [check_lag.share_within(each, share) for each in slots] for name, share in SHARES.items()}
    worst = max(value or 0.0 for value in series["most"])
    marks = {seconds: format_duration(t, seconds) for seconds in MARKS if seconds <= MARKS[2] or seconds / 10 < worst}
    return {"said": said, "drawn": pictures.draw_lines(series, marks, said), "begins": begins}


def _describe_provider(context: RequestContext, seen: ServiceHealth, now: datetime) -> dict[str, object]:
    """Return the provider account's conditions and the call budgets that all processes share."""
    t = context.state.templates.texts
    turns = [
        {
            "name": each.name,
            "taken": each.taken,
            "allowed": round(self_monitoring.DAY / each.every) if each.every else None,
            "wait": format_duration(t, wait) if (wait := (each.next_at - now).total_seconds()) > 0 else None,
        }
        for each in seen.budgets
    ]
    return {"name": domains.provider_name(context.deps), "conditions": seen.conditions, "turns": turns}


async def describe_usage(context: RequestContext) -> dict[str, object]:
    """Return who takes how much: for each kind of work the accounts that take most, with what they took in words."""
    t, period = context.state.templates.texts, "hour" if context.parameter("usage") == "hour" else "day"
    kinds: dict[str, list[dict[str, object]]] = {}
    for each in await account_work.work_shares(context.deps, account_work.PERIODS[period]):
        work, percent = each.work, round(100 * each.share)
        said = [t("usage.percent", number=percent) if percent else t("usage.under"), f"{work.number:,}"]
        if work.milliseconds:
            said.append(format_duration(t, work.milliseconds / 1000))
        if work.octets:
            said.append(t("usage.octets", number=f"{work.octets / 1e6:,.1f}"))
        rows = kinds.setdefault(work.kind.value, [])
        if len(rows) < MOST_OF_A_KIND:
            name = work.account_name or (work.account_id and t("usage.gone")) or t("usage.others")
            rows.append(
                {
                    "account": work.account_id if work.account_name else "",
                    "name": name,
                    "percent": percent,
                    "said": " · ".join(said),
                }
            )
    return {"period": period, "kinds": kinds}


async def open_account(context: RequestContext) -> Response:
    """Open an account and show its first key, this once."""
    name, email = context.form.get("name", "").strip()[:200], context.form.get("email", "").strip()
    try:
        _, made = await accounts.open_account(context.deps, name or email, email, Limits(), context.actor)
    except Fault as fault:
        if errors.status_of(fault.kind) >= 500:
            raise
        return await _show_overview(context, fault=fault)
    return await _show_overview(context, made)


async def audit(context: RequestContext) -> Response:
    """Show the newest entries of the audit, of every account."""
    listed = await audits.list_audit(context.deps, None, None, AUDIT)
    return page_response(context, "audit.html", audit=[each.row for each in listed])


PAGES = (
    Endpoint(method="GET", path=OPERATOR_HOME, serve=overview, access=Access.OPERATOR),
    Endpoint(method="POST", path=f"{OPERATOR_HOME}/accounts", serve=open_account, access=Access.OPERATOR),
    Endpoint(method="GET", path=f"{OPERATOR_HOME}/audit", serve=audit, access=Access.OPERATOR),
)

"""The first page of an account: its domains, a search, a form to add one, and charts of their states."""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlencode

from starlette.responses import Response

from letterhead.core.accounts.accounts import is_reachable_address
from letterhead.core.check.catalogue import DIAGNOSES
from letterhead.core.domain import statistics
from letterhead.core.domain.domain import Domain, status
from letterhead.core.domain.profile import MOST_LABELS, parse_labels
from letterhead.core.findings.diagnosis import Finding, Severity
from letterhead.errors import Fault
from letterhead.operations import accounts, domains
from letterhead.operations import overview as overviews
from letterhead.ports.store.domains import CheckResult, DomainQuery
from letterhead.web import errors
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.pages import pictures
from letterhead.web.pages.responses import HOME, domain_path, page_response, redirect

AT_ONCE = 50
DAYS = 30
STATUSES = ("SUCCESS", "PENDING", "TEMPORARY_FAILURE", "FAILED", "NOT_STARTED")


async def overview(context: RequestContext) -> Response:
    """List the account's domains."""
    return await _show_overview(context)


async def _show_overview(
    context: RequestContext, fault: Fault | None = None, typed: str = "", *, delegated: bool = False
) -> Response:
    await context.take_place(context.state.long_pages)
    wanted, search, code = context.parameter("status"), context.parameter("q").strip(), context.parameter("problem")
    page = DomainQuery(
        limit=AT_ONCE + 1,
        after=context.parameter("after") or None,
        status=wanted if wanted in STATUSES else None,
        contains=search.lower() or None,
        problem=code if code in DIAGNOSES else None,
        labels=_wanted_labels(context),
    )
    shown = await overviews.show_account(context.deps, context.account_id, page)
    listed, counts = shown.listed, shown.counts
    is_bound = context.caller.binding is not None  # to some domains: the account's address is none of its business
    email = "" if is_bound else (await accounts.find_account(context.deps, context.account_id)).email
    return page_response(
        context,
        "overview.html",
        errors.status_of(fault.kind) if fault else 200,
        at_risk=[_new_row(each, shown.checkups.get(each.id), page.problem) for each in shown.at_risk],
        at_risk_left=max(0, counts.get(overviews.AT_RISK, 0) - len(shown.at_risk)) if shown.at_risk else 0,
        rows=[_new_row(each, shown.checkups.get(each.id), page.problem) for each in listed[:AT_ONCE]],
        further=listed[AT_ONCE - 1].sender if len(listed) > AT_ONCE else None,
        counts=counts,
        total=sum(counts.values()),
        statuses=STATUSES,
        status=page.status,
        search=search,
        problem=page.problem,
        labels=page.labels,
        here=_new_address_builder(page, search),
        outage=shown.is_resolver_outage,
        email=email,
        reachable=is_bound or is_reachable_address(email),
        after=page.after,
        fault=fault,
        typed=typed,
        delegates=context.deps.publisher is not None,
        delegated=delegated,
        drawn=await _draw_pictures(context) if counts else None,
    )


def _wanted_labels(context: RequestContext) -> tuple[str, ...]:
    """Return the labels in the address; none where one of them can't be a label, which no domain has."""
    try:
        return parse_labels(context.request.query_params.getlist("label")[:MOST_LABELS])
    except Fault:
        return ()


def _new_address_builder(page: DomainQuery, search: str) -> Callable[..., str]:
    """Return a function that changes filters in the list's present address; None removes a filter."""
    now: dict[str, str | tuple[str, ...] | None] = {
        "status": page.status, "problem": page.problem, "q": search or None, "label": page.labels,
    }  # fmt: skip

    def address(**other: str | tuple[str, ...] | None) -> str:
        kept = {name: value for name, value in (now | other).items() if value}
        return f"{HOME}?{urlencode(kept, doseq=True)}" if kept else HOME

    return address


def _new_row(domain: Domain, checkup: CheckResult | None, wanted: str | None) -> dict[str, object]:
    """Return the values that the template shows of one domain."""
    problems, more = first_problems(checkup, wanted)
    return {"domain": domain, "status": status(domain), "findings": problems, "more": more, "looked": checkup}


def first_problems(checkup: CheckResult | None, wanted: str | None) -> tuple[list[Finding], int]:
    """Return the first two problems of a check, and how many more there are.

    The one that was searched for comes first, even if it is a tip or accepted.
    """
    found = checkup.findings if checkup else ()
    problems = [
        each for each in found if each.code == wanted or (each.severity is not Severity.TIP and each.accepted is None)
    ]
    problems.sort(key=lambda each: each.code != wanted)
    return problems[:2], max(0, len(problems) - 2)


async def _draw_pictures(context: RequestContext) -> dict[str, object]:
    """Draw the states of the account's domains over time, and how long they waited."""
    changes = await overviews.list_state_changes(context.deps, context.account_id)
    now = context.deps.now()
    times = [now - timedelta(days=back) for back in range(DAYS, -1, -1)]
    t, waited = context.state.templates.texts, statistics.waiting_times(changes)
    steps = [t(f"picture.step_{number}") for number in range(len(statistics.STEPS))]
    counted, title = statistics.count_by_state(changes, times), t("picture.over_time", days=DAYS)
    today = {state: counted[-1][state] for state in reversed(pictures.SERIES)}
    return {
        "over_time_title": title,
        "over_time": pictures.draw_areas(counted, title),
        "since": times[0],
        "today": today,
        "waits": pictures.draw_bars(steps, waited, t("picture.waits")) if any(waited) else None,
    }


async def add(context: RequestContext) -> Response:
    """Add a domain and redirect to its page; a refusal is shown at the form."""
    typed, delegated = context.form.get("sender", "").strip(), "delegated" in context.form
    wish = domains.DomainRequest(sender=typed, delegated=delegated)
    try:
        await domains.add_domain(context.deps, context.account_id, context.caller.limits, wish)
        added = await domains.find_domain(context.deps, context.account_id, typed)
    except Fault as fault:
        if errors.status_of(fault.kind) >= 500:
            raise
        return await _show_overview(context, fault, typed[:300], delegated=delegated)
    return redirect(context, domain_path(added.sender), done="added")


PAGES = (
    Endpoint(method="GET", path=HOME, serve=overview, access=Access.READ, for_bound=True),
    Endpoint(method="POST", path=f"{HOME}/domains", serve=add, access=Access.WRITE, for_bound=True),
)

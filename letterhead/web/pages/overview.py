"""Knows the dashboard's first page: the account's domains, a search, a form for another one, how they fared."""

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import urlencode

from letterhead.core.accounts.accounts import Scope
from letterhead.core.check.catalogue import DIAGNOSES
from letterhead.core.domain import statistics
from letterhead.core.domain.domain import Domain, status
from letterhead.core.findings.diagnosis import Severity
from letterhead.core.zone import resolver_outage
from letterhead.errors import Fault
from letterhead.operations import domains
from letterhead.ports.store.domains import CheckResult, DomainQuery
from letterhead.web import errors as problems
from letterhead.web.pages import pictures
from letterhead.web.pages.view import HOME, View, Visitor, domain_path
from letterhead.web.responses import Answer

AT_ONCE = 50
DAYS = 30
MOVES = 20_000
STATUSES = ("SUCCESS", "PENDING", "TEMPORARY_FAILURE", "FAILED", "NOT_STARTED")


async def overview(visitor: Visitor) -> Answer:
    """Lists the account's domains."""
    return await _shown(visitor)


async def _shown(visitor: Visitor, fault: Fault | None = None, typed: str = "", *, delegated: bool = False) -> Answer:
    wanted, search, code = visitor.query("status"), visitor.query("q").strip(), visitor.query("problem")
    page = DomainQuery(
        limit=AT_ONCE + 1,
        after=visitor.query("after") or None,
        status=wanted if wanted in STATUSES else None,
        contains=search.lower() or None,
        problem=code if code in DIAGNOSES else None,
    )
    listed = await domains.list_domains(visitor.deps, visitor.account_id, page)
    checkups = await visitor.deps.store.last_checks([each.id for each in listed])
    counts = await visitor.deps.store.count_statuses(visitor.account_id)
    return visitor.show(
        "overview.html",
        problems.status_of(fault.kind) if fault else 200,
        rows=[_row(each, checkups.get(each.id), page.problem) for each in listed[:AT_ONCE]],
        further=listed[AT_ONCE - 1].sender if len(listed) > AT_ONCE else None,
        counts=counts,
        total=sum(counts.values()),
        statuses=STATUSES,
        status=page.status,
        search=search,
        problem=page.problem,
        here=_addresses(page, search),
        outage=resolver_outage.is_resolver_outage(await visitor.deps.store.resolver_outage()),
        after=page.after,
        fault=fault,
        typed=typed,
        delegates=visitor.deps.publisher is not None,
        delegated=delegated,
        drawn=await _pictures(visitor) if counts else None,
    )


def _addresses(page: DomainQuery, search: str) -> Callable[..., str]:
    """Makes what writes the list's address as it is filtered now, but for what is named; None leaves a filter away."""
    now = {"status": page.status, "problem": page.problem, "q": search or None}

    def address(**other: str | None) -> str:
        kept = {name: value for name, value in (now | other).items() if value}
        return f"{HOME}?{urlencode(kept)}" if kept else HOME

    return address


def _row(domain: Domain, checkup: CheckResult | None, wanted: str | None) -> dict[str, object]:
    """Gives a domain with the first of its problems; the one that was asked for comes first, be it a mere tip."""
    found = checkup.findings if checkup else ()
    told = [each for each in found if each.code == wanted or each.severity is not Severity.TIP]
    told.sort(key=lambda each: each.code != wanted)
    return {
        "domain": domain,
        "status": status(domain),
        "findings": told[:2],
        "more": max(0, len(told) - 2),
        "looked": checkup,
    }


async def _pictures(visitor: Visitor) -> dict[str, object]:
    """Draws how the account's domains fared."""
    moves = await visitor.deps.store.state_changes(visitor.account_id, MOVES)
    now = visitor.deps.now()
    times = [now - timedelta(days=back) for back in range(DAYS, -1, -1)]
    t, waited = visitor.desk.rendering.texts, statistics.waiting_times(moves)
    steps = [t(f"picture.step_{number}") for number in range(len(statistics.STEPS))]
    return {
        "over_time_title": t("picture.over_time", days=DAYS),
        "over_time": pictures.areas(statistics.count_by_state(moves, times), t("picture.over_time", days=DAYS)),
        "since": times[0],
        "waits": pictures.bars(steps, waited, t("picture.waits")) if any(waited) else None,
    }


async def add(visitor: Visitor) -> Answer:
    """Adds a domain and leads to its page; what can't be added is told beside the form."""
    typed, delegated = visitor.form.get("sender", "").strip(), "delegated" in visitor.form
    wish = domains.DomainRequest(sender=typed, delegated=delegated)
    try:
        await domains.add_domain(visitor.deps, visitor.account_id, visitor.caller.limits, wish)
        added = await domains.find_domain(visitor.deps, visitor.account_id, typed)
    except Fault as fault:
        if problems.status_of(fault.kind) >= 500:
            raise
        return await _shown(visitor, fault, typed[:300], delegated=delegated)
    return visitor.go(domain_path(added.sender), done="added")


VIEWS = (
    View(method="GET", path=HOME, serve=overview),
    View(method="POST", path=f"{HOME}/domains", serve=add, needs=Scope.WRITE),
)

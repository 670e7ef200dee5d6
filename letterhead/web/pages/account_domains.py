"""The operator's pages of the domains of all accounts: a list to search, and each as its account sees it."""

from collections.abc import Callable
from urllib.parse import quote, urlencode

from starlette.responses import Response

from letterhead.core.domain.domain import failing_since, status
from letterhead.operations import accounts, overview
from letterhead.operations.health import FAILING_FOR
from letterhead.ports.store.domains import CheckResult
from letterhead.ports.store.monitoring import AccountDomain, AllDomainsQuery, DomainCondition
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.pages.domain import show_view
from letterhead.web.pages.overview import STATUSES, first_problems
from letterhead.web.pages.responses import OPERATOR_HOME, page_response

LIST = f"{OPERATOR_HOME}/domains"
AT_ONCE = 50
CONDITIONS = {each.value: each for each in DomainCondition}


async def list_domains(context: RequestContext) -> Response:
    """List the domains of all accounts, or of one."""
    wanted, search = context.parameter("status"), context.parameter("q").strip()
    condition = CONDITIONS.get(context.parameter("condition"))
    account_id, sender = context.parameter("account"), context.parameter("after")
    account = await accounts.find_account(context.deps, account_id) if account_id else None
    after_account, _, after_sender = sender.partition("/")
    query = AllDomainsQuery(
        limit=AT_ONCE,
        failing_before=context.deps.now() - FAILING_FOR,
        after=(after_account, after_sender),
        account_id=account.id if account else None,
        status=wanted if wanted in STATUSES else None,
        condition=condition,
        contains=search.lower() or None,
    )
    shown = await overview.list_all_domains(context.deps, query, context.actor)
    return page_response(
        context,
        "account_domains.html",
        rows=[_new_row(each, shown.checkups.get(each.domain.id)) for each in shown.listed],
        further="/".join(shown.last) if shown.last else None,
        after=sender,
        counts={each.value: n for each, n in (await overview.count_conditions(context.deps)).items()},
        condition=condition.value if condition else None,
        statuses=STATUSES,
        status=query.status,
        search=search,
        account=account,
        here=_new_address_builder(query, search),
    )


def _new_row(each: AccountDomain, checkup: CheckResult | None) -> dict[str, object]:
    """Return the values that the template shows of one domain."""
    problems, more = first_problems(checkup, None)
    return {
        "domain": each.domain,
        "account_name": each.account_name,
        "path": view_path(each.domain.account_id, each.domain.sender),
        "status": status(each.domain),
        "failing_since": failing_since(each.domain),
        "refusal": each.refusal,
        "findings": problems,
        "more": more,
        "looked": checkup,
    }


def view_path(account_id: str, sender: str) -> str:
    """Return the path of a domain's page for the operator."""
    return f"{OPERATOR_HOME}/accounts/{quote(account_id, safe='')}/domains/{quote(sender, safe='')}"


def _new_address_builder(query: AllDomainsQuery, search: str) -> Callable[..., str]:
    """Return a function that changes filters in the list's present address; None removes a filter."""
    condition = query.condition.value if query.condition else None
    now = {"condition": condition, "status": query.status, "account": query.account_id, "q": search or None}

    def address(**other: str | None) -> str:
        kept = {name: value for name, value in (now | other).items() if value}
        return f"{LIST}?{urlencode(kept)}" if kept else LIST

    return address


async def show(context: RequestContext) -> Response:
    """Show a domain as its account sees it; nothing can be changed here, and the account's audit names the look."""
    account_id, sender = context.part("accountId"), context.part("sender")
    view = await overview.show_domain_of(context.deps, account_id, sender, context.actor)
    account = await accounts.find_account(context.deps, account_id)
    return await show_view(context, view, view_path(account_id, view.domain.sender), account=account)


PAGES = (
    Endpoint(method="GET", path=LIST, serve=list_domains, access=Access.OPERATOR),
    Endpoint(
        method="GET",
        path=f"{OPERATOR_HOME}/accounts/{{accountId}}/domains/{{sender}}",
        serve=show,
        access=Access.OPERATOR,
    ),
)

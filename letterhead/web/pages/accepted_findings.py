"""The forms on a domain's page by which a finding is accepted, and accepted no longer."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from starlette.responses import Response

from letterhead.core.findings.acceptance import LONGEST, MOST_REASON, findings_not_accepted
from letterhead.core.findings.diagnosis import Severity
from letterhead.operations import accepted_findings, accounts
from letterhead.operations.accepted_findings import AcceptanceRequest
from letterhead.operations.domains import DomainView
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.pages.responses import HOME, domain_path, redirect

USUAL = timedelta(days=90)


async def accepted_values(context: RequestContext, view: DomainView) -> dict[str, Any]:
    """Return what the domain's page shows: what is accepted, who accepted it, and what else may be accepted until when.

    `names` are those of the account's keys, by their ids.
    """
    accepted = await accepted_findings.view_accepted(context.deps, view.domain)
    keys = await accounts.list_keys(context.deps, view.domain.account_id) if accepted else []
    today = context.deps.now().date()
    return {
        "accepted": accepted,
        "names": {each.id: each.name for each in keys},
        "acceptable": _acceptable(view),
        "first_day": today + timedelta(days=1),
        "usual_day": today + USUAL,
        "last_day": today + LONGEST,
        "most_reason": MOST_REASON,
    }


def _acceptable(view: DomainView) -> Sequence[tuple[str, str, str]]:
    """Return code, name and title of what may be accepted, each once."""
    found = findings_not_accepted(view.last_check.findings) if view.last_check else ()
    blocking = {(each.code, each.host) for each in found if each.severity is Severity.BLOCKING}
    named = ((each.code, each.host, each.title) for each in found if (each.code, each.host) not in blocking)
    return tuple(dict.fromkeys(named))


async def accept(context: RequestContext) -> Response:
    """Accept a finding, chosen by its code and name."""
    code, _, host = context.form.get("finding", "").partition(" ")
    request = AcceptanceRequest(
        code=code,
        host=host or None,
        until=context.form.get("until", ""),
        reason=context.form.get("reason", ""),
    )
    sender = context.part("sender")
    await accepted_findings.accept_finding(context.deps, context.account_id, sender, request, context.actor)
    return redirect(context, domain_path(sender), done="finding_accepted")


async def withdraw(context: RequestContext) -> Response:
    """Withdraw the acceptance of a finding."""
    code, _, host = context.form.get("finding", "").partition(" ")
    sender = context.part("sender")
    await accepted_findings.withdraw_acceptance(
        context.deps, context.account_id, sender, code, host or None, context.actor
    )
    return redirect(context, domain_path(sender), done="finding_unaccepted")


PATH = f"{HOME}/domains/{{sender}}/accepted-findings"
PAGES = (
    Endpoint(method="POST", path=PATH, serve=accept, access=Access.WRITE),
    Endpoint(method="POST", path=f"{PATH}/withdraw", serve=withdraw, access=Access.WRITE),
)

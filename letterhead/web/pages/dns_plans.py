"""Pages that plan, write and undo a domain's records at its DNS host; credentials are typed for one time."""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

from starlette.responses import Response

from letterhead.core.dns.lookup import is_in_zone
from letterhead.core.dns.records import RRset, display_texts
from letterhead.core.domain import lifecycle
from letterhead.core.domain.domain import Domain
from letterhead.core.findings.diagnosis import readable
from letterhead.core.names.domain_names import DomainName
from letterhead.core.zone_changes.dns_plan import MAY_APPLY, MAY_UNDO, DnsPlan, PlanState
from letterhead.errors import Fault, Kind
from letterhead.operations import dns_credentials, dns_plans, domains, hosted_zones
from letterhead.operations.hosted_zones import GivenAccess, new_credential
from letterhead.ports.dns_host import DnsHostAccess
from letterhead.web import errors
from letterhead.web.context import ZONE_SECONDS, RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.pages.confirmation import FIELD
from letterhead.web.pages.responses import HOME, domain_path, page_fault, page_response, redirect

FIELD_OF_CREDENTIAL: Final = "credential."  # and the field's name
# What the page says beside its form, so that nothing else has to be typed anew; any other fault is a page of its own.
BESIDE_THE_FORM: Final = frozenset(
    {Kind.DNS_HOST_REFUSED, Kind.DNS_HOST_FAILED, Kind.ZONE_CHANGED, Kind.CONFLICT, Kind.PARAMETER_INVALID}
)
# The pills' looks, of those that records have elsewhere.
LOOKS: Final[Mapping[str, str]] = {
    "create": "found",
    "change": "differs",
    "keep": "unseen",
    "refuse": "wrong",
    "delete": "gone",
    "planned": "unseen",
    "refused": "wrong",
    "applying": "silent",
    "written": "silent",
    "served": "found",
    "undoing": "silent",
    "undone": "unseen",
    "failed": "wrong",
}


async def show(context: RequestContext) -> Response:
    """Show the form for a plan at a DNS host, and the plans that there are."""
    return await _plans_response(context, context.parameter("host"))


async def make(context: RequestContext) -> Response:
    """Make a plan, and redirect to its page."""
    access = _access(context)
    try:
        async with context.state.zone_places.place(context.account_id, ZONE_SECONDS):
            plan = await dns_plans.make_plan(
                context.deps, context.account_id, context.part("sender"), access, context.actor
            )
    except Fault as fault:
        if fault.kind not in BESIDE_THE_FORM:
            raise
        return await _plans_response(context, access.host, fault)
    return redirect(context, _plan_path(context, plan.id))


async def show_plan(context: RequestContext) -> Response:
    """Show one plan, with the forms that write it and undo it."""
    return await _plan_response(context)


async def apply(context: RequestContext) -> Response:
    """Write a plan, wait until it is served, and redirect to its page."""
    sender, plan_id, access = context.part("sender"), context.part("planId"), _access(context)
    try:
        async with context.state.zone_places.place(context.account_id, ZONE_SECONDS):
            plan = await dns_plans.apply_plan(context.deps, context.account_id, sender, plan_id, access, context.actor)
        plan = await dns_plans.wait_until_served(context.deps, plan)
    except Fault as fault:
        if fault.kind not in BESIDE_THE_FORM:
            raise
        return await _plan_response(context, fault)
    return redirect(context, _plan_path(context, plan.id), done=f"dns_{plan.state}")


async def undo(context: RequestContext) -> Response:
    """Undo a plan, once that was confirmed where the domain may send, and redirect to its page."""
    sender, plan_id, access = context.part("sender"), context.part("planId"), _access(context)
    domain = await domains.find_domain(context.deps, context.account_id, sender)
    typed = context.form.get(FIELD, "").casefold().split()
    try:
        if lifecycle.may_send(domain, context.deps.now()) and typed != [domain.sender]:
            raise page_fault(context, Kind.PARAMETER_INVALID, "word", word=domain.sender)
        async with context.state.zone_places.place(context.account_id, ZONE_SECONDS):
            plan = await dns_plans.undo_plan(context.deps, context.account_id, sender, plan_id, access, context.actor)
    except Fault as fault:
        if fault.kind not in BESIDE_THE_FORM:
            raise
        return await _plan_response(context, fault)
    return redirect(context, _plan_path(context, plan.id), done="dns_undone")


def _access(context: RequestContext) -> GivenAccess:
    """Return the credential of a form: the kept one, where that is ticked, else what was typed."""
    host, kept = context.form.get("host", "")[:40], context.form.get("credentialId", "")
    if kept:
        return GivenAccess(host=host, credential_id=kept[:80])
    fields = {
        name.removeprefix(FIELD_OF_CREDENTIAL): value.strip()
        for name, value in context.form.items()
        if name.startswith(FIELD_OF_CREDENTIAL) and value.strip()
    }
    return GivenAccess(host=host, credential=new_credential(fields))


def _plan_path(context: RequestContext, plan_id: str) -> str:
    return f"{domain_path(context.part('sender'))}/dns/{quote(plan_id, safe='')}"


async def _plans_response(context: RequestContext, host: str, fault: Fault | None = None) -> Response:
    plans = await dns_plans.list_plans(context.deps, context.account_id, context.part("sender"))
    domain = await domains.find_domain(context.deps, context.account_id, context.part("sender"))
    return await _dns_response(context, domain, host, fault, plans=plans)


async def _plan_response(context: RequestContext, fault: Fault | None = None) -> Response:
    sender, now = context.part("sender"), context.deps.now()
    plan = await dns_plans.find_plan(context.deps, context.account_id, sender, context.part("planId"))
    domain = await domains.find_domain(context.deps, context.account_id, sender)
    is_free = not plan.is_busy(now)
    return await _dns_response(
        context,
        domain,
        plan.host,
        fault,
        plan=plan,
        changes=(plan.undone if plan.state is PlanState.UNDONE else ()) or plan.changes,
        may_apply=plan.state in MAY_APPLY - {PlanState.SERVED} and is_free and bool(plan.writes),
        may_undo=plan.state in MAY_UNDO and is_free,
        word=domain.sender if lifecycle.may_send(domain, now) else None,
    )


async def _dns_response(
    context: RequestContext, domain: Domain, host: str, fault: Fault | None, **values: object
) -> Response:
    listed = hosted_zones.list_dns_hosts(context.deps)
    without_operations = context.state.templates.texts.without_operations
    if fault is not None:
        fault = Fault(fault.kind, without_operations(fault.detail), without_operations(fault.fix or ""))
    plan = values.get("plan")
    kept = await dns_credentials.list_credentials(context.deps, context.account_id)
    fitting = [each for each in kept if each.host == host and is_in_zone(domain.sender, each.zone)]
    return page_response(
        context,
        "dns.html",
        errors.status_of(fault.kind) if fault else 200,
        domain=domain,
        unicode=DomainName(domain.sender).unicode,
        here=f"{context.state.templates.root}{domain_path(domain.sender)}",
        hosts=listed,
        host=find_host(listed, host),
        fault=fault,
        looks=LOOKS,
        kept=max(fitting, key=lambda each: len(each.zone), default=None),
        record_texts=record_texts,
        plan=plan if isinstance(plan, DnsPlan) else None,
        **{name: value for name, value in values.items() if name != "plan"},
    )


def find_host(listed: Sequence[DnsHostAccess], host: str) -> DnsHostAccess | None:
    """Return a DNS host by its id, or None."""
    return next((each for each in listed if each.id == host), None)


def record_texts(rrset: RRset | None) -> tuple[str, ...]:
    """Return the records of one name and type as a person reads them."""
    return tuple(map(readable, display_texts(rrset.rdatas))) if rrset is not None else ()


ONE = f"{HOME}/domains/{{sender}}/dns"
PAGES = (
    Endpoint(method="GET", path=ONE, serve=show, access=Access.WRITE),
    Endpoint(method="POST", path=ONE, serve=make, access=Access.WRITE),
    Endpoint(method="GET", path=f"{ONE}/{{planId}}", serve=show_plan, access=Access.READ),
    Endpoint(method="POST", path=f"{ONE}/{{planId}}/apply", serve=apply, access=Access.WRITE),
    Endpoint(method="POST", path=f"{ONE}/{{planId}}/undo", serve=undo, access=Access.WRITE),
)

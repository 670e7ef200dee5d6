"""Endpoints that plan, write and undo records in a domain's zone at its DNS host."""

from msgspec import UNSET, UnsetType
from starlette.responses import Response

from letterhead.core.dns.records import RRset, display_texts
from letterhead.core.findings.diagnosis import readable
from letterhead.core.zone_changes.changes import PlannedChange
from letterhead.core.zone_changes.dns_plan import DnsPlan, PlanState
from letterhead.errors import Kind
from letterhead.operations import dns_plans, domains, hosted_zones
from letterhead.operations.hosted_zones import given_access
from letterhead.web import schemas_dns_plans as schemas
from letterhead.web.context import ZONE_SECONDS, RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.serialize import LABELS, given, json_response


async def list_dns_hosts(context: RequestContext) -> Response:
    """Lists the DNS hosts at which records can be written, the fields of their credentials and the scope needed."""
    listed = hosted_zones.list_dns_hosts(context.deps)
    hosts = (
        schemas.DnsHostOut(
            id=each.id,
            name=each.name,
            fields=tuple(
                schemas.CredentialFieldOut(
                    name=field.name, title=field.title, secret=field.is_secret, optional=field.optional
                )
                for field in each.fields
            ),
            scope=each.scope,
            source=each.source,
        )
        for each in listed
    )
    return json_response(schemas.DnsHosts(dns_hosts=tuple(hosts)))


async def make_dns_plan(context: RequestContext) -> Response:
    """Reads the domain's zone at its DNS host, and plans what to write there; nothing is written.

    Each planned record is created, changed, kept or refused, with what stands there and why. SPF is merged into the
    record that is there; records of others are never touched. The newest 20 plans of a domain are kept.
    """
    asked = await context.body(schemas.NewDnsPlan)
    access = given_access(asked.host, asked.credential, asked.credential_id)
    async with context.state.zone_places.place(context.account_id, ZONE_SECONDS):
        plan = await dns_plans.make_plan(
            context.deps, context.account_id, context.part("sender"), access, context.actor
        )
    return json_response(await _public_plan(context, plan), status=201)


async def list_dns_plans(context: RequestContext) -> Response:
    """Lists the domain's plans, the newest first."""
    plans = await dns_plans.list_plans(context.deps, context.account_id, context.part("sender"))
    sender = (await domains.find_domain(context.deps, context.account_id, context.part("sender"))).sender
    return json_response(schemas.DnsPlans(dns_plans=tuple(public_plan(each, sender) for each in plans)))


async def show_dns_plan(context: RequestContext) -> Response:
    """Shows one plan, and how far it has come."""
    part = context.part
    plan = await dns_plans.find_plan(context.deps, context.account_id, part("sender"), part("planId"))
    return json_response(await _public_plan(context, plan))


async def apply_dns_plan(context: RequestContext) -> Response:
    """Writes what a plan says, if the zone is still as the plan saw it, in one change set where the host has them.

    Then it waits up to 20 s until every nameserver of the zone answers with it; the next check is brought forward. A
    plan that was cut off goes on where it was: the zone is read first. `dns-host-failed` does not say that nothing was
    written; `GET` the plan, and apply or undo it again.
    """
    asked = await context.body(schemas.DnsPlanAccess)
    access, (sender, plan_id) = (
        given_access(asked.host, asked.credential, asked.credential_id),
        (context.part("sender"), context.part("planId")),
    )
    async with context.state.zone_places.place(context.account_id, ZONE_SECONDS):
        plan = await dns_plans.apply_plan(context.deps, context.account_id, sender, plan_id, access, context.actor)
    plan = await dns_plans.wait_until_served(context.deps, plan)
    return json_response(await _public_plan(context, plan))


async def undo_dns_plan(context: RequestContext) -> Response:
    """Puts back what stood there before a plan. A record that somebody has changed since is left, and named.

    Undoing takes the records away that mail depends on: the next check will find them missing.
    """
    asked = await context.body(schemas.DnsPlanAccess)
    access, (sender, plan_id) = (
        given_access(asked.host, asked.credential, asked.credential_id),
        (context.part("sender"), context.part("planId")),
    )
    async with context.state.zone_places.place(context.account_id, ZONE_SECONDS):
        plan = await dns_plans.undo_plan(context.deps, context.account_id, sender, plan_id, access, context.actor)
    return json_response(await _public_plan(context, plan))


async def _public_plan(context: RequestContext, plan: DnsPlan) -> schemas.DnsPlanOut:
    domain = await domains.find_domain(context.deps, context.account_id, context.part("sender"))
    return public_plan(plan, domain.sender)


def public_plan(plan: DnsPlan, sender: str) -> schemas.DnsPlanOut:
    """Return a plan as the API shows it."""
    return schemas.DnsPlanOut(
        id=plan.id,
        sender=sender,
        host=plan.host,
        zone=plan.zone,
        state=plan.state.value,
        created_at=plan.created_at,
        changed_at=plan.changed_at,
        changes=tuple(public_change(each) for each in plan.changes),
        said=plan.said or UNSET,
        missing_at=plan.missing_at or UNSET,
        undone=tuple(public_change(each) for each in plan.undone if plan.state is PlanState.UNDONE) or UNSET,
    )


def public_change(change: PlannedChange) -> schemas.DnsChange:
    """Return one planned change as the API shows it."""
    return schemas.DnsChange(
        id=change.id.value,
        label=LABELS[change.id],
        host=change.owner,
        record_type=change.rdtype,  # type: ignore[arg-type]
        action=change.action.value,
        before=_record_set(change.before),
        after=_record_set(change.after),
        reason=change.reason,
        code=given(change.code),
        fix=given(change.fix),
    )


def _record_set(rrset: RRset | None) -> schemas.RecordSet | UnsetType:
    if rrset is None:
        return UNSET
    return schemas.RecordSet(ttl=rrset.ttl, values=tuple(map(readable, display_texts(rrset.rdatas))))


TOPIC, PATH = "Records at the DNS host", "/domains/{sender}/dns-plans"
HOST = (Kind.NOT_FOUND, Kind.PARAMETER_INVALID, Kind.CONFLICT, Kind.DNS_HOST_REFUSED, Kind.DNS_HOST_FAILED)

ENDPOINTS = (
    Endpoint(
        method="GET", path="/dns-hosts", serve=list_dns_hosts, access=Access.READ, for_bound=True, topic=TOPIC,
        answer=schemas.DnsHosts,
    ),
    Endpoint(
        method="POST", path="/domains/{sender}/dns-plan", serve=make_dns_plan, access=Access.WRITE, topic=TOPIC,
        answer=schemas.DnsPlanOut, body=schemas.NewDnsPlan, statuses=(201,), faults=HOST,
    ),
    Endpoint(
        method="GET", path=PATH, serve=list_dns_plans, access=Access.READ, topic=TOPIC, answer=schemas.DnsPlans,
        faults=(Kind.NOT_FOUND,),
    ),
    Endpoint(
        method="GET", path=f"{PATH}/{{planId}}", serve=show_dns_plan, access=Access.READ, topic=TOPIC,
        answer=schemas.DnsPlanOut, faults=(Kind.NOT_FOUND,),
    ),
    Endpoint(
        method="POST", path=f"{PATH}/{{planId}}/apply", serve=apply_dns_plan, access=Access.WRITE, topic=TOPIC,
        answer=schemas.DnsPlanOut, body=schemas.DnsPlanAccess, faults=(*HOST, Kind.ZONE_CHANGED),
    ),
    Endpoint(
        method="POST", path=f"{PATH}/{{planId}}/undo", serve=undo_dns_plan, access=Access.WRITE, topic=TOPIC,
        answer=schemas.DnsPlanOut, body=schemas.DnsPlanAccess, faults=(*HOST, Kind.ZONE_CHANGED),
    ),
)  # fmt: skip

"""Endpoints that check one domain now: with a result that is kept, or without a trace, or before it is added."""

from math import ceil, floor

from msgspec.structs import replace
from starlette.responses import Response

from letterhead.errors import Kind
from letterhead.operations import domains, on_demand_checks, preflight
from letterhead.operations.on_demand_checks import StandingCheck
from letterhead.operations.recent_results import RecentResult
from letterhead.web import schemas, serialize
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.routes.domains import NAMES, ONE, PROVIDER
from letterhead.web.serialize import JSON, json_response


async def check_domain(context: RequestContext) -> Response:
    """Looks at the domain now, writes down what follows, and shows it; once in 5 s, the last look stands between.

    A look that stands says how old it is, `lastCheckAge` (and `Age`), and when the next can be made, `checkableAt` (and
    `Retry-After`).
    """
    standing = await on_demand_checks.check_now(
        context.deps, context.state.on_demand, context.account_id, context.part("sender")
    )
    view = await domains.show_domain(context.deps, context.account_id, context.part("sender"))
    detail = with_age(serialize.detail(context.deps, view, None), standing)
    if standing is None:
        return json_response(detail)
    wait = ceil((on_demand_checks.ON_DEMAND_EVERY - standing.age).total_seconds())
    return json_response(detail, {"Age": str(detail.last_check_age), "Retry-After": str(wait)})


def with_age(detail: schemas.DomainDetail, standing: StandingCheck | None) -> schemas.DomainDetail:
    """Return a domain with the age of the last check, where that one answers for a new one."""
    if standing is None:
        return detail
    age = max(0, int(standing.age.total_seconds()))
    return replace(detail, last_check_age=age, checkable_at=standing.next_at)


async def check_dns(context: RequestContext) -> Response:
    """Looks at DNS now and changes nothing.

    Once in 5 s for a domain: in between the last answer stands, and `Age` and `Retry-After` say so.
    """
    domain = await domains.find_domain(context.deps, context.account_id, context.part("sender"))

    async def make() -> bytes:
        return serialize.encode(serialize.dns_check(await on_demand_checks.dns_check(context.deps, domain)))

    # By the version too: what an account changes shows at once.
    name = f"dns-check {domain.id} {domain.version}"
    return recent_response(await context.state.on_demand.looks.once(context.account_id, name, make))


def recent_response(found: RecentResult[bytes]) -> Response:
    """Respond with a result, and with its age where it was made for an earlier request (RFC 9111 5.1)."""
    headers = {} if found.is_new else {"Age": str(floor(found.age)), "Retry-After": str(ceil(found.left))}
    return Response(found.value, headers=headers, media_type=JSON)


async def preflight_domain(context: RequestContext) -> Response:
    """Reads what is in DNS before anything is added, and changes nothing; the domain need not be added.

    Once in 5 s for a domain: in between the last answer stands, and `Age` and `Retry-After` say so.
    """
    sender = preflight.parse_name(context.deps, context.part("sender"))

    async def make() -> bytes:
        found = await preflight.run_preflight(context.deps, context.account_id, sender)
        return serialize.encode(serialize.preflight(found))

    return recent_response(await context.state.on_demand.looks.once(context.account_id, f"preflight {sender}", make))


ENDPOINTS = (
    Endpoint(
        method="POST", path="/domains/{sender}/check", serve=check_domain, access=Access.WRITE, topic="Sender domains",
        answer=schemas.DomainDetail, faults=(*ONE, Kind.CONFLICT, *PROVIDER),
    ),
    Endpoint(
        method="GET", path="/domains/{sender}/dns-check", serve=check_dns, access=Access.READ, topic="Sender domains",
        answer=schemas.DomainDnsCheck, faults=ONE,
    ),
    Endpoint(
        method="POST", path="/domains/{sender}/preflight", serve=preflight_domain, access=Access.READ,
        topic="Sender domains", answer=schemas.DomainPreflight, faults=NAMES,
    ),
)  # fmt: skip

"""Endpoints for many domains in one request, with a result for each."""

import asyncio

from starlette.responses import Response

from letterhead.errors import Fault, Kind
from letterhead.operations import bulk
from letterhead.operations.bulk import AddedDomain, CheckedDomain
from letterhead.web import STOPPING, schemas_records, serialize
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.errors import error_body, public_fault
from letterhead.web.routes.checks import with_age
from letterhead.web.routes.domains import PROVIDER, domain_request
from letterhead.web.serialize import json_response

# Seconds after which no further domain is begun: a check that was begun may take 25 s more, and clients wait 40 s.
ADDS_FOR, CHECKS_FOR = 20.0, 12.0


class RequestPace:
    """Lets each domain on as a request of its own, until the time is over or the server stops."""

    def __init__(self, context: RequestContext, seconds: float) -> None:
        self._context, self._clock = context, asyncio.get_running_loop().time
        self._ends, self._admitted = self._clock() + seconds, 0
        self._stop: asyncio.Event = context.request.scope.get("state", {}).get(STOPPING) or asyncio.Event()

    async def admit(self) -> None:
        """Count a domain; the first is the request itself, which is counted already."""
        context, self._admitted = self._context, self._admitted + 1
        if self._admitted == 1:
            return
        context.state.rates.take(context.caller, may_write=True)
        if context.session is None:
            await context.state.usage.count(context.caller, free=False)

    def is_over(self) -> bool:
        """Whether the domains left are not begun."""
        return self._stop.is_set() or self._clock() >= self._ends


async def add_domains(context: RequestContext) -> Response:
    """Adds up to 100 sender domains, each by itself, and answers with what came of each.

    A name that is there already is `exists`, and stays as it is. One that can't be added is `failed`, with the error
    that it would have got alone; the others are added all the same. Sent again, the request changes nothing. Each
    domain counts as a request.
    """
    asked = await context.body(schemas_records.NewDomains)
    await context.take_place(context.state.bulks)
    wishes = [domain_request(each) for each in asked.domains]
    async with context.reading_key(next((each.private_key for each in wishes if each.private_key), None)):
        results = await bulk.add_domains(
            context.deps, context.account_id, context.caller.limits, wishes, RequestPace(context, ADDS_FOR)
        )
    return json_response(
        schemas_records.AddedDomains(
            results=tuple(
                _added(context, _shown(wish.sender), result) for wish, result in zip(wishes, results, strict=True)
            )
        )
    )


def _added(context: RequestContext, sender: str, result: AddedDomain | Fault) -> schemas_records.AddResult:
    if isinstance(result, Fault):
        return schemas_records.AddResult(sender=sender, result="failed", error=error_body(public_fault(result)))
    return schemas_records.AddResult(
        sender=result.domain.sender,
        result="added" if result.is_new else "exists",
        domain=serialize.domain(context.deps, result.domain),
    )


def _shown(sender: object) -> str:
    """Return what was sent in place of a name, cut to the length of one."""
    return (sender if isinstance(sender, str) else repr(sender)).encode("utf-8", "replace").decode()[:253]


async def check_domains(context: RequestContext) -> Response:
    """Looks at up to 100 sender domains now, and answers with each as it is then, without the snapshot.

    A domain whose turn did not come in time is `failed` with `too-many-requests`: ask for those again. Each domain
    counts as a request and as a check on request.
    """
    asked = await context.body(schemas_records.DomainNames)
    await context.take_place(context.state.bulks)
    pace = RequestPace(context, CHECKS_FOR)
    results = await bulk.check_domains(context.deps, context.state.on_demand, context.account_id, asked.domains, pace)
    return json_response(
        schemas_records.CheckedDomains(
            results=tuple(
                _checked(context, sender, result) for sender, result in zip(asked.domains, results, strict=True)
            )
        )
    )


def _checked(context: RequestContext, sender: str, result: CheckedDomain | Fault) -> schemas_records.CheckOfOne:
    if isinstance(result, Fault):
        return schemas_records.CheckOfOne(sender=sender, result="failed", error=error_body(public_fault(result)))
    detail = serialize.detail(context.deps, result.view, None, with_snapshot=False)
    return schemas_records.CheckOfOne(
        sender=result.view.domain.sender, result="checked", domain=with_age(detail, result.standing)
    )


ENDPOINTS = (
    Endpoint(
        method="POST", path="/domains/bulk", serve=add_domains, access=Access.WRITE, for_bound=True,
        topic="Sender domains", answer=schemas_records.AddedDomains, body=schemas_records.NewDomains,
        faults=(Kind.DOMAIN_REQUIRED,),
    ),
    Endpoint(
        method="POST", path="/domains/check", serve=check_domains, access=Access.WRITE, for_bound=True,
        topic="Sender domains", answer=schemas_records.CheckedDomains, body=schemas_records.DomainNames,
        faults=PROVIDER,
    ),
)  # fmt: skip

"""Endpoints of the service itself: health, metrics and the description of the API."""

from typing import Any

from msgspec import UNSET
from starlette.responses import Response

from letterhead.errors import Kind
from letterhead.operations.health import PartHealth, check_health, read_metrics
from letterhead.web import schemas
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.serialize import JSON, json_response


async def status(_context: RequestContext) -> Response:
    """Confirms that the service runs."""
    return json_response(schemas.MessageBody(message="Letterhead is running."))


async def health(_context: RequestContext) -> Response:
    """Confirms that the process lives, without a query to any other service."""
    return json_response(schemas.MessageBody(message="alive"))


async def readiness(context: RequestContext) -> Response:
    """Shows whether requests can be served (503 where the store does not answer or takes no writes), and each part."""
    found = await check_health(context.deps, context.state.health)
    ready = found.store.is_ok
    answer = schemas.Readiness(
        ready=ready,
        store=_part(found.store),
        worker=_part(found.worker),
        resolvers=_part(found.resolvers),
        disk=UNSET if found.disk is None else _part(found.disk),
        proxy=UNSET if (signs := context.state.proxy_signs.health()) is None else _part(signs),
        relay=UNSET if found.relay is None else _part(found.relay),
    )
    return json_response(answer, status=200 if ready else 503)


def _part(found: PartHealth) -> schemas.Part:
    return schemas.Part(ok=found.is_ok, detail=found.detail)


async def metrics(context: RequestContext) -> Response:
    """Exports the service's metrics in Prometheus' text form; where an operator's token is set, to its bearer alone."""
    if context.state.settings.operator_token is not None:
        await context.state.credentials.check_operator(context.request)
    return Response(await read_metrics(context.deps, context.state.health), media_type=context.deps.meter.media_type)


async def openapi(context: RequestContext) -> Response:
    """Describes this API as OpenAPI 3.1."""
    headers = {"Cache-Control": "public, max-age=300"}
    return Response(context.state.openapi_document(), headers=headers, media_type=JSON)


async def docs(context: RequestContext) -> Response:
    """Shows the description of this API to people, with search and samples; `/docs/plain` shows it without scripts."""
    page = context.state.reference_page() or context.state.docs_page()
    headers = {"Content-Security-Policy": page.policy}
    return Response(page.html, headers=headers, media_type="text/html; charset=utf-8")


ENDPOINTS = (
    Endpoint(
        method="GET", path="/status", serve=status, access=Access.OPEN, topic="The service", answer=schemas.MessageBody,
    ),
    Endpoint(
        method="GET", path="/healthz", serve=health, access=Access.OPEN, topic="The service",
        answer=schemas.MessageBody,
    ),
    Endpoint(
        method="GET", path="/readyz", serve=readiness, access=Access.OPEN, topic="The service",
        answer=schemas.Readiness, statuses=(503,),
    ),
    Endpoint(
        method="GET", path="/metrics", serve=metrics, access=Access.OPEN, topic="The service", media_type="text/plain",
        faults=(Kind.UNAUTHORIZED, Kind.TOO_MANY_REQUESTS),
    ),
    Endpoint(
        method="GET", path="/openapi.json", serve=openapi, access=Access.OPEN, topic="The service",
        answer=dict[str, Any],
    ),
    Endpoint(
        method="GET", path="/docs", serve=docs, access=Access.OPEN, topic="The service", media_type="text/html",
    ),
)  # fmt: skip

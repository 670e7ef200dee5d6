"""Knows how the web face is put together: endpoints behind the gate, the gate behind the door. Server-agnostic."""

import re
from collections.abc import Awaitable, Callable, Iterable

import structlog
from litestar import Litestar, Response
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.response.base import ASGIResponse

from letterhead.errors import Fault
from letterhead.operations.checks import ON_DEMAND_EVERY
from letterhead.ports import Deps
from letterhead.web import document, problems
from letterhead.web.allowances import Buckets, Recent, Usage
from letterhead.web.asgi import App, Receive, Request, Scope, Send
from letterhead.web.auth import Credentials
from letterhead.web.door import Door, visit_of
from letterhead.web.endpoints import Answer, Endpoint, House
from letterhead.web.gate import Gate
from letterhead.web.routes import ENDPOINTS
from letterhead.web.settings import WebSettings

log = structlog.get_logger("letterhead.web")


def create_app(deps: Deps, settings: WebSettings) -> App:
    """Makes the ASGI app."""
    house = _house(deps, settings)
    gate = Gate(house, Buckets(settings.rate, settings.burst, house.credentials.clock))
    framework = Litestar(
        [_handler(gate, endpoint) for endpoint in ENDPOINTS],
        exception_handlers={HTTPException: _misrouted},
        on_shutdown=[house.usage.close],
        openapi_config=None,
        logging_config=None,
        request_max_body_size=None,  # bodies.py bounds them itself, and answers in the envelope
    )
    inner = _with_options(framework)  # type: ignore[arg-type]
    return Door(inner, deps.meter, https=settings.public_url.startswith("https:"))


def _house(deps: Deps, settings: WebSettings) -> House:
    described = document.describe(ENDPOINTS)
    credentials = Credentials(deps, settings)
    return House(
        deps=deps,
        settings=settings,
        credentials=credentials,
        looked=Recent(ON_DEMAND_EVERY.total_seconds(), credentials.clock),
        usage=Usage(deps.store, deps.now, settings.flush_every),
        document=document.text(described),
        page=document.page(described),
    )


def _handler(gate: Gate, endpoint: Endpoint) -> HTTPRouteHandler:
    """Makes the framework's handler of an endpoint; the framework parses nothing, so that we alone say what fits."""

    async def serve(request: Request) -> ASGIResponse:
        try:
            return _response(await gate.serve(endpoint, request))
        except Fault as fault:
            return _response(_refusal(request, fault))
        except Exception:
            log.exception("request.broken")
            return _response(_refusal(request, problems.bug()))

    return _routed(endpoint.path, endpoint.method, serve)


def _with_options(framework: App) -> App:
    """Answers OPTIONS itself (RFC 9110 9.3.7): the framework's own answer lists one endpoint's method alone."""
    paths = {endpoint.path for endpoint in ENDPOINTS}
    table = [(re.compile(re.sub(r"{\w+}", "[^/]+", path)), path) for path in paths]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked = scope["path"] if scope["type"] == "http" and scope["method"] == "OPTIONS" else ""
        for pattern, path in table:
            if pattern.fullmatch(asked):
                visit_of(scope).route = path
                methods = [endpoint.method for endpoint in ENDPOINTS if endpoint.path == path]
                head = [(b"allow", _allow([*methods, "OPTIONS"]).encode())]
                await send({"type": "http.response.start", "status": 204, "headers": head})
                await send({"type": "http.response.body", "body": b""})
                return
        await framework(scope, receive, send)

    return app


def _allow(methods: Iterable[str]) -> str:
    """Lists the methods of a path; the door answers HEAD wherever there is GET."""
    known = set(methods)
    return ", ".join(sorted(known | ({"HEAD"} if "GET" in known else set())))


def _routed(path: str, method: str, serve: Callable[[Request], Awaitable[ASGIResponse]]) -> HTTPRouteHandler:
    """Tells the framework where a handler stands; the answer brings its own status."""
    place = path.replace("}", ":str}")
    return HTTPRouteHandler(place, http_method=method, status_code=200)(serve)  # type: ignore[arg-type]


def _response(answer: Answer) -> ASGIResponse:
    return ASGIResponse(
        body=answer.body, status_code=answer.status, media_type=answer.media_type, headers=answer.headers
    )


def _refusal(request: Request, fault: Fault) -> Answer:
    """Writes the envelope."""
    status = problems.status_of(fault.kind)
    if status >= 500:
        log.warning("request.failed", kind=fault.kind, detail=fault.detail, exc_info=fault)
    body = problems.envelope(problems.outward(fault), visit_of(request.scope).tracking_id)
    return Answer(body=body, status=status, headers=dict(problems.headers_of(fault)))


def _misrouted(request: Request, refusal: HTTPException) -> Response[bytes]:
    """Says in our own words what the framework refused before any endpoint was reached: unknown paths and methods."""
    answer = _refusal(request, problems.fault_of_status(refusal.status_code, request.method, request.url.path))
    headers = dict(answer.headers)
    if refusal.headers and "allow" in refusal.headers:
        headers["Allow"] = _allow(refusal.headers["allow"].split(", "))
    return Response(answer.body, status_code=answer.status, headers=headers, media_type=answer.media_type)

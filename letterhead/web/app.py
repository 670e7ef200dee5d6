"""Knows how the web face is put together: endpoints behind the gate, the gate behind the door. Server-agnostic."""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256

import litestar
import msgspec
import structlog
from litestar import Litestar, Response
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.response.base import ASGIResponse

from letterhead.errors import Fault
from letterhead.operations.buckets import Buckets
from letterhead.operations.checks import ON_DEMAND_EVERY
from letterhead.ports import Deps
from letterhead.web import document, problems
from letterhead.web.allowances import Recent, Usage
from letterhead.web.asgi import App, Receive, Request, Scope
from letterhead.web.auth import Credentials
from letterhead.web.door import Door, Visit, visit_of
from letterhead.web.endpoints import Answer, Endpoint, House
from letterhead.web.gate import Gate
from letterhead.web.kept import KeptLists
from letterhead.web.pages import VIEWS
from letterhead.web.pages.gate import PageGate
from letterhead.web.pages.rendering import Rendering
from letterhead.web.pages.view import Desk, View
from letterhead.web.routes import ENDPOINTS
from letterhead.web.settings import WebSettings
from letterhead.web.switch import Serve, Switch, allow

log = structlog.get_logger("letterhead.web")


def create_app(deps: Deps, settings: WebSettings) -> App:
    """Makes the ASGI app."""
    house = _house(deps, settings)
    rates = Buckets(settings.rate, settings.burst, house.credentials.clock)
    gate = Gate(house, rates)
    pages = PageGate(Desk(house=house, rendering=Rendering(settings)), rates)
    framework = Litestar(
        [_page_handler(pages, view) for view in VIEWS],
        exception_handlers={HTTPException: _misrouted},
        on_shutdown=[house.usage.close],
        openapi_config=None,
        logging_config=None,
        request_max_body_size=None,  # bodies.py bounds them itself, and answers in the envelope
    )
    inner = Switch(ENDPOINTS, _serving(gate), _wrong_method, framework)  # type: ignore[arg-type]
    return Door(inner, deps.meter, https=settings.public_url.startswith("https:"))


def _house(deps: Deps, settings: WebSettings) -> House:
    described = document.describe(ENDPOINTS)
    text = document.text(described)
    credentials = Credentials(deps, settings)
    return House(
        deps=deps,
        settings=settings,
        credentials=credentials,
        looked=Recent(ON_DEMAND_EVERY.total_seconds(), credentials.clock),
        usage=Usage(deps.store, deps.now, settings.flush_every),
        document=text,
        page=document.page(described),
        edition=sha256(text + msgspec.json.encode(deps.provider.return_path)).hexdigest(),
        lists=KeptLists(settings.kept_lists),
    )


def _serving(gate: Gate) -> Serve:
    """Makes what serves an endpoint; nothing of the request is parsed before, so that we alone say what fits."""

    async def serve(endpoint: Endpoint, scope: Scope, receive: Receive) -> Answer:
        request: Request = litestar.Request(scope, receive)  # type: ignore[arg-type] # the same in looser types
        try:
            return await gate.serve(endpoint, request)
        except Fault as fault:
            return _refusal(visit_of(scope), fault)
        except Exception:
            log.exception("request.broken")
            return _refusal(visit_of(scope), problems.bug())

    return serve


def _page_handler(gate: PageGate, view: View) -> HTTPRouteHandler:
    """Makes the framework's handler of a page; the answer brings its own status."""

    async def serve(request: Request) -> ASGIResponse:
        return await gate.serve(view, request)

    place = view.path.replace("}", ":str}")
    return HTTPRouteHandler(place, http_method=view.method, status_code=200)(serve)  # type: ignore[arg-type]


def _refusal(visit: Visit, fault: Fault) -> Answer:
    """Writes the envelope."""
    status = problems.status_of(fault.kind)
    if status >= 500:
        log.warning("request.failed", kind=fault.kind, detail=fault.detail, exc_info=fault)
    body = problems.envelope(problems.outward(fault), visit.tracking_id)
    return Answer(body=body, status=status, headers=dict(problems.headers_of(fault)))


def _wrong_method(scope: Scope, allowed: Mapping[str, str]) -> Answer:
    answer = _refusal(visit_of(scope), problems.fault_of_status(405, scope["method"], scope["path"]))
    return replace(answer, headers={**answer.headers, **allowed})


def _misrouted(request: Request, refusal: HTTPException) -> Response[bytes]:
    """Says in our own words what the framework refused before any endpoint or page was reached."""
    fault = problems.fault_of_status(refusal.status_code, request.method, request.url.path)
    answer = _refusal(visit_of(request.scope), fault)
    headers = dict(answer.headers)
    if refusal.headers and "allow" in refusal.headers:
        headers |= allow(refusal.headers["allow"].split(", "))
    return Response(answer.body, status_code=answer.status, headers=headers, media_type=answer.media_type)

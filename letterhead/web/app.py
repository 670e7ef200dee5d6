"""Knows how the web face is put together: endpoints behind the gate, the gate behind the door. Server-agnostic."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from hashlib import sha256

import msgspec
import structlog

from letterhead.errors import Fault
from letterhead.operations.checks import ON_DEMAND_EVERY
from letterhead.operations.proofs import SEND_EVERY
from letterhead.ports.deps import Deps
from letterhead.web import errors as problems
from letterhead.web import openapi
from letterhead.web.access import Gate
from letterhead.web.auth import Credentials
from letterhead.web.endpoint import Endpoint, House
from letterhead.web.list_cache import KeptLists
from letterhead.web.middleware import Door, Visit, visit_of
from letterhead.web.pages import VIEWS
from letterhead.web.pages.gate import PageGate
from letterhead.web.pages.rendering import Rendering
from letterhead.web.pages.view import Desk, View
from letterhead.web.rate_limits import Recent, TokenBuckets, Usage
from letterhead.web.request import App, Request
from letterhead.web.responses import Answer
from letterhead.web.router import Refuse, Serve, Switch
from letterhead.web.routes import ENDPOINTS
from letterhead.web.settings import WebSettings

log = structlog.get_logger("letterhead.web")

JUDGED_AT_ONCE = 5  # proofs of one domain, after a rest; then one in 5 s

# People type a final slash; programs are told that there is nothing.
PLACES: tuple[Endpoint | View, ...] = (
    *ENDPOINTS,
    *VIEWS,
    *(replace(view, path=f"{view.path}/") for view in VIEWS if view.path != "/"),
)


def create_app(deps: Deps, settings: WebSettings) -> App:
    """Makes the ASGI app."""
    house = _house(deps, settings)
    rates = TokenBuckets(settings.rate, settings.burst, house.credentials.clock)
    pages = PageGate(Desk(house=house, rendering=Rendering(settings)), rates)
    switch = Switch(PLACES, _serving(Gate(house, rates), pages), _misrouting(pages))
    return Door(switch, house.usage.close, deps.meter, https=settings.public_url.startswith("https:"))


def _house(deps: Deps, settings: WebSettings) -> House:
    described = cache(lambda: openapi.describe(ENDPOINTS))
    text = cache(lambda: openapi.text(described()))
    path = deps.provider.return_path
    credentials = Credentials(deps, settings)
    return House(
        deps=deps,
        settings=settings,
        credentials=credentials,
        looked=Recent(ON_DEMAND_EVERY.total_seconds(), credentials.clock),
        sent=Recent(SEND_EVERY.total_seconds(), credentials.clock),
        judging=TokenBuckets(1 / ON_DEMAND_EVERY.total_seconds(), JUDGED_AT_ONCE, credentials.clock),
        usage=Usage(deps.store, deps.now, settings.flush_every),
        document=text,
        page=cache(lambda: openapi.page(described())),
        edition=cache(lambda: sha256(text() + msgspec.json.encode(path)).hexdigest()),
        lists=KeptLists(settings.kept_lists),
    )


def _serving(gate: Gate, pages: PageGate) -> Serve[Endpoint | View]:
    """Makes what serves a place; nothing of the request is parsed before, so that we alone say what fits."""

    async def serve(place: Endpoint | View, request: Request) -> Answer:
        if isinstance(place, View):
            return await pages.serve(place, request)
        try:
            return await gate.serve(place, request)
        except Fault as fault:
            return _refusal(visit_of(request.scope), fault)

    return serve


def _refusal(visit: Visit, fault: Fault) -> Answer:
    """Writes the envelope."""
    status = problems.status_of(fault.kind)
    if status >= 500:
        log.warning("request.failed", kind=fault.kind, detail=fault.detail, exc_info=fault)
    body = problems.envelope(problems.outward(fault), visit.tracking_id)
    return Answer(body=body, status=status, headers=dict(problems.headers_of(fault)))


def _misrouting(pages: PageGate) -> Refuse:
    """Makes what says that there is nothing at a path, or not for this method; as a page to people."""

    def refuse(request: Request, status: int, headers: Mapping[str, str]) -> Answer:
        fault = problems.fault_of_status(status, request.method, request.path)
        answer = _refusal(visit_of(request.scope), fault)
        if "text/html" in request.headers.get("accept", ""):
            answer = pages.lost(request, fault, answer)
        return msgspec.structs.replace(answer, headers={**answer.headers, **headers})

    return refuse

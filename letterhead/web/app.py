"""The ASGI application: routes, middleware, the response where there is no route, and the state of the process."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cache
from hashlib import sha256
from urllib.parse import urlsplit

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from letterhead.operations import account_work, domains
from letterhead.operations.account_places import AccountPlaces
from letterhead.operations.health import HealthProbes, load_figures
from letterhead.operations.on_demand_checks import ON_DEMAND_EVERY
from letterhead.operations.recent_results import OnDemand
from letterhead.operations.request_usage import RequestUsage
from letterhead.ports.deps import Deps
from letterhead.ports.store.monitoring import WorkKind
from letterhead.web import WebSettings, access, errors, openapi, reference
from letterhead.web.access import JsonRenderer, Renderer
from letterhead.web.auth import Credentials
from letterhead.web.context import AppState, RequestContext
from letterhead.web.endpoint import Endpoint
from letterhead.web.list_cache import ListCache
from letterhead.web.middleware import RequestLogMiddleware, TracingMiddleware, request_log
from letterhead.web.pages import PAGES
from letterhead.web.pages.renderer import MailedPageRenderer, PageRenderer
from letterhead.web.proxy_signs import ProxySigns
from letterhead.web.rate_limits import OpenIdRates, RequestRates, TokenBuckets
from letterhead.web.routes import ENDPOINTS
from letterhead.web.templating.environment import Templates

ZONES_AT_ONCE, ZONES_EACH = 8, 3  # zones at DNS hosts that are read or written at the same time; of each account
KEYS_AT_ONCE = 4  # private keys that are read at the same time; one of each account
LONG_AT_ONCE = 64  # lists, and pages, that are made or sent at the same time; one of each account
STREAMS, STREAMS_EACH = 200, 40  # open at the same time: of all accounts, and of one with all its set-up links
BULKS = 16  # requests for many domains at the same time; one of each account
PROOFS_AT_ONCE = 5  # of one domain, after a rest; then one in 5 s


def create_app(deps: Deps, settings: WebSettings) -> Router:
    """Create the ASGI application."""
    state = _new_state(deps, settings)
    api, pages, mailed = JsonRenderer(), PageRenderer(state.templates), MailedPageRenderer(state.templates)
    unserved = Unserved(state, api, pages)
    # People type a final slash: pages accept it; the API answers 404.
    slashed = tuple(replace(page, path=f"{page.path}/") for page in PAGES if page.path != "/")
    resources: list[Resource] = []
    of_programs = tuple(each for each in ENDPOINTS if not each.is_page)
    of_mails = tuple(each for each in ENDPOINTS if each.is_page)
    for table, renderer in ((of_programs, api), (of_mails, mailed), ((*PAGES, *slashed), pages)):
        by_path: dict[str, list[Endpoint]] = {}
        for endpoint in table:
            by_path.setdefault(endpoint.path, []).append(endpoint)
        resources += [Resource(endpoints, renderer, unserved) for endpoints in by_path.values()]

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        saving = asyncio.create_task(account_work.save_each_minute(deps, state.work))
        deps.meter.watch_store(lambda: load_figures(deps, state.health))
        try:
            yield
        finally:
            saving.cancel()
            await asyncio.gather(saving, return_exceptions=True)
        await state.usage.close()
        await state.health.close()

    return Router(
        routes=[ExactRoute(each.path, each) for each in sorted(resources, key=lambda each: "{" in each.path)],
        redirect_slashes=False,
        default=unserved,
        lifespan=lifespan,
        middleware=[
            *([Middleware(TracingMiddleware, deps.tracer)] if deps.tracer.is_on else []),
            Middleware(
                RequestLogMiddleware, deps.meter, state.proxy_signs, https=settings.public_url.startswith("https:")
            ),
        ],
    )


def _new_state(deps: Deps, settings: WebSettings) -> AppState:
    described = cache(lambda: openapi.describe(ENDPOINTS, root=urlsplit(settings.public_url).path))
    document = cache(lambda: openapi.text(described()))
    credentials = Credentials(deps, settings)
    clock, every = credentials.clock, ON_DEMAND_EVERY.total_seconds()
    return AppState(
        deps=deps,
        settings=settings,
        credentials=credentials,
        usage=RequestUsage(deps, settings.flush_every),
        rates=RequestRates(settings.rate, settings.burst, clock),
        proof_rates=TokenBuckets(1 / every, PROOFS_AT_ONCE, clock),
        on_demand=OnDemand(clock),
        long_answers=AccountPlaces("long lists", LONG_AT_ONCE, 1),
        work=account_work.WorkCounter(),
        streams=AccountPlaces("event streams", STREAMS, STREAMS_EACH),
        bulks=AccountPlaces("requests for many domains", BULKS, 1),
        long_polls=AccountPlaces("requests that wait", STREAMS, STREAMS_EACH),
        long_pages=AccountPlaces("pages", LONG_AT_ONCE, 1),
        key_readers=AccountPlaces("private keys", KEYS_AT_ONCE, 1),
        zone_places=AccountPlaces("zones at DNS hosts", ZONES_AT_ONCE, ZONES_EACH),
        openid_rates=OpenIdRates(clock),
        lists=ListCache(settings.kept_lists),
        health=HealthProbes(deps),
        proxy_signs=ProxySigns(settings.public_url, trusts_proxies=settings.trusts_proxies),
        templates=Templates(settings),
        openapi_document=document,
        docs_page=cache(lambda: openapi.page(described())),
        reference_page=cache(lambda: reference.page(urlsplit(settings.public_url).path.rstrip("/"))),
        edition=cache(lambda: sha256(document() + domains.list_edition(deps)).hexdigest()),
    )


class ExactRoute(Route):
    """A route that matches the whole path; the `$` of Starlette's pattern also matches before a final line feed."""

    def __init__(self, path: str, endpoint: "Resource") -> None:
        super().__init__(path, endpoint)
        self.path_regex = re.compile(self.path_regex.pattern.removesuffix("$") + r"\Z")


class Unserved:
    """The response where there is no endpoint: 404, and 405 at a resource; HTML where the client accepts it."""

    def __init__(self, state: AppState, api: Renderer, pages: Renderer) -> None:
        self.state, self._api, self._pages = state, api, pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 404."""
        response = self.refuse(Request(scope, receive, send), 404)
        await response(scope, receive, send)

    def refuse(self, request: Request, status: int) -> Response:
        """Return the response for a path or a method without an endpoint."""
        context = RequestContext(state=self.state, request=request, log=request_log(request.scope))
        renderer = self._pages if "text/html" in request.headers.get("accept", "") else self._api
        method = "GET" if request.method == "HEAD" else request.method
        return renderer.render_fault(context, errors.fault_of_status(status, method, request.scope["path"]))


class Resource:
    """All endpoints at one path; an ASGI application that also answers HEAD, OPTIONS (RFC 9110 9.3.7) and 405."""

    def __init__(self, endpoints: Sequence[Endpoint], renderer: Renderer, unserved: Unserved) -> None:
        self.path, self._renderer, self._unserved = endpoints[0].path, renderer, unserved
        self._endpoints = {each.method: each for each in endpoints}
        if "GET" in self._endpoints:
            self._endpoints["HEAD"] = self._endpoints["GET"]
        self._allow = {"Allow": ", ".join(sorted({*self._endpoints, "OPTIONS"}))}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request, log = Request(scope, receive, send), request_log(scope)
        context = RequestContext(state=self._unserved.state, request=request, log=log)
        try:
            response = await self._respond(context)
            await response(scope, receive, send)
        finally:
            context.release()
            if context.signed_in is not None:
                self._unserved.state.work.add(context.account_id, WorkKind.REQUEST)

    async def _respond(self, context: RequestContext) -> Response:
        request, log = context.request, context.log
        endpoint = self._endpoints.get(request.method)
        if endpoint is not None:
            response = await access.serve(endpoint, self._renderer, context)
            if request.method == "HEAD" and isinstance(response, StreamingResponse):
                # No stream is made for HEAD; the server leaves out any other body (RFC 9110 9.3.2).
                streaming, response = response, Response(status_code=response.status_code)
                response.raw_headers = streaming.raw_headers
        elif request.method == "OPTIONS":
            log.route = self.path
            response = Response(status_code=204, headers=self._allow)
        else:
            response = self._unserved.refuse(request, 405)
            response.headers.update(self._allow)
        return response

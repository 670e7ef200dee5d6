"""The outermost middleware: tracking id, security headers, a log line, a count and a span for every response."""

import time
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import msgspec
import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from letterhead.ports.meter import Meter
from letterhead.ports.tracing import SpanKind, Tracer
from letterhead.web import PARENT_TRUSTED, errors
from letterhead.web.proxy_signs import ProxySigns

log = structlog.get_logger("letterhead.web")

REQUEST_LOG = "letterhead.request_log"  # the key of the ASGI scope
# Octets of a body that are handed to the server at once: it waits for the client between two pieces, so that what is
# buffered for one that does not read is bounded.
PIECE_OCTETS = 65_536
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
HEALTH_PATHS = {"/healthz", "/readyz", "/status", "/metrics"}
SECURITY = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cache-control": b"no-store",
}


class RequestLog(msgspec.Struct, kw_only=True):
    """One request for the log line and the metrics, and the headers that access control adds to its response."""

    tracking_id: str
    began: float
    route: str = "none"
    account_id: str | None = None
    headers: Mapping[bytes, bytes] = {}
    status: int = 0


def request_log(scope: Mapping[str, Any]) -> RequestLog:
    """Return the log entry of the request that a scope belongs to."""
    entry: RequestLog = scope[REQUEST_LOG]
    return entry


def split_body(message: Message) -> Iterator[Message]:
    """Split the octets of a large body into several messages; the last one is empty, and waits for the client too."""
    body = message.get("body", b"")
    if len(body) <= PIECE_OCTETS:
        yield message
        return
    view = memoryview(body)
    for begin in range(0, len(body), PIECE_OCTETS):
        yield {"type": message["type"], "body": bytes(view[begin : begin + PIECE_OCTETS]), "more_body": True}
    if not message.get("more_body", False):
        yield {"type": message["type"], "body": b"", "more_body": False}


class RequestLogMiddleware:
    """Set the tracking id and headers of each response, log and count it; answer 500 where all else failed."""

    def __init__(self, app: ASGIApp, meter: Meter, signs: ProxySigns, *, https: bool) -> None:
        self._app, self._meter, self._signs = app, meter, signs
        self._always = SECURITY | ({b"strict-transport-security": b"max-age=31536000"} if https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or pass on the lifespan of the server."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        entry = scope[REQUEST_LOG] = RequestLog(tracking_id=str(uuid4()), began=time.perf_counter())

        self._signs.note(scope["headers"])

        async def send_complete(message: Message) -> None:
            if message["type"] == "http.response.start":
                entry.status = message["status"]
                headers = message["headers"]
                own = {name for name, _ in headers}
                always = [each for each in self._always.items() if each[0] not in own]
                tracking_id = (b"x-tracking-id", entry.tracking_id.encode())
                message["headers"] = [*always, *headers, *entry.headers.items(), tracking_id]
            for piece in split_body(message):
                await send(piece)

        bound = structlog.contextvars.bind_contextvars(tracking_id=entry.tracking_id)
        try:
            await self._app(scope, receive, send_complete)
        except Exception:
            log.exception("request.broken")
            if entry.status:  # half a response is out: only a broken connection can tell the client
                raise
            fault = errors.new_internal()
            body = errors.envelope(fault, entry.tracking_id)
            response = Response(body, errors.status_of(fault.kind), media_type="application/json")
            await response(scope, receive, send_complete)
        finally:
            self._write(entry, scope["method"], scope["path"])
            structlog.contextvars.reset_contextvars(**bound)

    def _write(self, entry: RequestLog, method: str, path: str) -> None:
        seconds = time.perf_counter() - entry.began
        known = method if method in METHODS else "other"
        self._meter.count_response(known, entry.route, entry.status, seconds)
        # What asks for the health all day long would drown the rest.
        write = log.debug if path in HEALTH_PATHS and entry.status < 400 else log.info
        write(
            "request.answered",
            method=method[:20],
            path=entry.route if "{token}" in entry.route else path[:300],  # a link's token is a secret
            route=entry.route,
            status=entry.status,
            ms=round(seconds * 1000, 2),
            account=entry.account_id,
        )


class TracingMiddleware:
    """Open a span for each request but those for the health. It is installed only where spans are made."""

    def __init__(self, app: ASGIApp, tracer: Tracer) -> None:
        self._app, self._tracer = app, tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request within a span; only a trusted proxy may name the span that it is part of."""
        if scope["type"] != "http" or scope["path"] in HEALTH_PATHS:
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        parent = None
        if scope.get(PARENT_TRUSTED):
            parents = [value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"]
            parent = parents[0] if len(parents) == 1 else None
        with self._tracer.span(method, SpanKind.SERVER, {"http.request.method": method}, parent=parent) as span:
            try:
                await self._app(scope, receive, send)
            finally:
                entry = request_log(scope)
                span.rename(f"{method} {entry.route}")
                own = {"letterhead.tracking_id": entry.tracking_id}
                if entry.account_id is not None:
                    own["letterhead.account_id"] = entry.account_id
                span.set({"http.route": entry.route, "http.response.status_code": entry.status, **own})
                if entry.status >= 500:
                    span.fail(str(entry.status))

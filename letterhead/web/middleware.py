"""Knows what every answer carries, whoever gave it: tracking id, security headers, a log line, a count.

Nothing gets past it. Knows no route.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import uuid4

import msgspec
import structlog

from letterhead.ports.meter import Meter
from letterhead.web import errors
from letterhead.web.request import Receive, Request, Scope, Send
from letterhead.web.responses import Answer, Headers, headers_of, send_answer

log = structlog.get_logger("letterhead.web")

PLACE = "letterhead.visit"  # where in the scope the visit is kept
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
SECURITY = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cache-control": b"no-store",
}

Serve = Callable[[Request], Awaitable[Answer]]


class Visit(msgspec.Struct, kw_only=True):
    """Holds what is learnt of a request on its way in, for the answer on its way out."""

    tracking_id: str
    began: float
    route: str = "none"
    account_id: str | None = None
    headers: Headers = {}
    status: int = 0


def visit_of(scope: Mapping[str, Any]) -> Visit:
    """Gives the visit that a request belongs to."""
    visit: Visit = scope[PLACE]
    return visit


class Door:
    """Is the ASGI app: names each request, has it served, dresses the answer, and says itself where that failed."""

    def __init__(self, serve: Serve, close: Callable[[], Awaitable[None]], meter: Meter, *, https: bool) -> None:
        self._serve, self._close, self._meter = serve, close, meter
        self._always = SECURITY | ({b"strict-transport-security": b"max-age=31536000"} if https else {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request, or the server's own start and end."""
        if scope["type"] != "http":
            await self._live(receive, send)
            return
        visit = Visit(tracking_id=str(uuid4()), began=time.perf_counter())
        method = scope["method"]
        inner = {**scope, PLACE: visit, "method": "GET" if method == "HEAD" else method}
        bound = structlog.contextvars.bind_contextvars(tracking_id=visit.tracking_id)
        try:
            answer = await self._answer(visit, Request(inner, receive))
            visit.status = answer.status
            await send_answer(answer, self._headers(visit, answer), receive, send, silent=method == "HEAD")
        except Exception:
            log.exception("request.broken")  # half an answer is out: only a broken connection can tell the client
            raise
        finally:
            self._note(visit, method, scope["path"])
            structlog.contextvars.reset_contextvars(**bound)

    async def _answer(self, visit: Visit, request: Request) -> Answer:
        try:
            return await self._serve(request)
        except Exception:
            log.exception("request.broken")
            fault = errors.bug()
            body = errors.envelope(fault, visit.tracking_id)
            return Answer(body=body, status=errors.status_of(fault.kind))

    def _headers(self, visit: Visit, answer: Answer) -> Headers:
        """Gives an answer's headers; its own stand in the place of those that are always there."""
        return {
            **self._always,
            **headers_of(answer),
            **visit.headers,
            b"x-tracking-id": visit.tracking_id.encode(),
        }

    async def _live(self, receive: Receive, send: Send) -> None:
        """Takes part in the server's start and end."""
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._close()
        await send({"type": "lifespan.shutdown.complete"})

    def _note(self, visit: Visit, method: str, path: str) -> None:
        seconds = time.perf_counter() - visit.began
        known = method if method in METHODS else "other"
        self._meter.count_response(known, visit.route, visit.status, seconds)
        log.info(
            "request.answered",
            method=method[:20],
            path=visit.route if "{token}" in visit.route else path[:300],  # a link's token is a secret
            route=visit.route,
            status=visit.status,
            ms=round(seconds * 1000, 2),
            account=visit.account_id,
        )

"""Knows what every answer carries, whoever gave it: tracking id, security headers, a log line, a count.

Stands outside the framework, so that nothing gets past it. Knows no route.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import structlog

from letterhead.ports import Meter
from letterhead.web import problems
from letterhead.web.asgi import App, Message, Receive, Scope, Send

log = structlog.get_logger("letterhead.web")

PLACE = "letterhead.visit"  # where in the scope the visit is kept
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
SECURITY = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cache-control": b"no-store",
}


@dataclass(slots=True)
class Visit:
    """Holds what is learnt of a request on its way in, for the answer on its way out."""

    tracking_id: str
    route: str = "none"
    account_id: str | None = None
    headers: Iterable[tuple[str, str]] = ()
    status: int = 0
    began: float = field(default_factory=time.perf_counter)


def visit_of(scope: Mapping[str, Any]) -> Visit:
    """Gives the visit that a request belongs to."""
    visit: Visit = scope[PLACE]
    return visit


class Door:
    """Wraps the app: names each request, dresses each answer, and answers itself when everything else failed."""

    def __init__(self, app: App, meter: Meter, *, https: bool) -> None:
        self._app, self._meter = app, meter
        self._always = list(SECURITY.items())
        if https:
            self._always.append((b"strict-transport-security", b"max-age=31536000"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request; lifespan messages go straight through."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        visit = Visit(str(uuid4()))
        method = scope["method"]
        inner = {**scope, PLACE: visit, "method": "GET" if method == "HEAD" else method}
        bound = structlog.contextvars.bind_contextvars(tracking_id=visit.tracking_id)
        try:
            await self._app(inner, receive, self._dressed(visit, send, silent=method == "HEAD"))
        except Exception:
            log.exception("request.broken")
            if visit.status:  # half an answer is out: only a broken connection can tell the client
                raise
            await self._last_resort(visit, send, silent=method == "HEAD")
        finally:
            self._note(visit, method, scope["path"])
            structlog.contextvars.reset_contextvars(**bound)

    def _dressed(self, visit: Visit, send: Send, *, silent: bool) -> Send:
        """Gives a `send` that adds the headers of every answer, and leaves the body away for HEAD (RFC 9110 9.3.2)."""

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                visit.status = message["status"]
                message["headers"] = self._headers(visit, message.get("headers", ()))
            elif silent:
                message = {"type": "http.response.body", "body": b"", "more_body": message.get("more_body", False)}
            await send(message)

        return dressed

    def _headers(self, visit: Visit, given: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        headers = [(name.lower(), value) for name, value in given]
        names = {name for name, _ in headers}
        headers.extend((name, value) for name, value in self._always if name not in names)
        headers.extend((name.lower().encode(), value.encode()) for name, value in visit.headers)
        headers.append((b"x-tracking-id", visit.tracking_id.encode()))
        return headers

    async def _last_resort(self, visit: Visit, send: Send, *, silent: bool) -> None:
        fault = problems.bug()
        body = problems.envelope(fault, visit.tracking_id)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        out = self._dressed(visit, send, silent=silent)
        await out({"type": "http.response.start", "status": problems.status_of(fault.kind), "headers": headers})
        await out({"type": "http.response.body", "body": body})

    def _note(self, visit: Visit, method: str, path: str) -> None:
        seconds = time.perf_counter() - visit.began
        known = method if method in METHODS else "other"
        self._meter.answered(known, visit.route, visit.status, seconds)
        log.info(
            "request.answered",
            method=method[:20],
            path=visit.route if "{token}" in visit.route else path[:300],  # a link's token is a secret
            route=visit.route,
            status=visit.status,
            ms=round(seconds * 1000, 2),
            account=visit.account_id,
        )

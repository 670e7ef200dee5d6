"""Server-sent events that make an open page load itself again once its domain changed, or nobody checks it any more.

They carry the version of the page alone: it has one renderer, the server's.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import NamedTuple

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from letterhead.errors import Fault, Kind
from letterhead.operations import domains
from letterhead.ports.store.monitoring import WorkKind
from letterhead.web import STOPPING
from letterhead.web.context import RequestContext
from letterhead.web.pages.responses import page_fault

POLL, BEAT = 1.0, 10.0  # seconds between queries of the store, and between comments that keep the connection alive
MOST = 20  # streams of one link, or of one session, in this process


async def note_nothing() -> None:
    pass


def no_mark() -> str:
    """Return the mark of a page that shows the domain alone."""
    return ""


@dataclass(frozen=True, slots=True)
class StreamHooks:
    """What a stream calls while it is open.

    `may_continue` is called every second, since a revoked key or link is dead within one; False, or Fault `not-found`,
    ends the stream. `note_open` is called every 10 s. `mark` is the state of what the page shows besides the domain.
    """

    may_continue: Callable[[], Awaitable[bool]]
    note_open: Callable[[], Awaitable[None]] = note_nothing
    mark: Callable[[], str] = no_mark


class EventStream(StreamingResponse):
    """Server-sent events, whose generator is closed at once when the client disconnects."""

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        # As a header, since Starlette adds a charset to a media type of text; this one has none (HTML 9.2.5).
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(events, headers=headers)
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events until the last one, or until the client disconnects."""
        async with aclosing(self._events):
            await super().__call__(scope, receive, send)


class Watched(NamedTuple):
    """What a stream is about, and whom it counts for: an account, and the link or session that opened it."""

    account_id: str
    owner: str
    domain_id: str


def stream_news(context: RequestContext, watched: Watched, hooks: StreamHooks) -> EventStream:
    """Respond with an event for each change of a domain; Fault `too-many-requests`, upon which the page polls."""
    places, each = context.state.streams, context.state.streams_each
    if each[watched.owner] >= MOST or not places.take(watched.account_id):
        raise page_fault(context, Kind.TOO_MANY_REQUESTS, "too_often", retry_after=30)
    each[watched.owner] += 1
    opened_at = time.monotonic()

    def release() -> None:
        places.release(watched.account_id)
        milliseconds = int(1000 * (time.monotonic() - opened_at))
        context.state.work.add(watched.account_id, WorkKind.STREAM, milliseconds=milliseconds)
        each[watched.owner] -= 1
        if not each[watched.owner]:
            del each[watched.owner]

    context.release = release
    return EventStream(_events(context, watched.domain_id, hooks))


async def _events(context: RequestContext, domain_id: str, hooks: StreamHooks) -> AsyncGenerator[bytes, None]:
    stop: asyncio.Event = context.request.scope.get("state", {}).get(STOPPING) or asyncio.Event()
    sent, beaten = None, -BEAT
    yield b"retry: 2000\n\n"
    while not stop.is_set():
        is_beat = time.monotonic() - beaten >= BEAT
        if not await continues(hooks, is_beat=is_beat):
            yield b"event: over\ndata: over\n\n"
            return
        if is_beat:
            beaten = time.monotonic()
            yield b": still here\n\n"
        found = await domains.find_version(context.deps, domain_id)
        no_worker = await context.state.health.is_worker_missing()
        version = page_version(-1 if found is None else found, no_worker=no_worker) + hooks.mark()
        if version != sent:
            sent = version
            yield f"data: {version}\n\n".encode()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), POLL)


def page_version(version: int, *, no_worker: bool) -> str:
    """Return what an open page shows the state of: the domain's version, and whether no worker checks it."""
    return f"{version} unchecked" if no_worker else str(version)


async def continues(hooks: StreamHooks, *, is_beat: bool) -> bool:
    """Call the hooks that are due, and tell whether the stream goes on."""
    try:
        if not await hooks.may_continue():
            return False
        if is_beat:
            await hooks.note_open()
    except Fault as fault:
        return fault.kind is not Kind.NOT_FOUND  # the store may come back, an ended link does not
    return True

"""Server-sent events that make an open page load itself again once its domain changed.

They carry the domain's version alone: the page has one renderer, the server's.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from letterhead.errors import Fault, Kind
from letterhead.operations import domains
from letterhead.web import STOPPING
from letterhead.web.context import RequestContext
from letterhead.web.pages.responses import page_fault

POLL, BEAT = 1.0, 10.0  # seconds between queries of the store, and between comments that keep the connection alive
MOST = 20  # streams of one link, or of one account, in this process

MayContinue = Callable[[], Awaitable[bool]]


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


def stream_news(context: RequestContext, owner: str, domain_id: str, may_continue: MayContinue) -> EventStream:
    """Respond with an event for each change of a domain; Fault `too-many-requests`.

    `may_continue` is called every 10 s; False, or Fault `not-found`, ends the stream.
    """
    if context.state.streams.get(owner, 0) >= MOST:
        raise page_fault(context, Kind.TOO_MANY_REQUESTS, "too_often", retry_after=30)
    return EventStream(_events(context, owner, domain_id, may_continue))


async def _events(
    context: RequestContext, owner: str, domain_id: str, may_continue: MayContinue
) -> AsyncGenerator[bytes, None]:
    stop: asyncio.Event = context.request.scope.get("state", {}).get(STOPPING) or asyncio.Event()
    streams, sent, beaten = context.state.streams, None, -BEAT
    streams[owner] = streams.get(owner, 0) + 1
    try:
        yield b"retry: 2000\n\n"
        while not stop.is_set():
            if time.monotonic() - beaten >= BEAT:
                beaten = time.monotonic()
                try:
                    continues = await may_continue()
                except Fault as fault:
                    continues = fault.kind is not Kind.NOT_FOUND  # the store may come back, an ended link does not
                if not continues:
                    yield b"event: over\ndata: over\n\n"
                    return
                yield b": still here\n\n"
            found = await domains.find_version(context.deps, domain_id)
            version = -1 if found is None else found
            if version != sent:
                sent = version
                yield f"data: {version}\n\n".encode()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), POLL)
    finally:
        streams[owner] -= 1
        if not streams[owner]:
            del streams[owner]

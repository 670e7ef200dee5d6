"""Server-sent events by which an open page hears that its domain was checked: they say "load again", no more.

The page fetches itself anew, so that there is one way to write it.
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

POLL, BEAT = 1.0, 10.0  # seconds between looks at the store, and between signs of life
MOST = 20  # streams of one link, or of one account, in this process

Stays = Callable[[], Awaitable[bool]]


class EventStream(StreamingResponse):
    """Server-sent events; what makes them is closed at once when the client leaves, so that it is counted no more."""

    def __init__(self, events: AsyncGenerator[bytes, None]) -> None:
        # As a header, since Starlette adds a charset to a media type of text; this one has none (HTML 9.2.5).
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        super().__init__(events, headers=headers)
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events until the last one, or until the client has left."""
        async with aclosing(self._events):
            await super().__call__(scope, receive, send)


def stream_news(context: RequestContext, owner: str, domain_id: str, stays: Stays) -> EventStream:
    """Answer with the news of a domain. `stays` is asked every 10 s, and ends the stream where it says no."""
    streams = context.state.streams
    if streams.get(owner, 0) >= MOST:
        raise page_fault(context, Kind.TOO_MANY_REQUESTS, "too_often", retry_after=30)
    return EventStream(_count_open(streams, owner, _news(context, domain_id, stays)))


async def _count_open(
    streams: dict[str, int], owner: str, news: AsyncGenerator[bytes, None]
) -> AsyncGenerator[bytes, None]:
    streams[owner] = streams.get(owner, 0) + 1
    try:
        async for each in news:
            yield each
    finally:
        streams[owner] -= 1
        if not streams[owner]:
            del streams[owner]


async def _news(context: RequestContext, domain_id: str, stays: Stays) -> AsyncGenerator[bytes, None]:
    stop: asyncio.Event = context.request.scope.get("state", {}).get(STOPPING) or asyncio.Event()
    sent, beaten = None, -BEAT
    yield b"retry: 2000\n\n"
    while not stop.is_set():
        if time.monotonic() - beaten >= BEAT:
            beaten = time.monotonic()
            if not await _may_stay(stays):
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


async def _may_stay(stays: Stays) -> bool:
    try:
        return await stays()
    except Fault as fault:
        return fault.kind is not Kind.NOT_FOUND  # the store may come back; a link that is gone does not

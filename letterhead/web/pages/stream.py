"""Knows how an open page hears that its domain was looked at: server-sent events that say "look again", no more.

The page fetches itself anew, so that there is one way to write it.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Awaitable, Callable

from letterhead.errors import Fault, Kind
from letterhead.web.pages.view import Desk, Visitor
from letterhead.web.request import STOPPING
from letterhead.web.responses import Answer

POLL, BEAT = 1.0, 10.0  # seconds between looks at the store, and between signs of life
MOST = 20  # streams of one link, or of one account, in this process

Stays = Callable[[], Awaitable[bool]]


def stream(visitor: Visitor, owner: str, domain_id: str, stays: Stays) -> Answer:
    """Answers with the news of a domain. `stays` is asked every 10 s, and ends the stream where it says no."""
    if visitor.desk.streams.get(owner, 0) >= MOST:
        raise visitor.fault(Kind.TOO_MANY_REQUESTS, "too_often", retry_after=30)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    news = _counted(visitor.desk, owner, _news(visitor, domain_id, stays))
    return Answer(pieces=news, media_type="text/event-stream", headers=headers)


async def _counted(desk: Desk, owner: str, news: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
    desk.streams[owner] = desk.streams.get(owner, 0) + 1
    try:
        async for each in news:
            yield each
    finally:
        desk.streams[owner] -= 1
        if not desk.streams[owner]:
            del desk.streams[owner]


async def _news(visitor: Visitor, domain_id: str, stays: Stays) -> AsyncGenerator[bytes, None]:
    stop: asyncio.Event = visitor.request.scope.get("state", {}).get(STOPPING) or asyncio.Event()
    told, beaten = None, -BEAT
    yield b"retry: 2000\n\n"
    while not stop.is_set():
        if time.monotonic() - beaten >= BEAT:
            beaten = time.monotonic()
            if not await _holds(stays):
                yield b"event: over\ndata: over\n\n"
                return
            yield b": still here\n\n"
        domain = await visitor.deps.store.domain_by_id(domain_id)
        version = domain.version if domain else -1
        if version != told:
            told = version
            yield f"data: {version}\n\n".encode()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), POLL)


async def _holds(stays: Stays) -> bool:
    try:
        return await stays()
    except Fault as fault:
        return fault.kind is not Kind.NOT_FOUND  # the store may come back; a link that is gone does not

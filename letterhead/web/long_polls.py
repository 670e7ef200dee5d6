"""Requests that wait for a change of one domain: within places, without a connection of the database, until we stop."""

import asyncio
import contextlib
import time

from letterhead.core.domain.domain import Domain
from letterhead.errors import Fault, Kind
from letterhead.operations import domains
from letterhead.ports.store.monitoring import WorkKind
from letterhead.web import STOPPING
from letterhead.web.context import RequestContext

POLL = 1.0  # seconds between two short queries of the store


async def wait_for_change(context: RequestContext, domain: Domain, seconds: float) -> None:
    """Wait until a domain is no longer as it was read, the time is over, the client has left or the server stops.

    Faults: `too-many-requests` where too many wait already, `unauthorized` where the key was revoked meanwhile.
    """
    places, began = context.state.long_polls, time.monotonic()
    if not places.take(context.account_id):
        raise Fault(
            Kind.TOO_MANY_REQUESTS,
            "Too many requests of this account wait for a change.",
            "Wait until one of them has ended, or ask without wait.",
            retry_after=5,
        )

    def release() -> None:
        places.release(context.account_id)
        milliseconds = int(1000 * (time.monotonic() - began))
        context.state.work.add(context.account_id, WorkKind.STREAM, milliseconds=milliseconds)

    context.release = release
    stop: asyncio.Event = context.request.scope.get("state", {}).get(STOPPING) or asyncio.Event()
    try:
        while not stop.is_set() and (left := began + seconds - time.monotonic()) > 0:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), min(POLL, left))
            if await context.request.is_disconnected():
                return
            await context.state.credentials.find_caller(context.request)  # a revoked key is dead within a second
            if await domains.find_version(context.deps, domain.id) != domain.version:
                return
    finally:
        context.log.began += time.monotonic() - began  # waiting is no time that the answer took

"""Knows the endpoints that tell of the service itself."""

import asyncio
import time
from typing import Any

from letterhead.core.dns.answers import Question, Unanswered, View
from letterhead.core.zone import resolver_outage
from letterhead.errors import Fault, Kind
from letterhead.ports.resolver import Allowance
from letterhead.ports.store.monitoring import Backlog
from letterhead.web import schemas
from letterhead.web.endpoint import Access, Call, Endpoint
from letterhead.web.responses import Answer, json

LATE = 300.0  # seconds: a check that is due so long means that no worker works
ROOT = Question(name=".", rdtype="NS", view=View.RECURSIVE)
RESOLVER_EVERY, RESOLVER_SECONDS, RESOLVER_PACKETS = 10.0, 2.0, 4


async def status(_call: Call) -> Answer:
    """Says that the service runs."""
    return json(schemas.Message(message="Letterhead is running."))


async def health(_call: Call) -> Answer:
    """Says that the process lives; asks nothing of anybody."""
    return json(schemas.Message(message="alive"))


async def readiness(call: Call) -> Answer:
    """Says whether requests can be answered (503 where the store is out of reach), and how worker and resolvers are."""
    told = await health_of(call)
    answer = json(told)
    return answer if told.ready else Answer(body=answer.body, status=503)


async def health_of(call: Call) -> schemas.Readiness:
    """Tells how the parts of the service are."""
    backlog, resolvers = await asyncio.gather(_backlog(call), _resolvers(call))
    store = schemas.Part(ok=True, detail="answers") if isinstance(backlog, Backlog) else backlog
    return schemas.Readiness(ready=store.ok, store=store, worker=_worker(backlog), resolvers=resolvers)


async def _backlog(call: Call) -> Backlog | schemas.Part:
    try:
        return await call.deps.store.backlog(call.deps.now())
    except Fault as fault:
        return schemas.Part(ok=False, detail=fault.kind)


def _worker(backlog: Backlog | schemas.Part) -> schemas.Part:
    """Tells the worker by its work: in whatever process it runs, due checks do not wait long."""
    if not isinstance(backlog, Backlog):
        return schemas.Part(ok=False, detail="unknown while the store is out of reach")
    if backlog.lag > LATE:
        return schemas.Part(ok=False, detail=f"a check has been due for {backlog.lag:.0f} s: does a worker run?")
    return schemas.Part(ok=True, detail=f"{backlog.due} checks due, {backlog.intents} pieces of work at the provider")


async def _resolvers(call: Call) -> schemas.Part:
    """Tells an outage by what the checks met, in whatever process; else whether the resolvers answer."""
    try:
        silence = await call.deps.store.resolver_outage()
    except Fault as fault:
        return schemas.Part(ok=False, detail=fault.kind)
    if silence is not None and resolver_outage.is_resolver_outage(silence):
        return schemas.Part(ok=False, detail=f"degraded: {resolver_outage.outage_text(silence)}")
    return await _probed(call)


async def _probed(call: Call) -> schemas.Part:
    """Asks the resolvers for the root's servers; anybody may ask us, so that only every 10 s."""
    now = time.monotonic()
    asked_at, part = call.house.parts.get("resolver", (-RESOLVER_EVERY, None))
    if part is None or now - asked_at >= RESOLVER_EVERY:
        part = await _ask_resolver(call)
        call.house.parts["resolver"] = (now, part)
    return part


async def _ask_resolver(call: Call) -> schemas.Part:
    allowance = Allowance(packets=RESOLVER_PACKETS, until=asyncio.get_running_loop().time() + RESOLVER_SECONDS)
    replies = (await call.deps.resolver.ask([ROOT], allowance)).get(ROOT, ())
    unanswered = [reply.answer.why for reply in replies if isinstance(reply.answer, Unanswered)]
    if replies and len(unanswered) < len(replies):
        return schemas.Part(ok=True, detail=f"{len(replies) - len(unanswered)} of {len(replies)} answer")
    return schemas.Part(ok=False, detail=", ".join(unanswered) or "none is set")


async def metrics(call: Call) -> Answer:
    """Tells the service's numbers in Prometheus' text form; where an operator's token is set, to its bearer alone."""
    if call.house.settings.operator_token is not None:
        await call.house.credentials.operator(call.request)
    backlog = await _backlog(call)
    meter = call.deps.meter
    if isinstance(backlog, Backlog):
        return Answer(body=meter.text(backlog, await call.deps.store.resolver_outage()), media_type=meter.media_type)
    return Answer(body=meter.text(None, None), media_type=meter.media_type)


async def openapi(call: Call) -> Answer:
    """Describes this API as OpenAPI 3.1."""
    return Answer(body=call.house.document(), headers={"Cache-Control": "public, max-age=300"})


async def docs(call: Call) -> Answer:
    """Shows the description of this API to people: one page without scripts, nothing from elsewhere."""
    page = call.house.page()
    return Answer(
        body=page.html,
        media_type="text/html; charset=utf-8",
        headers={"Content-Security-Policy": page.policy},
    )


ENDPOINTS = (
    Endpoint(
        method="GET", path="/status", serve=status, access=Access.OPEN, topic="The service", answer=schemas.Message,
    ),
    Endpoint(
        method="GET", path="/healthz", serve=health, access=Access.OPEN, topic="The service", answer=schemas.Message,
    ),
    Endpoint(
        method="GET", path="/readyz", serve=readiness, access=Access.OPEN, topic="The service",
        answer=schemas.Readiness, statuses=(503,),
    ),
    Endpoint(
        method="GET", path="/metrics", serve=metrics, access=Access.OPEN, topic="The service", media_type="text/plain",
        faults=(Kind.UNAUTHORIZED, Kind.TOO_MANY_REQUESTS),
    ),
    Endpoint(
        method="GET", path="/openapi.json", serve=openapi, access=Access.OPEN, topic="The service",
        answer=dict[str, Any],
    ),
    Endpoint(
        method="GET", path="/docs", serve=docs, access=Access.OPEN, topic="The service", media_type="text/html",
    ),
)  # fmt: skip

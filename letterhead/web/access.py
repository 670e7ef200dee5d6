"""Access control: authentication, rate, scope and quota. The one place where a request is admitted or refused."""

from typing import Protocol

import structlog
from starlette.responses import Response

from letterhead.core.accounts.accounts import Scope, allows
from letterhead.core.accounts.key_bounds import DomainBinding
from letterhead.errors import Fault, Kind
from letterhead.operations import accounts, bound_keys
from letterhead.web import errors
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.serialize import JSON

log = structlog.get_logger("letterhead.web")

_SCOPES = {Access.READ: Scope.READ, Access.WRITE: Scope.WRITE, Access.FULL: Scope.FULL}


class Renderer(Protocol):
    """Authentication and error responses for one kind of client: programs or browsers."""

    requests: str  # as the message of `too-many-requests` names them

    async def identify(self, context: RequestContext, access: Access) -> None:
        """Set the caller in the context; Fault `unauthorized`, `too-many-requests`."""
        ...

    async def prepare(self, context: RequestContext, method: str) -> None:
        """Check an admitted request before its endpoint is called; Fault as the renderer decides."""
        ...

    def scope_missing(self, context: RequestContext, needed: Scope) -> Fault:
        """Return the fault for a caller without the scope needed."""
        ...

    def render_fault(self, context: RequestContext, fault: Fault) -> Response:
        """Return the response for a fault."""
        ...


class JsonRenderer:
    """Authentication by API key or the operator's token, and the error envelope, for programs."""

    requests = "requests with this key"

    async def identify(self, context: RequestContext, access: Access) -> None:
        """Take the `Authorization` header, where the endpoint is not open."""
        match access:
            case Access.OPEN:
                pass
            case Access.OPERATOR:
                await context.state.credentials.check_operator(context.request)
                context.is_operator = True
            case _:
                context.signed_in = await context.state.credentials.find_caller(context.request)

    async def prepare(self, context: RequestContext, method: str) -> None:
        """Check nothing further: each endpoint reads its own body."""

    def scope_missing(self, context: RequestContext, needed: Scope) -> Fault:
        """Return a fault that names both scopes and how to make another key."""
        return Fault(
            Kind.SCOPE_MISSING,
            f"This API key has the scope {context.caller.scope.value!r}; this needs {needed.value!r}.",
            "Use a key of that scope; one with the scope 'full' makes others with POST /keys.",
        )

    def render_fault(self, context: RequestContext, fault: Fault) -> Response:
        """Return the error envelope."""
        fault = errors.public_fault(fault)
        body = errors.envelope(fault, context.log.tracking_id)
        return Response(body, errors.status_of(fault.kind), errors.headers_of(fault), JSON)


async def serve(endpoint: Endpoint, renderer: Renderer, context: RequestContext) -> Response:
    """Serve one request; a Fault or a bug on the way becomes the renderer's response."""
    context.log.route = endpoint.path
    try:
        await renderer.identify(context, endpoint.access)
        await _admit(endpoint, renderer, context)
        await renderer.prepare(context, endpoint.method)
        return await endpoint.serve(context)
    except Fault as fault:
        if errors.status_of(fault.kind) >= 500:
            getattr(log, fault.log_level)("request.failed", kind=fault.kind, detail=fault.detail, exc_info=fault)
        return renderer.render_fault(context, fault)
    except Exception:
        log.exception("request.broken")
        return renderer.render_fault(context, errors.new_internal())


async def _admit(endpoint: Endpoint, renderer: Renderer, context: RequestContext) -> None:
    """Check the caller's rate, scope and monthly requests; a session shares its key's rate and is not counted."""
    needed = _SCOPES.get(endpoint.access)
    if needed is None:
        if endpoint.access is Access.OPERATOR and not context.is_operator:
            raise accounts.new_unauthorized()
        return
    caller, rates, by_key = context.signed_in, context.state.rates, context.session is None
    if caller is None:
        raise accounts.new_unauthorized()
    context.log.account_id = caller.account_id
    try:
        rates.take(caller, renderer.requests, may_write=endpoint.method not in ("GET", "HEAD"))
    finally:
        if by_key:
            context.log.headers = rates.headers(caller)
    if not allows(caller.scope, needed):
        raise renderer.scope_missing(context, needed)
    if by_key:
        await context.state.usage.count(caller, free=endpoint.free)
    if caller.binding is not None:
        _hold_to_domains(endpoint, context, caller.binding)


def _hold_to_domains(endpoint: Endpoint, context: RequestContext, binding: DomainBinding) -> None:
    """Hold a request to the domains that its key is bound to; Fault `not-found`, `key-bound`.

    Where a name comes from elsewhere than the path, and in every list, the store that operations get is the one place.
    """
    if endpoint.names_sender:
        bound_keys.require_covered(context.deps.names, binding, context.part("sender"))
    elif not endpoint.for_bound:
        raise bound_keys.new_key_bound()
    context.held_deps = bound_keys.bind(context.deps, context.caller)

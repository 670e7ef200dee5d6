"""Knows what a request must pass before its endpoint serves it: who asks, how fast, how much, with what scope."""

from letterhead.core.accounts.accounts import Caller, Scope, allows
from letterhead.errors import Fault, Kind
from letterhead.operations.audit import Actor
from letterhead.web.auth import address_of
from letterhead.web.endpoint import Access, Call, Endpoint, House
from letterhead.web.middleware import Visit, visit_of
from letterhead.web.rate_limits import TokenBuckets, rate_headers, too_many
from letterhead.web.request import Request
from letterhead.web.responses import Answer

_SCOPES = {Access.READ: Scope.READ, Access.WRITE: Scope.WRITE, Access.FULL: Scope.FULL}


class Gate:
    """Lets requests through to their endpoints."""

    def __init__(self, house: House, rates: TokenBuckets) -> None:
        self._house, self._rates = house, rates

    async def serve(self, endpoint: Endpoint, request: Request) -> Answer:
        """Serves one request, or raises the Fault that stopped it."""
        visit = visit_of(request.scope)
        visit.route = endpoint.path
        caller, actor = None, "nobody"
        match endpoint.access:
            case Access.OPEN:
                pass
            case Access.OPERATOR:
                await self._house.credentials.operator(request)
                actor = "operator"
            case _:
                caller = await self._signed_in(endpoint, request, visit)
                actor = caller.key_id
        return await endpoint.serve(
            Call(
                house=self._house,
                request=request,
                signed_in=caller,
                actor=Actor(
                    name=actor,
                    account_id=caller.account_id if caller else None,
                    address=address_of(request),
                    tracking_id=visit.tracking_id,
                ),
            )
        )

    async def _signed_in(self, endpoint: Endpoint, request: Request, visit: Visit) -> Caller:
        caller = await self._house.credentials.caller(request)
        visit.account_id = caller.account_id
        left = self._rates.take(caller.key_id)
        visit.headers = rate_headers(self._rates, left)
        if left < 0.0:
            raise too_many("requests with this key", self._rates.wait(left + 1.0))
        needed = _SCOPES[endpoint.access]
        if not allows(caller.scope, needed):
            raise Fault(
                Kind.SCOPE_MISSING,
                f"This API key has the scope {caller.scope.value!r}; this needs {needed.value!r}.",
                "Use a key of that scope; one with the scope 'full' makes others with POST /keys.",
            )
        await self._house.usage.count(caller, free=endpoint.free)
        return caller

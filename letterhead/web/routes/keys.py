"""Endpoints of an account's API keys."""

from datetime import timedelta

from msgspec import UnsetType
from starlette.responses import Response

from letterhead.core.accounts.accounts import Scope
from letterhead.errors import Kind
from letterhead.operations import accounts, key_requests
from letterhead.web import schemas, schemas_keys, serialize_keys
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.serialize import json_response


async def list_keys(context: RequestContext) -> Response:
    """Lists the account's API keys, masked."""
    now = context.deps.now()
    listed = await accounts.list_keys(context.deps, context.account_id)
    return json_response(schemas_keys.Keys(keys=tuple(serialize_keys.key(each, now) for each in listed)))


async def make_key(context: RequestContext) -> Response:
    """Makes an API key; its text is shown this once.

    With `domains` the key is bound to these sender domains: it sees and changes nothing else, and is told `key-bound`
    where a request concerns the whole account. `expiresAt` ends it, `networks` are where it may come from. A key that
    has an end or networks makes none that reach beyond them.
    """
    return await make_key_for(context, context.account_id)


async def make_key_for(context: RequestContext, account_id: str) -> Response:
    """Make the API key that the body asks for."""
    asked = await context.body(schemas_keys.NewKey)
    usual = Scope.FULL if asked.key_type == "secret" else Scope.READ
    request = accounts.NewKeyRequest(
        name=asked.name,
        key_type=asked.key_type,
        scope=usual if isinstance(asked.scope, UnsetType) else Scope(asked.scope),
        environment_id=None if isinstance(asked.environment_id, UnsetType) else asked.environment_id,
    )
    bounds = key_requests.KeyBounds(
        domains=() if isinstance(asked.domains, UnsetType) else asked.domains,
        covers_below=asked.covers_subdomains,
        networks=() if isinstance(asked.networks, UnsetType) else asked.networks,
        ends_at=None if isinstance(asked.expires_at, UnsetType) else asked.expires_at,
    )
    checked = key_requests.check_request(context.deps, request, bounds, context.signed_in)
    made = await accounts.make_key(context.deps, account_id, context.actor, checked)
    return json_response(serialize_keys.made_key(made))


async def end_key(context: RequestContext) -> Response:
    """Revokes an API key: everywhere within a second, or after `endsInDays` so that its users can move to another."""
    days = context.query(schemas_keys.EndKeyQuery).ends_in_days
    await accounts.end_key(context.deps, context.account_id, context.part("keyId"), context.actor, timedelta(days=days))
    context.state.credentials.forget()
    return json_response(
        schemas.MessageBody(message=f"The key ends in {days} days." if days else "The key is revoked.")
    )


REQUEST = (*(kind for kind in Kind if kind.startswith("domain-")), Kind.PARAMETER_INVALID)

ENDPOINTS = (
    Endpoint(
        method="GET", path="/keys", serve=list_keys, access=Access.READ, topic="API keys", answer=schemas_keys.Keys,
    ),
    Endpoint(
        method="POST", path="/keys", serve=make_key, access=Access.FULL, topic="API keys", answer=schemas_keys.MadeKey,
        body=schemas_keys.NewKey, faults=REQUEST,
    ),
    Endpoint(
        method="DELETE", path="/keys/{keyId}", serve=end_key, access=Access.FULL, topic="API keys",
        answer=schemas.MessageBody, query=schemas_keys.EndKeyQuery, free=True,
        faults=(Kind.NOT_FOUND, Kind.PARAMETER_INVALID, Kind.CONFLICT),
    ),
)  # fmt: skip

"""Knows the endpoints of an account's API keys."""

from datetime import timedelta

from msgspec import UnsetType

from letterhead.core.accounts.accounts import Scope
from letterhead.errors import Kind
from letterhead.operations import accounts
from letterhead.web import schemas, serialize
from letterhead.web.endpoint import Access, Call, Endpoint
from letterhead.web.responses import Answer, json


async def list_keys(call: Call) -> Answer:
    """Lists the account's API keys, masked."""
    now = call.deps.now()
    listed = await accounts.list_keys(call.deps, call.account_id)
    return json(schemas.Keys(keys=tuple(serialize.key(each, now) for each in listed)))


async def make_key(call: Call) -> Answer:
    """Makes an API key; its text is shown this once."""
    asked = await call.body(schemas.NewKey)
    usual = Scope.FULL if asked.key_type == "secret" else Scope.READ
    made = await accounts.make_key(
        call.deps,
        call.caller,
        call.actor,
        accounts.NewKeyRequest(
            name=asked.name,
            key_type=asked.key_type,
            scope=usual if isinstance(asked.scope, UnsetType) else Scope(asked.scope),
            environment_id=None if isinstance(asked.environment_id, UnsetType) else asked.environment_id,
        ),
    )
    return json(serialize.made_key(made))


async def end_key(call: Call) -> Answer:
    """Revokes an API key: everywhere within a second, or after `endsInDays` so that its users can move to another."""
    days = call.query(schemas.EndKeyQuery).ends_in_days
    await accounts.end_key(call.deps, call.account_id, call.part("keyId"), call.actor, timedelta(days=days))
    call.house.credentials.forget()
    return json(schemas.Message(message=f"The key ends in {days} days." if days else "The key is revoked."))


ENDPOINTS = (
    Endpoint(
        method="GET", path="/keys", serve=list_keys, access=Access.READ, topic="API keys", answer=schemas.Keys,
    ),
    Endpoint(
        method="POST", path="/keys", serve=make_key, access=Access.FULL, topic="API keys", answer=schemas.MadeKey,
        body=schemas.NewKey,
    ),
    Endpoint(
        method="DELETE", path="/keys/{keyId}", serve=end_key, access=Access.FULL, topic="API keys",
        answer=schemas.Message, query=schemas.EndKeyQuery, faults=(Kind.NOT_FOUND, Kind.PARAMETER_INVALID), free=True,
    ),
)  # fmt: skip

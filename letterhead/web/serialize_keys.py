"""Serializers of API keys."""

from datetime import datetime
from typing import TypedDict

from msgspec import UNSET, UnsetType

from letterhead.core.accounts.accounts import ApiKey
from letterhead.operations.accounts import NewApiKey
from letterhead.web import schemas_keys
from letterhead.web.serialize import given, truncate_to_milliseconds


def made_key(made: NewApiKey) -> schemas_keys.MadeKey:
    """Serialize a new API key with its text."""
    return schemas_keys.MadeKey(
        id=made.key.id,
        key=made.text,
        key_type=made.key.key_type,  # type: ignore[arg-type]
        environment_id=given(made.key.environment_id),
        name=made.key.name,
        created_at=truncate_to_milliseconds(made.key.created_at),
        scope=made.key.scope.value,
        **_key_bounds(made.key),
    )


class _BoundFields(TypedDict):
    domains: tuple[str, ...] | UnsetType
    covers_subdomains: bool | UnsetType
    networks: tuple[str, ...] | UnsetType
    ends_at: datetime | UnsetType


def _key_bounds(key: ApiKey) -> _BoundFields:
    ends_at = key.ends_at
    return {
        "domains": UNSET if key.binding is None else key.binding.names,
        "covers_subdomains": UNSET if key.binding is None else key.binding.covers_below,
        "networks": key.networks or UNSET,
        "ends_at": UNSET if ends_at is None else truncate_to_milliseconds(ends_at),
    }


def key(each: ApiKey, now: datetime) -> schemas_keys.Key:
    """Serialize an API key, masked."""
    return schemas_keys.Key(
        id=each.id,
        key=each.masked,
        key_type=each.key_type,  # type: ignore[arg-type]
        environment_id=given(each.environment_id),
        account_id=each.account_id,
        name=each.name,
        revoked=each.ends_at is not None and each.ends_at <= now,
        created_at=each.created_at,
        last_used_at=given(each.last_used_at),
        scope=each.scope.value,
        **_key_bounds(each),
    )

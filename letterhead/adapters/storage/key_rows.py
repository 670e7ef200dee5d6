"""Conversion of API keys, and of what they are held to, to rows and back."""

from hashlib import sha256

import msgspec

from letterhead.adapters.storage import rows
from letterhead.adapters.storage.engine import DatabaseRow
from letterhead.core.accounts.accounts import ApiKey, Caller, Scope
from letterhead.core.accounts.key_bounds import DomainBinding

_strings = msgspec.json.Decoder(tuple[str, ...])
_binding = msgspec.json.Decoder(DomainBinding)


def key_values(key: ApiKey) -> rows.Values:
    """Return the columns of an API key, without its digest."""
    times: rows.Values = {
        "created_at": rows.ms(key.created_at),
        "last_used_at": rows.maybe_ms(key.last_used_at),
        "ends_at": rows.maybe_ms(key.ends_at),
    }
    bounds: rows.Values = {"binding": rows.maybe_json(key.binding), "networks": rows.maybe_json(key.networks or None)}
    return msgspec.structs.asdict(key) | {"scope": key.scope.value} | times | bounds


def restricted_digest(digest: bytes) -> bytes:
    """Return the digest under which a key that is bound to domains or networks is stored, and its sessions.

    Processes of versions that know no such keys find neither: they refuse the key in place of letting it do all.
    """
    return sha256(b"restricted|" + digest).digest()


def stored_digest(owner: ApiKey | Caller, digest: bytes) -> bytes:
    """Return the digest under which a key, or a session of it, is stored."""
    return restricted_digest(digest) if owner.binding is not None or owner.networks else digest


def binding_values(binding: DomainBinding) -> rows.Values:
    """Return the parameters by which statements select what a binding covers."""
    return {"names": rows.json(binding.names), "below": int(binding.covers_below)}


def key_bounds(row: DatabaseRow) -> tuple[DomainBinding | None, tuple[str, ...]]:
    """Read the domains and networks that a key is held to."""
    binding, networks = row["binding"], row["networks"]
    return (
        None if binding is None else _binding.decode(binding),
        () if networks is None else _strings.decode(networks),
    )


def key(row: DatabaseRow) -> ApiKey:
    """Read an API key."""
    binding, networks = key_bounds(row)
    return ApiKey(
        id=row["id"],
        account_id=row["account_id"],
        name=row["name"],
        key_type=row["key_type"],
        scope=Scope(row["scope"]),
        masked=row["masked"],
        environment_id=row["environment_id"],
        created_at=rows.time(row["created_at"]),
        last_used_at=rows.maybe_time(row["last_used_at"]),
        ends_at=rows.maybe_time(row["ends_at"]),
        binding=binding,
        networks=networks,
    )


def caller(row: DatabaseRow) -> Caller:
    """Read the owner of an API key."""
    binding, networks = key_bounds(row)
    return Caller(
        account_id=row["account_id"],
        key_id=row["id"],
        scope=Scope(row["scope"]),
        limits=rows.limits(row),
        ends_at=rows.maybe_time(row["ends_at"]),
        binding=binding,
        networks=networks,
    )

"""Knows who may ask for what: account, API key, scope. Knows neither how a key is checked nor where it is kept."""

from datetime import datetime
from enum import StrEnum

import msgspec

from letterhead.core.limits import Limits


class Scope(StrEnum):
    """Says what an API key may do."""

    FULL = "full"  # all, private keys and other API keys too
    WRITE = "write"
    READ = "read"


_REACH = {Scope.READ: 0, Scope.WRITE: 1, Scope.FULL: 2}


def allows(held: Scope, needed: Scope) -> bool:
    """Says whether a key of one scope may do what needs another."""
    return _REACH[held] >= _REACH[needed]


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one account; `email` is where its reminders go."""

    id: str
    name: str
    email: str
    limits: Limits
    created_at: datetime


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one API key without its secret; `masked` is what a person recognises it by."""

    id: str
    account_id: str
    name: str
    key_type: str  # "secret" or "public", as the clients say
    scope: Scope
    masked: str
    environment_id: str | None = None
    created_at: datetime
    last_used_at: datetime | None = None
    ends_at: datetime | None = None


class Caller(msgspec.Struct, frozen=True, kw_only=True):
    """Says who is asking: the account behind a valid key, and what it may use."""

    account_id: str
    key_id: str
    scope: Scope
    limits: Limits
    ends_at: datetime | None = None

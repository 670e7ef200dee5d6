"""Knows what one can do with accounts and API keys: open, list, change, close; make, list and end keys."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import msgspec
from msgspec.structs import replace

from letterhead.core.accounts import api_keys
from letterhead.core.accounts.accounts import Account, ApiKey, Caller, Scope, parse_email
from letterhead.core.accounts.api_keys import Mode
from letterhead.core.accounts.quotas import Limits
from letterhead.errors import Fault, Kind
from letterhead.operations.audit import Actor, audit_row
from letterhead.operations.ids import new_id
from letterhead.ports.deps import Deps
from letterhead.ports.store.domains import DomainQuery


class NewApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """Holds a new API key with its text, which is shown this once."""

    key: ApiKey
    text: str


async def open_account(
    deps: Deps,
    name: str,
    email: str,
    limits: Limits,
    actor: Actor,
    mode: Mode = Mode.LIVE,
    keep: Callable[[str], Awaitable[None]] | None = None,
) -> tuple[Account, NewApiKey]:
    """Opens an account with its first full-scope key; `keep` takes the key's text before anything is written."""
    account = Account(id=new_id(deps, "acc"), name=name, email=parse_email(email), limits=limits, created_at=deps.now())
    made = _new_key(deps, account.id, "first key", Scope.FULL, mode=mode)
    if keep is not None:
        await keep(made.text)
    row = audit_row(deps, actor, "account.open", account.id)
    await deps.store.add_account(account, made.key, deps.digest(made.text), row)
    return account, made


def _new_key(
    deps: Deps,
    account_id: str,
    name: str,
    scope: Scope,
    *,
    key_type: str = "secret",
    environment_id: str | None = None,
    mode: Mode = Mode.LIVE,
) -> NewApiKey:
    text, masked = api_keys.new_api_key(mode, deps.random_octets(api_keys.OCTETS_NEEDED))
    key = ApiKey(
        id=new_id(deps, "key"),
        account_id=account_id,
        name=name,
        key_type=key_type,
        scope=scope,
        masked=masked,
        environment_id=environment_id,
        created_at=deps.now(),
    )
    return NewApiKey(key=key, text=text)


async def find_account(deps: Deps, account_id: str) -> Account:
    """Finds an account; Fault `not-found`."""
    account = await deps.store.account(account_id)
    if account is None:
        raise _no_account(account_id)
    return account


def _no_account(account_id: str) -> Fault:
    return Fault(
        Kind.NOT_FOUND, f"There is no account {account_id[:80]!r}.", "Look at GET /accounts for those there are."
    )


async def list_accounts(deps: Deps) -> list[Account]:
    """Lists all accounts."""
    return await deps.store.accounts()


async def count_domains(deps: Deps, account_id: str) -> int:
    """Return how many domains an account has."""
    return await deps.store.count_domains(account_id)


async def count_unproven(deps: Deps, account_id: str) -> int:
    """Return how many of an account's domains were never proven."""
    return await deps.store.count_unproven(account_id)


async def change_account(
    deps: Deps,
    account_id: str,
    actor: Actor,
    *,
    name: str | None = None,
    email: str | None = None,
    limits: Limits | None = None,
    reminders: bool | None = None,
) -> Account:
    """Changes what is given of an account's name, email, limits and wish for reminders; the limits hold at once."""
    account = await find_account(deps, account_id)
    changed = replace(
        account,
        name=account.name if name is None else name,
        email=account.email if email is None else parse_email(email),
        limits=account.limits if limits is None else limits,
        reminders=account.reminders if reminders is None else reminders,
    )
    if not await deps.store.change_account(changed, audit_row(deps, actor, "account.change", account_id)):
        raise _no_account(account_id)
    return changed


async def close_account(deps: Deps, account_id: str, actor: Actor) -> None:
    """Closes an account with its keys; one that still has domains is refused."""
    await find_account(deps, account_id)
    left = await deps.store.domains(account_id, DomainQuery(limit=1))
    if left:
        raise Fault(
            Kind.CONFLICT,
            f"The account {account_id} still has sender domains, {left[0].sender} among them.",
            "Delete its domains first, with DELETE /domains/{sender} under its own key, then close the account.",
        )
    if not await deps.store.delete_account(account_id, audit_row(deps, actor, "account.close", account_id)):
        raise _no_account(account_id)


async def make_key(
    deps: Deps, caller: Caller, actor: Actor, *, name: str, key_type: str, scope: Scope, environment_id: str | None
) -> NewApiKey:
    """Makes another API key for the caller's account; its text is shown this once."""
    made = _new_key(deps, caller.account_id, name, scope, key_type=key_type, environment_id=environment_id)
    row = audit_row(deps, actor, "key.make", made.key.id)
    await deps.store.add_key(made.key, deps.digest(made.text), row)
    return made


async def list_keys(deps: Deps, account_id: str) -> list[ApiKey]:
    """Lists an account's API keys, without their secrets."""
    return await deps.store.keys(account_id)


async def end_key(deps: Deps, account_id: str, key_id: str, actor: Actor, after: timedelta = timedelta(0)) -> None:
    """Ends an API key now or after some days; Fault `not-found`."""
    row = audit_row(deps, actor, "key.end", key_id[:80])
    if not await deps.store.end_key(account_id, key_id, deps.now() + after, row):
        raise Fault(Kind.NOT_FOUND, f"This account has no API key {key_id[:80]!r}.", "Look at GET /keys for its keys.")


async def caller_of(deps: Deps, text: str) -> Caller:
    """Finds who owns an API key. A malformed, unknown and ended one are refused alike."""
    if not api_keys.well_formed(text):
        raise new_unauthorized()
    return await caller_behind(deps, deps.digest(text))


async def caller_behind(deps: Deps, digest: bytes) -> Caller:
    """Finds who owns the API key of a digest, for whoever need not keep its text."""
    caller = await deps.store.find_caller(digest)
    if caller is None or (caller.ends_at is not None and caller.ends_at <= deps.now()):
        raise new_unauthorized()
    return caller


def new_unauthorized() -> Fault:
    """Says the one sentence that every failed sign-in gets."""
    return Fault(
        Kind.UNAUTHORIZED,
        "The API key is missing or not valid.",
        "Send the header `Authorization: Bearer <API key>` with a key of this installation that has not been revoked.",
    )

"""Accounts and API keys: open, list, change and close accounts; make, list and end keys; find whose a key is."""

from collections.abc import Awaitable, Callable, Iterator
from datetime import datetime, timedelta
from typing import Protocol

import msgspec
import structlog
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from letterhead.core.accounts import api_keys
from letterhead.core.accounts.accounts import Account, ApiKey, Caller, Scope, is_last_full_key, parse_email
from letterhead.core.accounts.api_keys import Mode
from letterhead.core.accounts.key_bounds import DomainBinding, is_from
from letterhead.core.accounts.quotas import Limits
from letterhead.errors import Fault, Kind
from letterhead.operations.audit import Actor, AuditNeeds, audit_row
from letterhead.operations.daily_limits import KEYS_A_DAY, count_daily
from letterhead.operations.ids import IdNeeds, new_id
from letterhead.ports.deps import Digest
from letterhead.ports.store.accounts import AccountStore
from letterhead.ports.store.domains import DomainStore
from letterhead.ports.store.leases import LeaseStore

log = structlog.get_logger()


class StoreForAccounts(AccountStore, DomainStore, LeaseStore, Protocol):
    """Accounts, the domains that keep one from being closed, and how often a day keys are made."""


class AccountNeeds(IdNeeds, AuditNeeds, Protocol):
    """What the operations on accounts need."""

    @property
    def store(self) -> StoreForAccounts: ...
    @property
    def digest(self) -> Digest: ...


class NewKeyRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The API key that somebody asks for; `operations.key_requests` makes one of what was sent."""

    name: str
    scope: Scope
    key_type: str = "secret"
    environment_id: str | None = None
    ends_at: datetime | None = None
    binding: DomainBinding | None = None
    networks: tuple[str, ...] = ()


class NewApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """A new API key with its text, which is shown only this once."""

    key: ApiKey
    text: str


class AccountUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """What to change of an account; None leaves a value as it is, and UNSET that which may be None."""

    name: str | None = None
    email: str | None = None
    limits: Limits | None = None
    reminders: bool | None = None
    covers_subdomains: bool | UnsetType | None = UNSET


async def open_account(
    deps: AccountNeeds,
    name: str,
    email: str,
    limits: Limits,
    actor: Actor,
    keep: Callable[[str], Awaitable[None]] | None = None,
) -> tuple[Account, NewApiKey]:
    """Open an account with its first key, of full scope. Fault `parameter-invalid` for the address.

    `keep` is given the key's text before anything is written.
    """
    account = Account(id=new_id(deps, "acc"), name=name, email=parse_email(email), limits=limits, created_at=deps.now())
    made = new_key(deps, account.id, NewKeyRequest(name="first key", scope=Scope.FULL))
    if keep is not None:
        await keep(made.text)
    row = audit_row(deps, actor, "account.open", account.id)
    await deps.store.add_account(account, made.key, deps.digest(made.text), row)
    return account, made


def new_key(deps: AccountNeeds, account_id: str, request: NewKeyRequest) -> NewApiKey:
    """Make an API key that nothing has stored yet."""
    text, masked = api_keys.new_api_key(Mode.LIVE, deps.random_octets(api_keys.OCTETS_NEEDED))
    key = ApiKey(
        id=new_id(deps, "key"),
        account_id=account_id,
        name=request.name,
        key_type=request.key_type,
        scope=request.scope,
        masked=masked,
        environment_id=request.environment_id,
        created_at=deps.now(),
        ends_at=request.ends_at,
        binding=request.binding,
        networks=request.networks,
    )
    return NewApiKey(key=key, text=text)


async def find_account(deps: AccountNeeds, account_id: str) -> Account:
    """Find an account; Fault `not-found`."""
    account = await deps.store.account(account_id)
    if account is None:
        raise _no_account(account_id)
    return account


def _no_account(account_id: str) -> Fault:
    return Fault(
        Kind.NOT_FOUND, f"There is no account {account_id[:80]!r}.", "Look at GET /accounts for those there are."
    )


async def list_accounts(deps: AccountNeeds) -> list[Account]:
    """List all accounts, the oldest first."""
    return await deps.store.accounts()


async def count_domains(deps: AccountNeeds, account_id: str) -> int:
    """Return how many domains an account has."""
    return await deps.store.count_domains(account_id)


async def count_unproven(deps: AccountNeeds, account_id: str) -> int:
    """Return how many of an account's domains were never proven."""
    return await deps.store.count_unproven(account_id)


async def change_account(deps: AccountNeeds, account_id: str, actor: Actor, update: AccountUpdate) -> Account:
    """Change an account; new limits apply at once. Faults: `not-found`, `parameter-invalid` for the address."""
    account = await find_account(deps, account_id)
    changed = replace(
        account,
        name=account.name if update.name is None else update.name,
        email=account.email if update.email is None else parse_email(update.email),
        limits=account.limits if update.limits is None else update.limits,
        reminders=account.reminders if update.reminders is None else update.reminders,
        covers_subdomains=(
            account.covers_subdomains if isinstance(update.covers_subdomains, UnsetType) else update.covers_subdomains
        ),
    )
    if not await deps.store.change_account(changed, audit_row(deps, actor, "account.change", account_id)):
        raise _no_account(account_id)
    return changed


async def make_key(deps: AccountNeeds, account_id: str, actor: Actor, request: NewKeyRequest) -> NewApiKey:
    """Make another API key for an account; its text is shown only this once. Fault `too-many-requests`."""
    await count_daily(deps, account_id, "API keys", KEYS_A_DAY)
    made = new_key(deps, account_id, request)
    row = audit_row(deps, actor, "key.make", " ".join((made.key.id, *_describe_bounds(made.key))))
    await deps.store.add_key(made.key, deps.digest(made.text), row)
    return made


def _describe_bounds(key: ApiKey) -> Iterator[str]:
    """Return what the audit says of a new key that may not do all that its scope says."""
    if key.binding is not None:
        yield f"for {', '.join(key.binding.names)}{' and below' if key.binding.covers_below else ''}"
    if key.networks:
        yield f"from {', '.join(key.networks)}"
    if key.ends_at is not None:
        yield f"until {key.ends_at:%Y-%m-%dT%H:%M:%SZ}"


async def list_keys(deps: AccountNeeds, account_id: str) -> list[ApiKey]:
    """List an account's API keys, ended ones too, without their secrets."""
    return await deps.store.keys(account_id)


async def find_key(deps: AccountNeeds, account_id: str, key_id: str) -> ApiKey:
    """Find an API key of an account; Fault `not-found`."""
    found = next((each for each in await deps.store.keys(account_id) if each.id == key_id), None)
    if found is None:
        raise _no_key(key_id)
    return found


def _no_key(key_id: str) -> Fault:
    return Fault(Kind.NOT_FOUND, f"This account has no API key {key_id[:80]!r}.", "Look at GET /keys for its keys.")


async def end_key(
    deps: AccountNeeds, account_id: str, key_id: str, actor: Actor, after: timedelta = timedelta(0)
) -> None:
    """End an API key now or after a time. Faults: `not-found`, `conflict` for the last key of the scope full."""
    if is_last_full_key(await deps.store.keys(account_id), key_id):
        raise Fault(
            Kind.CONFLICT,
            f"The key {key_id} is the last one of this account with the scope full: without it nobody could make "
            "another key, and the account would be locked.",
            "Make another key of the scope full first, then end this one.",
        )
    row = audit_row(deps, actor, "key.end", key_id[:80])
    if not await deps.store.end_key(account_id, key_id, deps.now() + after, row):
        raise _no_key(key_id)


async def caller_of(deps: AccountNeeds, text: str, address: str) -> Caller:
    """Find who owns an API key that came from an address.

    Fault `unauthorized`, the same for a malformed, an unknown and an ended key, and for one from elsewhere.
    """
    if not api_keys.is_well_formed(text):
        raise new_unauthorized()
    return await caller_by_digest(deps, deps.digest(text), address)


async def caller_by_digest(deps: AccountNeeds, digest: bytes, address: str) -> Caller:
    """Find who owns the API key with this digest, for a caller that does not keep its text; Fault `unauthorized`."""
    caller = await deps.store.find_caller(digest)
    if caller is None:
        raise new_unauthorized()
    check_caller(deps, caller, address)
    return caller


def check_caller(deps: AuditNeeds, caller: Caller, address: str) -> None:
    """Check that a caller who was found, now or before, may still ask and from there; Fault `unauthorized`.

    The reason is for the operator's log alone.
    """
    reason = None
    if caller.ends_at is not None and caller.ends_at <= deps.now():
        reason = "ended"
    elif caller.networks and not is_from(caller.networks, address):
        reason = "network"
    if reason is not None:
        log.warning("key.refused", reason=reason, key=caller.key_id, account=caller.account_id, address=address)
        raise new_unauthorized()


def new_unauthorized() -> Fault:
    """Make the one Fault that every failed sign-in gets, so that the answer says nothing about the reason."""
    return Fault(
        Kind.UNAUTHORIZED,
        "The API key is missing or not valid.",
        "Send the header `Authorization: Bearer <API key>` with a key of this installation that has not been revoked.",
    )

"""Knows the endpoints of accounts: the operator's, and what a caller may learn of its own."""

from msgspec import UnsetType

from letterhead.core.accounts.quotas import Limits, pending_allowed, resets_at
from letterhead.errors import Kind
from letterhead.operations import accounts
from letterhead.web import schemas, serialize
from letterhead.web.endpoint import Access, Call, Endpoint
from letterhead.web.links import next_page
from letterhead.web.responses import Answer, json


async def open_account(call: Call) -> Answer:
    """Opens an account and answers with its first API key of full scope, this once."""
    asked = await call.body(schemas.NewAccount)
    limits = serialize.limits(asked.limits, Limits())
    account, made = await accounts.open_account(call.deps, asked.name, asked.email, limits, call.actor)
    return json(serialize.account(account, made.text))


async def list_accounts(call: Call) -> Answer:
    """Lists all accounts, the oldest first."""
    return json([serialize.account(each) for each in await accounts.list_accounts(call.deps)])


async def show_account(call: Call) -> Answer:
    """Shows one account."""
    return json(serialize.account(await accounts.find_account(call.deps, call.part("accountId"))))


async def change_account(call: Call) -> Answer:
    """Changes what is given of an account's name, email and limits; a limit of null is unlimited."""
    asked = await call.body(schemas.AccountChange)
    account = await accounts.find_account(call.deps, call.part("accountId"))
    changed = await accounts.change_account(
        call.deps,
        account.id,
        call.actor,
        accounts.AccountUpdate(
            name=None if isinstance(asked.name, UnsetType) else asked.name,
            email=None if isinstance(asked.email, UnsetType) else asked.email,
            limits=serialize.limits(asked.limits, account.limits),
        ),
    )
    call.house.credentials.forget()
    return json(serialize.account(changed))


async def close_account(call: Call) -> Answer:
    """Closes an account that has no sender domains left, with its API keys."""
    await accounts.close_account(call.deps, call.part("accountId"), call.actor)
    call.house.credentials.forget()
    return json(schemas.Done(success=True))


async def own_account(call: Call) -> Answer:
    """Shows the caller's account."""
    return json(serialize.account(await accounts.find_account(call.deps, call.account_id)))


async def change_own_account(call: Call) -> Answer:
    """Says whether reminders are mailed to the caller's account."""
    asked = await call.body(schemas.OwnAccountChange)
    update = accounts.AccountUpdate(reminders=asked.reminders)
    changed = await accounts.change_account(call.deps, call.account_id, call.actor, update)
    return json(serialize.account(changed))


async def own_usage(call: Call) -> Answer:
    """Shows what the caller's account uses of what it may; works over the monthly requests too, and is not counted."""
    limits = call.caller.limits
    requests = schemas.Used(
        used=await call.house.usage.used(call.account_id),
        allowed=serialize.given(limits.requests_per_month),
        resets_at=resets_at(call.deps.now()),
    )
    number = await call.deps.store.count_domains(call.account_id)
    domains = schemas.Used(used=number, allowed=serialize.given(limits.domains))
    unproven = await call.deps.store.count_unproven(call.account_id)
    pending = schemas.Used(used=unproven, allowed=pending_allowed(limits))
    return json(schemas.UsageOut(domains=domains, requests_per_month=requests, pending_claims=pending))


async def list_audit(call: Call) -> Answer:
    """Lists who did what, when, from where and by which key, the newest first; nothing is ever removed from it.

    It comes in pages, whose `Link` header (RFC 8288) leads to the next one.
    """
    query = call.query(schemas.AuditQuery)
    account, before = query.account_id or None, None if isinstance(query.cursor, UnsetType) else query.cursor
    found = await call.deps.store.audit_rows(account, before, query.limit + 1)
    body = json([serialize.audit(each.row) for each in found[: query.limit]])
    if len(found) <= query.limit:
        return body
    last = found[query.limit - 1].number
    return Answer(body=body.body, headers=next_page(call, limit=query.limit, cursor=last, accountId=account))


ENDPOINTS = (
    Endpoint(
        method="GET", path="/account", serve=own_account, access=Access.READ, topic="Your account",
        answer=schemas.AccountOut, free=True,
    ),
    Endpoint(
        method="PATCH", path="/account", serve=change_own_account, access=Access.WRITE, topic="Your account",
        answer=schemas.AccountOut, body=schemas.OwnAccountChange, free=True,
    ),
    Endpoint(
        method="GET", path="/account/usage", serve=own_usage, access=Access.READ, topic="Your account",
        answer=schemas.UsageOut, free=True,
    ),
    Endpoint(
        method="POST", path="/accounts", serve=open_account, access=Access.OPERATOR, topic="Accounts (operator)",
        answer=schemas.AccountOut, body=schemas.NewAccount, faults=(Kind.PARAMETER_INVALID,),
    ),
    Endpoint(
        method="GET", path="/accounts", serve=list_accounts, access=Access.OPERATOR, topic="Accounts (operator)",
        answer=list[schemas.AccountOut],
    ),
    Endpoint(
        method="GET", path="/accounts/{accountId}", serve=show_account, access=Access.OPERATOR,
        topic="Accounts (operator)", answer=schemas.AccountOut, faults=(Kind.NOT_FOUND,),
    ),
    Endpoint(
        method="PATCH", path="/accounts/{accountId}", serve=change_account, access=Access.OPERATOR,
        topic="Accounts (operator)", answer=schemas.AccountOut, body=schemas.AccountChange,
        faults=(Kind.NOT_FOUND, Kind.PARAMETER_INVALID),
    ),
    Endpoint(
        method="GET", path="/audit", serve=list_audit, access=Access.OPERATOR, topic="Accounts (operator)",
        answer=list[schemas.AuditOut], query=schemas.AuditQuery, faults=(Kind.PARAMETER_INVALID,),
    ),
    Endpoint(
        method="DELETE", path="/accounts/{accountId}", serve=close_account, access=Access.OPERATOR,
        topic="Accounts (operator)", answer=schemas.Done, faults=(Kind.NOT_FOUND, Kind.CONFLICT),
    ),
)  # fmt: skip

"""Endpoints of accounts: the operator's, and the caller's own."""

from collections.abc import AsyncIterator

from msgspec import UNSET, UnsetType, convert
from starlette.responses import Response, StreamingResponse

from letterhead.core.accounts.accounts import Scope
from letterhead.core.accounts.quotas import Limits, pending_allowed, resets_at
from letterhead.errors import Fault, Kind
from letterhead.operations import account_closure, account_export, account_work, accounts, audit, confirmed_addresses
from letterhead.web import schemas, schemas_keys, serialize
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.routes.keys import REQUEST, make_key_for
from letterhead.web.schemas_operator import (
    AccountCloseQuery,
    AccountWorkOut,
    AccountWorkQuery,
    BackupMade,
    ClosedAccount,
    ClosureReceiptOut,
    NewArchive,
)
from letterhead.web.serialize import json_response


async def open_account(context: RequestContext) -> Response:
    """Opens an account and answers with its first API key of full scope, this once."""
    asked = await context.body(schemas.NewAccount)
    limits = serialize.limits(asked.limits, Limits())
    account, made = await accounts.open_account(context.deps, asked.name, asked.email, limits, context.actor)
    return json_response(serialize.account(account, made.text))


async def list_accounts(context: RequestContext) -> Response:
    """Lists all accounts, the oldest first."""
    return json_response([serialize.account(each) for each in await accounts.list_accounts(context.deps)])


async def list_account_work(context: RequestContext) -> Response:
    """Lists who takes how much of the service: of checks, provider calls, webhooks, mail, requests and streams.

    Sorted by kind and share. The figures are written each minute, and kept for hours that have begun.
    """
    asked = context.query(AccountWorkQuery)
    shares = await account_work.work_shares(context.deps, account_work.PERIODS[asked.period])
    return json_response(
        [
            AccountWorkOut(
                kind=each.work.kind,
                account_id=each.work.account_id or UNSET,
                account_name=each.work.account_name or UNSET,
                number=each.work.number,
                milliseconds=each.work.milliseconds,
                octets=each.work.octets,
                share=round(each.share, 4),
            )
            for each in shares
        ]
    )


async def show_account(context: RequestContext) -> Response:
    """Shows one account."""
    return json_response(serialize.account(await accounts.find_account(context.deps, context.part("accountId"))))


async def change_account(context: RequestContext) -> Response:
    """Changes what is given of an account's name, email, limits and cover of names; a limit of null is unlimited."""
    asked = await context.body(schemas.AccountChange)
    account = await accounts.find_account(context.deps, context.part("accountId"))
    changed = await accounts.change_account(
        context.deps,
        account.id,
        context.actor,
        accounts.AccountUpdate(
            name=None if isinstance(asked.name, UnsetType) else asked.name,
            email=None if isinstance(asked.email, UnsetType) else asked.email,
            limits=serialize.limits(asked.limits, account.limits),
            covers_subdomains=asked.covers_subdomains,
        ),
    )
    context.state.credentials.forget()
    return json_response(serialize.account(changed))


async def close_account(context: RequestContext) -> Response:
    """Closes an account, with all that belongs to it, and answers with a receipt of what was destroyed.

    An account that has sender domains is refused, unless these are to be deleted as well (`withDomains=true`). Of many
    domains 100 are deleted, and `hasMore` is true: send the request again until it is false.
    """
    asked = context.query(AccountCloseQuery)
    receipt = await account_closure.close_account(
        context.deps, context.part("accountId"), context.actor, with_domains=asked.with_domains
    )
    context.state.credentials.forget()
    told = convert(receipt, ClosureReceiptOut, from_attributes=True)
    return json_response(ClosedAccount(success=True, has_more=receipt.has_more, receipt=told))


async def export_account(context: RequestContext) -> Response:
    """Writes an account as lines of JSON (NDJSON), which `letterhead import account` reads on another installation.

    Private keys and webhook secrets in it are sealed to the recipient; the audit has a row of it. It is whole only with
    its last line, the `end`. One is made at a time.
    """
    asked = await context.body(NewArchive)
    await context.take_operators_place(context.state.bulks)
    lines = await account_export.export_from_service(
        context.deps, context.part("accountId"), asked.recipient, context.deps.new_sealer, context.actor
    )
    first = await anext(lines)  # what is refused is refused before the response begins

    async def whole() -> AsyncIterator[bytes]:
        yield first
        async for line in lines:
            yield line

    return StreamingResponse(whole(), media_type=NDJSON)


async def make_key(context: RequestContext) -> Response:
    """Makes an API key for an account, for whoever has lost its own; its text is shown this once."""
    account = await accounts.find_account(context.deps, context.part("accountId"))
    return await make_key_for(context, account.id)


async def own_account(context: RequestContext) -> Response:
    """Shows the caller's account."""
    return json_response(serialize.account(await accounts.find_account(context.deps, context.account_id)))


async def change_own_account(context: RequestContext) -> Response:
    """Changes the caller's account: its reminders, whether new domains cover names below, its address once confirmed.

    For the address a key of the scope full is needed. A link is mailed there (`confirmationSentTo`), and the address
    counts when somebody has opened it and pressed its button; until then `email` stays.
    """
    asked = await context.body(schemas.OwnAccountChange)
    sent_to = None
    if isinstance(asked.email, str):
        if not context.may(Scope.FULL):
            held = context.caller.scope.value
            raise Fault(
                Kind.SCOPE_MISSING,
                f"This API key has the scope {held!r}; to change the account's address needs 'full'.",
                "Use a key of that scope.",
            )
        sent_to = await confirmed_addresses.ask_for_address(
            context.deps, context.account_id, asked.email, context.actor
        )
    reminders = None if isinstance(asked.reminders, UnsetType) else asked.reminders
    update = accounts.AccountUpdate(reminders=reminders, covers_subdomains=asked.covers_subdomains)
    changed = await accounts.change_account(context.deps, context.account_id, context.actor, update)
    return json_response(serialize.account(changed, sent_to=sent_to))


async def own_usage(context: RequestContext) -> Response:
    """Shows what the caller's account uses of what it may; works over the monthly requests too, and is not counted."""
    limits = context.caller.limits
    requests = schemas.Used(
        used=await context.state.usage.used(context.account_id),
        allowed=serialize.given(limits.requests_per_month),
        resets_at=resets_at(context.deps.now()),
    )
    number = await accounts.count_domains(context.deps, context.account_id)
    domains = schemas.Used(used=number, allowed=serialize.given(limits.domains))
    unproven = await accounts.count_unproven(context.deps, context.account_id)
    pending = schemas.Used(used=unproven, allowed=pending_allowed(limits))
    return json_response(schemas.UsageOut(domains=domains, requests_per_month=requests, pending_claims=pending))


async def list_audit(context: RequestContext) -> Response:
    """Lists who did what, when, from where and by which key, the newest first.

    Nothing is changed in it, and nothing removed but a closed month that the operator has moved out. Equal entries
    within an hour are one, with their `count`.

    It comes in pages, whose `Link` header (RFC 8288) leads to the next one.
    """
    query = context.query(schemas.AuditQuery)
    account, before = query.account_id or None, None if isinstance(query.cursor, UnsetType) else query.cursor
    found = await audit.list_audit(context.deps, account, before, query.limit + 1)
    headers = {}
    if len(found) > query.limit:
        last = found[query.limit - 1].number
        headers = context.link_to_next(limit=query.limit, cursor=last, accountId=account)
    return json_response([serialize.audit(each) for each in found[: query.limit]], headers)


async def list_audit_month(context: RequestContext) -> Response:
    """Shows a closed month of the audit log as lines of JSON (NDJSON), the oldest first, to be kept as a file.

    It comes in pages, whose `Link` header (RFC 8288) leads to the next one.
    """
    query = context.query(schemas.AuditMonthQuery)
    found = await audit.list_month(context.deps, query.month, query.cursor, query.limit)
    headers = {}
    if len(found) == query.limit:
        headers = context.link_to_next(month=query.month, limit=query.limit, cursor=found[-1].number)
    return Response(b"".join(map(audit.audit_line, found)), headers=headers, media_type=NDJSON)


async def detach_audit_month(context: RequestContext) -> Response:
    """Deletes a closed month of the audit log whose file is kept elsewhere; `rows` and `sha256` must be the file's.

    Both stay recorded, and the audit itself says who did it. Some thousand rows go at a time: ask again while
    `hasMore`.
    """
    file = await context.body(schemas.AuditMonthFile)
    done = await audit.detach_month(context.deps, file.month, file.rows, file.sha256, context.actor)
    kept = done.month
    return json_response(
        schemas.AuditDetached(
            month=kept.month, rows=kept.rows, sha256=kept.sha256, deleted=done.deleted, has_more=done.has_more
        )
    )


async def record_backup(context: RequestContext) -> Response:
    """Records in the audit that a backup was made: by whom, when, and the digest of its file, which stays where it is.

    `letterhead backup` does so itself; only beside a running service on SQLite does it ask for it here.
    """
    made = await context.body(BackupMade)
    await audit.record_backup(context.deps, context.actor, made.sha256, made.rows)
    return json_response(schemas.Done(success=True))


NDJSON = "application/x-ndjson"
ENDPOINTS = (
    Endpoint(
        method="GET", path="/account", serve=own_account, access=Access.READ, topic="Your account",
        answer=schemas.AccountOut, free=True,
    ),
    Endpoint(
        method="PATCH", path="/account", serve=change_own_account, access=Access.WRITE, topic="Your account",
        answer=schemas.AccountOut, body=schemas.OwnAccountChange, free=True,
        faults=(Kind.PARAMETER_INVALID, Kind.CONFLICT, Kind.SCOPE_MISSING, Kind.PROVIDER_FAILED),
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
        method="GET", path="/accounts/usage", serve=list_account_work, access=Access.OPERATOR,
        topic="Accounts (operator)", answer=list[AccountWorkOut], query=AccountWorkQuery,
        faults=(Kind.PARAMETER_INVALID,),
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
        method="POST", path="/accounts/{accountId}/keys", serve=make_key, access=Access.OPERATOR,
        topic="Accounts (operator)", answer=schemas_keys.MadeKey, body=schemas_keys.NewKey,
        faults=(Kind.NOT_FOUND, *REQUEST),
    ),
    Endpoint(
        method="POST", path="/accounts/{accountId}/archive", serve=export_account, access=Access.OPERATOR,
        topic="Accounts (operator)", body=NewArchive, media_type=NDJSON,
        faults=(Kind.NOT_FOUND, Kind.PARAMETER_INVALID, Kind.CONFLICT, Kind.TOO_MANY_REQUESTS),
    ),
    Endpoint(
        method="GET", path="/audit", serve=list_audit, access=Access.OPERATOR, topic="Accounts (operator)",
        answer=list[schemas.AuditOut], query=schemas.AuditQuery, faults=(Kind.PARAMETER_INVALID,),
    ),
    Endpoint(
        method="GET", path="/audit/month", serve=list_audit_month, access=Access.OPERATOR,
        topic="Accounts (operator)", query=schemas.AuditMonthQuery, media_type=NDJSON,
        faults=(Kind.PARAMETER_INVALID, Kind.CONFLICT),
    ),
    Endpoint(
        method="POST", path="/audit/backups", serve=record_backup, access=Access.OPERATOR,
        topic="Accounts (operator)", answer=schemas.Done, body=BackupMade, faults=(Kind.PARAMETER_INVALID,),
    ),
    Endpoint(
        method="POST", path="/audit/detach", serve=detach_audit_month, access=Access.OPERATOR,
        topic="Accounts (operator)", answer=schemas.AuditDetached, body=schemas.AuditMonthFile,
        faults=(Kind.PARAMETER_INVALID, Kind.CONFLICT),
    ),
    Endpoint(
        method="DELETE", path="/accounts/{accountId}", serve=close_account, access=Access.OPERATOR,
        topic="Accounts (operator)", answer=ClosedAccount, query=AccountCloseQuery,
        faults=(Kind.NOT_FOUND, Kind.PARAMETER_INVALID, Kind.CONFLICT),
    ),
)  # fmt: skip

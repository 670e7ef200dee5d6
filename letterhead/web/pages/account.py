"""Pages of an account: its API keys, its usage and its reminders."""

from datetime import timedelta

from starlette.responses import Response

from letterhead.core.accounts.accounts import Scope, is_reachable_address
from letterhead.core.accounts.quotas import resets_at
from letterhead.operations import account_address, accounts, audit
from letterhead.operations.accounts import NewApiKey
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.pages.responses import HOME, page_response, redirect

KEYS, USAGE = f"{HOME}/keys", f"{HOME}/account"
SCOPES = {scope.value: scope for scope in Scope}
AUDIT = 50


async def keys(context: RequestContext) -> Response:
    """List the account's API keys."""
    return await _show_keys(context)


async def _show_keys(context: RequestContext, made: NewApiKey | None = None) -> Response:
    listed = await accounts.list_keys(context.deps, context.account_id)
    return page_response(context, "keys.html", keys=list(reversed(listed)), made=made, now=context.deps.now())


async def make_key(context: RequestContext) -> Response:
    """Make an API key and show its text, this once."""
    made = await accounts.make_key(
        context.deps,
        context.account_id,
        context.actor,
        accounts.NewKeyRequest(
            name=context.form.get("name", "").strip()[:200] or context.state.templates.texts("keys.unnamed"),
            scope=SCOPES.get(context.form.get("scope", ""), Scope.READ),
        ),
    )
    return await _show_keys(context, made)


async def end_key(context: RequestContext) -> Response:
    """End an API key now, or in a week so that its users can move to another."""
    after = timedelta(days=7 if context.form.get("later") else 0)
    await accounts.end_key(context.deps, context.account_id, context.part("keyId"), context.actor, after)
    context.state.credentials.forget()
    return redirect(context, KEYS, done="key_ended")


async def account(context: RequestContext) -> Response:
    """Show the account, its usage and limits, and its audit."""
    deps, limits = context.deps, context.caller.limits
    return page_response(
        context,
        "account.html",
        account=(shown := await accounts.find_account(deps, context.account_id)),
        reachable=is_reachable_address(shown.email),
        domains=await accounts.count_domains(deps, context.account_id),
        requests=await context.state.usage.used(context.account_id),
        limits=limits,
        resets_at=resets_at(deps.now()),
        names={each.id: each.name for each in await accounts.list_keys(deps, context.account_id)},
        audit=[each.row for each in await audit.list_audit(deps, context.account_id, None, AUDIT)],
    )


async def change_reminders(context: RequestContext) -> Response:
    """Change whether reminders are mailed."""
    update = accounts.AccountUpdate(reminders=context.form.get("reminders") == "on")
    await accounts.change_account(context.deps, context.account_id, context.actor, update)
    return redirect(context, USAGE, done="saved")


async def ask_for_address(context: RequestContext) -> Response:
    """Mail a link to the account's new address, which counts once it was confirmed."""
    typed = context.form.get("email", "").strip()
    await account_address.ask_for_address(context.deps, context.account_id, typed, context.actor)
    return redirect(context, USAGE, done="address_asked")


PAGES = (
    Endpoint(method="GET", path=KEYS, serve=keys, access=Access.READ),
    Endpoint(method="POST", path=KEYS, serve=make_key, access=Access.FULL),
    Endpoint(method="POST", path=f"{KEYS}/{{keyId}}/end", serve=end_key, access=Access.FULL),
    Endpoint(method="GET", path=USAGE, serve=account, access=Access.READ),
    Endpoint(method="POST", path=f"{USAGE}/reminders", serve=change_reminders, access=Access.WRITE),
    Endpoint(method="POST", path=f"{USAGE}/address", serve=ask_for_address, access=Access.FULL),
)

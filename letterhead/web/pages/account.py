"""Pages of an account: its API keys, its usage, its reminders, and the credentials of DNS hosts that it keeps."""

from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from starlette.responses import Response

from letterhead.core.accounts.accounts import Scope, is_last_full_key, is_reachable_address
from letterhead.core.accounts.quotas import resets_at
from letterhead.errors import Fault, Kind
from letterhead.operations import accounts, alerts, audit, confirmed_addresses, dns_credentials, key_requests
from letterhead.operations.accounts import NewApiKey
from letterhead.operations.key_requests import KeyBounds
from letterhead.web import errors
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.pages.confirmation import ConfirmationPage, ask, is_confirmed
from letterhead.web.pages.responses import HOME, page_fault, page_response, redirect

KEYS, USAGE = f"{HOME}/keys", f"{HOME}/account"
SCOPES = {scope.value: scope for scope in Scope}
CREDENTIAL = f"{USAGE}/credentials/{{credentialId}}"
AUDIT = 50
IN_USE = timedelta(days=30)  # since a key was used last


async def keys(context: RequestContext) -> Response:
    """List the account's API keys."""
    return await _show_keys(context)


async def _show_keys(context: RequestContext, made: NewApiKey | None = None, fault: Fault | None = None) -> Response:
    listed = await accounts.list_keys(context.deps, context.account_id)
    last = next((each.id for each in listed if is_last_full_key(listed, each.id)), None)
    now = context.deps.now()
    return page_response(
        context,
        "keys.html",
        errors.status_of(fault.kind) if fault else 200,
        keys=list(reversed(listed)),
        made=made,
        now=now,
        last_full=last,
        fault=fault,
        typed=context.form if fault else {},
    )


async def make_key(context: RequestContext) -> Response:
    """Make an API key and show its text, this once."""
    request = accounts.NewKeyRequest(
        name=context.form.get("name", "").strip()[:200] or context.state.templates.texts("keys.unnamed"),
        scope=SCOPES.get(context.form.get("scope", ""), Scope.READ),
    )
    try:
        checked = key_requests.check_request(context.deps, request, _bounds(context), context.caller)
    except Fault as fault:
        return await _show_keys(context, fault=fault)
    return await _show_keys(context, await accounts.make_key(context.deps, context.account_id, context.actor, checked))


def _bounds(context: RequestContext) -> KeyBounds:
    """Return what the form holds a new key to; Fault `parameter-invalid` for a day that is none."""
    form, until = context.form, context.form.get("until", "").strip()
    try:
        ends_at = datetime.fromisoformat(until).replace(tzinfo=UTC) + timedelta(days=1) if until else None
    except (ValueError, OverflowError) as bad:
        raise page_fault(context, Kind.PARAMETER_INVALID, "day") from bad
    return KeyBounds(
        domains=tuple(form.get("domains", "").replace(",", " ").split()),
        covers_below="below" in form,
        networks=tuple(form.get("networks", "").replace(",", " ").split()),
        ends_at=ends_at,
    )


async def ask_end_key(context: RequestContext) -> Response:
    """Ask before an API key is ended, now or in a week."""
    return ask(context, await _ending(context, later=bool(context.parameter("later"))))


async def _ending(context: RequestContext, *, later: bool) -> ConfirmationPage:
    """Return what is asked before a key is ended: a mail server may send with one in use, so its name is typed."""
    key = await accounts.find_key(context.deps, context.account_id, context.part("keyId"))
    used, now = key.last_used_at, context.deps.now()
    in_use = used is not None and now - used < IN_USE
    stops = ["confirm.key_later"] if later else ["confirm.key_used"] if in_use else ["confirm.key_unused"]
    stops += ["confirm.key_sessions_own"] if key.id == context.caller.key_id else ["confirm.key_sessions"]
    return ConfirmationPage(
        title="confirm.key_later_title" if later else "confirm.key_title",
        button="confirm.key_later_button" if later else "confirm.key_button",
        action=f"{KEYS}/{quote(key.id, safe='')}/end",
        back=KEYS,
        stops=(*stops, "confirm.for_good"),
        word=key.name if in_use and not later else None,
        places={"name": key.name, "key": key.masked},
        fields={"later": "yes"} if later else {},
    )


async def end_key(context: RequestContext) -> Response:
    """End an API key, once that was confirmed: now, or in a week so that its users can move to another."""
    later = bool(context.form.get("later"))
    if not is_confirmed(context, page := await _ending(context, later=later)):
        return ask(context, page)
    key_id, after = context.part("keyId"), timedelta(days=7 if later else 0)
    await accounts.end_key(context.deps, context.account_id, key_id, context.actor, after)
    context.state.credentials.forget()
    if key_id == context.caller.key_id and not later:
        return redirect(context, "/sign-in", done="own_key_ended")
    return redirect(context, KEYS, done="key_ends" if later else "key_ended")


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
        openid=deps.sign_in,
        resets_at=resets_at(deps.now()),
        names={each.id: each.name for each in await accounts.list_keys(deps, context.account_id)},
        channels=await alerts.list_channels(deps, context.account_id),
        sends_alerts=deps.alerts is not None,
        credentials=await dns_credentials.list_credentials(deps, context.account_id),
        audit=[each.row for each in await audit.list_audit(deps, context.account_id, None, AUDIT)],
    )


async def change_credential(context: RequestContext) -> Response:
    """Change whether records that vanish are put back by a kept credential."""
    put_back = context.form.get("put_back") == "on"
    key = context.part("credentialId")
    await dns_credentials.change_credential(context.deps, context.account_id, key, context.actor, put_back=put_back)
    return redirect(context, USAGE, done="saved")


async def ask_delete_credential(context: RequestContext) -> Response:
    """Ask before a kept credential is deleted."""
    return ask(context, await _deleting(context))


async def _deleting(context: RequestContext) -> ConfirmationPage:
    kept = await dns_credentials.find_credential(context.deps, context.account_id, context.part("credentialId"))
    return ConfirmationPage(
        title="confirm.credential_title",
        button="confirm.credential_button",
        action=f"{USAGE}/credentials/{quote(kept.id, safe='')}/delete",
        back=USAGE,
        stops=("confirm.credential_stops",),
        places={"zone": kept.zone, "host": kept.host},
    )


async def delete_credential(context: RequestContext) -> Response:
    """Delete a kept credential, once that was confirmed."""
    if not is_confirmed(context, page := await _deleting(context)):
        return ask(context, page)
    key = context.part("credentialId")
    await dns_credentials.delete_credential(context.deps, context.account_id, key, context.actor)
    return redirect(context, USAGE, done="credential_deleted")


async def ask_sign_out(context: RequestContext) -> Response:
    """Ask before every session is ended."""
    name = "confirm.sessions_all" if context.caller.may_manage else "confirm.sessions_own"
    return ask(
        context,
        ConfirmationPage(
            title="confirm.sessions_title",
            button="confirm.sessions_button",
            action="/sign-out",
            back=USAGE,
            stops=(name, "confirm.sessions_keys"),
            fields={"everywhere": "yes"},
        ),
    )


async def change_reminders(context: RequestContext) -> Response:
    """Change whether reminders are mailed."""
    update = accounts.AccountUpdate(reminders=context.form.get("reminders") == "on")
    await accounts.change_account(context.deps, context.account_id, context.actor, update)
    return redirect(context, USAGE, done="saved")


async def ask_for_address(context: RequestContext) -> Response:
    """Mail a link to the account's new address, which counts once it was confirmed."""
    typed = context.form.get("email", "").strip()
    await confirmed_addresses.ask_for_address(context.deps, context.account_id, typed, context.actor)
    return redirect(context, USAGE, done="address_asked")


PAGES = (
    Endpoint(method="GET", path=KEYS, serve=keys, access=Access.READ),
    Endpoint(method="POST", path=KEYS, serve=make_key, access=Access.FULL),
    Endpoint(method="GET", path=f"{KEYS}/{{keyId}}/end", serve=ask_end_key, access=Access.FULL),
    Endpoint(method="POST", path=f"{KEYS}/{{keyId}}/end", serve=end_key, access=Access.FULL),
    Endpoint(method="GET", path=USAGE, serve=account, access=Access.READ),
    Endpoint(method="POST", path=CREDENTIAL, serve=change_credential, access=Access.WRITE),
    Endpoint(method="GET", path=f"{CREDENTIAL}/delete", serve=ask_delete_credential, access=Access.WRITE),
    Endpoint(method="POST", path=f"{CREDENTIAL}/delete", serve=delete_credential, access=Access.WRITE),
    Endpoint(method="GET", path=f"{USAGE}/sign-out", serve=ask_sign_out, access=Access.READ, for_bound=True),
    Endpoint(method="POST", path=f"{USAGE}/reminders", serve=change_reminders, access=Access.WRITE),
    Endpoint(method="POST", path=f"{USAGE}/address", serve=ask_for_address, access=Access.FULL),
)

"""Pages to sign in and out."""

import base64
from urllib.parse import quote

from starlette.responses import Response

from letterhead.errors import Fault, Kind
from letterhead.operations import accounts, sessions
from letterhead.web import errors
from letterhead.web.access import JsonRenderer
from letterhead.web.auth import client_address
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.pages.responses import (
    FORM,
    HOME,
    OPERATOR_HOME,
    PATH_SAFE,
    SESSION,
    page_fault,
    page_response,
    redirect,
    set_cookie,
)


async def root(context: RequestContext) -> Response:
    """Redirect to the first page; answer a program that asks for JSON alone by 404 in JSON."""
    ranges = [each.partition(";")[0].strip().lower() for each in context.request.headers.get("accept", "").split(",")]
    if all(each == "application/json" or each.endswith("+json") for each in ranges):
        return JsonRenderer().render_fault(context, errors.fault_of_status(404, "GET", context.request.scope["path"]))
    return redirect(context, OPERATOR_HOME if context.is_operator else HOME)


async def show_sign_in(context: RequestContext) -> Response:
    """Show the form to sign in."""
    if context.session is not None:
        return redirect(context, HOME if context.session.caller else OPERATOR_HOME)
    return form(context)


def form(context: RequestContext, fault: Fault | None = None) -> Response:
    """Respond with the form to sign in, and the fault of the last attempt."""
    return open_form(
        context,
        "sign-in.html",
        errors.status_of(fault.kind) if fault else 200,
        fault=fault,
        next=context.parameter("next"),
        openid=context.deps.sign_in,
        tracking_id=context.log.tracking_id,
    )


def open_form(context: RequestContext, template: str, status: int, **values: object) -> Response:
    """Respond with a form for somebody without a session, whose token a cookie of its own is for."""
    fresh = not context.form_seed
    if fresh:
        context.form_seed = base64.urlsafe_b64encode(context.deps.random_octets(18)).decode()
    response = page_response(context, template, status, **values)
    if fresh:
        set_cookie(context, response, FORM, context.form_seed)
    return response


async def sign_in(context: RequestContext) -> Response:
    """Exchange an API key, or the operator's token, for a session."""
    key = context.form.get("key", "").strip()
    is_operator = context.state.credentials.is_operator_token(key)
    home = OPERATOR_HOME if is_operator else HOME
    try:
        if is_operator:
            token = await sessions.sign_in_operator(context.deps, key, context.actor)
        else:
            caller = await accounts.caller_of(context.deps, key, client_address(context.request))
            context.state.rates.take(caller)
            token = await sessions.sign_in(context.deps, caller, context.actor)
    except Fault as fault:
        if fault.kind is not Kind.UNAUTHORIZED:
            raise
        await context.state.credentials.count_failure(context.request)
        return form(context, page_fault(context, fault.kind, "key"))
    response = redirect(context, page_below(context.parameter("next"), home))
    set_cookie(context, response, SESSION, token, int(sessions.LASTS.total_seconds()))
    return response


def page_below(path: str, home: str) -> str:
    """Return the path of a page below `home`, percent-encoded; `home` for any other path or address."""
    parts = path.split("/")
    is_below = path == home or (path.startswith(f"{home}/") and "//" not in path)
    if not is_below or {".", ".."} & set(parts) or set(path) & set("\\?#"):
        return home
    return quote(path, safe=PATH_SAFE, errors="replace")


async def sign_out(context: RequestContext) -> Response:
    """End this session, or all of them."""
    everywhere = bool(context.form.get("everywhere")) and context.session is not None
    if everywhere and context.session is not None:
        await sessions.sign_out_everywhere(context.deps, context.session)
    await sessions.sign_out(context.deps, context.form_seed)
    response = redirect(context, "/sign-in", done="signed_out_everywhere" if everywhere else "signed_out")
    set_cookie(context, response, SESSION, "", 0)
    return response


PAGES = (
    Endpoint(method="GET", path="/", serve=root, access=Access.OPEN),
    Endpoint(method="GET", path="/sign-in", serve=show_sign_in, access=Access.OPEN),
    Endpoint(method="POST", path="/sign-in", serve=sign_in, access=Access.OPEN),
    Endpoint(method="POST", path="/sign-out", serve=sign_out, access=Access.OPEN),
)

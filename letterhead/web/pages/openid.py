"""Sign-in by OpenID Connect: the redirect to the provider, and the address that the provider redirects back to."""

import base64
import hmac
import re
from typing import Final
from urllib.parse import unquote

import structlog
from starlette.responses import Response

from letterhead.errors import Fault, Kind
from letterhead.operations import members, openid_sign_in, sessions
from letterhead.operations.openid_sign_in import SignedInPerson
from letterhead.ports.sign_in import Person, SignIn, SignInAttempt
from letterhead.web.auth import client_address
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.pages.invitations import show_to_person
from letterhead.web.pages.responses import HOME, OPERATOR_HOME, SESSION, page_fault, read_cookie, redirect, set_cookie
from letterhead.web.pages.signing import form, open_form, page_below
from letterhead.web.serialize import JSON

log = structlog.get_logger()

_ERROR: Final = re.compile("[a-z_]{1,60}")
ATTEMPT, MINUTES = "letterhead-openid", 10
START, BACK, CHOOSE = "/sign-in/openid", "/sign-in/openid/back", "/sign-in/openid/account"


async def redirect_to_provider(context: RequestContext) -> Response:
    """Redirect to the provider, with a cookie that ties its response to this browser; Fault `not-found`."""
    provider = _provider(context)
    context.state.openid_rates.take(client_address(context.request))
    seed = base64.urlsafe_b64encode(context.deps.random_octets(24)).decode()
    # A link and no form: the policy's form-action would also hold for the redirect that follows a form.
    address = await provider.address(_attempt(context, seed))
    response = Response(status_code=303, headers={"Location": address}, media_type=JSON)
    set_cookie(context, response, ATTEMPT, f"{seed}.{context.parameter('next')}", MINUTES * 60)
    return response


async def finish_sign_in(context: RequestContext) -> Response:
    """Open a session for the person whom the provider signed in, in the browser that began the attempt."""
    seed, _, wanted = unquote(read_cookie(context, ATTEMPT)).partition(".")
    provider, attempt = _provider(context), _attempt(context, seed)
    state, code = context.parameter("state"), context.request.query_params.get("code", "")[:4000]
    try:
        if not seed or not hmac.compare_digest(state.encode("utf-8", "replace"), attempt.state.encode()) or not code:
            raise _new_lost(context, state == attempt.state)
        context.state.openid_rates.take(client_address(context.request))
        response = await _let_in(context, await provider.person(attempt, code), wanted)
    except Fault as fault:
        if fault.kind is not Kind.UNAUTHORIZED:
            raise
        await context.state.credentials.count_failure(context.request)
        response = form(context, fault)
    set_cookie(context, response, ATTEMPT, "", 0)
    return response


async def _let_in(context: RequestContext, said: Person, wanted: str) -> Response:
    """Open a session in the one place that a person may enter, or let them choose one; Fault `unauthorized`.

    Whoever came from an invitation is shown it again, to accept it.
    """
    person = await openid_sign_in.find_person(context.deps, said)
    if wanted.startswith(members.PATH):
        return await show_to_person(context, wanted.removeprefix(members.PATH), person)
    accounts = await openid_sign_in.choices(context.deps, person)
    ids = [each.id for each in accounts] + [openid_sign_in.OPERATOR] * person.is_operator
    if not ids:
        raise openid_sign_in.refuse_person(said)
    if len(ids) == 1:
        return await _enter(context, person, ids[0], wanted)
    sealed = openid_sign_in.seal_person(context.deps, person)
    return open_form(context, "choose.html", 200, person=person, accounts=accounts, sealed=sealed, next=wanted)


async def choose(context: RequestContext) -> Response:
    """Open a session in the account that a person chose, or as the operator."""
    try:
        person = openid_sign_in.unseal_person(context.deps, context.form.get("person", ""))
        return await _enter(context, person, context.form.get("account", ""), context.form.get("next", ""))
    except Fault as fault:
        if fault.kind is not Kind.UNAUTHORIZED:
            raise
        return form(context, fault)


async def _enter(context: RequestContext, person: SignedInPerson, chosen: str, wanted: str) -> Response:
    token = await openid_sign_in.enter(context.deps, person, chosen, context.actor)
    home = OPERATOR_HOME if chosen == openid_sign_in.OPERATOR else HOME
    response = redirect(context, page_below(wanted, home))
    set_cookie(context, response, SESSION, token, int(sessions.LASTS.total_seconds()))
    return response


def _new_lost(context: RequestContext, is_ours: bool) -> Fault:
    """Return the fault for who came back without a code, and log what the provider says of it (RFC 6749 4.1.2.1)."""
    error = context.parameter("error")
    if is_ours:
        log.warning("openid.refused", code="came-back", error=error if _ERROR.fullmatch(error) else None)
    fault = page_fault(context, Kind.UNAUTHORIZED, "openid")
    fault.provider, fault.provider_code = "openid", "came-back"
    return fault


def _attempt(context: RequestContext, seed: str) -> SignInAttempt:
    return sessions.attempt(context.deps, seed, f"{context.state.settings.public_url}{BACK}")


def _provider(context: RequestContext) -> SignIn:
    if context.deps.sign_in is None:
        raise page_fault(context, Kind.NOT_FOUND, "no_openid")
    return context.deps.sign_in


PAGES = (
    Endpoint(method="GET", path=START, serve=redirect_to_provider, access=Access.OPEN),
    Endpoint(method="GET", path=BACK, serve=finish_sign_in, access=Access.OPEN),
    Endpoint(method="POST", path=CHOOSE, serve=choose, access=Access.OPEN),
)

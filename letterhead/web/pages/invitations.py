"""The page of an invitation: what it is to, and, for a person who has signed in, the button that accepts it."""

from starlette.responses import Response

from letterhead.errors import Fault, Kind
from letterhead.operations import members, openid_sign_in, sessions
from letterhead.operations.openid_sign_in import SignedInPerson
from letterhead.web import errors
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.pages.responses import HOME, SESSION, page_fault, page_response, redirect, set_cookie

PATH = f"{members.PATH}{{token}}"


async def show_invitation(context: RequestContext) -> Response:
    """Show what an invitation is to, with the way to sign in; it is not accepted by looking, as mail scanners do."""
    return await _show(context, context.part("token"))


async def show_to_person(context: RequestContext, token: str, person: SignedInPerson) -> Response:
    """Show an invitation to a person who has signed in, with the button that accepts it."""
    return await _show(context, token, person)


async def _show(
    context: RequestContext, token: str, person: SignedInPerson | None = None, fault: Fault | None = None
) -> Response:
    if context.deps.sign_in is None:
        raise page_fault(context, Kind.NOT_FOUND, "no_openid")
    invitation, account = await members.find_invitation(context.deps, token)
    if person is not None and fault is None:
        try:
            members.check_invited(invitation, person)
        except Fault as refused:
            fault = refused
    context.form_seed = token  # the form's path has the token, which is the secret of the form, too
    return page_response(
        context,
        "invitation.html",
        errors.status_of(fault.kind) if fault else 200,
        invitation=invitation,
        account=account,
        person=person,
        sealed=openid_sign_in.seal_person(context.deps, person) if person else "",
        token=token,
        fault=fault,
        tracking_id=context.log.tracking_id,
    )


async def accept(context: RequestContext) -> Response:
    """Make the person who signed in a member, and open their session."""
    token = context.part("token")
    person: SignedInPerson | None = None
    try:
        person = openid_sign_in.unseal_person(context.deps, context.form.get("person", ""))
        session = await members.accept(context.deps, token, person, context.actor)
    except Fault as fault:
        if fault.kind not in (Kind.CONFLICT, Kind.UNAUTHORIZED):
            raise
        return await _show(context, token, person, fault)
    response = redirect(context, HOME)
    set_cookie(context, response, SESSION, session, int(sessions.LASTS.total_seconds()))
    return response


PAGES = (
    Endpoint(method="GET", path=PATH, serve=show_invitation, access=Access.OPEN),
    Endpoint(method="POST", path=PATH, serve=accept, access=Access.OPEN),
)

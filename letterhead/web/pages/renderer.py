"""The renderer of pages: session cookies, form tokens (against CSRF), and faults as pages."""

from urllib.parse import parse_qsl

from starlette.responses import Response

from letterhead.core.accounts.accounts import Scope
from letterhead.errors import Fault, Kind
from letterhead.operations import accounts, sessions
from letterhead.web import errors, request_body
from letterhead.web.auth import client_address
from letterhead.web.context import RequestContext
from letterhead.web.endpoint import Access
from letterhead.web.pages.languages import page_language, switch
from letterhead.web.pages.responses import (
    FORM,
    SESSION,
    page_fault,
    page_response,
    page_texts,
    read_cookie,
    redirect,
)
from letterhead.web.templating.environment import Templates

FIELDS = 30
# Who reads a page can do nothing about these: what is wrong stands in the operator's log alone.
UNAVAILABLE = frozenset(
    {
        Kind.STORAGE_UNAVAILABLE,
        Kind.SCHEMA_OUTDATED,
        Kind.KEYRING_WRONG,
        Kind.DATABASE_IN_USE,
        Kind.CONFIG_INVALID,
        Kind.UNREACHABLE,
        Kind.INTERNAL,
    }
)


class PageRenderer:
    """The renderer for browsers; see `access.Renderer`."""

    def __init__(self, templates: Templates) -> None:
        self.requests = templates.texts("refusal.requests")

    async def identify(self, context: RequestContext, access: Access) -> None:  # noqa: ARG002 open pages greet too
        """Find the session of the cookie, if it is still valid."""
        token = read_cookie(context, SESSION)
        session = await sessions.find_session(context.deps, token) if token else None
        if session is None:
            context.form_seed = read_cookie(context, FORM)
            return
        if session.caller is None and not context.state.credentials.is_operator_session(session):
            return  # the operator's token was changed
        if session.caller is not None and session.mark and context.deps.sign_in is None:
            return  # signed in by a provider that is not set any more
        if session.caller is not None:
            try:
                accounts.check_caller(context.deps, session.caller, client_address(context.request))
            except Fault:  # the page of somebody who is not signed in
                return
        context.session, context.form_seed = session, token
        context.signed_in, context.is_operator = session.caller, session.caller is None
        context.log.account_id = session.caller.account_id if session.caller else None

    async def prepare(self, context: RequestContext, method: str) -> None:
        """Read the form of a POST.

        Fault `scope-missing` for a form that no page of ours has sent, `media-type-unsupported`, `body-invalid`.
        """
        if method != "POST":
            return
        headers = context.request.headers
        media = headers.get("content-type", "").partition(";")[0].strip().lower()
        if media != "application/x-www-form-urlencoded":
            raise page_fault(context, Kind.MEDIA_TYPE_UNSUPPORTED, "no_form")
        octets = await request_body.read_octets(context.request)
        try:
            fields = dict(parse_qsl(octets.decode("utf-8"), keep_blank_values=True, max_num_fields=FIELDS))
        except ValueError as bad:
            raise page_fault(context, Kind.BODY_INVALID, "unreadable_form") from bad
        # A browser names the origin of a form (Fetch Metadata); the token is for old ones and those that do not.
        foreign = headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
        # A set-up link's token is the secret of its forms: a page in a frame of another site gets no cookie.
        seed = context.request.path_params.get("token") or context.form_seed
        if foreign or not sessions.is_form_token(context.deps, seed, fields.get("csrf", "")):
            raise page_fault(context, Kind.SCOPE_MISSING, "foreign_form")
        context.form = fields

    def scope_missing(self, context: RequestContext, needed: Scope) -> Fault:
        """Return the refusal with both scopes; for who signed in by OpenID Connect it mentions no key."""
        is_person = context.session is not None and bool(context.session.mark)
        held, kind = context.caller.scope.value, Kind.SCOPE_MISSING
        return page_fault(context, kind, "person_scope" if is_person else "scope", held=held, needed=needed.value)

    def render_fault(self, context: RequestContext, fault: Fault) -> Response:
        """Return a fault as a page; `unauthorized` redirects to the sign-in form, which leads back to a page."""
        request = context.request
        if fault.kind is Kind.UNAUTHORIZED:
            query = {} if request.method == "POST" else {"next": request.scope["path"]}
            if context.session is None and read_cookie(context, SESSION):  # it has ended since the last page
                query["done"] = "session_ended"
            return redirect(context, "/sign-in", **query)
        if fault.kind in UNAVAILABLE:
            fault = page_fault(context, fault.kind, "unavailable", errors.public_fault(fault).retry_after)
        if fault.kind is Kind.NOT_FOUND and context.log.route == "none":
            fault = page_fault(context, fault.kind, "lost", path=request.scope["path"][:200])
        if fault.kind is Kind.METHOD_NOT_ALLOWED:
            fault = page_fault(context, fault.kind, "no_form")
        fix = fault.fix
        if fault.retry_after is not None and fault.kind is Kind.TOO_MANY_REQUESTS:
            fix = page_texts(context)("refusal.wait", number=fault.retry_after)
        status, tracking_id = errors.status_of(fault.kind), context.log.tracking_id
        language = page_language(context)
        detail, fix = (
            context.state.templates.texts.without_operations(language.phrase(each))
            for each in (fault.detail, fix or "")
        )
        response = page_response(
            context,
            "fault.html",
            status,
            status=status,
            detail=detail,
            fix=fix,
            tracking_id=tracking_id,
            languages=switch(context),
        )
        if fault.retry_after is not None:
            response.headers["Retry-After"] = str(fault.retry_after)
        return response


class MailedPageRenderer(PageRenderer):
    """The renderer of pages that mails lead to: nobody signs in there, and a mail program may press the button itself.

    It sends no form of a page (RFC 8058); the link's token is the secret.
    """

    async def identify(self, context: RequestContext, access: Access) -> None:
        """Take nobody's session."""

    async def prepare(self, context: RequestContext, method: str) -> None:
        """Read no body."""

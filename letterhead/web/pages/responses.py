"""What pages respond with: a rendered template, a redirect after a form, a fault in the page's language, a cookie."""

from urllib.parse import quote, urlencode

from starlette.responses import Response

from letterhead.core.accounts.accounts import Scope
from letterhead.errors import Fault, Kind
from letterhead.operations import sessions
from letterhead.web.context import RequestContext
from letterhead.web.pages import languages
from letterhead.web.templating.texts import Texts

HTML = "text/html; charset=utf-8"
HOME, OPERATOR_HOME = "/dashboard", "/operator"
SESSION, FORM = "letterhead-session", "letterhead-form"  # cookies
PATH_SAFE = "/:@!$&'()*+,;="  # RFC 3986 3.3, besides the unreserved characters


def page_response(context: RequestContext, template: str, code: int = 200, /, **values: object) -> Response:
    """Render a template with the values that every page has: who is signed in, the path, and the form token."""
    templates = context.state.templates
    html = templates.render(
        template,
        t=page_texts(context),
        signed_in=context.session is not None,
        is_operator=context.is_operator,
        may_write=context.may(Scope.WRITE),
        may_manage=context.signed_in is not None and context.signed_in.may_manage,
        is_bound=context.signed_in is not None and context.signed_in.binding is not None,
        path=context.request.scope["path"],
        csrf=sessions.form_token(context.deps, context.form_seed) if context.form_seed else "",
        done=context.parameter("done"),
        for_customers=languages.is_for_customers(context),
        **values,
    )
    # A link that has ended says so in the frame that it was shown in, too.
    framed = languages.is_setup_page(context)
    headers = {"Content-Security-Policy": templates.framed_policy if framed else templates.policy}
    response = Response(html.encode("utf-8", "replace"), code, headers, HTML)
    languages.add_headers(context, response)
    return response


def page_texts(context: RequestContext) -> Texts:
    """Return the texts in the language of the page that a request asks for."""
    return context.state.templates.texts.translated(languages.page_language(context))


def redirect(context: RequestContext, path: str, **query: str) -> Response:
    """Redirect to another page by 303 (RFC 9110 15.4.4)."""
    parameters = f"?{urlencode(query)}" if query else ""
    # A header holds ASCII (RFC 9110 5.5); what is percent-encoded stays as it is.
    address = quote(f"{context.state.templates.root}{path}", safe=f"{PATH_SAFE}%", errors="replace")
    return Response(b"", 303, {"Location": f"{address}{parameters}"}, HTML)


def page_fault(
    context: RequestContext, kind: Kind, name: str, /, retry_after: int | None = None, **places: object
) -> Fault:
    """Return a fault with the texts `refusal.<name>` and `refusal.<name>_fix`."""
    texts = page_texts(context)
    detail, fix = texts(f"refusal.{name}", **places), texts(f"refusal.{name}_fix", **places)
    return Fault(kind, detail, fix, retry_after=retry_after)


def set_cookie(context: RequestContext, response: Response, name: str, value: str, seconds: int | None = None) -> None:
    """Set a cookie that scripts can't read and other sites' forms don't carry; for `seconds`, or the browser's session.

    A value may hold any text: it is percent-encoded.
    """
    templates = context.state.templates
    response.set_cookie(
        _full_name(context, name), quote(value, safe="-_"), max_age=seconds, path=templates.root or "/",
        secure=templates.https, httponly=True, samesite="Lax",  # type: ignore[arg-type] # as RFC 6265bis 5.7.3 writes it
    )  # fmt: skip


def read_cookie(context: RequestContext, name: str) -> str:
    """Return the value of a cookie as it was sent; empty where there is none."""
    return context.request.cookies.get(_full_name(context, name), "")


def _full_name(context: RequestContext, name: str) -> str:
    """Return a cookie's name with the prefix by which browsers refuse it from another host (RFC 6265bis 4.1.3).

    `__Host-` needs https and the path `/`; below a path of PUBLIC_URL it is `__Secure-`, with http there is none.
    """
    templates = context.state.templates
    if not templates.https:
        return name
    return f"__Secure-{name}" if templates.root else f"__Host-{name}"


def domain_path(sender: str) -> str:
    """Return the path of a domain's page."""
    return f"{HOME}/domains/{quote(sender, safe='')}"

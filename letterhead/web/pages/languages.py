"""The language of a page for customers: the one in its address, or chosen before, or that the browser asks for.

The switch on the page is a list of links with the parameter `lang`, which every address on the page passes on: it holds
without scripts, in a frame, and where a browser keeps no cookie. The cookie is for coming back from the DNS host.
"""

from urllib.parse import urlencode

from starlette.responses import Response

from letterhead.core.languages.language import ENGLISH, Language
from letterhead.core.languages.negotiation import NAMES, PARAMETER, accepted_language, known_language
from letterhead.web.context import RequestContext

COOKIE = "letterhead-language"
KEPT = 90 * 86400  # seconds: no link works for longer
KEPT_PARAMETERS = ("theme", "close")  # of the page's address, besides the language
SETUP = "/setup/"
FOR_CUSTOMERS = (SETUP, "/account/address/", "/reminders/opt-out/")  # how the paths of their pages begin


def is_for_customers(context: RequestContext) -> bool:
    """Tell whether a page is for the customers of an account, who read other languages too."""
    path: str = context.request.scope["path"]
    return path.startswith(FOR_CUSTOMERS)


def is_setup_page(context: RequestContext) -> bool:
    """Tell whether a page is of a set-up link: it may be shown in a frame, and one comes back to it."""
    path: str = context.request.scope["path"]
    return path.startswith(SETUP)


def named_language(context: RequestContext) -> str | None:
    """Return the language that the address names, or None."""
    return known_language(context.parameter(PARAMETER)) if is_for_customers(context) else None


def page_language(context: RequestContext) -> Language:
    """Return the language of the page that a request asks for."""
    if not is_for_customers(context):
        return ENGLISH
    code = named_language(context) or known_language(context.request.cookies.get(COOKIE))
    wanted = ",".join(context.request.headers.getlist("accept-language"))
    return context.deps.languages(code or accepted_language(wanted))


def with_language(context: RequestContext, path: str, **query: str) -> str:
    """Return a path on the page, which passes on the language that the address names."""
    named = named_language(context)
    query |= {PARAMETER: named} if named else {}
    return f"{path}?{urlencode(query)}" if query else path


def switch(context: RequestContext) -> list[tuple[str, str, str]]:
    """Return the code of each language, its name, and the address of the page in it; nothing where it is no page.

    What answers a form has no address of its own that would show the same again.
    """
    if not is_for_customers(context) or context.request.method not in ("GET", "HEAD"):
        return []
    kept = {name: value for name in KEPT_PARAMETERS if (value := context.parameter(name))}
    return [(code.value, name, f"?{urlencode({**kept, PARAMETER: code.value})}") for code, name in NAMES.items()]


def add_headers(context: RequestContext, response: Response) -> None:
    """Add what names the language of a page for customers, and what keeps that of a set-up page's address."""
    if not is_for_customers(context):
        return
    response.headers["Content-Language"] = page_language(context).code
    response.headers.add_vary_header("Accept-Language")
    response.headers.add_vary_header("Cookie")
    named = named_language(context)
    if named is not None and is_setup_page(context):
        templates = context.state.templates
        response.set_cookie(
            COOKIE, named, max_age=KEPT, path=f"{templates.root}{SETUP}", secure=templates.https, samesite="lax",
            httponly=True,
        )  # fmt: skip
